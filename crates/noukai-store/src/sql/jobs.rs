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

/// Passes over what another node is claiming at this moment.
pub(crate) const LAPSED_POSTGRES: &str = "SELECT run_id, project_id, lease_owner IS NULL FROM jobs \
    WHERE finished_at IS NULL AND lease_until IS NOT NULL AND lease_until <= $1 ORDER BY lease_until LIMIT $2 \
    FOR UPDATE SKIP LOCKED";

pub(crate) const LAPSED_SQLITE: &str = "SELECT run_id, project_id, lease_owner IS NULL FROM jobs \
    WHERE finished_at IS NULL AND lease_until IS NOT NULL AND lease_until <= $1 ORDER BY lease_until LIMIT $2";

pub(crate) const TAKE_SQLITE: &str =
    "UPDATE jobs SET lease_owner = $1, lease_until = $2, claims = claims + 1 WHERE run_id = $3";

pub(crate) const TAKE_POSTGRES: &str =
    "UPDATE jobs SET lease_owner = $1, lease_until = $2, claims = claims + 1 WHERE run_id = ANY($3)";

/// The first of several projects, so many of each. Passes over what another node is claiming at this moment.
pub(crate) const TAKE_NEXT_POSTGRES: &str = "WITH next AS MATERIALIZED (SELECT j.run_id FROM unnest($3::uuid[], $4::bigint[]) \
    AS turn(project_id, count) CROSS JOIN LATERAL (SELECT run_id FROM jobs WHERE project_id = turn.project_id \
    AND finished_at IS NULL AND lease_until IS NULL ORDER BY ticket LIMIT turn.count FOR UPDATE SKIP LOCKED) AS j) \
    UPDATE jobs j SET lease_owner = $1, lease_until = $2, claims = claims + 1 FROM next \
    WHERE j.run_id = next.run_id RETURNING j.project_id, j.ticket, j.run_id";

pub(crate) const TAKE_NEXT_SQLITE: &str = "UPDATE jobs SET lease_owner = $1, lease_until = $2, claims = claims + 1 WHERE run_id IN \
    (SELECT run_id FROM jobs WHERE project_id = $3 AND finished_at IS NULL AND lease_until IS NULL \
    ORDER BY ticket LIMIT $4) RETURNING ticket, run_id";

macro_rules! claimed {
    ($which:literal) => {
        concat!(
            "SELECT ",
            run_columns!(),
            ", i.inputs, j.lease_owner, j.claims, j.cancel_requested_at IS NOT NULL, j.faults FROM jobs j \
             JOIN runs r ON r.id = j.run_id JOIN run_inputs i ON i.run_id = j.run_id WHERE ",
            $which
        )
    };
}
pub(crate) const CLAIMED_POSTGRES: &str = claimed!("j.run_id = ANY($1)");
pub(crate) const CLAIMED_SQLITE: &str = claimed!("j.run_id = $1");

/// Locks in order of the runs, as the writer of their events does.
pub(crate) const HEARTBEAT_POSTGRES: &str = "WITH held AS MATERIALIZED (SELECT run_id FROM jobs \
    WHERE lease_owner = $2 AND finished_at IS NULL ORDER BY run_id FOR NO KEY UPDATE) \
    UPDATE jobs j SET lease_until = $1 FROM held WHERE j.run_id = held.run_id \
    RETURNING j.run_id, j.cancel_requested_at IS NOT NULL";

pub(crate) const HEARTBEAT_SQLITE: &str = "UPDATE jobs SET lease_until = $1 WHERE lease_owner = $2 AND finished_at IS NULL \
    RETURNING run_id, cancel_requested_at IS NOT NULL";

pub(crate) const RELEASE: &str = "UPDATE jobs SET lease_owner = NULL, lease_until = $1 \
    WHERE run_id = $2 AND lease_owner = $3 AND claims = $4 AND finished_at IS NULL RETURNING project_id";

pub(crate) const NOTE_FAULT: &str = note_fault!("j.run_id = $4");

pub(crate) const NOTE_SOME_POSTGRES: &str = note_fault!("j.run_id = ANY($4)");

pub(crate) const NOTE_ALL_SQLITE: &str = note_fault!("j.lease_owner IS NOT NULL");

pub(crate) const COUNT_FAULTS_POSTGRES: &str = "UPDATE jobs SET faults = faults + 1 WHERE run_id = ANY($1)";

pub(crate) const COUNT_FAULT: &str = "UPDATE jobs SET faults = faults + 1 WHERE run_id = $1";

pub(crate) const RELEASE_ALL_SQLITE: &str =
    "UPDATE jobs SET lease_owner = NULL, lease_until = NULL, faults = faults + 1 WHERE lease_owner IS NOT NULL";

/// Held by nodes that are no more; what is being written to at this moment is not given up yet.
pub(crate) const LEFT_POSTGRES: &str = "SELECT j.run_id, j.project_id FROM jobs j WHERE j.lease_owner IS NOT NULL \
    AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = j.lease_owner AND n.alive_until > $1) \
    ORDER BY j.run_id FOR UPDATE SKIP LOCKED";

pub(crate) const RELEASE_LEFT_POSTGRES: &str = "UPDATE jobs SET lease_owner = NULL, lease_until = NULL, faults = faults + 1 \
    WHERE run_id = ANY($1)";

pub(crate) const FAULTS: &str =
    "SELECT claim, at, last_seq, kind, message FROM job_faults WHERE run_id = $1 ORDER BY claim";
