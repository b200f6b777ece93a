//! What only the inside shows of the journal, and writes to test it with.

use std::path::Path;

use noukai_api::{CaptureMode, RunStatus, Tokens, TriggerType};
use time::OffsetDateTime;
use uuid::Uuid;

use super::*;
use crate::{FlowId, NewEvent, NewRun, RunFinish, RunRecord};

pub(super) fn write(run: RunId, seq: u64, ends: bool) -> RunWrite {
    let finish = RunFinish {
        status: RunStatus::Completed,
        at: OffsetDateTime::UNIX_EPOCH,
        duration_ms: 0,
        tokens: Tokens::default(),
        cost_usd: None,
        error: None,
        result: None,
        keep_inputs: false,
        clear_states: true,
        keep_for_retry: false,
        poison: false,
    };
    RunWrite {
        project_id: ProjectId(Uuid::nil()),
        run_id: run,
        create: None,
        change: ends.then(|| RunChange::Finished(Box::new(finish))),
        events: vec![NewEvent { seq, kind: "x".into(), payload: "{}".into(), state: None }],
        usage: Vec::new(),
        fence: None,
    }
}

fn beginning(run: RunId, ends: bool) -> RunWrite {
    let record = RunRecord {
        id: run,
        project_id: ProjectId(Uuid::nil()),
        flow_id: FlowId(Uuid::nil()),
        flow_slug: "hello".into(),
        version: 1,
        hash: String::new(),
        trigger: TriggerType::Execute,
        status: RunStatus::Running,
        capture: CaptureMode::Full,
        session_id: None,
        step_count: 1,
        started_at: OffsetDateTime::UNIX_EPOCH,
        completed_at: None,
        duration_ms: None,
        tokens: Tokens::default(),
        cost_usd: None,
        last_seq: 0,
        pauses: 0,
        error: None,
    };
    let new = NewRun { record, inputs: None, job: None, charges: Vec::new() };
    RunWrite { create: Some(Box::new(new)), ..write(run, 1, ends) }
}

pub(super) const DATABASE: [u8; 16] = [7; 16];

/// Files of the database with that id.
pub(super) fn segments(database: &Path) -> Segments {
    let mut segments = Segments::open(database).unwrap().unwrap();
    segments.start_over(&DATABASE).unwrap();
    segments
}

/// Whole runs of half a megabyte each.
fn fill(journal: &Journal, count: u64) {
    for _ in 0..count {
        let mut whole = beginning(RunId(Uuid::now_v7()), true);
        whole.events[0].payload = "x".repeat(500_000);
        assert!(journal.append(whole).is_none());
    }
}

/// A record that waits keeps its file until the database has it, not until it is taken.
#[test]
fn a_file_is_not_written_over_before_the_database_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noukai.db");
    let journal = Journal::new(segments(&path), 0, 1_000);
    fill(&journal, 9);
    assert!(journal.append(beginning(RunId(Uuid::now_v7()), false)).is_none());
    let mut first = Batch::default();
    journal.take(&mut first, false);
    assert_eq!((first.writes().len(), first.number()), (9, 9));
    journal.applied(first.number());
    fill(&journal, 9);
    let mut second = Batch::default();
    journal.take(&mut second, true);
    assert_eq!((second.writes().len(), second.number()), (10, 19));
    fill(&journal, 1);
    let mut found: Vec<u64> = segments::read(&path, &DATABASE).unwrap().into_iter().map(|found| found.number).collect();
    found.sort_unstable();
    assert_eq!(found, (1..=20).collect::<Vec<_>>());
    journal.applied(second.number());
    fill(&journal, 9);
    journal.take(&mut Batch::default(), false);
    fill(&journal, 1);
    let lengths = segments::paths(&path).map(|path| std::fs::metadata(path).unwrap().len());
    assert!(lengths.iter().all(|length| *length < 11 << 20), "never written over: {lengths:?}");
}

/// What the database alone knows is not kept for ever.
#[test]
fn what_goes_on_elsewhere_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::new(segments(&directory.path().join("noukai.db")), 0, 1_000);
    journal.stuck();
    for _ in 0..MOST_KNOWN * 2 + 10 {
        assert!(journal.append(beginning(RunId(Uuid::now_v7()), false)).is_some());
    }
    assert!(journal.state.lock().known.len() <= MOST_KNOWN);
}
