//! The queue: turns, bounds, places, what went wrong, retries.

use noukai_api::{RunStatus, TriggerType};
use noukai_store::*;

use super::bed::*;

fn job_write(project: ProjectId, id: RunId, job: NewJob) -> RunWrite {
    let mut write = create(record(project, id, TriggerType::Job));
    if let Some(new) = &mut write.create {
        new.job = Some(job);
    }
    write
}

async fn queued(store: &Shared, project: ProjectId, count: usize) -> Vec<RunId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(started(store, project, TriggerType::Job).await);
    }
    ids
}

async fn job(store: &Shared, project: ProjectId, id: RunId) -> JobRecord {
    store.job(project, id).await.unwrap().unwrap()
}

/// How many jobs of each project a claim got.
async fn shares(store: &Shared, claim: Claim, projects: &[ProjectId]) -> Vec<usize> {
    let jobs = store.claim_jobs(claim).await.unwrap();
    projects.iter().map(|project| jobs.iter().filter(|job| job.run.project_id == *project).count()).collect()
}

/// Fails the job under a lease of its own; `keep` for a retry.
async fn failed(store: &Shared, project: ProjectId, id: RunId, keep: bool) {
    let lease = store.claim_jobs(claim_of(1, 100, 130)).await.unwrap().remove(0).lease;
    let end = RunFinish { keep_for_retry: keep, ..finish(RunStatus::Failed) };
    let events = write(project, id).change(RunChange::Running).events(1..=1).fenced(&lease);
    store.append(events).stored().await.unwrap();
    let last = write(project, id).events(2..=2).change(RunChange::Finished(Box::new(end))).fenced(&lease);
    store.append(last).stored().await.unwrap();
}

pub async fn projects_take_turns(store: Shared) {
    let (busy, other) = (project(&store, "busy").await, project(&store, "other").await);
    let many = queued(&store, busy, 200).await;
    queued(&store, other, 3).await;
    assert_eq!(shares(&store, claim_of(4, 100, 130), &[busy, other]).await, [2, 2]);
    assert_eq!(shares(&store, claim_of(4, 101, 131), &[busy, other]).await, [3, 1]);
    let late = project(&store, "late").await;
    queued(&store, late, 9).await;
    assert_eq!(
        shares(&store, claim_of(4, 102, 132), &[busy, other, late]).await,
        [0, 0, 4],
        "the fewest at work first"
    );
    let order = store.claim_jobs(claim_of(8, 103, 133)).await.unwrap();
    let order: Vec<RunId> = order.iter().map(|job| job.run.id).filter(|id| many.contains(id)).collect();
    assert_eq!(order, many[5..5 + order.len()], "of a project, the oldest first");
}

/// With as many at work, the one that was served the longest ago.
pub async fn equals_alternate(store: Shared) {
    let projects = [project(&store, "a").await, project(&store, "b").await, project(&store, "c").await];
    for project in projects {
        queued(&store, project, 3).await;
    }
    let mut served = Vec::new();
    for round in 0..9 {
        served.push(store.claim_jobs(claim_of(1, 100 + round, 1_000)).await.unwrap()[0].run.project_id);
    }
    for round in served.chunks(3) {
        assert!(projects.iter().all(|project| round.contains(project)), "{served:?}");
    }
}

pub async fn a_project_has_a_bound(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    queued(&store, demo, 9).await;
    queued(&store, other, 1).await;
    let bounded = |now| Claim { per_project: 3, ..claim_of(10, now, now + 30) };
    assert_eq!(shares(&store, bounded(100), &[demo, other]).await, [3, 1]);
    assert_eq!(shares(&store, bounded(101), &[demo, other]).await, [0, 0]);
    assert_eq!(store.queue(demo).await.unwrap().running, 3);
}

pub async fn queue_is_counted(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    assert_eq!(store.queue(demo).await.unwrap(), QueueRecord::default());
    let ids = queued(&store, demo, 4).await;
    queued(&store, other, 1).await;
    let counts = |queue: QueueRecord| (queue.waiting, queue.delayed, queue.running, queue.oldest_at);
    assert_eq!(counts(store.queue(demo).await.unwrap()), (4, 0, 0, Some(at(10))));
    let jobs = store.claim_jobs(claim_of(5, 100, 130)).await.unwrap();
    assert_eq!(counts(store.queue(demo).await.unwrap()), (0, 0, 4, None));
    let lease = |id: RunId| jobs.iter().find(|job| job.run.id == id).unwrap().lease.clone();
    store.release_job(ids[0], &lease(ids[0]), Release::Clean).await.unwrap();
    let failed = Release::Failed { message: "x".into(), at: at(110), again_at: at(120) };
    store.release_job(ids[1], &lease(ids[1]), failed).await.unwrap();
    store.append(write(demo, ids[2]).ends(RunStatus::Completed).fenced(&lease(ids[2]))).stored().await.unwrap();
    assert_eq!(counts(store.queue(demo).await.unwrap()), (1, 1, 1, Some(at(10))));
    let cancel = |id| store.cancel_job(demo, id, cancellation(111));
    cancel(ids[0]).await.unwrap();
    cancel(ids[1]).await.unwrap();
    assert_eq!(counts(store.queue(demo).await.unwrap()), (0, 0, 1, None));
    cancel(ids[3]).await.unwrap();
    assert_eq!(store.queue(demo).await.unwrap().running, 1, "its worker ends it");
    assert_eq!(store.claim_jobs(claim_of(5, 130, 160)).await.unwrap().len(), 2, "lapsed, of both projects");
    assert_eq!(store.queue(demo).await.unwrap().running, 1);
    store.recover(at(140)).await.unwrap();
    assert_eq!(counts(store.queue(demo).await.unwrap()), (1, 0, 0, Some(at(10))));
}

