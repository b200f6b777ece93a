//! Organisations and projects.

use noukai_api::CaptureMode;
use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

pub async fn made_once(store: Shared) {
    let ids = at_once(20, |_| {
        let store = store.clone();
        async move { project(&store, "demo").await }
    })
    .await;
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(store.projects().await.unwrap().len(), 1);
    assert_ne!(project(&store, "other").await, ids[0]);
    let both = store.projects().await.unwrap();
    assert_eq!(both.len(), 2);
    assert_eq!(both[0].org_id, both[1].org_id);
}

pub async fn read_by_id_and_address(store: Shared) {
    let id = project(&store, "demo").await;
    let found = store.project(id).await.unwrap().unwrap();
    assert_eq!((found.slug.as_str(), found.org_slug.as_str()), ("demo", "acme"));
    assert_eq!(store.project_at("acme", "demo").await.unwrap(), Some(found));
    assert_eq!(store.project_at("acme", "none").await.unwrap(), None);
    assert_eq!(store.project_at("none", "demo").await.unwrap(), None);
    assert_eq!(store.project(ProjectId(Uuid::nil())).await.unwrap(), None);
}

pub async fn capture_is_the_organisations(store: Shared) {
    let demo = project(&store, "demo").await;
    let foreign =
        store.ensure_project("globex", "demo", Uuid::now_v7(), ProjectId(Uuid::now_v7()), at(0)).await.unwrap();
    let record = store.project(demo).await.unwrap().unwrap();
    assert_eq!(record.trace_capture, CaptureMode::MetadataOnly);
    store.set_trace_capture(record.org_id, CaptureMode::Full).await.unwrap();
    assert_eq!(store.project(demo).await.unwrap().unwrap().trace_capture, CaptureMode::Full);
    assert_eq!(store.project(foreign.id).await.unwrap().unwrap().trace_capture, CaptureMode::MetadataOnly);
    assert!(is_conflict(&store.set_trace_capture(Uuid::nil(), CaptureMode::Off).await));
}
