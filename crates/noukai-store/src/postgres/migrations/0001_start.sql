-- As on SQLite, but for what many nodes need: who runs what, who is alive, what was committed.
-- Times are microseconds since the epoch (UTC), JSON is text, enumerations are as spelled on the wire.

CREATE TABLE schema_migrations (
    number BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    release TEXT NOT NULL
);

CREATE TABLE organisations (
    id UUID PRIMARY KEY,
    slug TEXT COLLATE "C" NOT NULL UNIQUE,
    trace_capture TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE projects (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES organisations (id),
    slug TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (org_id, slug)
);

CREATE TABLE documents (
    project_id UUID NOT NULL REFERENCES projects (id),
    hash TEXT NOT NULL,
    document TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, hash)
);

CREATE TABLE flows (
    id UUID PRIMARY KEY,
    project_id UUID NOT NULL REFERENCES projects (id),
    slug TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    draft_hash TEXT NOT NULL,
    latest_version BIGINT NOT NULL,
    production_version BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    removed_at BIGINT
);
CREATE UNIQUE INDEX flows_by_slug ON flows (project_id, slug) WHERE removed_at IS NULL;

CREATE TABLE versions (
    flow_id UUID NOT NULL REFERENCES flows (id),
    number BIGINT NOT NULL,
    project_id UUID NOT NULL,
    hash TEXT NOT NULL,
    note TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (flow_id, number)
);

-- Which version was made the production version, when, by whom.
CREATE TABLE production_log (
    project_id UUID NOT NULL,
    flow_id UUID NOT NULL REFERENCES flows (id),
    number BIGINT NOT NULL,
    author TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX production_log_by_flow ON production_log (flow_id, created_at);

CREATE TABLE api_keys (
    key_id TEXT COLLATE "C" PRIMARY KEY,
    project_id UUID NOT NULL REFERENCES projects (id),
    secret_hash TEXT NOT NULL,
    environment TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_by_project ON api_keys (project_id, created_at);

-- Ids are in order of time (UUID v7), which is how what is old is found: every index costs every run.
-- status_at: when it was created, last paused or last resumed. node: who runs it, unless it is a job.
CREATE TABLE runs (
    id UUID PRIMARY KEY,
    project_id UUID NOT NULL,
    flow_id UUID NOT NULL,
    flow_slug TEXT NOT NULL,
    version BIGINT NOT NULL,
    hash TEXT NOT NULL,
    trigger_type TEXT NOT NULL,
    status TEXT NOT NULL,
    status_at BIGINT NOT NULL,
    capture TEXT NOT NULL,
    session_id TEXT,
    step_count BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    completed_at BIGINT,
    duration_ms BIGINT,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    total_tokens BIGINT NOT NULL,
    cost_usd TEXT,
    last_seq BIGINT NOT NULL,
    pauses BIGINT NOT NULL,
    error TEXT,
    node UUID
);
CREATE INDEX runs_by_project ON runs (project_id, id);
CREATE INDEX runs_by_flow ON runs (flow_id, id);
CREATE INDEX runs_by_session ON runs (session_id, id) WHERE session_id IS NOT NULL;
CREATE INDEX runs_open ON runs (status_at) WHERE completed_at IS NULL;
CREATE INDEX runs_running ON runs (node) WHERE completed_at IS NULL AND status = 'running';

-- What a run needs to go on; gone once it cannot.
CREATE TABLE run_inputs (
    run_id UUID PRIMARY KEY,
    inputs TEXT NOT NULL
);

CREATE TABLE run_pauses (
    run_id UUID PRIMARY KEY,
    pause TEXT NOT NULL
);

CREATE TABLE run_events (
    run_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT,
    PRIMARY KEY (run_id, seq)
);

-- claims: how often it was claimed; with lease_owner it is what a worker's writes are fenced by. ticket: in which order
-- a project's jobs were queued. A job waits where lease_until is NULL, is worked on where lease_owner is not, and is
-- delayed where only lease_until is set: it may be claimed from then on. kept_at: when it ended, while what a retry needs
-- is still there. poisoned_at: when it was given up.
CREATE TABLE jobs (
    run_id UUID PRIMARY KEY,
    project_id UUID NOT NULL,
    enqueued_at BIGINT NOT NULL,
    claims BIGINT NOT NULL,
    lease_owner UUID,
    lease_until BIGINT,
    cancel_requested_at BIGINT,
    finished_at BIGINT,
    result TEXT,
    ticket BIGINT NOT NULL,
    faults BIGINT NOT NULL DEFAULT 0,
    kept_at BIGINT,
    poisoned_at BIGINT,
    retry_of UUID,
    retried_by UUID
);
CREATE INDEX jobs_leased ON jobs (lease_owner) WHERE lease_owner IS NOT NULL;
CREATE INDEX jobs_waiting ON jobs (project_id, ticket) WHERE finished_at IS NULL AND lease_until IS NULL;
CREATE INDEX jobs_lapsing ON jobs (lease_until) WHERE finished_at IS NULL AND lease_until IS NOT NULL;
CREATE INDEX jobs_kept ON jobs (kept_at) WHERE kept_at IS NOT NULL;
CREATE INDEX jobs_poison ON jobs (project_id, run_id) WHERE poisoned_at IS NOT NULL;

-- Claims that ended badly, and not with the end of their job.
CREATE TABLE job_faults (
    run_id UUID NOT NULL,
    claim BIGINT NOT NULL,
    at BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT,
    PRIMARY KEY (run_id, claim)
);

-- A row per project that ever had a job. waiting, running: how many of its jobs are in those states, kept by every
-- statement that moves a job. issued: the last ticket. served_at: when a job of it was last claimed.
CREATE TABLE job_queues (
    project_id UUID PRIMARY KEY,
    waiting BIGINT NOT NULL,
    running BIGINT NOT NULL,
    issued BIGINT NOT NULL,
    served_at BIGINT NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE idempotency_keys (
    project_id UUID NOT NULL,
    route TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    status BIGINT,
    content_type TEXT,
    body TEXT,
    node UUID NOT NULL,
    run_id UUID,
    result TEXT,
    PRIMARY KEY (project_id, route, idempotency_key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_by_run ON idempotency_keys (run_id) WHERE status IS NULL;
CREATE INDEX idempotency_keys_unanswered ON idempotency_keys (created_at) WHERE status IS NULL;

-- alive_until is by the database's clock.
CREATE TABLE nodes (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    release TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    alive_until BIGINT NOT NULL
);

-- Places within a project's limit of concurrent runs that a node has set aside for itself.
CREATE TABLE run_places (
    project_id UUID NOT NULL,
    node UUID NOT NULL,
    places BIGINT NOT NULL,
    PRIMARY KEY (project_id, node)
) WITH (fillfactor = 50);

-- Requests of a key as if they came one by one: until when those that passed take. Lost with a crash of the server,
-- which does no harm.
CREATE UNLOGGED TABLE request_rates (
    key_id TEXT COLLATE "C" PRIMARY KEY,
    until BIGINT NOT NULL
) WITH (fillfactor = 50);

-- The last transaction of each slot of a store: tells whether a commit whose answer was lost took place.
CREATE TABLE commit_marks (
    slot UUID PRIMARY KEY,
    number BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Rows that change often: leave them room on their page, and clear away early.
ALTER TABLE runs SET (fillfactor = 80);
ALTER TABLE jobs SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
