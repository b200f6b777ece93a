//! The queue of each project: bounds, turns, places.

macro_rules! total {
    ($type:literal) => {
        concat!("SELECT CAST(COALESCE(sum(waiting), 0) AS ", $type, ") FROM job_queues WHERE waiting > 0")
    };
}
pub(crate) const TOTAL_SQLITE: &str = total!("INTEGER");
/// There, sums are of another type than what is summed.
pub(crate) const TOTAL_POSTGRES: &str = total!("BIGINT");

/// Locks the queues of some projects, in order, so that nobody waits for each other.
pub(crate) const LOCK_POSTGRES: &str = "SELECT project_id, waiting, running, issued FROM job_queues \
    WHERE project_id = ANY($1) ORDER BY project_id FOR NO KEY UPDATE";

pub(crate) const ADD_POSTGRES: &str = "INSERT INTO job_queues (project_id, waiting, running, issued, served_at) \
    SELECT project_id, 0, 0, 0, 0 FROM unnest($1::uuid[]) AS project_id ORDER BY project_id ON CONFLICT DO NOTHING";

pub(crate) const ADMIT_SQLITE: &str = "INSERT INTO job_queues (project_id, waiting, running, issued, served_at) VALUES ($1, 1, 0, 1, 0) \
    ON CONFLICT (project_id) DO UPDATE SET waiting = job_queues.waiting + 1, issued = job_queues.issued + 1 \
    WHERE job_queues.waiting < $2 RETURNING issued";

/// Before the job itself is changed.
pub(crate) const LEAVE_SQLITE: &str = "UPDATE job_queues SET \
    waiting = waiting - (SELECT count(*) FROM jobs WHERE run_id = $1 AND finished_at IS NULL AND lease_until IS NULL), \
    running = running - (SELECT count(*) FROM jobs WHERE run_id = $1 AND finished_at IS NULL AND lease_owner IS NOT NULL) \
    WHERE project_id = $2";

pub(crate) const TAKE: &str = "UPDATE job_queues SET waiting = waiting - $1, running = running + $2, served_at = $3 \
    WHERE project_id = $4";

pub(crate) const GIVE_BACK: &str =
    "UPDATE job_queues SET waiting = waiting + $1, running = running - 1 WHERE project_id = $2";

pub(crate) const GIVE_ALL_BACK_SQLITE: &str =
    "UPDATE job_queues SET waiting = waiting + running, running = 0 WHERE running > 0";

pub(crate) const TURNS: &str = "SELECT project_id, waiting, running FROM job_queues WHERE waiting > 0 AND running < $1 \
    ORDER BY running, served_at LIMIT $2";

pub(crate) const PLACE: &str = "SELECT q.waiting, (SELECT j.ticket FROM jobs j WHERE j.project_id = q.project_id \
    AND j.finished_at IS NULL AND j.lease_until IS NULL ORDER BY j.ticket LIMIT 1) \
    FROM job_queues q WHERE q.project_id = $1";

pub(crate) const QUEUE: &str = "SELECT q.waiting, q.running, (SELECT j.enqueued_at FROM jobs j WHERE j.project_id = q.project_id \
    AND j.finished_at IS NULL AND j.lease_until IS NULL ORDER BY j.ticket LIMIT 1) \
    FROM job_queues q WHERE q.project_id = $1";

pub(crate) const DELAYED: &str = "SELECT count(*) FROM jobs WHERE finished_at IS NULL AND lease_until IS NOT NULL \
    AND lease_owner IS NULL AND project_id = $1";
