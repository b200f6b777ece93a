//! The PostgreSQL store: the contract, and what only a server that many nodes share can do.

#![cfg(test)]

mod contract;
mod tls;
mod wire;

use std::{sync::Arc, time::Duration};

use contract::{bed::*, contract_tests};
use noukai_api::{RunStatus, TriggerType};
use noukai_store::*;
use noukai_testbed::{Postgres, Stop};
use time::OffsetDateTime;
use uuid::Uuid;
use wire::{Break, Wire};

/// A database of its own in the cluster of this test binary.
fn database() -> String {
    Postgres::shared().unwrap().database().unwrap()
}

async fn try_open(url: &str) -> Result<Shared, StoreError> {
    let options = PostgresOptions { connections: 6, ..PostgresOptions::at(url) };
    Ok(Arc::new(PostgresStore::open(options).await?))
}

async fn open(url: &str) -> Shared {
    try_open(url).await.unwrap()
}

async fn make_store() -> Shared {
    open(&database()).await
}

contract_tests!(postgres, crate::make_store);

fn node(name: &str) -> NodeRecord {
    let now = OffsetDateTime::now_utc();
    let (kind, release) = ("serve".to_owned(), "0.0.0".to_owned());
    NodeRecord { id: Uuid::nil(), name: name.to_owned(), kind, release, started_at: now, alive_until: now }
}

async fn beat(store: &Shared, alive: u64) -> Beat {
    store.nodes().unwrap().beat(&node("n"), Duration::from_secs(alive)).await.unwrap()
}

fn node_id(store: &Shared) -> Uuid {
    store.nodes().unwrap().id()
}

/// Sooner than anyone looks by the clock.
async fn soon<T>(news: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(8), news).await.expect("no news")
}

fn claim_by(store: &Shared, limit: u32, now: i64, until: i64) -> Claim {
    Claim { owner: node_id(store), ..claim_of(limit, now, until) }
}

