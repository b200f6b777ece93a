//! Flows, their documents and versions.

use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

pub async fn draft_is_made_and_replaced(store: Shared) {
    let demo = project(&store, "demo").await;
    let first = draft(&store, demo, "triage", "h1").await;
    assert_eq!((first.draft_hash.as_str(), first.latest_version, &first.production), ("h1", 0, &None));
    assert_eq!((first.revision, first.last_seq, first.description.as_str()), (1, 1, "What for"));
    let second = draft(&store, demo, "triage", "h2").await;
    assert_eq!((second.id, second.draft_hash.as_str()), (first.id, "h2"));
    assert_eq!((second.revision, second.last_seq, second.updated_at), (2, 2, at(2)));
    assert_eq!(store.flow(demo, "triage").await.unwrap(), Some(second));
    assert_eq!(store.flow(demo, "none").await.unwrap(), None);
    assert_eq!(store.document(demo, "h2").await.unwrap().unwrap(), r#"{"hash":"h2"}"#);
    assert_eq!(store.document(demo, "h3").await.unwrap(), None);
    draft(&store, demo, "triage", "h1").await;
    assert!(store.document(demo, "h1").await.unwrap().is_some());
}

pub async fn what_only_a_draft_had_goes_with_it(store: Shared) {
    let demo = project(&store, "demo").await;
    draft(&store, demo, "triage", "h1").await;
    draft(&store, demo, "triage", "h2").await;
    assert_eq!(store.document(demo, "h1").await.unwrap(), None);
    assert!(!store.keep_document(demo, "h1").await.unwrap());
    assert!(store.keep_document(demo, "h2").await.unwrap());
    draft(&store, demo, "triage", "h3").await;
    publish(&store, demo, "triage").await;
    draft(&store, demo, "triage", "h4").await;
    for kept in ["h2", "h3", "h4"] {
        assert!(store.document(demo, kept).await.unwrap().is_some(), "{kept}");
    }
    // Still kept where it was a draft again.
    draft(&store, demo, "triage", "h2").await;
    draft(&store, demo, "triage", "h5").await;
    assert!(store.document(demo, "h2").await.unwrap().is_some());
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
    publish(&store, demo, "triage").await;
    assert_eq!(remove(&store, demo, flow.id, Some(7)).await, Removed::Stale(1));
    assert_eq!(remove(&store, demo, flow.id, Some(1)).await, Removed::Done);
    assert_eq!(remove(&store, demo, flow.id, None).await, Removed::Missing);
    assert_eq!(store.flow(demo, "triage").await.unwrap(), None);
    assert_eq!(store.flows(demo).await.unwrap(), []);
    assert!(store.document(demo, "h1").await.unwrap().is_some());
    assert!(store.version(demo, flow.id, 1).await.unwrap().is_some());
    assert_eq!(store.publish(publication(&flow)).await.unwrap(), Published::Missing);
    assert!(!promote(&store, demo, flow.id, 1).await);
    assert_eq!(store.change_draft(change_to(&flow, draft_of("triage", "h2"), &[])).await.unwrap(), Changed::Missing);
    let again = draft(&store, demo, "triage", "h1").await;
    assert_ne!(again.id, flow.id);
    assert_eq!(again.latest_version, 0);
}

pub async fn publish_counts_up(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    let Published::New(first) = publish(&store, demo, "triage").await else { panic!("a new version") };
    assert_eq!((first.number, first.hash.as_str(), first.note.as_str()), (1, "h1", "note"));
    assert_eq!(first.by, by(2));
    draft(&store, demo, "triage", "h2").await;
    let Published::New(second) = publish(&store, demo, "triage").await else { panic!("a new version") };
    assert_eq!(second.number, 2);
    draft(&store, demo, "triage", "h1").await;
    let Published::New(third) = publish(&store, demo, "triage").await else { panic!("a new version") };
    assert_eq!(third.number, 3);
    assert_eq!(store.version(demo, flow.id, 1).await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.version(demo, flow.id, 4).await.unwrap(), None);
    let flow = store.flow(demo, "triage").await.unwrap().unwrap();
    assert_eq!((flow.latest_version, flow.revision), (3, 3));
    assert_eq!(store.versions(demo, flow.id, None, 2).await.unwrap(), [third, second.clone()]);
    assert_eq!(store.versions(demo, flow.id, Some(3), 9).await.unwrap(), [second, first]);
}

pub async fn publish_refuses_another_draft(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    let old = publication(&flow);
    draft(&store, demo, "triage", "h2").await;
    assert_eq!(store.publish(old).await.unwrap(), Published::Moved);
    let flow = store.flow(demo, "triage").await.unwrap().unwrap();
    let mut skips = publication(&flow);
    skips.version.number = 2;
    assert_eq!(store.publish(skips).await.unwrap(), Published::Moved);
    let none = Publication { flow_id: FlowId(Uuid::nil()), ..publication(&flow) };
    assert_eq!(store.publish(none).await.unwrap(), Published::Missing);
    assert_eq!(store.flow(demo, "triage").await.unwrap().unwrap().latest_version, 0);
    assert_eq!(store.flow(demo, "triage").await.unwrap().unwrap().last_seq, 2);
}

pub async fn same_content_is_the_same_version(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    let versions = at_once(20, |_| {
        let (store, publication) = (store.clone(), publication(&flow));
        async move { store.publish(publication).await.unwrap() }
    })
    .await;
    let new = versions.iter().filter(|published| matches!(published, Published::New(_))).count();
    assert_eq!(new, 1);
    for published in versions {
        let (Published::New(version) | Published::Same(version)) = published else { panic!("{published:?}") };
        assert_eq!(version.number, 1);
    }
    assert_eq!(store.flow(demo, "triage").await.unwrap().unwrap().last_seq, 2);
}

pub async fn production_is_set_and_read(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    assert!(!promote(&store, demo, flow.id, 1).await);
    publish(&store, demo, "triage").await;
    draft(&store, demo, "triage", "h2").await;
    publish(&store, demo, "triage").await;
    for (number, hash) in [(2, "h2"), (1, "h1")] {
        assert!(promote(&store, demo, flow.id, number).await);
        let found = store.flow(demo, "triage").await.unwrap().unwrap();
        assert_eq!(found.production, Some((number, hash.to_owned())));
        assert_eq!(store.flows(demo).await.unwrap(), [found]);
    }
    assert!(!promote(&store, demo, flow.id, 0).await);
    for (wanted, became) in [(0, Promoted::Stale(1)), (2, Promoted::Stale(1))] {
        assert_eq!(promote_instead_of(&store, demo, flow.id, 2, Some(wanted)).await, became);
    }
    assert_eq!(promote_instead_of(&store, demo, flow.id, 9, Some(1)).await, Promoted::Missing);
    let history = store.promotions(demo, flow.id, 9).await.unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].by, by(4));
    assert_eq!(store.promotions(demo, flow.id, 1).await.unwrap().len(), 1);
    assert_eq!(promote_instead_of(&store, demo, flow.id, 2, Some(1)).await, Promoted::Done);
}

