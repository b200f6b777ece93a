//! Jobs.

use std::collections::HashSet;

use noukai_api::{RunStatus, TriggerType};
use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

async fn queued(store: &Shared, project: ProjectId, enqueued_at: i64) -> RunId {
    let id = run_id();
    let run = RunRecord { started_at: at(enqueued_at), ..record(project, id, TriggerType::Job) };
    store.append(create(run)).stored().await.unwrap();
    id
}

/// At 100, with a lease until 130.
async fn claim(store: &Shared, owner: Uuid, limit: u32) -> Vec<ClaimedJob> {
    store.claim_jobs(Claim { owner, ..claim_of(limit, 100, 130) }).await.unwrap()
}

async fn claim_one(store: &Shared) -> Lease {
    claim(store, Uuid::now_v7(), 1).await.remove(0).lease
}

async fn cancel(store: &Shared, project: ProjectId, id: RunId, when: i64) -> Option<JobRecord> {
    store.cancel_job(project, id, cancellation(when)).await.unwrap()
}

pub async fn claimed_oldest_first(store: Shared) {
    let demo = project(&store, "demo").await;
    let (first, second, third) =
        (queued(&store, demo, 1).await, queued(&store, demo, 2).await, queued(&store, demo, 3).await);
    let owner = Uuid::now_v7();
    let jobs = claim(&store, owner, 2).await;
    assert_eq!(jobs.iter().map(|job| job.run.id).collect::<Vec<_>>(), [first, second]);
    assert_eq!(jobs[0].lease, Lease { owner, claim: 1 });
    assert_eq!((jobs[0].inputs.as_str(), jobs[0].cancel_requested), (r#"{"v":1}"#, false));
    assert_eq!(jobs[0].run.status, RunStatus::Pending);
    assert_eq!(claim(&store, owner, 10).await[0].run.id, third);
    assert_eq!(claim(&store, owner, 10).await, []);
}

pub async fn each_claimed_once(store: Shared) {
    let demo = project(&store, "demo").await;
    for number in 0..100 {
        queued(&store, demo, number).await;
    }
    let claimed = at_once(20, |_| {
        let store = store.clone();
        async move { claim(&store, Uuid::now_v7(), 7).await }
    })
    .await;
    let ids: Vec<RunId> = claimed.into_iter().flatten().map(|job| job.run.id).collect();
    assert_eq!(ids.len(), 100);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 100);
}

pub async fn expired_lease_is_claimed_again(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = queued(&store, demo, 1).await;
    let first = claim_one(&store).await;
    store.append(write(demo, id).change(RunChange::Running).events(1..=1).fenced(&first)).stored().await.unwrap();
    let owner = Uuid::now_v7();
    assert_eq!(store.claim_jobs(Claim { owner, ..claim_of(1, 129, 160) }).await.unwrap(), []);
    let again = store.claim_jobs(Claim { owner, ..claim_of(1, 130, 160) }).await.unwrap().remove(0);
    assert_eq!(again.lease, Lease { owner, claim: 2 });
    assert_eq!((again.run.status, again.run.last_seq), (RunStatus::Running, 1));
    let goes_on = write(demo, id).change(RunChange::Running).events(2..=2).fenced(&again.lease);
    store.append(goes_on).stored().await.unwrap();
    assert!(is_conflict(&store.append(write(demo, id).change(RunChange::Running)).stored().await));
}

pub async fn late_worker_is_fenced(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = queued(&store, demo, 1).await;
    let owner = Uuid::now_v7();
    let late = claim(&store, owner, 1).await.remove(0).lease;
    let current = store.claim_jobs(Claim { owner, ..claim_of(1, 200, 230) }).await.unwrap().remove(0).lease;
    let strangers = [late, Lease { owner: Uuid::now_v7(), claim: current.claim }];
    for lease in &strangers {
        let refused =
            store.append(write(demo, id).events(1..=1).ends(RunStatus::Completed).fenced(lease)).stored().await;
        assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
        assert!(matches!(store.release_job(id, lease, Release::Clean).await, Err(StoreError::Fenced)));
    }
    assert_eq!(all_events(&store, demo, id).await, []);
    store.append(write(demo, id).ends(RunStatus::Completed).fenced(&current)).stored().await.unwrap();
    let over = store.append(write(demo, id).events(1..=1).fenced(&current)).stored().await;
    assert!(matches!(over, Err(StoreError::Fenced)), "{over:?}");
}

pub async fn heartbeat_prolongs(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = queued(&store, demo, 1).await;
    let owner = claim_one(&store).await.owner;
    assert_eq!(store.heartbeat(owner, at(200)).await.unwrap(), []);
    assert_eq!(store.claim_jobs(claim_of(1, 199, 300)).await.unwrap(), []);
    cancel(&store, demo, id, 150).await;
    assert_eq!(store.heartbeat(owner, at(210)).await.unwrap(), [id]);
    assert_eq!(store.heartbeat(Uuid::now_v7(), at(900)).await.unwrap(), []);
    let next = store.claim_jobs(claim_of(1, 210, 300)).await.unwrap().remove(0);
    assert!(next.cancel_requested);
    assert_eq!(store.heartbeat(owner, at(900)).await.unwrap(), []);
}

pub async fn released_is_free_at_once(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = queued(&store, demo, 1).await;
    let lease = claim_one(&store).await;
    let watch = store.watch_jobs();
    store.release_job(id, &lease, Release::Clean).await.unwrap();
    assert!(watch.has_changed().unwrap());
    assert!(matches!(store.release_job(id, &lease, Release::Clean).await, Err(StoreError::Fenced)));
    assert_eq!(claim_one(&store).await.claim, 2);
}

pub async fn done_with_its_result(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = queued(&store, demo, 1).await;
    let job = store.job(demo, id).await.unwrap().unwrap();
    assert_eq!((job.run.status, job.result, job.cancel_requested), (RunStatus::Pending, None, false));
    let lease = claim_one(&store).await;
    let end = RunFinish { result: Some(r#"{"r":1}"#.into()), ..finish(RunStatus::Completed) };
    let last = write(demo, id).change(RunChange::Finished(Box::new(end))).fenced(&lease);
    store.append(last).stored().await.unwrap();
    let job = store.job(demo, id).await.unwrap().unwrap();
    assert_eq!((job.run.status, job.result.as_deref()), (RunStatus::Completed, Some(r#"{"r":1}"#)));
    assert_eq!(store.claim_jobs(claim_of(9, 900, 999)).await.unwrap(), []);
    assert_eq!(store.heartbeat(lease.owner, at(900)).await.unwrap(), []);
}

pub async fn cancelled_while_queued(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = queued(&store, demo, 10).await;
    let watch = store.watch(id);
    let job = cancel(&store, demo, id, 12).await.unwrap();
    assert_eq!((job.run.status, job.cancel_requested, job.result), (RunStatus::Cancelled, true, None));
    assert_eq!((job.run.completed_at, job.run.duration_ms), (Some(at(12)), Some(2_000)));
    assert_eq!(job.run.error.as_deref(), Some(r#"{"code":"CANCELLED"}"#));
    let events = all_events(&store, demo, id).await;
    assert_eq!((events.len(), events[0].seq, events[0].kind.as_str()), (1, 1, "run_cancelled"));
    assert!(watch.has_changed().unwrap());
    assert_eq!(claim(&store, Uuid::now_v7(), 9).await, []);
    assert_eq!(job.place, None);
    assert!(job.retryable && store.run_inputs(demo, id).await.unwrap().is_some(), "kept for a retry");
}

pub async fn cancelled_while_claimed(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = queued(&store, demo, 1).await;
    let lease = claim_one(&store).await;
    store.append(write(demo, id).change(RunChange::Running).events(1..=1).fenced(&lease)).stored().await.unwrap();
    let watch = store.watch(id);
    let job = cancel(&store, demo, id, 110).await.unwrap();
    assert_eq!((job.run.status, job.cancel_requested, job.run.last_seq), (RunStatus::Running, true, 1));
    assert!(watch.has_changed().unwrap());
    for end in [RunStatus::Completed, RunStatus::Failed] {
        let other = store.append(write(demo, id).events(2..=2).ends(end).fenced(&lease)).stored().await;
        assert!(is_conflict(&other), "{other:?}");
    }
    let last = write(demo, id).events(2..=2).ends(RunStatus::Cancelled).fenced(&lease);
    store.append(last).stored().await.unwrap();
    assert_eq!(store.job(demo, id).await.unwrap().unwrap().run.status, RunStatus::Cancelled);
}

pub async fn cancelled_after_its_lease(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = queued(&store, demo, 1).await;
    let lease = claim_one(&store).await;
    let job = cancel(&store, demo, id, 130).await.unwrap();
    assert_eq!(job.run.status, RunStatus::Cancelled);
    let late = store.append(write(demo, id).ends(RunStatus::Completed).fenced(&lease)).stored().await;
    assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
}

/// One that was begun ends with its open attempts, and never past events that its caller has not seen.
pub async fn cancelled_after_it_was_cut_off(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = queued(&store, demo, 1).await;
    let lease = claim_one(&store).await;
    store.append(write(demo, id).change(RunChange::Running).events(1..=2).fenced(&lease)).stored().await.unwrap();
    let closing = |as_of| {
        let events = vec![("attempt_failed", r#"{"v":1}"#.to_owned())];
        Cancellation { cut_off: Some(CutOff { as_of, events }), ..cancellation(130) }
    };
    for unseen in [cancellation(130), closing(1)] {
        assert!(is_conflict(&store.cancel_job(demo, id, unseen).await));
        let job = store.job(demo, id).await.unwrap().unwrap();
        assert_eq!((job.run.status, job.cancel_requested), (RunStatus::Running, false));
    }
    let job = store.cancel_job(demo, id, closing(2)).await.unwrap().unwrap();
    assert_eq!((job.run.status, job.run.last_seq), (RunStatus::Cancelled, 4));
    let events = store.events(demo, id, 2, 9).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| (event.seq, event.kind.as_str())).collect();
    assert_eq!(kinds, [(3, "attempt_failed"), (4, "run_cancelled")]);
}

pub async fn cancel_of_none_or_ended(store: Shared) {
    let demo = project(&store, "demo").await;
    assert_eq!(cancel(&store, demo, run_id(), 1).await, None);
    let no_job = started(&store, demo, TriggerType::Execute).await;
    assert_eq!(cancel(&store, demo, no_job, 1).await, None);
    let id = queued(&store, demo, 1).await;
    let lease = claim_one(&store).await;
    store.append(write(demo, id).ends(RunStatus::Completed).fenced(&lease)).stored().await.unwrap();
    let before = store.job(demo, id).await.unwrap();
    assert_eq!(cancel(&store, demo, id, 500).await, before);
    assert_eq!(all_events(&store, demo, id).await, []);
}

pub async fn watch_wakes(store: Shared) {
    let demo = project(&store, "demo").await;
    let mut watch = store.watch_jobs();
    started(&store, demo, TriggerType::Execute).await;
    assert!(!watch.has_changed().unwrap(), "woken by a run that is no job");
    let ticket = store.append(create(record(demo, run_id(), TriggerType::Job)));
    watch.changed().await.unwrap();
    assert_eq!(claim(&store, Uuid::now_v7(), 1).await.len(), 1, "woken before it could be claimed");
    ticket.stored().await.unwrap();
}

pub async fn hidden_from_other_projects(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let id = queued(&store, demo, 1).await;
    assert_eq!(store.job(other, id).await.unwrap(), None);
    assert_eq!(cancel(&store, other, id, 9).await, None);
    assert!(!store.job(demo, id).await.unwrap().unwrap().cancel_requested);
    let lease = claim_one(&store).await;
    let foreign = store.append(write(other, id).events(1..=1).fenced(&lease)).stored().await;
    assert!(matches!(foreign, Err(StoreError::Fenced)), "{foreign:?}");
}
