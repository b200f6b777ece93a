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

pub async fn made_listed_and_changed(store: Shared) {
    let demo = project(&store, "demo").await;
    let org = store.project(demo).await.unwrap().unwrap().org_id;
    let settings = ProjectSettings { name: "Mail".into(), description: "What for".into(), flows_as_tools: true };
    let new = |slug: &str, org_id| {
        let id = ProjectId(Uuid::now_v7());
        NewProject { id, org_id, slug: slug.into(), settings: settings.clone(), at: at(3) }
    };
    let mail = new("mail", org);
    assert!(store.create_project(mail.clone()).await.unwrap());
    assert!(!store.create_project(new("mail", org)).await.unwrap());
    assert!(!store.create_project(new("mail", Uuid::nil())).await.unwrap());
    let found = store.project(mail.id).await.unwrap().unwrap();
    assert_eq!((&found.settings, found.created_at, found.models_revision), (&settings, at(3), 0));
    let slugs = |projects: Vec<ProjectRecord>| projects.into_iter().map(|one| one.slug).collect::<Vec<_>>();
    assert_eq!(slugs(store.projects_of(org, None, 9).await.unwrap()), ["demo", "mail"]);
    assert_eq!(slugs(store.projects_of(org, None, 1).await.unwrap()), ["demo"]);
    assert_eq!(slugs(store.projects_of(org, Some("demo"), 9).await.unwrap()), ["mail"]);
    assert_eq!(slugs(store.projects_of(Uuid::nil(), None, 9).await.unwrap()), Vec::<String>::new());
    let other = ProjectSettings { flows_as_tools: false, ..settings };
    assert!(!store.update_project(Uuid::nil(), mail.id, &other).await.unwrap());
    assert!(store.update_project(org, mail.id, &other).await.unwrap());
    assert_eq!(store.project(mail.id).await.unwrap().unwrap().settings, other);
    assert!(store.rename_organisation(org, "Acme").await.unwrap());
    assert!(!store.rename_organisation(Uuid::nil(), "Acme").await.unwrap());
    let found = store.organisation(org).await.unwrap().unwrap();
    assert_eq!((found.slug.as_str(), found.name.as_str()), ("acme", "Acme"));
    assert_eq!(store.organisation(Uuid::nil()).await.unwrap(), None);
}
