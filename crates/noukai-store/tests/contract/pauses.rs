//! Pauses, and who takes a run on.

use noukai_api::{RunStatus, Tokens, TriggerType};
use noukai_store::*;

use super::bed::*;

async fn paused(store: &Shared, project: ProjectId, pause: Option<&str>) -> RunId {
    let id = started(store, project, TriggerType::Execute).await;
    store.append(write(project, id).events(1..=1).change(pause_with(pause))).stored().await.unwrap();
    id
}

pub async fn pause_is_kept_and_counted(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = paused(&store, demo, Some("first")).await;
    assert_eq!(store.pause(demo, id).await.unwrap().as_deref(), Some("first"));
    let run = store.run(demo, id).await.unwrap().unwrap();
    assert_eq!((run.status, run.pauses, run.tokens), (RunStatus::Paused, 1, Tokens::new(1, 2)));
    assert_eq!(store.resume(demo, id, 1, false, None, at(16)).await.unwrap(), Resumed::Claimed);
    assert_eq!(store.pause(demo, id).await.unwrap().as_deref(), Some("first"), "the winner may still read it");
    store.append(write(demo, id).events(2..=2).change(pause_with(Some("second")))).stored().await.unwrap();
    assert_eq!(store.pause(demo, id).await.unwrap().as_deref(), Some("second"));
    assert_eq!(store.run(demo, id).await.unwrap().unwrap().pauses, 2);
}

pub async fn between_steps_keeps_none(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = paused(&store, demo, Some("tools")).await;
    store.append(write(demo, id).change(RunChange::Running)).stored().await.unwrap();
    store.append(write(demo, id).change(pause_with(None))).stored().await.unwrap();
    assert_eq!(store.pause(demo, id).await.unwrap(), None);
    assert_eq!(store.run(demo, id).await.unwrap().unwrap().pauses, 1);
}

pub async fn one_of_many_resumes(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = paused(&store, demo, Some("{}")).await;
    let watch = store.watch(id);
    assert_eq!(store.resume(demo, id, 0, false, None, at(16)).await.unwrap(), Resumed::Lost);
    assert_eq!(store.resume(demo, id, 2, false, None, at(16)).await.unwrap(), Resumed::Lost);
    assert!(!watch.has_changed().unwrap());
    let outcomes = at_once(20, |_| {
        let store = store.clone();
        async move { store.resume(demo, id, 1, false, None, at(16)).await.unwrap() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Resumed::Claimed).count(), 1);
    assert_eq!(status(&store, demo, id).await, RunStatus::Running);
    assert!(watch.has_changed().unwrap());
}

pub async fn final_only_when_allowed(store: Shared) {
    let demo = project(&store, "demo").await;
    for end in [RunStatus::Completed, RunStatus::Failed, RunStatus::Cancelled] {
        let id = started(&store, demo, TriggerType::Step).await;
        assert_eq!(store.resume(demo, id, 0, true, None, at(16)).await.unwrap(), Resumed::Lost, "running");
        store.append(write(demo, id).ends(end)).stored().await.unwrap();
        assert_eq!(store.resume(demo, id, 0, false, None, at(30)).await.unwrap(), Resumed::Lost);
        let outcome = store.resume(demo, id, 0, true, None, at(30)).await.unwrap();
        let run = store.run(demo, id).await.unwrap().unwrap();
        if end == RunStatus::Cancelled {
            assert_eq!((outcome, run.status), (Resumed::Lost, end));
        } else {
            assert_eq!((outcome, run.status), (Resumed::Claimed, RunStatus::Running));
            assert_eq!((run.completed_at, run.duration_ms, run.error), (None, None, None));
            store.append(write(demo, id).ends(RunStatus::Completed)).stored().await.unwrap();
        }
    }
}

pub async fn resume_is_scoped(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let id = paused(&store, demo, None).await;
    assert_eq!(store.resume(other, id, 0, true, None, at(16)).await.unwrap(), Resumed::Lost);
    assert_eq!(status(&store, demo, id).await, RunStatus::Paused);
    assert_eq!(store.resume(demo, run_id(), 0, true, None, at(16)).await.unwrap(), Resumed::Lost);
}
