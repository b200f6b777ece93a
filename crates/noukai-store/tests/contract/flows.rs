//! Flows, their documents and versions.

use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

async fn draft(store: &Shared, project: ProjectId, slug: &str, hash: &str) -> FlowRecord {
    let document = format!(r#"{{"hash":"{hash}"}}"#);
    store.put_draft(project, FlowId(Uuid::now_v7()), slug, "A flow", hash, &document, at(1)).await.unwrap()
}

async fn publish(store: &Shared, project: ProjectId, flow: FlowId, hash: &str) -> Result<VersionRecord, StoreError> {
    store.publish(project, flow, hash, "note", "ann", at(2)).await
}

pub async fn draft_is_made_and_replaced(store: Shared) {
    let demo = project(&store, "demo").await;
    let first = draft(&store, demo, "triage", "h1").await;
    assert_eq!((first.draft_hash.as_str(), first.latest_version, &first.production), ("h1", 0, &None));
    let second = draft(&store, demo, "triage", "h2").await;
    assert_eq!((second.id, second.draft_hash.as_str()), (first.id, "h2"));
    assert_eq!(store.flow(demo, "triage").await.unwrap(), Some(second));
    assert_eq!(store.flow(demo, "none").await.unwrap(), None);
    assert_eq!(store.document(demo, "h1").await.unwrap().unwrap(), r#"{"hash":"h1"}"#);
    assert_eq!(store.document(demo, "h3").await.unwrap(), None);
    draft(&store, demo, "triage", "h1").await;
}

pub async fn listed_by_slug(store: Shared) {
    let demo = project(&store, "demo").await;
    for slug in ["b", "a", "c"] {
        draft(&store, demo, slug, "h").await;
    }
    let slugs: Vec<String> = store.flows(demo).await.unwrap().into_iter().map(|flow| flow.slug).collect();
    assert_eq!(slugs, ["a", "b", "c"]);
}

pub async fn removed_is_out_of_sight(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    publish(&store, demo, flow.id, "h1").await.unwrap();
    assert!(store.remove_flow(demo, "triage", at(3)).await.unwrap());
    assert!(!store.remove_flow(demo, "triage", at(4)).await.unwrap());
    assert_eq!(store.flow(demo, "triage").await.unwrap(), None);
    assert_eq!(store.flows(demo).await.unwrap(), []);
    assert!(store.document(demo, "h1").await.unwrap().is_some());
    assert!(store.version(demo, flow.id, 1).await.unwrap().is_some());
    assert!(is_conflict(&publish(&store, demo, flow.id, "h1").await));
    assert!(!store.set_production(demo, flow.id, 1, "ann", at(5)).await.unwrap());
    let again = draft(&store, demo, "triage", "h1").await;
    assert_ne!(again.id, flow.id);
    assert_eq!(again.latest_version, 0);
}

pub async fn publish_counts_up(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    let first = publish(&store, demo, flow.id, "h1").await.unwrap();
    assert_eq!((first.number, first.hash.as_str(), first.created_at), (1, "h1", at(2)));
    assert_eq!((first.note.as_str(), first.author.as_str()), ("note", "ann"));
    draft(&store, demo, "triage", "h2").await;
    let second = publish(&store, demo, flow.id, "h2").await.unwrap();
    assert_eq!(second.number, 2);
    draft(&store, demo, "triage", "h1").await;
    assert_eq!(publish(&store, demo, flow.id, "h1").await.unwrap().number, 3);
    assert_eq!(store.version(demo, flow.id, 1).await.unwrap(), Some(first));
    assert_eq!(store.version(demo, flow.id, 2).await.unwrap(), Some(second));
    assert_eq!(store.version(demo, flow.id, 4).await.unwrap(), None);
    assert_eq!(store.flow(demo, "triage").await.unwrap().unwrap().latest_version, 3);
}

pub async fn publish_refuses_another_draft(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    assert!(is_conflict(&publish(&store, demo, flow.id, "h0").await));
    assert!(is_conflict(&publish(&store, demo, FlowId(Uuid::nil()), "h1").await));
    assert_eq!(store.flow(demo, "triage").await.unwrap().unwrap().latest_version, 0);
}

pub async fn same_content_is_the_same_version(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    let versions = at_once(20, |_| {
        let store = store.clone();
        async move { publish(&store, demo, flow.id, "h1").await.unwrap() }
    })
    .await;
    assert!(versions.iter().all(|version| version.number == 1));
    let other = store.publish(demo, flow.id, "h1", "another note", "bob", at(9)).await.unwrap();
    assert_eq!(other, versions[0]);
}

pub async fn production_is_set_and_read(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    assert!(!store.set_production(demo, flow.id, 1, "ann", at(3)).await.unwrap());
    publish(&store, demo, flow.id, "h1").await.unwrap();
    draft(&store, demo, "triage", "h2").await;
    publish(&store, demo, flow.id, "h2").await.unwrap();
    for (number, hash) in [(2, "h2"), (1, "h1")] {
        assert!(store.set_production(demo, flow.id, number, "ann", at(4)).await.unwrap());
        let found = store.flow(demo, "triage").await.unwrap().unwrap();
        assert_eq!(found.production, Some((number, hash.to_owned())));
        assert_eq!(store.flows(demo).await.unwrap(), [found]);
    }
    assert!(!store.set_production(demo, flow.id, 0, "ann", at(5)).await.unwrap());
}

pub async fn hidden_from_other_projects(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let flow = draft(&store, demo, "triage", "h1").await;
    publish(&store, demo, flow.id, "h1").await.unwrap();
    assert_eq!(store.flow(other, "triage").await.unwrap(), None);
    assert_eq!(store.flows(other).await.unwrap(), []);
    assert_eq!(store.document(other, "h1").await.unwrap(), None);
    assert_eq!(store.version(other, flow.id, 1).await.unwrap(), None);
    assert!(!store.remove_flow(other, "triage", at(3)).await.unwrap());
    assert!(is_conflict(&publish(&store, other, flow.id, "h1").await));
    assert!(!store.set_production(other, flow.id, 1, "eve", at(3)).await.unwrap());
    let theirs = draft(&store, other, "triage", "h9").await;
    assert_ne!(theirs.id, flow.id);
    assert_eq!(store.flow(demo, "triage").await.unwrap().unwrap().draft_hash, "h1");
    let taken = store.put_draft(other, flow.id, "mine-now", "x", "h9", "{}", at(4)).await;
    assert!(is_conflict(&taken), "{taken:?}");
}

pub async fn hostile_text_is_only_text(store: Shared) {
    let demo = project(&store, "demo").await;
    draft(&store, demo, "triage", "h1").await;
    for text in HOSTILE {
        assert_eq!(store.flow(demo, text).await.unwrap(), None);
        assert_eq!(store.document(demo, text).await.unwrap(), None);
        assert!(!store.remove_flow(demo, text, at(3)).await.unwrap());
        assert_eq!(store.project_at(text, text).await.unwrap(), None);
        let flow = draft(&store, demo, text, text).await;
        assert_eq!((flow.slug.as_str(), flow.draft_hash.as_str()), (text, text));
    }
    assert_eq!(store.flows(demo).await.unwrap().len(), 1 + HOSTILE.len());
}
