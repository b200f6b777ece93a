//! Steps of runs' lives, a whole group of them in a few statements: creations, changes of status, events.
//!
//! Owns every statement that moves a run on. Each row carries its guards: the tenant, the statuses it may come from, and
//! the sequence number that the events must follow. A row whose guards do not hold is left out and harms no other.

use std::collections::{HashMap, HashSet};

use noukai_api::RunStatus;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    budgets,
    columns::{Created, Moves},
    fault::Fault,
    queues::{self, Queues},
    rows::get,
    transact::Tx,
    usage,
};
use crate::{Charge, NewRun, RunChange, RunFinish, RunId, RunWrite, StoreError};

/// Locked in order, so that two groups never wait for each other.
const HELD: &str = "SELECT j.run_id, j.cancel_requested_at IS NOT NULL FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[]) \
    AS w(id, project_id, owner, claim) JOIN jobs j ON j.run_id = w.id AND j.project_id = w.project_id \
    AND j.lease_owner = w.owner AND j.claims = w.claim AND j.finished_at IS NULL \
    ORDER BY j.run_id FOR NO KEY UPDATE OF j";

const CREATE: &str = "WITH w AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], \
        $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], \
        $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::text[], $20::bigint[], \
        $21::bigint[], $22::text[], $23::text[], $24::text[], $25::bool[], $26::text[], $27::bigint[], $28::uuid[], \
        $29::bigint[], $30::bigint[]) \
        AS w(id, project_id, flow_id, flow_slug, version, hash, trigger_type, status, status_at, capture, session_id, \
        step_count, started_at, completed_at, duration_ms, prompt, completion, total, cost_usd, last_seq, pauses, \
        error, inputs, pause, job, result, ticket, retry_of, kept_at, poisoned_at)), \
    made AS (INSERT INTO runs (id, project_id, flow_id, flow_slug, version, hash, trigger_type, status, status_at, \
        capture, session_id, step_count, started_at, completed_at, duration_ms, prompt_tokens, completion_tokens, \
        total_tokens, cost_usd, last_seq, pauses, error, node) SELECT id, project_id, flow_id, flow_slug, version, \
        hash, trigger_type, status, status_at, capture, session_id, step_count, started_at, completed_at, duration_ms, \
        prompt, completion, total, cost_usd, last_seq, pauses, error, CASE WHEN NOT job THEN $36::uuid END FROM w \
        ON CONFLICT (id) DO NOTHING RETURNING id), \
    inputs AS (INSERT INTO run_inputs (run_id, inputs) SELECT w.id, w.inputs FROM made JOIN w ON w.id = made.id \
        WHERE w.inputs IS NOT NULL), \
    pauses AS (INSERT INTO run_pauses (run_id, pause) SELECT w.id, w.pause FROM made JOIN w ON w.id = made.id \
        WHERE w.pause IS NOT NULL), \
    jobs AS (INSERT INTO jobs (run_id, project_id, enqueued_at, claims, finished_at, result, ticket, retry_of, kept_at, \
        poisoned_at) SELECT w.id, w.project_id, w.started_at, 0, w.completed_at, w.result, w.ticket, w.retry_of, \
        w.kept_at, w.poisoned_at FROM made JOIN w ON w.id = made.id WHERE w.job), \
    queues AS (UPDATE job_queues q SET waiting = q.waiting + more.count, issued = more.ticket FROM \
        (SELECT w.project_id, count(*) AS count, max(w.ticket) AS ticket FROM made JOIN w ON w.id = made.id \
        WHERE w.job AND w.ticket > 0 GROUP BY w.project_id) AS more WHERE q.project_id = more.project_id), \
    keep_result AS (UPDATE idempotency_keys k SET result = w.result FROM made JOIN w ON w.id = made.id \
        WHERE w.result IS NOT NULL AND NOT w.job AND k.run_id = made.id AND k.status IS NULL), \
    events AS (INSERT INTO run_events (run_id, seq, kind, payload, state) \
        SELECT e.id, e.seq, e.kind, e.payload, e.state FROM unnest($31::uuid[], $32::bigint[], $33::text[], \
        $34::text[], $35::text[]) AS e(id, seq, kind, payload, state) JOIN made ON made.id = e.id) \
    SELECT id FROM made";

