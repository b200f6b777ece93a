//! Jobs as their callers see them, leases on them, and the note of how a lease ended badly.

use super::run_columns;

pub(crate) const JOB: &str = concat!(
    "SELECT ",
    run_columns!(),
    ", j.result, j.cancel_requested_at IS NOT NULL, j.poisoned_at IS NOT NULL, j.kept_at IS NOT NULL, j.retry_of, \
     j.retried_by, j.faults, j.ticket, j.finished_at IS NULL AND j.lease_until IS NULL AND j.claims = 0 \
     FROM jobs j JOIN runs r ON r.id = j.run_id WHERE j.run_id = $1 AND j.project_id = $2 \
     AND r.project_id = j.project_id"
);

pub(crate) const ASK_TO_CANCEL: &str = "UPDATE jobs SET cancel_requested_at = COALESCE(cancel_requested_at, $1) \
    WHERE run_id = $2 AND project_id = $3 AND finished_at IS NULL \
    RETURNING lease_owner IS NULL OR lease_until <= $1";

macro_rules! note_fault {
    ($which:literal) => {
        concat!(
            "INSERT INTO job_faults (run_id, claim, at, last_seq, kind, message) \
             SELECT j.run_id, j.claims, $1, r.last_seq, $2, $3 FROM jobs j JOIN runs r ON r.id = j.run_id WHERE ",
            $which
        )
    };
}

pub(crate) const LAPSED: &str = "SELECT run_id, project_id, lease_owner IS NULL FROM jobs \
    WHERE finished_at IS NULL AND lease_until IS NOT NULL AND lease_until <= $1 ORDER BY lease_until LIMIT $2";

pub(crate) const TAKE: &str =
    "UPDATE jobs SET lease_owner = $1, lease_until = $2, claims = claims + 1 WHERE run_id = $3";

pub(crate) const TAKE_NEXT: &str = "UPDATE jobs SET lease_owner = $1, lease_until = $2, claims = claims + 1 WHERE run_id IN \
    (SELECT run_id FROM jobs WHERE project_id = $3 AND finished_at IS NULL AND lease_until IS NULL \
    ORDER BY ticket LIMIT $4) RETURNING ticket, run_id";

pub(crate) const CLAIMED: &str = concat!(
    "SELECT ",
    run_columns!(),
    ", i.inputs, j.lease_owner, j.claims, j.cancel_requested_at IS NOT NULL, j.faults FROM jobs j \
     JOIN runs r ON r.id = j.run_id JOIN run_inputs i ON i.run_id = j.run_id WHERE j.run_id = $1"
);

pub(crate) const HEARTBEAT: &str = "UPDATE jobs SET lease_until = $1 WHERE lease_owner = $2 AND finished_at IS NULL \
    RETURNING run_id, cancel_requested_at IS NOT NULL";

pub(crate) const RELEASE: &str = "UPDATE jobs SET lease_owner = NULL, lease_until = $1 \
    WHERE run_id = $2 AND lease_owner = $3 AND claims = $4 AND finished_at IS NULL RETURNING project_id";

pub(crate) const NOTE_FAULT: &str = note_fault!("j.run_id = $4");

pub(crate) const NOTE_ALL: &str = note_fault!("j.lease_owner IS NOT NULL");

pub(crate) const COUNT_FAULT: &str = "UPDATE jobs SET faults = faults + 1 WHERE run_id = $1";

pub(crate) const RELEASE_ALL_SQLITE: &str =
    "UPDATE jobs SET lease_owner = NULL, lease_until = NULL, faults = faults + 1 WHERE lease_owner IS NOT NULL";

pub(crate) const FAULTS: &str =
    "SELECT claim, at, last_seq, kind, message FROM job_faults WHERE run_id = $1 ORDER BY claim";
