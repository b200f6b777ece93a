-- Jobs in turns, with a bound, a place in the queue, a memory of what went wrong, and retries.
--
-- ticket: in which order a project's jobs were queued. A job waits where lease_until is NULL, is worked on where
-- lease_owner is not, and is delayed where only lease_until is set: it may be claimed from then on.
-- kept_at: when it ended, while what a retry needs is still there. poisoned_at: when it was given up.
ALTER TABLE jobs ADD COLUMN ticket INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN faults INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN kept_at INTEGER;
ALTER TABLE jobs ADD COLUMN poisoned_at INTEGER;
ALTER TABLE jobs ADD COLUMN retry_of BLOB;
ALTER TABLE jobs ADD COLUMN retried_by BLOB;

DROP INDEX jobs_open;
DROP INDEX jobs_queued;

UPDATE jobs SET ticket = place.ticket FROM (
    SELECT run_id, row_number() OVER (PARTITION BY project_id ORDER BY enqueued_at, run_id) AS ticket
    FROM jobs WHERE finished_at IS NULL
) AS place WHERE place.run_id = jobs.run_id;

CREATE INDEX jobs_waiting ON jobs (project_id, ticket) WHERE finished_at IS NULL AND lease_until IS NULL;
CREATE INDEX jobs_lapsing ON jobs (lease_until) WHERE finished_at IS NULL AND lease_until IS NOT NULL;
CREATE INDEX jobs_kept ON jobs (kept_at) WHERE kept_at IS NOT NULL;
CREATE INDEX jobs_poison ON jobs (project_id, run_id) WHERE poisoned_at IS NOT NULL;

-- Claims that ended badly, and not with the end of their job.
CREATE TABLE job_faults (
    run_id BLOB NOT NULL,
    claim INTEGER NOT NULL,
    at INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    message TEXT,
    PRIMARY KEY (run_id, claim)
) STRICT, WITHOUT ROWID;

-- A row per project that ever had a job. waiting, running: how many of its jobs are in those states, kept by every
-- statement that moves a job. issued: the last ticket. served_at: when a job of it was last claimed.
CREATE TABLE job_queues (
    project_id BLOB PRIMARY KEY NOT NULL,
    waiting INTEGER NOT NULL,
    running INTEGER NOT NULL,
    issued INTEGER NOT NULL,
    served_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX job_queues_next ON job_queues (running, served_at) WHERE waiting > 0;

INSERT INTO job_queues (project_id, waiting, running, issued, served_at)
    SELECT project_id,
        sum(CASE WHEN lease_until IS NULL THEN 1 ELSE 0 END),
        sum(CASE WHEN lease_owner IS NOT NULL THEN 1 ELSE 0 END),
        max(ticket), 0
    FROM jobs WHERE finished_at IS NULL GROUP BY project_id;