const MOVE: &str = "WITH w AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bool[], \
        $6::bool[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], \
        $14::text[], $15::bigint[], $16::text[], $17::text[], $18::bool[], $19::bool[], $20::bool[], $21::text[], $22::bigint[], $23::bigint[]) \
        AS w(id, project_id, last_seq, steps, from_running, from_paused, status, status_at, completed_at, duration_ms, \
        prompt, completion, total, cost_usd, pauses, error, pause, forget_pause, keep_inputs, clear_states, result, \
        kept_at, poisoned_at)), \
    moved AS (UPDATE runs r SET last_seq = r.last_seq + w.steps, status = COALESCE(w.status, r.status), \
        status_at = COALESCE(w.status_at, r.status_at), completed_at = w.completed_at, duration_ms = w.duration_ms, \
        prompt_tokens = COALESCE(w.prompt, r.prompt_tokens), \
        completion_tokens = COALESCE(w.completion, r.completion_tokens), \
        total_tokens = COALESCE(w.total, r.total_tokens), \
        cost_usd = CASE WHEN w.prompt IS NULL THEN r.cost_usd ELSE w.cost_usd END, pauses = r.pauses + w.pauses, \
        error = COALESCE(w.error, r.error) FROM w WHERE r.id = w.id AND r.project_id = w.project_id \
        AND (w.last_seq IS NULL OR r.last_seq = w.last_seq) AND (r.status = 'pending' \
        OR (r.status = 'running' AND w.from_running) OR (r.status = 'paused' AND w.from_paused)) \
        RETURNING r.id, r.project_id, r.pauses, r.trigger_type = 'job' AS is_job, w.completed_at, w.pause, \
        w.forget_pause, w.keep_inputs, w.clear_states, w.result, w.kept_at, w.poisoned_at), \
    keep_pause AS (INSERT INTO run_pauses (run_id, pause) SELECT id, pause FROM moved WHERE pause IS NOT NULL \
        ON CONFLICT (run_id) DO UPDATE SET pause = excluded.pause), \
    forget_pause AS (DELETE FROM run_pauses p USING moved m WHERE p.run_id = m.id \
        AND (m.forget_pause OR (m.completed_at IS NOT NULL AND m.pauses > 0))), \
    forget_states AS (UPDATE run_events e SET state = NULL FROM moved m \
        WHERE m.completed_at IS NOT NULL AND m.clear_states AND e.run_id = m.id AND e.state IS NOT NULL), \
    forget_inputs AS (DELETE FROM run_inputs i USING moved m \
        WHERE m.completed_at IS NOT NULL AND NOT m.keep_inputs AND i.run_id = m.id), \
    finish_job AS (UPDATE jobs j SET finished_at = m.completed_at, result = m.result, kept_at = m.kept_at, \
        poisoned_at = m.poisoned_at, lease_owner = NULL, lease_until = NULL FROM moved m \
        WHERE m.completed_at IS NOT NULL AND m.is_job AND j.run_id = m.id AND j.finished_at IS NULL), \
    keep_result AS (UPDATE idempotency_keys k SET result = m.result FROM moved m \
        WHERE m.result IS NOT NULL AND NOT m.is_job AND k.run_id = m.id AND k.status IS NULL), \
    queues AS (UPDATE job_queues q SET waiting = q.waiting - less.waiting, running = q.running - less.running FROM \
        (SELECT m.project_id, count(*) FILTER (WHERE j.lease_until IS NULL) AS waiting, \
        count(*) FILTER (WHERE j.lease_owner IS NOT NULL) AS running FROM moved m JOIN jobs j ON j.run_id = m.id \
        WHERE m.completed_at IS NOT NULL AND m.is_job AND j.finished_at IS NULL GROUP BY m.project_id) AS less \
        WHERE q.project_id = less.project_id), \
    events AS (INSERT INTO run_events (run_id, seq, kind, payload, state) \
        SELECT e.id, e.seq, e.kind, e.payload, e.state FROM unnest($24::uuid[], $25::bigint[], $26::text[], \
        $27::text[], $28::text[]) AS e(id, seq, kind, payload, state) JOIN moved ON moved.id = e.id) \
    SELECT id FROM moved";

const MARK_RETRIED: &str = "UPDATE jobs SET retried_by = $1, kept_at = NULL \
    WHERE run_id = $2 AND project_id = $3 AND retried_by IS NULL AND kept_at IS NOT NULL";

