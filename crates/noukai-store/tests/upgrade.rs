//! Files of earlier releases, opened by this one: nothing is lost, and everything works on them.

#![cfg(test)]
#![expect(dead_code, unused_macros, unused_imports, reason = "the contract is there whole; some of it is used here")]

mod contract;

use std::{path::Path, sync::Arc};

use contract::bed::*;
use noukai_api::RunStatus;
use noukai_store::*;
use rusqlite::Connection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const FIRST: &str = include_str!("fixtures/schema_0001.sql");

fn made_by(sql: &str, path: &Path) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn open(path: &Path) -> Shared {
    Arc::new(SqliteStore::open(SqliteOptions { path: Some(path.into()), ..SqliteOptions::default() }).unwrap())
}

fn second(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
}

fn id(number: u128) -> RunId {
    RunId(Uuid::from_u128(number))
}

#[tokio::test]
async fn the_first_schema_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    made_by(FIRST, &path);
    let store = open(&path);
    store.ready().await.unwrap();
    let demo = store.project_at("acme", "demo").await.unwrap().unwrap().id;
    assert_eq!(store.flow(demo, "triage").await.unwrap().unwrap().production, Some((1, "abc".to_owned())));
    assert_eq!(store.keys(demo, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.events(demo, id(1), 0, 10).await.unwrap().len(), 2);
    assert_eq!(store.session_runs("6c1f", 10).await.unwrap().len(), 1);
    assert_eq!(store.pause(demo, id(3)).await.unwrap().as_deref(), Some(r#"{"v":1}"#));
    let failed = store.job(demo, id(0x10)).await.unwrap().unwrap();
    assert_eq!((failed.run.status, failed.retryable, failed.faults.len()), (RunStatus::Failed, false, 0));

    let queue = store.queue(demo).await.unwrap();
    assert_eq!((queue.waiting, queue.running, queue.oldest_at), (3, 1, Some(second(3))));
    assert_eq!(store.job(demo, id(0x13)).await.unwrap().unwrap().place, Some(QueuePlace { position: 2, depth: 3 }));
    let cut_off = store.recover(second(100)).await.unwrap();
    assert_eq!(cut_off.iter().map(|run| run.id).collect::<Vec<_>>(), [id(2)]);
    let claim = Claim { owner: Uuid::now_v7(), limit: 9, per_project: 9, now: second(100), lease_until: second(130) };
    let jobs = store.claim_jobs(claim).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.run.id).collect::<Vec<_>>(), [id(0x11), id(0x12), id(0x13), id(0x14)]);
    assert_eq!(jobs[0].faults.iter().map(|fault| fault.kind).collect::<Vec<_>>(), [FaultKind::Stopped]);
    let kept = store.events_with_state(demo, id(0x11), 0, 10).await.unwrap();
    assert_eq!(kept[0].state.as_deref(), Some("\"result\""));
    for job in &jobs {
        let last = write(demo, job.run.id).ends(RunStatus::Completed).fenced(&job.lease);
        store.append(last).stored().await.unwrap();
    }
    assert_eq!(store.queue(demo).await.unwrap(), QueueRecord::default());
    store.close().await;
    open(&path).ready().await.unwrap();
}

/// The parts of the contract that later schemas touched, on an upgraded file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_what_was_upgraded() {
    let directory = tempfile::tempdir().unwrap();
    macro_rules! hold {
        ($($subject:ident::$test:ident),+ $(,)?) => {$({
            let path = directory.path().join(stringify!($test));
            // As an earlier release left it before its first use.
            let empty: String = FIRST.lines().take_while(|line| !line.starts_with("INSERT INTO organisations")).collect::<Vec<_>>().join("\n");
            made_by(&empty, &path);
            contract::$subject::$test(open(&path)).await;
        })+};
    }
    hold!(
        jobs::claimed_oldest_first,
        jobs::expired_lease_is_claimed_again,
        jobs::late_worker_is_fenced,
        jobs::cancelled_while_queued,
        jobs::done_with_its_result,
        queues::projects_take_turns,
        queues::queue_is_counted,
        queues::bounds_hold_in_a_race,
        queues::places_are_told,
        queues::faults_are_noted,
        queues::kept_for_a_retry,
        queues::retried_once,
        queues::poison_is_listed,
        runs::ending_clears,
        test_cases::a_test_run_advances_to_its_end,
        upkeep::recover_voids_leases,
        upkeep::prune_takes_what_is_old,
        upkeep::close_stores_what_is_queued,
    );
}