#[tokio::test]
async fn many_may_start_at_once() {
    let url = database();
    let stores = at_once(8, |_| {
        let url = url.clone();
        async move { open(&url).await }
    })
    .await;
    project(&stores[0], "demo").await;
    for store in &stores {
        store.ready().await.unwrap();
        assert_eq!(store.projects().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let url = database();
    let store = open(&url).await;
    let name = url.rsplit('/').next().unwrap();
    let later = "INSERT INTO schema_migrations VALUES (999, 'later', '9.9.9')";
    Postgres::shared().unwrap().sql(name, later).unwrap();
    let Err(StoreError::Newer(why)) = try_open(&url).await.map(drop) else { panic!("opened") };
    assert!(why.contains("upgrade to 9.9.9") && why.contains(name), "{why}");
    assert!(matches!(store.ready().await, Err(StoreError::Newer(_))));
}

#[tokio::test]
async fn a_look_at_the_schema_changes_nothing() {
    let url = database();
    let name = url.rsplit('/').next().unwrap();
    let options = PostgresOptions::at(&url);
    for _ in 0..2 {
        let state = PostgresStore::schema(&options).await.unwrap();
        assert_eq!((state.found, state.pending.len()), (0, state.current as usize));
    }
    open(&url).await;
    let state = PostgresStore::schema(&options).await.unwrap();
    assert_eq!((state.found, state.pending), (state.current, vec![]));
    let later = "INSERT INTO schema_migrations VALUES (999, 'later', '9.9.9')";
    Postgres::shared().unwrap().sql(name, later).unwrap();
    assert!(matches!(PostgresStore::schema(&options).await, Err(StoreError::Newer(_))));
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let url = database();
    let name = url.rsplit('/').next().unwrap();
    let cluster = Postgres::shared().unwrap();
    cluster.sql(name, "CREATE TABLE runs (n bigint)").unwrap();
    let missing = cluster.url("no_such_database");
    for (url, part) in [(&url, "another program"), (&missing, "CREATE DATABASE")] {
        let Err(StoreError::Unusable(why)) = try_open(url).await.map(drop) else { panic!("opened") };
        assert!(why.contains(part), "{why}");
    }
    assert_eq!(cluster.sql(name, "SELECT count(*) FROM pg_class WHERE relname = 'flows'").unwrap().trim(), "0");
}

#[tokio::test]
async fn nodes_wake_each_other() {
    let url = database();
    let (one, two) = (open(&url).await, open(&url).await);
    let demo = project(&one, "demo").await;
    let (id, job) = (run_id(), run_id());
    let (mut run_news, mut job_news) = (two.watch(id), two.watch_jobs());
    one.append(create(record(demo, id, TriggerType::Execute)).events(1..=1)).stored().await.unwrap();
    soon(run_news.changed()).await.unwrap();
    assert_eq!(all_events(&two, demo, id).await.len(), 1, "woken before it was there to read");
    one.append(create(record(demo, job, TriggerType::Job))).stored().await.unwrap();
    soon(job_news.changed()).await.unwrap();
    let claimed = two.claim_jobs(claim_by(&two, 1, 100, 130)).await.unwrap();
    assert_eq!(claimed[0].run.id, job);
}

#[tokio::test]
async fn nodes_tell_each_other_what_their_memories_hold() {
    let url = database();
    let (one, two) = (open(&url).await, open(&url).await);
    let demo = project(&one, "demo").await;
    let job = started(&one, demo, TriggerType::Job).await;
    two.claim_jobs(claim_by(&two, 1, 100, 130)).await.unwrap();
    let mut news = two.nodes().unwrap().news();
    one.cancel_job(demo, job, cancellation(101)).await.unwrap();
    assert_eq!(soon(news.recv()).await.unwrap(), News::Cancelled(job));
    one.revoke_key(demo, "abcd1234", at(102)).await.unwrap();
    assert_eq!(soon(news.recv()).await.unwrap(), News::Revoked("abcd1234".to_owned()));
    let key = IdempotencyKey { project_id: demo, route: "r".into(), key: "k".into() };
    one.begin(&key, "b", run_id(), at(1), at(0)).await.unwrap();
    one.abandon(&key).await.unwrap();
    assert_eq!(soon(news.recv()).await.unwrap(), News::Answered(demo));
    beat(&one, 60).await;
    assert_eq!(soon(news.recv()).await.unwrap(), News::Nodes);
}

#[tokio::test]
async fn who_is_alone_says_nothing_until_another_comes() {
    let url = database();
    let (one, two) = (open(&url).await, open(&url).await);
    let demo = project(&one, "demo").await;
    assert_eq!(beat(&one, 60).await.others, 0);
    let id = started(&one, demo, TriggerType::Execute).await;
    let mut one_hears = one.nodes().unwrap().news();
    assert_eq!(beat(&two, 60).await.others, 1);
    assert_eq!(soon(one_hears.recv()).await.unwrap(), News::Nodes);
    let mut watch = two.watch(id);
    one.append(write(demo, id).events(1..=1)).stored().await.unwrap();
    soon(watch.changed()).await.unwrap();
}

#[tokio::test]
async fn only_what_the_dead_left_is_taken_over() {
    let url = database();
    let (dead, live, third) = (open(&url).await, open(&url).await, open(&url).await);
    let demo = project(&dead, "demo").await;
    let key = |key: &str| IdempotencyKey { project_id: demo, route: "r".into(), key: key.into() };
    let mut begun = Vec::new();
    for (name, store, alive) in [("dead", &dead, 0), ("live", &live, 60)] {
        beat(store, alive).await;
        let run = started(store, demo, TriggerType::Execute).await;
        let paused = started(store, demo, TriggerType::Step).await;
        store.append(write(demo, paused).change(pause_with(None))).stored().await.unwrap();
        let job = started(store, demo, TriggerType::Job).await;
        let lease = store.claim_jobs(claim_by(store, 1, 100, 9_000)).await.unwrap().remove(0).lease;
        store.begin(&key(name), "b", run_id(), at(1), at(0)).await.unwrap();
        begun.push((run, job, lease));
    }
    assert_eq!(beat(&third, 3_000).await.dead, 0, "the database has not been up for that long");
    let third_beat = beat(&third, 0).await;
    assert_eq!((third_beat.others, third_beat.dead), (1, 1));
    beat(&third, 60).await;

    let found = third.recover(at(500)).await.unwrap();

    assert_eq!(found.iter().map(|run| run.id).collect::<Vec<_>>(), [begun[0].0]);
    let again = third.claim_jobs(claim_by(&third, 9, 101, 9_000)).await.unwrap();
    assert_eq!(again.iter().map(|job| job.run.id).collect::<Vec<_>>(), [begun[0].1]);
    for ((_, job, lease), fenced) in begun.iter().zip([true, false]) {
        let late = dead.append(write(demo, *job).events(1..=1).fenced(lease)).stored().await;
        assert_eq!(matches!(late, Err(StoreError::Fenced)), fenced, "{late:?}");
    }
    assert_eq!(third.begin(&key("dead"), "b", run_id(), at(2), at(0)).await.unwrap(), Begun::First);
    assert_ne!(third.begin(&key("live"), "b", run_id(), at(2), at(0)).await.unwrap(), Begun::First);
    let reply = StoredReply { status: 200, content_type: "t".into(), body: "late".into() };
    assert!(is_conflict(&dead.finish(&key("dead"), &reply).await), "it has lost the key");
    third.append(write(demo, begun[0].0).ends(RunStatus::Failed)).stored().await.unwrap();
    assert_eq!(third.recover(at(500)).await.unwrap(), []);
    assert_eq!(third.nodes().unwrap().list().await.unwrap().len(), 2, "the dead are forgotten once nothing is left");
}

/// Whoever takes a run on runs it from then on.
#[tokio::test]
async fn a_resumed_run_is_its_new_nodes() {
    let url = database();
    let (dead, live) = (open(&url).await, open(&url).await);
    let demo = project(&dead, "demo").await;
    let id = started(&dead, demo, TriggerType::Step).await;
    dead.append(write(demo, id).change(pause_with(None))).stored().await.unwrap();
    beat(&live, 60).await;
    assert_eq!(live.resume(demo, id, 0, false, None, at(16)).await.unwrap(), Resumed::Claimed);
    assert_eq!(live.recover(at(500)).await.unwrap(), []);
}

#[tokio::test]
async fn what_the_database_cannot_take_harms_no_other() {
    let store = make_store().await;
    let demo = project(&store, "demo").await;
    let mut tickets = Vec::new();
    for number in 0..20 {
        let mut run = record(demo, run_id(), TriggerType::Execute);
        if number == 7 {
            run.flow_slug = "a\0b".into();
        }
        tickets.push(store.append(create(run)));
    }
    for (number, ticket) in tickets.into_iter().enumerate() {
        let outcome = ticket.stored().await;
        assert_eq!(outcome.is_err(), number == 7, "{number}: {outcome:?}");
    }
    assert_eq!(store.flow(demo, "a\0b").await.unwrap(), None);
    assert_eq!(store.key("a\0b").await.unwrap(), None);
}

/// Whether a commit took place is known although its answer never came; it is neither lost nor done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_took_place_once() {
    let url = database();
    let wire = Wire::to(Postgres::shared().unwrap().port()).await;
    let store = open(&wire.url(&url)).await;
    let demo = project(&store, "demo").await;
    for how in [Break::BeforeCommit, Break::AfterCommit] {
        let id = started(&store, demo, TriggerType::Execute).await;
        wire.break_next(how);
        store.append(write(demo, id).events(1..=2).change(pause_with(Some("{}")))).stored().await.unwrap();
        assert!(wire.is_whole(), "{how:?} did not come");
        assert_eq!(all_events(&store, demo, id).await.len(), 2);
        assert_eq!(store.run(demo, id).await.unwrap().unwrap().pauses, 1);

        wire.break_next(how);
        assert_eq!(store.resume(demo, id, 2, false, None, at(16)).await.unwrap(), Resumed::Claimed, "{how:?}");
        assert!(wire.is_whole());

        let job = started(&store, demo, TriggerType::Job).await;
        wire.break_next(how);
        let claimed = store.claim_jobs(claim_by(&store, 5, 100, 130)).await.unwrap();
        assert_eq!(claimed.iter().map(|job| (job.run.id, job.lease.claim)).collect::<Vec<_>>(), [(job, 1)], "{how:?}");
        assert!(wire.is_whole());
    }
}

async fn whole_run(store: Shared, project: ProjectId) -> RunId {
    let id = run_id();
    store.append(create(record(project, id, TriggerType::Execute)).events(1..=2)).stored().await.unwrap();
    for step in 1..20 {
        store.append(write(project, id).events(step * 2 + 1..=step * 2 + 2)).stored().await.unwrap();
        assert_eq!(store.run(project, id).await.unwrap().unwrap().last_seq, step * 2 + 2);
    }
    store.append(write(project, id).events(41..=41).ends(RunStatus::Completed)).stored().await.unwrap();
    id
}

/// The database stops and comes back in the middle of it all, in order and as if killed; nobody notices but by time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_database_is_waited_out() {
    let cluster = Arc::new(Postgres::with(&["synchronous_commit=on"]).unwrap());
    let store = open(&cluster.database().unwrap()).await;
    let demo = project(&store, "demo").await;
    let runs: Vec<_> = (0..20).map(|_| tokio::spawn(whole_run(store.clone(), demo))).collect();
    let restarts = tokio::task::spawn_blocking(move || {
        for how in [Stop::Fast, Stop::Immediate] {
            cluster.stop(how).unwrap();
            cluster.resume().unwrap();
        }
        cluster
    });
    let _cluster = restarts.await.unwrap();
    for run in runs {
        let id = run.await.unwrap();
        let seqs: Vec<u64> = all_events(&store, demo, id).await.into_iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=41).collect::<Vec<_>>());
    }
}
