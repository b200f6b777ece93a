//! Object models, and the drafts that follow them.

use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

fn model(project: ProjectId, name: &str) -> ObjectModelRecord {
    ObjectModelRecord {
        id: Uuid::now_v7(),
        project_id: project,
        name: name.into(),
        description: "What for".into(),
        schema: r#"{"type":"object"}"#.into(),
        revision: 1,
        created_at: at(1),
        by: by(1),
    }
}

async fn change(
    store: &Shared,
    record: &ObjectModelRecord,
    what: ModelAction,
    drafts: Vec<ModelDraft>,
) -> ModelChanged {
    let on_revision = store.project(record.project_id).await.unwrap().unwrap().models_revision;
    let (project_id, name) = (record.project_id, record.name.clone());
    store.change_model(ModelChange { project_id, on_revision, what, name, drafts }).await.unwrap()
}

fn naming(slug: &str, hash: &str, resolved: &str, name: &str, revision: u64) -> Draft {
    let models = Some(ModelsUsed { names: vec![name.into()], revision });
    Draft { resolved: Some(document(resolved)), models, ..draft_of(slug, hash) }
}

pub async fn made_changed_deleted(store: Shared) {
    let demo = project(&store, "demo").await;
    let record = model(demo, "Invoice");
    assert_eq!(change(&store, &record, ModelAction::Create(record.clone()), vec![]).await, ModelChanged::Done);
    let twin = model(demo, "Invoice");
    assert_eq!(change(&store, &twin, ModelAction::Create(twin.clone()), vec![]).await, ModelChanged::NameTaken);
    assert_eq!(store.object_models(demo).await.unwrap(), std::slice::from_ref(&record));
    let next = ObjectModelRecord { schema: "{}".into(), revision: 2, by: by(5), ..record.clone() };
    assert_eq!(change(&store, &next, ModelAction::Update(next.clone()), vec![]).await, ModelChanged::Done);
    assert_eq!(change(&store, &next, ModelAction::Update(next.clone()), vec![]).await, ModelChanged::Missing);
    assert_eq!(store.object_models(demo).await.unwrap(), std::slice::from_ref(&next));
    let org = store.project(demo).await.unwrap().unwrap().org_id;
    assert_eq!(store.object_model_of(org, record.id).await.unwrap(), Some(next.clone()));
    assert_eq!(store.object_model_of(Uuid::nil(), record.id).await.unwrap(), None);
    let delete_on = |on_revision| ModelAction::Delete { id: record.id, on_revision, by: by(6) };
    assert_eq!(change(&store, &record, delete_on(Some(1)), vec![]).await, ModelChanged::Missing, "it is at 2");
    let delete = delete_on(Some(2));
    assert_eq!(change(&store, &record, delete.clone(), vec![]).await, ModelChanged::Done);
    assert_eq!(change(&store, &record, delete, vec![]).await, ModelChanged::Missing);
    assert_eq!(store.project(demo).await.unwrap().unwrap().models_revision, 3);
}

pub async fn paged_by_name(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    for (project, name) in [(demo, "Mail"), (demo, "Invoice"), (demo, "Order"), (other, "Note")] {
        let record = model(project, name);
        change(&store, &record, ModelAction::Create(record.clone()), vec![]).await;
    }
    let page = async |after: Option<&str>, limit| {
        let found = store.object_model_page(demo, after, limit).await.unwrap();
        found.into_iter().map(|model| model.name).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 9).await, ["Invoice", "Mail", "Order"]);
    assert_eq!(page(None, 2).await, ["Invoice", "Mail"]);
    assert_eq!(page(Some("Mail"), 2).await, ["Order"]);
    assert_eq!(page(Some("Lost"), 1).await, ["Mail"]);
    assert_eq!(page(Some("Order"), 2).await, Vec::<String>::new());
}

