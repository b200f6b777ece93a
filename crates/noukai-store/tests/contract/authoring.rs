//! How flows come to be: revisions, the log, pages, checkpoints.

use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

fn page(limit: u32) -> FlowFilter {
    FlowFilter { limit, ..FlowFilter::default() }
}

fn lines(limit: u32) -> OperationFilter {
    OperationFilter { limit, ..OperationFilter::default() }
}

async fn org(store: &Shared, project: ProjectId) -> Uuid {
    store.project(project).await.unwrap().unwrap().org_id
}

pub async fn one_of_many_authors_is_first(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h0").await;
    let outcomes = at_once(20, |number| {
        let (store, change) = (store.clone(), change_to(&flow, draft_of("triage", &format!("h{number}")), &["a"]));
        async move { store.change_draft(change).await.unwrap() }
    })
    .await;
    let done = outcomes.iter().filter(|outcome| matches!(outcome, Changed::Done(_))).count();
    assert_eq!(done, 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Changed::Stale(2)).count(), 19);
    let now = store.flow(demo, "triage").await.unwrap().unwrap();
    assert_eq!((now.revision, now.last_seq), (2, 2));
    assert_eq!(store.operations(demo, flow.id, lines(9)).await.unwrap().len(), 2);
    assert!(store.document(demo, &now.draft_hash).await.unwrap().is_some());
}

pub async fn one_of_many_takes_the_slug(store: Shared) {
    let demo = project(&store, "demo").await;
    let made = at_once(10, |number| {
        let (store, new) = (store.clone(), new_flow(demo, draft_of("triage", &format!("h{number}"))));
        async move { store.create_flow(new).await }
    })
    .await;
    assert_eq!(made.iter().filter(|made| matches!(made, Ok(Some(_)))).count(), 1);
    assert!(made.iter().all(|made| matches!(made, Ok(_) | Err(StoreError::Conflict(_)))));
    assert_eq!(store.flows(demo).await.unwrap().len(), 1);
}

pub async fn a_slug_is_given_once(store: Shared) {
    let demo = project(&store, "demo").await;
    let (one, _) = (draft(&store, demo, "one", "h1").await, draft(&store, demo, "two", "h2").await);
    assert!(is_conflict(&store.change_draft(change_to(&one, draft_of("two", "h3"), &[])).await));
    let now = store.flow(demo, "one").await.unwrap().unwrap();
    assert_eq!((now.revision, now.last_seq), (1, 1));
    assert_eq!(store.document(demo, "h3").await.unwrap(), None);
    let moved = store.change_draft(change_to(&one, draft_of("three", "h3"), &[])).await.unwrap();
    assert!(matches!(moved, Changed::Done(flow) if flow.slug == "three" && flow.id == one.id));
}

pub async fn the_log_is_paged_and_narrowed(store: Shared) {
    let demo = project(&store, "demo").await;
    let mut flow = draft(&store, demo, "triage", "h1").await;
    for (hash, steps) in [("h2", vec!["a"]), ("h3", vec!["a", "b_b"]), ("h4", vec!["bxb"])] {
        let change = change_to(&flow, draft_of("triage", hash), &steps);
        let Changed::Done(changed) = store.change_draft(change).await.unwrap() else { panic!("changed") };
        flow = *changed;
    }
    let seqs = async |filter| {
        let found = store.operations(demo, flow.id, filter).await.unwrap();
        found.into_iter().map(|line| line.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(lines(9)).await, [4, 3, 2, 1]);
    assert_eq!(seqs(lines(2)).await, [4, 3]);
    assert_eq!(seqs(OperationFilter { before: Some(3), ..lines(9) }).await, [2, 1]);
    assert_eq!(seqs(OperationFilter { offset: 3, ..lines(9) }).await, [1]);
    let touching = |step: &str| OperationFilter { touched: Some(format!("\"step:{step}\"")), ..lines(9) };
    assert_eq!(seqs(touching("a")).await, [3, 2]);
    assert_eq!(seqs(touching("b_b")).await, [3]);
    assert_eq!(seqs(OperationFilter { op: Some("create_flow".into()), ..lines(9) }).await, [1]);
    let from = store.operations_from(demo, flow.id, 3, 9).await.unwrap();
    assert_eq!(from.iter().map(|line| line.seq).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(
        (from[0].revision, &from[0].operation, &from[0].by),
        (3, &operation("update_block", &["a", "b_b"]), &by(2))
    );
    let contents = store.content_versions(demo, flow.id).await.unwrap();
    assert_eq!(contents, [("a".to_owned(), 2), ("b_b".to_owned(), 1), ("bxb".to_owned(), 1)]);
}

pub async fn undone_and_done_again_is_noted(store: Shared) {
    let demo = project(&store, "demo").await;
    let mut flow = draft(&store, demo, "triage", "h1").await;
    for (hash, undoes) in [("h2", None), ("h1", Some(2)), ("h2", Some(3))] {
        let mut change = change_to(&flow, draft_of("triage", hash), &[]);
        change.operation.undoes = undoes;
        let Changed::Done(changed) = store.change_draft(change).await.unwrap() else { panic!("changed") };
        flow = *changed;
    }
    let lines = store.operations_from(demo, flow.id, 1, 9).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.undone_by).collect::<Vec<_>>(), [None, None, Some(4), None]);
    assert_eq!(lines.iter().map(|line| line.operation.undoes).collect::<Vec<_>>(), [None, None, Some(2), Some(3)]);
}