pub async fn deprecated_and_back(store: Shared) {
    let demo = project(&store, "demo").await;
    let flow = draft(&store, demo, "triage", "h1").await;
    publish(&store, demo, "triage").await;
    let why = Some((at(9), "too slow".to_owned()));
    let mark = async |on, why: &Option<_>| match store.deprecate(demo, flow.id, 1, on, why.clone()).await.unwrap() {
        Marked::Done(version) => version,
        other => panic!("{other:?}"),
    };
    let marked = mark(None, &why).await;
    assert_eq!((&marked.deprecated, marked.revision), (&why, 2));
    assert_eq!(store.version(demo, flow.id, 1).await.unwrap(), Some(marked.clone()));
    assert_eq!(store.deprecate(demo, flow.id, 1, Some(1), None).await.unwrap(), Marked::Stale(2));
    assert_eq!(store.version(demo, flow.id, 1).await.unwrap(), Some(marked));
    assert_eq!(mark(Some(2), &None).await.deprecated, None);
    for on in [None, Some(1)] {
        assert_eq!(store.deprecate(demo, flow.id, 2, on, None).await.unwrap(), Marked::Missing);
    }
}

pub async fn hidden_from_other_projects(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let flow = draft(&store, demo, "triage", "h1").await;
    publish(&store, demo, "triage").await;
    assert_eq!(store.flow(other, "triage").await.unwrap(), None);
    assert_eq!(store.flows(other).await.unwrap(), []);
    assert_eq!(store.document(other, "h1").await.unwrap(), None);
    assert!(!store.keep_document(other, "h1").await.unwrap());
    assert_eq!(store.version(other, flow.id, 1).await.unwrap(), None);
    assert_eq!(store.versions(other, flow.id, None, 9).await.unwrap(), []);
    assert_eq!(store.deprecate(other, flow.id, 1, None, Some((at(3), String::new()))).await.unwrap(), Marked::Missing);
    assert_eq!(remove(&store, other, flow.id, None).await, Removed::Missing);
    let publication = Publication { project_id: other, ..publication(&flow) };
    assert_eq!(store.publish(publication).await.unwrap(), Published::Missing);
    assert!(!promote(&store, other, flow.id, 1).await);
    let change = DraftChange { project_id: other, ..change_to(&flow, draft_of("triage", "h9"), &[]) };
    assert_eq!(store.change_draft(change).await.unwrap(), Changed::Missing);
    let theirs = draft(&store, other, "triage", "h9").await;
    assert_ne!(theirs.id, flow.id);
    assert_eq!(store.version(demo, flow.id, 1).await.unwrap().unwrap().deprecated, None);
    assert_eq!(store.flow(demo, "triage").await.unwrap().unwrap().draft_hash, "h1");
    let taken = NewFlow { id: flow.id, ..new_flow(other, draft_of("mine-now", "h9")) };
    assert!(is_conflict(&store.create_flow(taken).await));
    assert_eq!(store.flow(other, "mine-now").await.unwrap(), None);
}

pub async fn hostile_text_is_only_text(store: Shared) {
    let demo = project(&store, "demo").await;
    for text in HOSTILE {
        let source = StoredDocument { hash: text.into(), json: text.into() };
        let [slug, name, description] = [text, text, text].map(str::to_owned);
        let draft = Draft { slug, name, description, source, resolved: None, models: None };
        let flow = store.create_flow(new_flow(demo, draft)).await.unwrap().unwrap();
        assert_eq!((flow.slug.as_str(), flow.name.as_str()), (text, text));
        assert_eq!(store.flow(demo, text).await.unwrap(), Some(flow));
        assert_eq!(store.document(demo, text).await.unwrap().as_deref(), Some(text));
        publish(&store, demo, text).await;
        let filter = FlowFilter { text: Some(text.to_owned()), after: None, limit: 9 };
        assert!(store.flow_page(demo, filter).await.unwrap().iter().any(|flow| flow.slug == text), "{text}");
    }
    assert_eq!(store.flows(demo).await.unwrap().len(), HOSTILE.len());
}