/// However many submit at once, no more wait than may.
pub async fn bounds_hold_in_a_race(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let submit = |project: ProjectId, bounds: QueueBounds| {
        let store = store.clone();
        async move { store.append(job_write(project, run_id(), NewJob { bounds, retry_of: None })).stored().await }
    };
    let bounds = QueueBounds { project: 20, server: 30 };
    let outcomes = at_once(100, |_| submit(demo, bounds)).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 20);
    let of_project =
        |outcome: &Result<(), StoreError>| matches!(outcome, Err(StoreError::QueueFull(QueueScope::Project)));
    assert_eq!(outcomes.iter().filter(|outcome| of_project(outcome)).count(), 80);
    let outcomes = at_once(100, |_| submit(other, bounds)).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    let of_server =
        |outcome: &Result<(), StoreError>| matches!(outcome, Err(StoreError::QueueFull(QueueScope::Server)));
    assert_eq!(outcomes.iter().filter(|outcome| of_server(outcome)).count(), 90);
    assert_eq!(store.queue(demo).await.unwrap().waiting + store.queue(other).await.unwrap().waiting, 30);

    store.claim_jobs(claim_of(1, 100, 130)).await.unwrap();
    assert!(submit(other, bounds).await.is_ok(), "room again");
    assert!(
        of_project(&submit(demo, QueueBounds { project: 0, ..bounds }).await) || of_server(&submit(demo, bounds).await)
    );
    let none = QueueBounds { project: 0, server: u32::MAX };
    assert!(of_project(&submit(project(&store, "new").await, none).await));
}

pub async fn a_refused_job_leaves_nothing(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = run_id();
    let none = NewJob { bounds: QueueBounds { project: 0, server: 0 }, retry_of: None };
    let refused = store.append(job_write(demo, id, none)).stored().await;
    assert!(matches!(refused, Err(StoreError::QueueFull(QueueScope::Server))), "{refused:?}");
    assert_eq!(store.run(demo, id).await.unwrap(), None);
    assert_eq!(store.run_inputs(demo, id).await.unwrap(), None);
}

pub async fn places_are_told(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let ids = queued(&store, demo, 4).await;
    queued(&store, other, 3).await;
    for (before, id) in ids.iter().enumerate() {
        let place = QueuePlace { position: u32::try_from(before).unwrap() + 1, depth: 4 };
        assert_eq!(job(&store, demo, *id).await.place, Some(place));
    }
    let claimed = store.claim_jobs(claim_of(2, 100, 130)).await.unwrap();
    assert!(claimed.iter().any(|job| job.run.id == ids[0]));
    assert_eq!(job(&store, demo, ids[0]).await.place, None);
    assert_eq!(job(&store, demo, ids[3]).await.place, Some(QueuePlace { position: 3, depth: 3 }));
    store.cancel_job(demo, ids[1], cancellation(101)).await.unwrap();
    assert_eq!(job(&store, demo, ids[3]).await.place, Some(QueuePlace { position: 2, depth: 2 }));
    store.cancel_job(demo, ids[2], cancellation(101)).await.unwrap();
    assert_eq!(job(&store, demo, ids[3]).await.place, Some(QueuePlace { position: 1, depth: 1 }));
}