pub async fn drafts_follow(store: Shared) {
    let demo = project(&store, "demo").await;
    let record = model(demo, "Invoice");
    change(&store, &record, ModelAction::Create(record.clone()), vec![]).await;
    let new = new_flow(demo, naming("triage", "s1", "r1", "Invoice", 1));
    let flow = store.create_flow(new).await.unwrap().unwrap();
    assert_eq!((flow.draft_hash.as_str(), flow.source_hash.as_str()), ("r1", "s1"));
    let users = store.flows_with_model(demo, "Invoice").await.unwrap();
    assert_eq!(users, [(flow.clone(), r#"{"hash":"s1"}"#.to_owned())]);
    assert_eq!(store.flows_with_model(demo, "Other").await.unwrap(), []);

    let next = ObjectModelRecord { revision: 2, ..record.clone() };
    let follow = |revision| vec![ModelDraft { flow_id: flow.id, revision, resolved: document("r2") }];
    assert_eq!(change(&store, &next, ModelAction::Update(next.clone()), vec![]).await, ModelChanged::Moved);
    assert_eq!(change(&store, &next, ModelAction::Update(next.clone()), follow(9)).await, ModelChanged::Moved);
    assert_eq!(change(&store, &next, ModelAction::Update(next.clone()), follow(1)).await, ModelChanged::Done);
    let now = store.flow(demo, "triage").await.unwrap().unwrap();
    assert_eq!((now.draft_hash.as_str(), now.source_hash.as_str(), now.revision), ("r2", "s1", 1));
    assert_eq!(store.document(demo, "r1").await.unwrap(), None);
    assert!(store.document(demo, "s1").await.unwrap().is_some());

    // What no longer names it no longer follows it.
    let change = change_to(&now, draft_of("triage", "s2"), &[]);
    assert!(matches!(store.change_draft(change).await.unwrap(), Changed::Done(_)));
    assert_eq!(store.flows_with_model(demo, "Invoice").await.unwrap(), []);
    assert_eq!(store.document(demo, "r2").await.unwrap(), None);
}

pub async fn drafts_made_with_old_ones_are_refused(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "plain", "h1").await;
    let record = model(demo, "Invoice");
    change(&store, &record, ModelAction::Create(record.clone()), vec![]).await;
    let new = new_flow(demo, naming("triage", "s1", "r1", "Invoice", 0));
    assert_eq!(store.create_flow(new).await.unwrap(), None);
    let late = change_to(&flow, naming("plain", "s1", "r1", "Invoice", 0), &[]);
    assert_eq!(store.change_draft(late).await.unwrap(), Changed::ModelsMoved);
    let fine = change_to(&flow, naming("plain", "s1", "r1", "Invoice", 1), &[]);
    assert!(matches!(store.change_draft(fine).await.unwrap(), Changed::Done(_)));
}

pub async fn versions_keep_what_they_had(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = store.create_flow(new_flow(demo, naming("triage", "s1", "r1", "Invoice", 0))).await.unwrap().unwrap();
    publish(&store, demo, "triage").await;
    let record = model(demo, "Invoice");
    let follow = vec![ModelDraft { flow_id: flow.id, revision: 1, resolved: document("r2") }];
    assert_eq!(change(&store, &record, ModelAction::Create(record.clone()), follow).await, ModelChanged::Done);
    let version = store.version(demo, flow.id, 1).await.unwrap().unwrap();
    assert_eq!((version.hash.as_str(), version.source_hash.as_str()), ("r1", "s1"));
    assert!(store.document(demo, "r1").await.unwrap().is_some());
    assert!(matches!(publish(&store, demo, "triage").await, Published::New(version) if version.hash == "r2"));
}

pub async fn hidden_from_other_projects(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let record = model(demo, "Invoice");
    change(&store, &record, ModelAction::Create(record.clone()), vec![]).await;
    assert_eq!(store.object_models(other).await.unwrap(), []);
    let theirs = ObjectModelRecord { project_id: other, ..record.clone() };
    let update = ModelAction::Update(ObjectModelRecord { revision: 2, ..record.clone() });
    assert_eq!(change(&store, &theirs, update, vec![]).await, ModelChanged::Missing);
    let delete = ModelAction::Delete { id: record.id, on_revision: None, by: by(2) };
    assert_eq!(change(&store, &theirs, delete, vec![]).await, ModelChanged::Missing);
    assert_eq!(store.object_models(demo).await.unwrap(), [record]);
}
