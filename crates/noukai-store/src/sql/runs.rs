//! What is asked of runs and their events.

use super::run_columns;
use crate::RunFilter;

macro_rules! events_sql {
    ($($more:literal),+) => {
        concat!(
            "SELECT e.seq, e.kind, e.payload",
            $(", ", $more,)+
            " FROM run_events e JOIN runs r ON r.id = e.run_id \
             WHERE e.run_id = $1 AND r.project_id = $2 AND e.seq > $3 ORDER BY e.seq LIMIT $4"
        )
    };
}

pub(crate) const RUN: &str = concat!("SELECT ", run_columns!(), " FROM runs r WHERE r.id = $1 AND r.project_id = $2");

pub(crate) const INPUTS: &str = "SELECT i.inputs FROM run_inputs i JOIN runs r ON r.id = i.run_id \
    WHERE i.run_id = $1 AND r.project_id = $2";

pub(crate) const PAUSE: &str = "SELECT p.pause FROM run_pauses p JOIN runs r ON r.id = p.run_id \
    WHERE p.run_id = $1 AND r.project_id = $2";

pub(crate) const EVENTS: &str = events_sql!("NULL");

pub(crate) const EVENTS_WITH_STATE: &str = events_sql!("e.state");

/// As SQLite has them: compressed, for the most part.
pub(crate) const PACKED_EVENTS: &str = events_sql!("NULL", "e.packed");

pub(crate) const PACKED_EVENTS_WITH_STATE: &str = events_sql!("e.state", "e.packed");

const RUNS: &str = concat!("SELECT ", run_columns!(), " FROM runs r WHERE r.project_id = $1");

/// Few of a project's runs are open: asked this way they are found by the index of open runs, asked plainly by going
/// through all of the project's.
const OPEN: &str = " AND r.id IN (SELECT o.id FROM runs o WHERE o.completed_at IS NULL AND o.status = ";

const NEWEST: &str = " ORDER BY r.id DESC LIMIT ";

const NEWEST_POISON: &str = " AND r.id IN (SELECT j.run_id FROM jobs j WHERE j.project_id = $1 \
    AND j.poisoned_at IS NOT NULL) ORDER BY r.id DESC LIMIT ";

pub(crate) const SESSION: &str =
    concat!("SELECT ", run_columns!(), " FROM runs r WHERE r.session_id = $1 ORDER BY r.id LIMIT $2");

/// Takes a run on; `node` is who does.
pub(crate) const RESUME_POSTGRES: &str = "UPDATE runs SET status = 'running', status_at = $1, completed_at = NULL, \
    duration_ms = NULL, error = NULL, node = $7 \
    WHERE id = $2 AND project_id = $3 AND last_seq = $4 AND status IN ('paused', $5, $6)";

/// A list of a project's runs. Each combination of filters has its own text, so that each finds its index. Parameters:
/// the project, then those of flow, status and last run that are there, then the limit.
pub(crate) fn filtered(filter: &RunFilter) -> String {
    let status = filter.status.map(|status| if status.is_final() { (" AND (r.status = ", ")") } else { (OPEN, ")") });
    let clauses = [
        filter.flow_id.map(|_| (" AND r.flow_id = ", "")),
        status,
        filter.before.map(|_| (" AND r.id < ", "")),
        Some((if filter.poison { NEWEST_POISON } else { NEWEST }, "")),
    ];
    clauses
        .into_iter()
        .flatten()
        .zip(2..)
        .fold(String::from(RUNS), |sql, ((clause, end), parameter)| format!("{sql}{clause}${parameter}{end}"))
}
