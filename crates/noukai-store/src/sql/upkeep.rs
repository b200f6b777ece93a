//! Recovery, pauses and pruning.

use time::OffsetDateTime;
use uuid::Uuid;

use super::run_columns;

/// By the index of open runs, not through all there are.
pub(crate) const INTERRUPTED_SQLITE: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM runs r WHERE r.id IN (SELECT o.id FROM runs o WHERE o.completed_at IS NULL AND o.status = 'running') \
     AND r.trigger_type IN ('execute', 'step', 'test') ORDER BY r.id"
);

/// By the index of running runs; jobs have no node.
pub(crate) const INTERRUPTED_POSTGRES: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM runs r WHERE r.completed_at IS NULL AND r.status = 'running' AND r.trigger_type IN ('execute', 'step', 'test') \
     AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = r.node AND n.alive_until > $1) ORDER BY r.id"
);

pub(crate) const PAUSED_SINCE: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM runs r WHERE r.status = 'paused' AND r.completed_at IS NULL AND r.status_at < $1 \
     ORDER BY r.status_at LIMIT $2"
);

/// What ended before a time began before it, so its id is below that time's.
pub(crate) const OLD: &str = "SELECT id, capture, session_id IS NOT NULL, completed_at FROM runs \
    WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3";

/// A run may have been taken on again since it was found.
/// Several nodes may prune at once: each takes others.
pub(crate) const DELETE_RUNS_POSTGRES: &str = "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE id = ANY($1) \
    AND completed_at IS NOT NULL FOR UPDATE SKIP LOCKED) RETURNING id";

pub(crate) const DELETE_REST_POSTGRES: [&str; 5] = [
    "DELETE FROM run_events WHERE run_id = ANY($1)",
    "DELETE FROM run_inputs WHERE run_id = ANY($1)",
    "DELETE FROM run_pauses WHERE run_id = ANY($1)",
    "DELETE FROM jobs WHERE run_id = ANY($1)",
    "DELETE FROM job_faults WHERE run_id = ANY($1)",
];

pub(crate) const DELETE_RUN_SQLITE: &str = "DELETE FROM runs WHERE id = $1 AND completed_at IS NOT NULL";

pub(crate) const DELETE_REST_SQLITE: [&str; 5] = [
    "DELETE FROM run_events WHERE run_id = $1",
    "DELETE FROM run_inputs WHERE run_id = $1",
    "DELETE FROM run_pauses WHERE run_id = $1",
    "DELETE FROM jobs WHERE run_id = $1",
    "DELETE FROM job_faults WHERE run_id = $1",
];

/// Several nodes may be at it.
pub(crate) const KEPT_BEFORE_POSTGRES: &str = "UPDATE jobs SET kept_at = NULL WHERE run_id IN \
    (SELECT run_id FROM jobs WHERE kept_at IS NOT NULL AND kept_at < $1 ORDER BY kept_at LIMIT $2 \
    FOR UPDATE SKIP LOCKED) RETURNING run_id";

pub(crate) const KEPT_BEFORE_SQLITE: &str =
    "SELECT run_id FROM jobs WHERE kept_at IS NOT NULL AND kept_at < $1 ORDER BY kept_at LIMIT $2";

pub(crate) const NOT_KEPT_SQLITE: &str = "UPDATE jobs SET kept_at = NULL WHERE run_id = $1";

/// Above every id made up to the millisecond of `time`: the first 48 bits of an id are the milliseconds of its making.
pub(crate) fn first_id_after(time: OffsetDateTime) -> Uuid {
    let millis = u64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000) + 1).unwrap_or(0);
    Uuid::from_u128(u128::from(millis.min((1 << 48) - 1)) << 80)
}
