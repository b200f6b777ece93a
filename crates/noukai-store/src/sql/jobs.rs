//! Jobs as their callers see them, and leases on them.

use super::run_columns;

pub(crate) const JOB: &str = concat!(
    "SELECT ",
    run_columns!(),
    ", j.result, j.cancel_requested_at IS NOT NULL FROM jobs j JOIN runs r ON r.id = j.run_id \
     WHERE j.run_id = $1 AND j.project_id = $2 AND r.project_id = j.project_id"
);

pub(crate) const ASK_TO_CANCEL: &str = "UPDATE jobs SET cancel_requested_at = COALESCE(cancel_requested_at, $1) \
    WHERE run_id = $2 AND project_id = $3 AND finished_at IS NULL \
    RETURNING lease_owner IS NULL OR lease_until <= $1";

pub(crate) const QUEUED: &str =
    "SELECT count(*) FROM jobs WHERE project_id = $1 AND finished_at IS NULL AND claims = 0";

pub(crate) const CLAIM_SQLITE: &str = "UPDATE jobs SET lease_owner = $1, lease_until = $2, claims = claims + 1 WHERE run_id IN \
    (SELECT run_id FROM jobs WHERE finished_at IS NULL AND (lease_until IS NULL OR lease_until <= $3) \
    ORDER BY enqueued_at, run_id LIMIT $4) RETURNING run_id";

pub(crate) const CLAIMED: &str = concat!(
    "SELECT ",
    run_columns!(),
    ", i.inputs, j.lease_owner, j.claims, j.cancel_requested_at IS NOT NULL, j.enqueued_at FROM jobs j \
     JOIN runs r ON r.id = j.run_id JOIN run_inputs i ON i.run_id = j.run_id WHERE j.run_id = $1"
);

pub(crate) const HEARTBEAT: &str = "UPDATE jobs SET lease_until = $1 WHERE lease_owner = $2 AND finished_at IS NULL \
    RETURNING run_id, cancel_requested_at IS NOT NULL";

pub(crate) const RELEASE: &str = "UPDATE jobs SET lease_owner = NULL, lease_until = NULL \
    WHERE run_id = $1 AND lease_owner = $2 AND claims = $3 AND finished_at IS NULL";

pub(crate) const RELEASE_ALL_SQLITE: &str =
    "UPDATE jobs SET lease_owner = NULL, lease_until = NULL WHERE lease_owner IS NOT NULL";
