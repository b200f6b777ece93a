//! One step of a run's life, as the writer stores it: creation, change of status, events.
//!
//! Owns every statement that moves a run on. Each carries its guards in its `WHERE`: the tenant, the statuses it may
//! come from, and the sequence number that the events must follow.

use noukai_api::RunStatus;
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    packs, queues,
    rows::{Micros, clamp},
    usage,
};
use crate::{
    Lease, NewJob, NewRun, ProjectId, Resumed, RunChange, RunFinish, RunId, RunRecord, RunWrite, StoreError,
    hub::Effects, sql::idempotency,
};

const INSERT_RUN: &str = "INSERT INTO runs (id, project_id, flow_id, flow_slug, version, hash, trigger_type, status, \
    status_at, capture, session_id, step_count, started_at, completed_at, duration_ms, prompt_tokens, \
    completion_tokens, total_tokens, cost_usd, last_seq, pauses, error) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)";

const INSERT_INPUTS: &str = "INSERT INTO run_inputs (run_id, inputs) VALUES ($1, $2)";

const INSERT_JOB: &str = "INSERT INTO jobs (run_id, project_id, enqueued_at, claims, ticket, retry_of) \
    VALUES ($1, $2, $3, 0, $4, $5)";

const MARK_RETRIED: &str = "UPDATE jobs SET retried_by = $1, kept_at = NULL \
    WHERE run_id = $2 AND project_id = $3 AND retried_by IS NULL AND kept_at IS NOT NULL";

const HOLDS_LEASE: &str = "SELECT cancel_requested_at IS NOT NULL FROM jobs \
    WHERE run_id = $1 AND project_id = $2 AND lease_owner = $3 AND claims = $4 AND finished_at IS NULL";

/// Not `IN`: of a list of three, SQLite makes a table each time.
macro_rules! if_open {
    ($statement:literal) => {
        concat!($statement, " AND (status = 'running' OR status = 'pending' OR status = 'paused')")
    };
}

const ADVANCE: &str = if_open!("UPDATE runs SET last_seq = $1 WHERE id = $2 AND project_id = $3 AND last_seq = $4");

const START: &str = "UPDATE runs SET last_seq = $1, status = 'running' \
    WHERE id = $2 AND project_id = $3 AND last_seq = $4 AND status IN ('pending', 'paused', $5)";

const PAUSE: &str = "UPDATE runs SET last_seq = $1, status = 'paused', status_at = $2, prompt_tokens = $3, \
    completion_tokens = $4, total_tokens = $5, cost_usd = $6, pauses = pauses + $7 \
    WHERE id = $8 AND project_id = $9 AND last_seq = $10 AND status IN ('pending', 'running')";

const KEEP_PAUSE: &str = "INSERT INTO run_pauses (run_id, pause) VALUES ($1, $2) \
    ON CONFLICT (run_id) DO UPDATE SET pause = excluded.pause";

const FORGET_PAUSE: &str = "DELETE FROM run_pauses WHERE run_id = $1";

/// What is to be tidied up after a run. Asked beside [`FINISH`] and not returned by it: for `RETURNING`, SQLite makes a
/// table for the occasion, which costs more than all else in the write.
const LEAVES: &str = "SELECT pauses, trigger_type = 'job' FROM runs WHERE id = $1 AND project_id = $2";

const FINISH: &str = if_open!(
    "UPDATE runs SET last_seq = $1, status = $2, completed_at = $3, duration_ms = $4, prompt_tokens = $5, \
     completion_tokens = $6, total_tokens = $7, cost_usd = $8, error = $9 \
     WHERE id = $10 AND project_id = $11 AND last_seq = $12"
);

const FORGET_STATES: &str = "UPDATE run_events SET state = NULL WHERE run_id = $1 AND state IS NOT NULL";

const FORGET_INPUTS: &str = "DELETE FROM run_inputs WHERE run_id = $1";

const FINISH_JOB: &str = "UPDATE jobs SET finished_at = $1, result = $2, kept_at = $3, poisoned_at = $4, \
    lease_owner = NULL, lease_until = NULL WHERE run_id = $5 AND finished_at IS NULL";

const KEEP_RESULT: &str = "UPDATE idempotency_keys SET result = $1 WHERE run_id = $2 AND status IS NULL";

const RESUME: &str = "UPDATE runs SET status = 'running', status_at = $1, completed_at = NULL, duration_ms = NULL, \
    error = NULL WHERE id = $2 AND project_id = $3 AND last_seq = $4 AND status IN ('paused', $5, $6)";

