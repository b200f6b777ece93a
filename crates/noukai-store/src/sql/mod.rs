//! The SQL that the databases share: numbered placeholders, `ON CONFLICT`, `RETURNING`. Knows no database.
//!
//! Where the dialects part, a text is there twice, side by side, and named for its database.

pub(crate) mod authoring;
pub(crate) mod budgets;
pub(crate) mod cache;
pub(crate) mod flows;
pub(crate) mod grants;
pub(crate) mod idempotency;
pub(crate) mod identity;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod models;
pub(crate) mod projects;
pub(crate) mod provider_keys;
pub(crate) mod queues;
pub(crate) mod runs;
pub(crate) mod test_cases;
pub(crate) mod upkeep;
pub(crate) mod usage;

/// The columns that make a run's record, of a table `runs` called `r`.
macro_rules! run_columns {
    () => {
        "r.id, r.project_id, r.flow_id, r.flow_slug, r.version, r.hash, r.trigger_type, r.status, r.capture, \
         r.session_id, r.step_count, r.started_at, r.completed_at, r.duration_ms, r.prompt_tokens, \
         r.completion_tokens, r.total_tokens, r.cost_usd, r.last_seq, r.pauses, r.error"
    };
}
pub(crate) use run_columns;

/// How many columns those are: the first free one for a join's own.
pub(crate) const RUN_COLUMNS: usize = 21;
