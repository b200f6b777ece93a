//! The journal at a start: applying what the database lacks after a sudden end. Also into a copy of the database.

use std::{
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use noukai_api::RunStatus;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::{
    Journal,
    batch::Batch,
    segments::{self, Found, Segments},
};
use crate::{
    RunWrite, StoreError,
    hub::Effects,
    sqlite::{
        open as file,
        rows::{count, spelled},
    },
};

const STANDING: &str = "SELECT id, applied FROM run_journal";
const TABLE: &str = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'run_journal'";
const RUN: &str = "SELECT status, last_seq FROM runs WHERE id = $1";
const RENEW: &str = "UPDATE run_journal SET id = randomblob(16)";

/// How long the owner of a database waits for commands beside it, which look at the journal for a moment, or apply what
/// a sudden end left in it.
const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN: Duration = Duration::from_millis(5);

/// Whether a process has the database for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Owner {
    /// It alone runs flows on it.
    Alone,
    /// It stands beside one, or does not know.
    Beside,
}

/// Applies what the database lacks. The journal itself, in which `most` writes may wait, is for who owns the database,
/// and where nobody else has it.
pub(in super::super) fn open(
    path: &Path,
    db: &mut Connection,
    owner: Owner,
    most: usize,
) -> Result<Option<Journal>, StoreError> {
    if owner == Owner::Beside && !segments::paths(path)[0].exists() {
        return Ok(None);
    }
    let unusable = |error| unusable(path, &error);
    let Some(mut segments) = wait(path, owner).map_err(unusable)? else { return Ok(None) };
    let (id, applied) = standing(db).map_err(|error| file::fault(path, error))?;
    let found = segments::read(path, &id).map_err(unusable)?;
    let last = found.iter().map(|found| found.number).max().unwrap_or(0).max(applied);
    let lacking = lacking(found, applied);
    if !lacking.is_empty() {
        tracing::info!(writes = lacking.len(), "the last end was sudden: applying what the journal of runs has more");
    }
    if last > applied {
        apply(path, db, &lacking, last)?;
    }
    segments.start_over(&id).map_err(unusable)?;
    if owner == Owner::Beside {
        segments.release(false);
        return Ok(None);
    }
    Ok(Some(Journal::new(segments, last, most)))
}

/// What the journal has of a database that another process may have open.
pub(in super::super) struct Seen(Vec<Found>);

/// To be asked before the database is copied: what is in neither was not acknowledged before.
pub(in super::super) fn peek(path: &Path, db: &Connection) -> Result<Seen, StoreError> {
    if !has_journal(db).map_err(|error| file::fault(path, error))? {
        return Ok(Seen(Vec::new()));
    }
    let (id, _) = standing(db).map_err(|error| file::fault(path, error))?;
    segments::read(path, &id).map(Seen).map_err(|error| unusable(path, &error))
}

/// Brings a copy up to what was seen in the original's journal, and makes it a database of its own.
pub(in super::super) fn replay_into(copy: &Path, seen: Seen, db: &mut Connection) -> Result<(), StoreError> {
    let fault = |error| file::fault(copy, error);
    if !has_journal(db).map_err(fault)? {
        return Ok(());
    }
    let (_, applied) = standing(db).map_err(fault)?;
    let lacking = lacking(seen.0, applied);
    if !lacking.is_empty() {
        apply(copy, db, &lacking, applied + lacking.len() as u64)?;
    }
    db.execute(RENEW, []).map(drop).map_err(fault)
}

/// Older schemas know of none.
fn has_journal(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row(TABLE, [], |row| row.get(0))
}

fn wait(path: &Path, owner: Owner) -> io::Result<Option<Segments>> {
    let begun = Instant::now();
    loop {
        let segments = Segments::open(path)?;
        if segments.is_some() || owner == Owner::Beside {
            return Ok(segments);
        }
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other("another process has it open"));
        }
        thread::sleep(BETWEEN);
    }
}

fn standing(db: &Connection) -> rusqlite::Result<([u8; 16], u64)> {
    db.query_row(STANDING, [], |row| Ok((row.get(0)?, count(row, 1)?)))
}

/// What follows the database without a gap. Past a gap, which only a power cut leaves, nothing is certain.
fn lacking(mut found: Vec<Found>, applied: u64) -> Vec<Found> {
    found.retain(|found| found.number > applied);
    found.sort_by_key(|found| found.number);
    let gapless = found.iter().zip(applied + 1..).take_while(|(found, expected)| found.number == *expected).count();
    found.truncate(gapless);
    found
}

fn apply(path: &Path, db: &mut Connection, lacking: &[Found], last: u64) -> Result<(), StoreError> {
    let writes: Vec<RunWrite> = lacking
        .iter()
        .map(|found| rmp_serde::from_slice(&found.write))
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(path, &io::Error::other(error)))?;
    let fault = |error| file::fault(path, error);
    let mut batch = Batch::default();
    for write in writes {
        if is_lacking(db, &write).map_err(fault)? {
            batch.add([write]);
        }
    }
    batch.reaches(last);
    apply_batch(db, &batch)
}

/// Whether the database lacks it. It may have some of what came after a run that had to wait.
fn is_lacking(db: &Connection, write: &RunWrite) -> rusqlite::Result<bool> {
    let run = db
        .prepare_cached(RUN)?
        .query_row([write.run_id.0], |row| Ok((spelled::<RunStatus>(row, 0)?, count(row, 1)?)))
        .optional()?;
    let Some((status, seq)) = run else { return Ok(true) };
    Ok(match (&write.create, write.events.last()) {
        (Some(_), _) => false,
        (None, Some(last)) => last.seq > seq,
        (None, None) => !status.is_final(),
    })
}

/// All in one transaction: a start that is cut off, or whose disk is full, is as if it had not been.
fn apply_batch(db: &mut Connection, batch: &Batch) -> Result<(), StoreError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    batch.apply_apart(&transaction, &mut Effects::default())?;
    Ok(transaction.commit()?)
}

fn unusable(path: &Path, error: &io::Error) -> StoreError {
    let [first, second] = segments::paths(path);
    StoreError::Unusable(format!(
        "the journal of the database {} cannot be used ({error}): {} and {} hold what was acknowledged before a sudden end. \
         Start the release that wrote them once, or see that this user may read and write them",
        path.display(),
        first.display(),
        second.display()
    ))
}
