//! The handlers, a file per subject: translate, one call into `app`, translate back. No logic, no SQL, no spawn.

pub(super) mod budgets;
pub(super) mod checkpoints;
pub(super) mod execute;
pub(super) mod flows;
pub(super) mod jobs;
pub(super) mod keys;
pub(super) mod members;
pub(super) mod meta;
pub(super) mod models;
pub(super) mod orgs;
pub(super) mod provider_keys;
pub(super) mod runs;
pub(super) mod sessions;
pub(super) mod step;
pub(super) mod test_cases;
pub(super) mod usage;
pub(super) mod versions;
