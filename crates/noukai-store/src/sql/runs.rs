//! What is asked of runs and their events.

use super::run_columns;

macro_rules! events_sql {
    ($state:literal) => {
        concat!(
            "SELECT e.seq, e.kind, e.payload, ",
            $state,
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

pub(crate) const RUNS: &str = concat!("SELECT ", run_columns!(), " FROM runs r WHERE r.project_id = $1");

/// Few of a project's runs are open: asked this way they are found by the index of open runs, asked plainly by going
/// through all of the project's.
pub(crate) const OPEN: &str = " AND r.id IN (SELECT o.id FROM runs o WHERE o.completed_at IS NULL AND o.status = ";

pub(crate) const POISON: &str =
    " AND r.id IN (SELECT j.run_id FROM jobs j WHERE j.project_id = $1 AND j.poisoned_at IS NOT NULL)";

pub(crate) const SESSION: &str =
    concat!("SELECT ", run_columns!(), " FROM runs r WHERE r.session_id = $1 ORDER BY r.id LIMIT $2");