const FORGET_STATES: &str = "UPDATE run_events SET state = NULL WHERE run_id = ANY($1) AND state IS NOT NULL";

const FORGET_INPUTS: &str = "DELETE FROM run_inputs WHERE run_id = ANY($1)";

const STANDING: &str = "SELECT id, project_id, status, last_seq FROM runs WHERE id = ANY($1)";

/// Stores every write of the group whose guards hold; what became of each, in order. A write that tries a job again is
/// a group of its own, as it changes two jobs: both or none.
pub(super) async fn store(tx: &mut Tx, writes: &[RunWrite]) -> Result<Vec<Result<(), StoreError>>, Fault> {
    if let [write] = writes {
        retry(tx, write).await?;
    }
    let mut group =
        Group { held: held(tx, writes).await?, queues: queues::open(tx, writes).await?, ..Group::default() };
    let planned: Vec<Result<(), StoreError>> = writes.iter().map(|write| group.add(write)).collect();
    // What calls took is stored whatever becomes of the writes that tell of it.
    let entries = writes.iter().flat_map(|write| &write.usage).map(AsRef::as_ref);
    let (stored, added) = tokio::join!(group.store(tx), usage::add(tx, entries));
    added?;
    let stored = stored?;
    charge(tx, writes, &stored).await?;
    let is_left_out =
        |(write, planned): &(&RunWrite, &Result<(), StoreError>)| planned.is_ok() && !is_stored(write, &stored);
    let left_out: Vec<Uuid> = writes.iter().zip(&planned).filter(is_left_out).map(|(w, _)| w.run_id.0).collect();
    let standing = if left_out.is_empty() { Vec::new() } else { tx.query(STANDING, &[&left_out]).await? };
    let mut outcomes = Vec::with_capacity(writes.len());
    for (write, planned) in writes.iter().zip(planned) {
        let outcome = match planned {
            Ok(()) if !is_stored(write, &stored) => Err(refusal(write, &standing)?),
            planned => planned,
        };
        match outcome {
            Ok(()) => tell(tx, write),
            Err(error) if retried(write).is_some() => return Err(error.into()),
            Err(_) => {}
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// What the beginning of runs takes from budgets.
async fn charge(tx: &Tx, writes: &[RunWrite], stored: &HashSet<Uuid>) -> Result<(), Fault> {
    let begun =
        writes.iter().filter(|write| stored.contains(&write.run_id.0)).filter_map(|write| write.create.as_ref());
    let charges: Vec<Charge> = begun.flat_map(|new| new.charges.iter().copied()).collect();
    budgets::charge(tx, &charges).await
}

fn tell(tx: &mut Tx, write: &RunWrite) {
    tx.effects.run(write.run_id);
    if write.create.as_ref().is_some_and(|new| new.job.is_some()) {
        tx.effects.job();
    }
}

/// The job that a write tries again.
pub(super) fn retried(write: &RunWrite) -> Option<RunId> {
    write.create.as_ref().and_then(|new| new.job).and_then(|job| job.retry_of)
}

/// What was kept of the job that is tried again has served its purpose.
async fn retry(tx: &Tx, write: &RunWrite) -> Result<(), Fault> {
    let Some(old) = retried(write) else { return Ok(()) };
    if tx.execute(MARK_RETRIED, &[&write.run_id.0, &old.0, &write.project_id.0]).await? == 0 {
        return Err(StoreError::Conflict(format!("job {old} cannot be retried, or has been")).into());
    }
    forget_kept(tx, &[old.0]).await
}

/// Lets go of what runs need to go on.
pub(super) async fn forget_kept(tx: &Tx, runs: &[Uuid]) -> Result<(), Fault> {
    tx.execute(FORGET_STATES, &[&runs]).await?;
    tx.execute(FORGET_INPUTS, &[&runs]).await.map(drop)
}

fn is_stored(write: &RunWrite, stored: &HashSet<Uuid>) -> bool {
    is_empty(write) || stored.contains(&write.run_id.0)
}

/// Nothing that needs its run.
const fn is_empty(write: &RunWrite) -> bool {
    write.create.is_none() && write.change.is_none() && write.events.is_empty()
}

/// The runs among the fenced writes whose lease is still the writer's, and whether their cancellation was asked for;
/// locked until the transaction ends.
async fn held(tx: &Tx, writes: &[RunWrite]) -> Result<HashMap<Uuid, bool>, Fault> {
    let (mut ids, mut projects, mut owners, mut claims) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for write in writes {
        let Some(lease) = &write.fence else { continue };
        ids.push(write.run_id.0);
        projects.push(write.project_id.0);
        owners.push(lease.owner);
        claims.push(i64::from(lease.claim));
    }
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = tx.query(HELD, &[&ids, &projects, &owners, &claims]).await?;
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

/// The rows of one group's statements.
#[derive(Default)]
struct Group<'w> {
    /// Fenced runs whose lease is still the writer's, and whether their cancellation was asked for.
    held: HashMap<Uuid, bool>,
    queues: Queues,
    created: Created<'w>,
    moves: Moves<'w>,
}

impl<'w> Group<'w> {
    /// Plans a write, as far as it can be told without the database whether it may be.
    fn add(&mut self, write: &'w RunWrite) -> Result<(), StoreError> {
        if write.fence.is_some() {
            let is_cancelled = self.held.get(&write.run_id.0).ok_or(StoreError::Fenced)?;
            if *is_cancelled && write.ends_otherwise_than_cancelled() {
                return Err(conflict(write, "its caller was told that it is cancelled"));
            }
        }
        if write.events.windows(2).any(|pair| pair[1].seq != pair[0].seq + 1) {
            return Err(conflict(write, "the events of one write have a gap"));
        }
        let ends = finish(write).is_some_and(|end| !end.keep_for_retry);
        if let Some(end) = finish(write).filter(|end| !end.status.is_final()) {
            return Err(conflict(write, &format!("a run does not end as {}", end.status.as_str())));
        }
        if let Some(new) = &write.create {
            check_creation(write, new)?;
            let ticket = match &new.job {
                Some(job) if finish(write).is_none() => self.queues.admit(write.project_id, job)?,
                _ => 0,
            };
            self.created.push(write, new, ticket);
            self.created.events.push(write, ends);
        } else if !is_empty(write) {
            self.moves.push(write);
            self.moves.events.push(write, ends);
        }
        Ok(())
    }

    /// The runs of which something was stored.
    async fn store(&self, tx: &Tx) -> Result<HashSet<Uuid>, Fault> {
        let node = tx.node();
        let (created, moved) = tokio::join!(
            async {
                if self.created.is_empty() { Ok(Vec::new()) } else { tx.query(CREATE, &self.created.row(&node)).await }
            },
            async { if self.moves.is_empty() { Ok(Vec::new()) } else { tx.query(MOVE, &self.moves.row()).await } }
        );
        created?.iter().chain(&moved?).map(|row| get(row, 0)).collect()
    }
}

/// A run that is created and changed by the same write goes through the same guards.
fn check_creation(write: &RunWrite, new: &NewRun) -> Result<(), StoreError> {
    use RunStatus::{Paused, Pending, Running};
    let from = new.record.status;
    let allowed = match &write.change {
        None => write.events.is_empty() || !from.is_final(),
        Some(RunChange::Running) => matches!(from, Pending | Paused),
        Some(RunChange::Paused { .. }) => matches!(from, Pending | Running),
        Some(RunChange::Finished(_)) => !from.is_final(),
    };
    if allowed && write.events.first().is_none_or(|event| event.seq == 1) {
        return Ok(());
    }
    Err(conflict(write, &format!("the run is {} at event 0", from.as_str())))
}

fn finish(write: &RunWrite) -> Option<&RunFinish> {
    match &write.change {
        Some(RunChange::Finished(finish)) => Some(finish),
        _ => None,
    }
}

fn conflict(write: &RunWrite, why: &str) -> StoreError {
    StoreError::Conflict(format!("run {}: {why}", write.run_id))
}

/// Why a row was left out.
fn refusal(write: &RunWrite, standing: &[Row]) -> Result<StoreError, Fault> {
    for row in standing {
        if get::<Uuid>(row, 0)? == write.run_id.0 && get::<Uuid>(row, 1)? == write.project_id.0 {
            let (status, seq): (&str, i64) = (get(row, 2)?, get(row, 3)?);
            let next = write.events.first().map_or(String::new(), |event| format!(", not before event {}", event.seq));
            return Ok(conflict(write, &format!("it is {status} at event {seq}{next}")));
        }
    }
    let exists = write.create.is_some();
    Ok(conflict(write, if exists { "it exists already" } else { "the project has no such run" }))
}
