//! Start, upkeep, end.

use noukai_api::{CaptureMode, RunStatus, TriggerType};
use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

pub async fn ready(store: Shared) {
    store.ready().await.unwrap();
    store.close().await;
    assert!(matches!(store.ready().await, Err(StoreError::Closed)));
}

pub async fn recover_voids_leases(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = started(&store, demo, TriggerType::Job).await;
    let lease = store.claim_jobs(claim_of(1, 100, 9_000)).await.unwrap().remove(0).lease;
    let key = |key: &str| IdempotencyKey { project_id: demo, route: "r".into(), key: key.into() };
    for name in ["answered", "open"] {
        store.begin(&key(name), "b", run_id(), at(1), at(0)).await.unwrap();
    }
    let reply = StoredReply { status: 200, content_type: "text/plain".into(), body: "x".into() };
    store.finish(&key("answered"), &reply).await.unwrap();
    let watch = store.watch_jobs();

    assert_eq!(store.recover(at(100)).await.unwrap(), []);

    assert!(watch.has_changed().unwrap());
    let late = store.append(write(demo, id).events(1..=1).fenced(&lease)).stored().await;
    assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
    let again = store.claim_jobs(claim_of(1, 101, 9_000)).await.unwrap();
    assert_eq!((again[0].run.id, again[0].lease.claim), (id, 2));
    assert_eq!(store.begin(&key("open"), "b", run_id(), at(2), at(0)).await.unwrap(), Begun::First);
    assert_ne!(store.begin(&key("answered"), "b", run_id(), at(2), at(0)).await.unwrap(), Begun::First);
}

