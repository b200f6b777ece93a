//! Recovery and pruning.

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
pub(crate) const ENDED_BEFORE: &str = "SELECT id FROM runs WHERE id < $1 AND completed_at IS NOT NULL AND completed_at < $2 \
    ORDER BY id LIMIT $3";

pub(crate) const DELETE_RUN: [&str; 5] = [
    "DELETE FROM run_events WHERE run_id = $1",
    "DELETE FROM run_inputs WHERE run_id = $1",
    "DELETE FROM run_pauses WHERE run_id = $1",
    "DELETE FROM jobs WHERE run_id = $1",
    "DELETE FROM runs WHERE id = $1",
];