const STANDING: &str = "SELECT status, last_seq FROM runs WHERE id = $1 AND project_id = $2";

/// Stores all of it, or fails with nothing stored: the caller undoes what a failure leaves.
pub(super) fn apply(db: &Connection, effects: &mut Effects, write: &RunWrite) -> Result<(), StoreError> {
    if let Some(lease) = &write.fence {
        check_lease(db, write, lease)?;
    }
    match (&write.create, &write.change) {
        (Some(new), Some(RunChange::Finished(finish))) if new.job.is_none() => {
            create_ended(db, effects, write, new, finish)?;
        }
        (Some(new), None) => create(db, effects, write, new)?,
        (Some(new), Some(_)) => {
            create(db, effects, write, new)?;
            change(db, write)?;
        }
        (None, _) => change(db, write)?,
    }
    let ends = matches!(&write.change, Some(RunChange::Finished(finish)) if !finish.keep_for_retry);
    packs::insert(db, write.run_id, &write.events, !ends)?;
    usage::add(db, effects, &write.usage)?;
    effects.run(write.run_id);
    Ok(())
}

/// Sequence numbers before and after a write's events.
struct Steps {
    from: i64,
    to: i64,
}

/// Events follow what is stored without a gap. A write without events fits anywhere, so it says where the run is.
fn steps(db: &Connection, write: &RunWrite) -> Result<Steps, StoreError> {
    let Some(first) = write.events.first() else {
        let (_, seq) = standing(db, write.project_id, write.run_id)?;
        return Ok(Steps { from: seq, to: seq });
    };
    check_gaps(write)?;
    let from = clamp(first.seq) - 1;
    Ok(Steps { from, to: from + clamp(write.events.len()) })
}

fn check_gaps(write: &RunWrite) -> Result<(), StoreError> {
    if write.events.windows(2).any(|pair| pair[1].seq != pair[0].seq + 1) {
        return Err(StoreError::Conflict(format!("run {}: the events of one write have a gap", write.run_id)));
    }
    Ok(())
}

/// The sequence number of the last event that a new run comes with.
fn first_steps(write: &RunWrite) -> Result<i64, StoreError> {
    check_gaps(write)?;
    if write.events.first().is_some_and(|event| event.seq != 1) {
        return Err(StoreError::Conflict(format!(
            "run {} is new, its first event must have the number 1",
            write.run_id
        )));
    }
    Ok(clamp(write.events.len()))
}

fn check_lease(db: &Connection, write: &RunWrite, lease: &Lease) -> Result<(), StoreError> {
    let row = params![write.run_id.0, write.project_id.0, lease.owner, lease.claim];
    let held: Option<bool> = db.prepare_cached(HOLDS_LEASE)?.query_row(row, |row| row.get(0)).optional()?;
    let is_cancelled = held.ok_or(StoreError::Fenced)?;
    if is_cancelled && write.ends_otherwise_than_cancelled() {
        return Err(StoreError::Conflict(format!("run {}: its caller was told that it is cancelled", write.run_id)));
    }
    Ok(())
}

fn create(db: &Connection, effects: &mut Effects, write: &RunWrite, new: &NewRun) -> Result<(), StoreError> {
    let last_seq = if write.change.is_some() { 0 } else { first_steps(write)? };
    insert_run(db, write, &new.record, last_seq)?;
    insert_inputs(db, write, new)?;
    effects.charge(&new.charges);
    if let Some(job) = &new.job {
        enqueue(db, write, new, job)?;
        effects.job();
    }
    Ok(())
}

/// A run that ends with the write that creates it gets its row as it stays.
fn create_ended(
    db: &Connection,
    effects: &mut Effects,
    write: &RunWrite,
    new: &NewRun,
    finish: &RunFinish,
) -> Result<(), StoreError> {
    check_final(finish)?;
    let record = RunRecord {
        status: finish.status,
        completed_at: Some(finish.at),
        duration_ms: Some(finish.duration_ms),
        tokens: finish.tokens,
        cost_usd: finish.cost_usd.clone(),
        error: finish.error.clone(),
        ..new.record.clone()
    };
    insert_run(db, write, &record, first_steps(write)?)?;
    if finish.keep_inputs || finish.keep_for_retry {
        insert_inputs(db, write, new)?;
    }
    effects.charge(&new.charges);
    keep_result(db, write, finish)?;
    Ok(())
}

fn insert_inputs(db: &Connection, write: &RunWrite, new: &NewRun) -> rusqlite::Result<()> {
    if let Some(inputs) = &new.inputs {
        db.prepare_cached(INSERT_INPUTS)?.execute(params![write.run_id.0, inputs])?;
    }
    Ok(())
}