pub async fn all_of_a_life_is_logged(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    publish(&store, demo, "triage").await;
    promote(&store, demo, flow.id, 1).await;
    draft(&store, demo, "triage", "h2").await;
    remove(&store, demo, flow.id, None).await;
    let lines = store.operations_from(demo, flow.id, 0, 9).await.unwrap();
    let said: Vec<_> = lines.iter().map(|line| (line.seq, line.operation.op.as_str(), line.revision)).collect();
    assert_eq!(
        said,
        [
            (1, "create_flow", 1),
            (2, "publish_version", 1),
            (3, "set_production_version", 1),
            (4, "update_block", 2),
            (5, "delete_flow", 2)
        ]
    );
}

pub async fn pages_go_on_behind_a_slug(store: Shared) {
    let demo = project(&store, "demo").await;
    for slug in ["alpha", "beta", "gamma"] {
        let flow = draft(&store, demo, slug, &format!("h-{slug}")).await;
        publish(&store, demo, slug).await;
        let saved = checkpoint(&flow, "a");
        store.add_checkpoint(demo, saved).await.unwrap();
        store.add_test_case(&test_case(&flow), 9).await.unwrap();
    }
    let slugs = |flows: Vec<FlowRecord>| flows.into_iter().map(|flow| flow.slug).collect::<Vec<_>>();
    assert_eq!(slugs(store.flow_page(demo, page(2)).await.unwrap()), ["alpha", "beta"]);
    let behind = FlowFilter { after: Some("beta".into()), ..page(2) };
    assert_eq!(slugs(store.flow_page(demo, behind.clone()).await.unwrap()), ["gamma"]);
    assert_eq!(store.page_versions(demo, behind.clone()).await.unwrap().len(), 1);
    assert_eq!(store.page_checkpoints(demo, behind.clone()).await.unwrap().len(), 1);
    assert_eq!(store.page_test_cases(demo, behind.clone()).await.unwrap().len(), 1);
    let drafts = store.draft_page(demo, behind).await.unwrap();
    assert_eq!(drafts[0].1, r#"{"hash":"h-gamma"}"#);
    let with = |text: &str| FlowFilter { text: Some(text.into()), ..page(9) };
    assert_eq!(slugs(store.flow_page(demo, with("ET")).await.unwrap()), ["beta"]);
    assert_eq!(store.flow_page(demo, with("A FLOW")).await.unwrap().len(), 3);
    assert_eq!(store.flow_page(demo, with("%")).await.unwrap().len(), 0);
    let other = project(&store, "other").await;
    assert_eq!(store.draft_page(other, page(9)).await.unwrap(), []);
    assert_eq!(store.page_versions(other, page(9)).await.unwrap(), []);
    assert_eq!(store.page_test_cases(other, page(9)).await.unwrap(), []);
    assert_eq!(store.page_content_versions(other, page(9)).await.unwrap(), []);
}

pub async fn found_in_the_organisation_alone(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    let org = org(&store, demo).await;
    assert_eq!(store.flow_of(org, flow.id).await.unwrap().as_ref(), Some(&flow));
    assert_eq!(store.flow_of(Uuid::nil(), flow.id).await.unwrap(), None);
    remove(&store, demo, flow.id, None).await;
    assert_eq!(store.flow_of(org, flow.id).await.unwrap(), None);
}

fn test_case(flow: &FlowRecord) -> TestCaseRecord {
    TestCaseRecord {
        id: TestCaseId(Uuid::now_v7()),
        project_id: flow.project_id,
        flow_id: flow.id,
        name: "says it".into(),
        definition: "{}".into(),
        cassette: Some("{}".into()),
        replies: 1,
        revision: 1,
        created_at: at(1),
        created_by: "ann".into(),
        updated_at: at(1),
        updated_by: "ann".into(),
    }
}

fn checkpoint(flow: &FlowRecord, step: &str) -> CheckpointRecord {
    CheckpointRecord {
        id: Uuid::now_v7(),
        flow_id: flow.id,
        step_id: step.into(),
        note: "before".into(),
        revision: flow.revision,
        content: "{}".into(),
        by: by(3),
    }
}

pub async fn checkpoints_are_kept_and_go(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    let saved = [checkpoint(&flow, "a"), checkpoint(&flow, "b"), checkpoint(&flow, "a")];
    for one in &saved {
        assert!(store.add_checkpoint(demo, one.clone()).await.unwrap());
    }
    let all = CheckpointFilter { limit: 9, ..CheckpointFilter::default() };
    let found = store.checkpoints(demo, flow.id, all.clone()).await.unwrap();
    assert_eq!(found, [saved[2].clone(), saved[1].clone(), saved[0].clone()]);
    let of_a = CheckpointFilter { step_id: Some("a".into()), ..all.clone() };
    assert_eq!(store.checkpoints(demo, flow.id, of_a).await.unwrap().len(), 2);
    let older = CheckpointFilter { before: Some(saved[1].id), ..all.clone() };
    assert_eq!(store.checkpoints(demo, flow.id, older).await.unwrap(), [saved[0].clone()]);
    let other = project(&store, "other").await;
    assert!(!store.add_checkpoint(other, checkpoint(&flow, "a")).await.unwrap());
    assert_eq!(store.checkpoint(other, flow.id, saved[0].id).await.unwrap(), None);
    assert_eq!(store.checkpoints(other, flow.id, all).await.unwrap(), []);
    assert!(!store.remove_checkpoint(other, flow.id, saved[0].id).await.unwrap());
    assert_eq!(store.checkpoint(demo, flow.id, saved[0].id).await.unwrap().as_ref(), Some(&saved[0]));
    assert!(store.remove_checkpoint(demo, flow.id, saved[0].id).await.unwrap());
    assert!(!store.remove_checkpoint(demo, flow.id, saved[0].id).await.unwrap());
}