pub async fn recover_returns_interrupted(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let mut expected =
        vec![started(&store, demo, TriggerType::Execute).await, started(&store, other, TriggerType::Step).await];
    let job = started(&store, demo, TriggerType::Job).await;
    store.append(write(demo, job).change(RunChange::Running)).stored().await.unwrap();
    let paused = started(&store, demo, TriggerType::Execute).await;
    store.append(write(demo, paused).change(pause_with(None))).stored().await.unwrap();
    let ended = started(&store, demo, TriggerType::Step).await;
    store.append(write(demo, ended).ends(RunStatus::Completed)).stored().await.unwrap();

    let mut found: Vec<RunId> = store.recover(at(100)).await.unwrap().into_iter().map(|run| run.id).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

pub async fn paused_since(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let mut ids = Vec::new();
    for (owner, when) in [(demo, 30), (other, 10), (demo, 20)] {
        let id = started(&store, owner, TriggerType::Step).await;
        let RunChange::Paused { tokens, cost_usd, pause, .. } = pause_with(None) else { unreachable!() };
        let change = RunChange::Paused { tokens, cost_usd, pause, at: at(when) };
        store.append(write(owner, id).change(change)).stored().await.unwrap();
        ids.push(id);
    }
    started(&store, demo, TriggerType::Step).await;
    let found = |runs: Vec<RunRecord>| runs.into_iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(found(store.paused_since(at(30), 10).await.unwrap()), [ids[1], ids[2]]);
    assert_eq!(found(store.paused_since(at(31), 1).await.unwrap()), [ids[1]]);
    assert_eq!(store.paused_since(at(10), 10).await.unwrap(), []);
    store.resume(demo, ids[2], 0, false, None, at(25)).await.unwrap();
    assert_eq!(found(store.paused_since(at(31), 10).await.unwrap()), [ids[1], ids[0]]);
}

async fn pruned(store: &Shared, before: i64, limit: u32) -> u32 {
    store.prune_runs(KeptSince::all(at(before)), None, limit).await.unwrap().gone
}

async fn ended(store: &Shared, project: ProjectId, trigger: TriggerType, when: i64) -> RunId {
    let id = run_id_at(when - 1);
    store.append(create(record(project, id, trigger))).stored().await.unwrap();
    let end = RunFinish { at: at(when), keep_inputs: true, ..finish(RunStatus::Completed) };
    let last = write(project, id).events(1..=2).change(RunChange::Finished(Box::new(end)));
    store.append(last).stored().await.unwrap();
    id
}

pub async fn prune_takes_what_is_old(store: Shared) {
    let demo = project(&store, "demo").await;
    let old = [ended(&store, demo, TriggerType::Step, 20).await, ended(&store, demo, TriggerType::Job, 29).await];
    let kept = [ended(&store, demo, TriggerType::Step, 30).await, started(&store, demo, TriggerType::Execute).await];
    let key = |key: &str| IdempotencyKey { project_id: demo, route: "r".into(), key: key.into() };
    for (name, when) in [("old", 5), ("new", 50)] {
        store.begin(&key(name), "b", run_id(), at(when), at(0)).await.unwrap();
    }

    assert_eq!(pruned(&store, 30, 1_000).await, 2);
    assert_eq!(store.prune_keys(at(40), 1_000).await.unwrap(), 1);
    store.give_back_space().await.unwrap();

    for id in old {
        assert_eq!(store.run(demo, id).await.unwrap(), None);
        assert_eq!(store.job(demo, id).await.unwrap(), None);
        // Nothing of it may be left to collide with: the same id can be used again.
        store.append(create(record(demo, id, TriggerType::Job)).events(1..=2)).stored().await.unwrap();
    }
    for id in kept {
        assert!(store.run(demo, id).await.unwrap().is_some());
    }
    assert_eq!(all_events(&store, demo, kept[0]).await.len(), 2);
    assert_eq!(store.begin(&key("old"), "b", run_id(), at(51), at(0)).await.unwrap(), Begun::First);
    assert_ne!(store.begin(&key("new"), "b", run_id(), at(51), at(0)).await.unwrap(), Begun::First);
    assert_eq!(pruned(&store, 30, 1_000).await, 0);
    assert_eq!(store.prune_keys(at(40), 1_000).await.unwrap(), 0);
}

/// Begun long ago, ended late: kept until it is that long since its end.
pub async fn prune_goes_by_the_end(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = run_id_at(0);
    store.append(create(record(demo, id, TriggerType::Execute))).stored().await.unwrap();
    let end = RunFinish { at: at(30), ..finish(RunStatus::Completed) };
    let last = write(demo, id).change(RunChange::Finished(Box::new(end)));
    assert_eq!(pruned(&store, 1_000, 10).await, 0, "not while it is open");
    store.append(last).stored().await.unwrap();
    assert_eq!(pruned(&store, 30, 10).await, 0);
    assert_eq!(pruned(&store, 31, 10).await, 1);
}

pub async fn keys_go_up_to_the_limit(store: Shared) {
    let demo = project(&store, "demo").await;
    for number in 0..150 {
        let key = IdempotencyKey { project_id: demo, route: "r".into(), key: number.to_string() };
        store.begin(&key, "b", run_id(), at(5), at(0)).await.unwrap();
    }
    assert_eq!(store.prune_keys(at(40), 100).await.unwrap(), 100);
    assert_eq!(store.prune_keys(at(40), 100).await.unwrap(), 50);
    assert_eq!(store.prune_keys(at(40), 100).await.unwrap(), 0);
}

pub async fn prune_stops_at_its_limit(store: Shared) {
    let demo = project(&store, "demo").await;
    for number in 0..150 {
        ended(&store, demo, TriggerType::Execute, number).await;
    }
    assert_eq!(pruned(&store, 1_000, 0).await, 0);
    assert_eq!(pruned(&store, 1_000, 100).await, 100);
    let filter = RunFilter { limit: 1_000, ..RunFilter::default() };
    let left = store.runs(demo, &filter).await.unwrap();
    assert_eq!(left.len(), 50);
    assert!(left.iter().all(|run| run.completed_at >= Some(at(100))), "the oldest go first");
    assert_eq!(pruned(&store, 1_000, 100).await, 50);
}

/// Each capture has its own time, a session's runs another; the look goes on where it ended.
pub async fn prune_goes_by_capture(store: Shared) {
    let demo = project(&store, "demo").await;
    let mut ids = Vec::new();
    for (capture, session) in [
        (CaptureMode::Full, None),
        (CaptureMode::Redacted, None),
        (CaptureMode::MetadataOnly, None),
        (CaptureMode::Off, None),
        (CaptureMode::Full, Some("s".to_owned())),
    ] {
        let id = run_id_at(10);
        let run = RunRecord { capture, session_id: session, ..record(demo, id, TriggerType::Execute) };
        store.append(create(run).ends(RunStatus::Completed)).stored().await.unwrap();
        ids.push(id);
    }
    ids.sort();
    let old = at(21);
    let kept = KeptSince { session: None, full: at(20), redacted: at(20), metadata_only: at(20), off: at(20) };
    for (kept, gone) in [
        (kept, 0),
        (KeptSince { redacted: old, ..kept }, 1),
        (KeptSince { metadata_only: old, ..kept }, 1),
        (KeptSince { off: old, ..kept }, 1),
        (KeptSince { session: Some(at(20)), full: old, ..kept }, 1),
        (KeptSince { session: Some(old), ..kept }, 1),
    ] {
        let pruned = store.prune_runs(kept, None, 10).await.unwrap();
        assert_eq!((pruned.gone, pruned.done), (gone, true), "{kept:?}");
    }
    assert!(store.runs(demo, &RunFilter { limit: 9, ..RunFilter::default() }).await.unwrap().is_empty());
}

pub async fn prune_goes_on_where_it_ended(store: Shared) {
    let demo = project(&store, "demo").await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(ended(&store, demo, TriggerType::Execute, number * 10 + 1).await);
    }
    let kept = KeptSince::all(at(1_000));
    let first = store.prune_runs(kept, None, 2).await.unwrap();
    assert_eq!(first, Pruned { gone: 2, seen: Some(ids[1]), done: false });
    let second = store.prune_runs(kept, Some(ids[2]), 9).await.unwrap();
    assert_eq!(second, Pruned { gone: 2, seen: Some(ids[4]), done: true });
    assert!(store.run(demo, ids[2]).await.unwrap().is_some(), "passed over");
    let none = store.prune_runs(kept, Some(ids[4]), 9).await.unwrap();
    assert_eq!(none, Pruned { gone: 0, seen: Some(ids[4]), done: true });
}

pub async fn close_stores_what_is_queued(store: Shared) {
    let demo = project(&store, "demo").await;
    let tickets: Vec<Ticket> =
        (0..200).map(|_| store.append(create(record(demo, run_id(), TriggerType::Execute)).events(1..=2))).collect();
    tokio::join!(store.close(), store.close());
    for ticket in tickets {
        ticket.stored().await.unwrap();
    }
    let late = store.append(write(demo, run_id()).events(1..=1)).stored().await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    assert!(matches!(store.run(demo, run_id()).await, Err(StoreError::Closed)));
    assert!(matches!(store.heartbeat(Uuid::now_v7(), at(1)).await, Err(StoreError::Closed)));
    store.close().await;
}