fn keep_result(db: &Connection, write: &RunWrite, finish: &RunFinish) -> rusqlite::Result<()> {
    if let Some(result) = &finish.result {
        db.prepare_cached(KEEP_RESULT)?.execute(params![result, write.run_id.0])?;
    }
    Ok(())
}

fn check_final(finish: &RunFinish) -> Result<(), StoreError> {
    if finish.status.is_final() {
        return Ok(());
    }
    Err(StoreError::Conflict(format!("a run does not end as {}", finish.status.as_str())))
}

fn enqueue(db: &Connection, write: &RunWrite, new: &NewRun, job: &NewJob) -> Result<(), StoreError> {
    if let Some(retried) = job.retry_of {
        mark_retried(db, write, retried)?;
    }
    let ticket = queues::admit(db, write.project_id, job)?;
    let retry_of = job.retry_of.map(|retried| retried.0);
    let row = params![write.run_id.0, write.project_id.0, Micros(new.record.started_at), ticket, retry_of];
    db.prepare_cached(INSERT_JOB)?.execute(row)?;
    Ok(())
}

/// What was kept of the job for this has served its purpose.
fn mark_retried(db: &Connection, write: &RunWrite, retried: RunId) -> Result<(), StoreError> {
    let row = params![write.run_id.0, retried.0, write.project_id.0];
    if db.prepare_cached(MARK_RETRIED)?.execute(row)? == 0 {
        return Err(StoreError::Conflict(format!("job {retried} cannot be retried, or has been")));
    }
    forget_kept(db, retried.0).map_err(StoreError::from)
}

/// Lets go of what a run needs to go on.
pub(super) fn forget_kept(db: &Connection, run: Uuid) -> rusqlite::Result<()> {
    db.prepare_cached(FORGET_STATES)?.execute([run])?;
    db.prepare_cached(FORGET_INPUTS)?.execute([run]).map(drop)
}

fn insert_run(db: &Connection, write: &RunWrite, run: &RunRecord, last_seq: i64) -> rusqlite::Result<()> {
    let row = params![
        write.run_id.0,
        write.project_id.0,
        run.flow_id.0,
        run.flow_slug,
        run.version,
        run.hash,
        run.trigger.as_str(),
        run.status.as_str(),
        Micros(run.started_at),
        run.capture.as_str(),
        run.session_id,
        run.step_count,
        Micros(run.started_at),
        run.completed_at.map(Micros),
        run.duration_ms.map(clamp),
        clamp(run.tokens.prompt),
        clamp(run.tokens.completion),
        clamp(run.tokens.total),
        run.cost_usd,
        last_seq,
        run.pauses,
        run.error
    ];
    db.prepare_cached(INSERT_RUN)?.execute(row).map(drop)
}

fn change(db: &Connection, write: &RunWrite) -> Result<(), StoreError> {
    match &write.change {
        None if write.events.is_empty() => Ok(()),
        None => {
            let steps = steps(db, write)?;
            let row = params![steps.to, write.run_id.0, write.project_id.0, steps.from];
            guarded(db, write, ADVANCE, row, "take more events")
        }
        Some(RunChange::Running) => start(db, write),
        Some(RunChange::Paused { .. }) => pause(db, write),
        Some(RunChange::Finished(finish)) => end(db, write, finish),
    }
}

/// A job that is claimed again is `running` already; only its worker may say so once more.
fn start(db: &Connection, write: &RunWrite) -> Result<(), StoreError> {
    let steps = steps(db, write)?;
    let also = if write.fence.is_some() { RunStatus::Running } else { RunStatus::Pending };
    let row = params![steps.to, write.run_id.0, write.project_id.0, steps.from, also.as_str()];
    guarded(db, write, START, row, "start")
}

fn pause(db: &Connection, write: &RunWrite) -> Result<(), StoreError> {
    let Some(RunChange::Paused { tokens, cost_usd, at, pause }) = &write.change else { return Ok(()) };
    let steps = steps(db, write)?;
    let row = params![
        steps.to,
        Micros(*at),
        clamp(tokens.prompt),
        clamp(tokens.completion),
        clamp(tokens.total),
        cost_usd,
        i64::from(pause.is_some()),
        write.run_id.0,
        write.project_id.0,
        steps.from
    ];
    guarded(db, write, PAUSE, row, "pause")?;
    keep_pause(db, write.run_id, pause.as_deref()).map_err(StoreError::from)
}

