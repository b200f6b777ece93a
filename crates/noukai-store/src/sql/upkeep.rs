//! Recovery, pauses and pruning.

use super::run_columns;

/// By the index of open runs, not through all there are.
pub(crate) const INTERRUPTED_SQLITE: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM runs r WHERE r.id IN (SELECT o.id FROM runs o WHERE o.completed_at IS NULL AND o.status = 'running') \
     AND r.trigger_type IN ('execute', 'step') ORDER BY r.id"
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
pub(crate) const DELETE_RUN: &str = "DELETE FROM runs WHERE id = $1 AND completed_at IS NOT NULL";

pub(crate) const DELETE_REST: [&str; 5] = [
    "DELETE FROM run_events WHERE run_id = $1",
    "DELETE FROM run_inputs WHERE run_id = $1",
    "DELETE FROM run_pauses WHERE run_id = $1",
    "DELETE FROM jobs WHERE run_id = $1",
    "DELETE FROM job_faults WHERE run_id = $1",
];

pub(crate) const KEPT_BEFORE: &str =
    "SELECT run_id FROM jobs WHERE kept_at IS NOT NULL AND kept_at < $1 ORDER BY kept_at LIMIT $2";

pub(crate) const NOT_KEPT: &str = "UPDATE jobs SET kept_at = NULL WHERE run_id = $1";