pub async fn faults_are_noted(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = queued(&store, demo, 1).await[0];
    let first = store.claim_jobs(claim_of(1, 100, 130)).await.unwrap().remove(0);
    assert_eq!(first.faults, []);
    store.append(write(demo, id).change(RunChange::Running).events(1..=3).fenced(&first.lease)).stored().await.unwrap();
    let second = store.claim_jobs(claim_of(1, 130, 160)).await.unwrap().remove(0);
    let failed = Release::Failed { message: "the disk is full".into(), at: at(140), again_at: at(150) };
    store.release_job(id, &second.lease, failed).await.unwrap();
    assert_eq!(store.claim_jobs(claim_of(1, 149, 180)).await.unwrap(), [], "delayed");
    let third = store.claim_jobs(claim_of(1, 150, 180)).await.unwrap().remove(0);
    store.release_job(id, &third.lease, Release::Clean).await.unwrap();
    store.claim_jobs(claim_of(1, 151, 180)).await.unwrap();
    store.recover(at(160)).await.unwrap();

    let last = store.claim_jobs(claim_of(1, 161, 190)).await.unwrap().remove(0);
    let told: Vec<_> = last
        .faults
        .iter()
        .map(|fault| (fault.claim, fault.kind, fault.at, fault.last_seq, fault.message.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (1, FaultKind::Lapsed, at(130), 3, None),
            (2, FaultKind::Failed, at(140), 3, Some("the disk is full")),
            (4, FaultKind::Stopped, at(160), 3, None),
        ]
    );
    assert_eq!(last.lease.claim, 5);
    assert_eq!(job(&store, demo, id).await.faults, last.faults);
}

pub async fn kept_for_a_retry(store: Shared) {
    let demo = project(&store, "demo").await;
    let ids = queued(&store, demo, 2).await;
    failed(&store, demo, ids[0], true).await;
    failed(&store, demo, ids[1], false).await;
    assert!(job(&store, demo, ids[0]).await.retryable);
    assert!(store.run_inputs(demo, ids[0]).await.unwrap().is_some());
    assert!(all_events(&store, demo, ids[0]).await.iter().all(|event| event.state.is_some()));
    assert!(!job(&store, demo, ids[1]).await.retryable);
    assert_eq!(store.run_inputs(demo, ids[1]).await.unwrap(), None);
    assert!(all_events(&store, demo, ids[1]).await.iter().all(|event| event.state.is_none()));

    assert_eq!(store.forget_retries(at(20), 10).await.unwrap(), 0);
    assert_eq!(store.forget_retries(at(21), 10).await.unwrap(), 1);
    assert!(!job(&store, demo, ids[0]).await.retryable);
    assert_eq!(store.run_inputs(demo, ids[0]).await.unwrap(), None);
    assert!(all_events(&store, demo, ids[0]).await.iter().all(|event| event.state.is_none()));
    assert_eq!(all_events(&store, demo, ids[0]).await.len(), 2, "the trace stays");
}

/// One of many at once, and the two know each other.
pub async fn retried_once(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let id = queued(&store, demo, 1).await[0];
    failed(&store, demo, id, true).await;
    let retry = |project: ProjectId, retry_of: RunId| {
        let (store, new) = (store.clone(), run_id());
        let job = NewJob { bounds: QueueBounds::NONE, retry_of: Some(retry_of) };
        async move { store.append(job_write(project, new, job)).stored().await.map(|()| new) }
    };
    assert!(is_conflict(&retry(other, id).await), "another project's");
    assert!(is_conflict(&retry(demo, run_id()).await), "none");
    let outcomes = at_once(20, |_| retry(demo, id)).await;
    let won: Vec<RunId> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok().copied()).collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");
    assert!(outcomes.iter().filter(|outcome| outcome.is_err()).all(is_conflict));

    let (old, new) = (job(&store, demo, id).await, job(&store, demo, won[0]).await);
    assert_eq!((old.retried_by, old.retryable, old.retry_of), (Some(won[0]), false, None));
    assert_eq!((new.retry_of, new.retried_by, new.run.status), (Some(id), None, RunStatus::Pending));
    assert_eq!(store.run_inputs(demo, id).await.unwrap(), None, "has served its purpose");
    assert_eq!(store.claim_jobs(claim_of(9, 200, 230)).await.unwrap().len(), 1);
    assert!(is_conflict(&retry(demo, won[0]).await), "still at work");
}

pub async fn poison_is_listed(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let ids = queued(&store, demo, 2).await;
    let jobs = store.claim_jobs(claim_of(2, 100, 130)).await.unwrap();
    for (job, poison) in jobs.iter().zip([true, false]) {
        let end = RunFinish { poison, ..finish(RunStatus::Failed) };
        let last = write(demo, job.run.id).change(RunChange::Finished(Box::new(end))).fenced(&job.lease);
        store.append(last).stored().await.unwrap();
    }
    assert!(job(&store, demo, ids[0]).await.poison && !job(&store, demo, ids[1]).await.poison);
    let filter = RunFilter { poison: true, limit: 10, ..RunFilter::default() };
    let found: Vec<RunId> = store.runs(demo, &filter).await.unwrap().iter().map(|run| run.id).collect();
    assert_eq!(found, [ids[0]]);
    let narrowed = RunFilter { status: Some(RunStatus::Failed), before: Some(ids[0]), ..filter.clone() };
    assert!(store.runs(demo, &narrowed).await.unwrap().is_empty());
    assert!(store.runs(other, &filter).await.unwrap().is_empty());
}