fn keep_pause(db: &Connection, run: RunId, pause: Option<&str>) -> rusqlite::Result<()> {
    match pause {
        Some(pause) => db.prepare_cached(KEEP_PAUSE)?.execute(params![run.0, pause]),
        None => db.prepare_cached(FORGET_PAUSE)?.execute([run.0]),
    }
    .map(drop)
}

fn end(db: &Connection, write: &RunWrite, finish: &RunFinish) -> Result<(), StoreError> {
    check_final(finish)?;
    let steps = steps(db, write)?;
    let row = params![
        steps.to,
        finish.status.as_str(),
        Micros(finish.at),
        clamp(finish.duration_ms),
        clamp(finish.tokens.prompt),
        clamp(finish.tokens.completion),
        clamp(finish.tokens.total),
        finish.cost_usd,
        finish.error,
        write.run_id.0,
        write.project_id.0,
        steps.from
    ];
    guarded(db, write, FINISH, row, "end")?;
    let ended = [write.run_id.0, write.project_id.0];
    let (pauses, is_job) =
        db.prepare_cached(LEAVES)?.query_row(ended, |row| Ok((row.get(0)?, row.get::<_, bool>(1)?)))?;
    tidy(db, write.run_id, finish, pauses)?;
    Ok(if is_job { end_job(db, write, finish) } else { keep_result(db, write, finish) }?)
}

/// Lets go of what only a run that may go on needs.
fn tidy(db: &Connection, run: RunId, finish: &RunFinish, pauses: u32) -> rusqlite::Result<()> {
    if finish.clear_states && !finish.keep_for_retry {
        db.prepare_cached(FORGET_STATES)?.execute([run.0])?;
    }
    if pauses > 0 {
        db.prepare_cached(FORGET_PAUSE)?.execute([run.0])?;
    }
    if !finish.keep_inputs && !finish.keep_for_retry {
        db.prepare_cached(FORGET_INPUTS)?.execute([run.0])?;
    }
    Ok(())
}

fn end_job(db: &Connection, write: &RunWrite, finish: &RunFinish) -> rusqlite::Result<()> {
    queues::leave(db, write.project_id, write.run_id)?;
    let at = |wanted: bool| wanted.then_some(Micros(finish.at));
    let row = params![Micros(finish.at), finish.result, at(finish.keep_for_retry), at(finish.poison), write.run_id.0];
    db.prepare_cached(FINISH_JOB)?.execute(row).map(drop)
}

/// Takes a paused run on; see [`crate::Runs::resume`].
pub(super) fn resume(
    db: &Connection,
    effects: &mut Effects,
    (project, run): (ProjectId, RunId),
    last_seq: u64,
    from_final: bool,
    under: Option<RunId>,
    at: OffsetDateTime,
) -> Result<Resumed, StoreError> {
    let also = if from_final { ["completed", "failed"] } else { ["paused", "paused"] };
    let row = params![Micros(at), run.0, project.0, clamp(last_seq), also[0], also[1]];
    if db.prepare_cached(RESUME)?.execute(row)? == 0 {
        return Ok(Resumed::Lost);
    }
    if let Some(key) = under {
        db.prepare_cached(idempotency::GOES_ON)?.execute(params![run.0, clamp(last_seq), key.0])?;
    }
    effects.run(run);
    Ok(Resumed::Claimed)
}

/// Runs a statement that must change one row.
fn guarded(
    db: &Connection,
    write: &RunWrite,
    sql: &str,
    row: &[&dyn ToSql],
    wish: &'static str,
) -> Result<(), StoreError> {
    let changed = db.prepare_cached(sql)?.execute(row)?;
    if changed == 1 { Ok(()) } else { Err(refusal(db, write, wish)) }
}

/// Why a guarded statement found no row.
fn refusal(db: &Connection, write: &RunWrite, wish: &'static str) -> StoreError {
    let (status, seq) = match standing(db, write.project_id, write.run_id) {
        Ok(standing) => standing,
        Err(error) => return error,
    };
    let next = write.events.first().map_or(String::new(), |event| format!(" with event {}", event.seq));
    StoreError::Conflict(format!("run {} is {status} at event {seq}, it cannot {wish}{next}", write.run_id))
}

fn standing(db: &Connection, project: ProjectId, run: RunId) -> Result<(String, i64), StoreError> {
    let mut found = db.prepare_cached(STANDING)?;
    let standing = found.query_row([run.0, project.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    standing.ok_or_else(|| StoreError::Conflict(format!("the project has no run {run}")))
}
