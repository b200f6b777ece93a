-- Ids are 16 bytes, times microseconds since the epoch (UTC), JSON text, enumerations as spelled on the wire.
-- The tables on the path of a run have no foreign keys: each would cost a lookup per event, and the one statement
-- that moves a run on already fails where the run is missing.

CREATE TABLE schema_migrations (
    number INTEGER PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    release TEXT NOT NULL
) STRICT;

CREATE TABLE organisations (
    id BLOB PRIMARY KEY NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    trace_capture TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE projects (
    id BLOB PRIMARY KEY NOT NULL,
    org_id BLOB NOT NULL REFERENCES organisations (id),
    slug TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (org_id, slug)
) STRICT;

CREATE TABLE documents (
    project_id BLOB NOT NULL REFERENCES projects (id),
    hash TEXT NOT NULL,
    document TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, hash)
) STRICT;

CREATE TABLE flows (
    id BLOB PRIMARY KEY NOT NULL,
    project_id BLOB NOT NULL REFERENCES projects (id),
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    draft_hash TEXT NOT NULL,
    latest_version INTEGER NOT NULL,
    production_version INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    removed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX flows_by_slug ON flows (project_id, slug) WHERE removed_at IS NULL;

CREATE TABLE versions (
    flow_id BLOB NOT NULL REFERENCES flows (id),
    number INTEGER NOT NULL,
    project_id BLOB NOT NULL,
    hash TEXT NOT NULL,
    note TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (flow_id, number)
) STRICT, WITHOUT ROWID;

-- Which version was made the production version, when, by whom.
CREATE TABLE production_log (
    project_id BLOB NOT NULL,
    flow_id BLOB NOT NULL REFERENCES flows (id),
    number INTEGER NOT NULL,
    author TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX production_log_by_flow ON production_log (flow_id, created_at);

CREATE TABLE api_keys (
    key_id TEXT PRIMARY KEY NOT NULL,
    project_id BLOB NOT NULL REFERENCES projects (id),
    secret_hash TEXT NOT NULL,
    environment TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX api_keys_by_project ON api_keys (project_id, created_at);

-- Ids are in order of time (UUID v7), which is how what is old is found: every index costs every run.
-- status_at: when it was created, last paused or last resumed.
CREATE TABLE runs (
    id BLOB PRIMARY KEY NOT NULL,
    project_id BLOB NOT NULL,
    flow_id BLOB NOT NULL,
    flow_slug TEXT NOT NULL,
    version INTEGER NOT NULL,
    hash TEXT NOT NULL,
    trigger_type TEXT NOT NULL,
    status TEXT NOT NULL,
    status_at INTEGER NOT NULL,
    capture TEXT NOT NULL,
    session_id TEXT,
    step_count INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    completed_at INTEGER,
    duration_ms INTEGER,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    cost_usd TEXT,
    last_seq INTEGER NOT NULL,
    pauses INTEGER NOT NULL,
    error TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_project ON runs (project_id, id);
CREATE INDEX runs_by_flow ON runs (flow_id, id);
CREATE INDEX runs_by_session ON runs (session_id, id) WHERE session_id IS NOT NULL;
CREATE INDEX runs_open ON runs (status_at) WHERE completed_at IS NULL;

-- What a run needs to go on; gone once it cannot.
CREATE TABLE run_inputs (
    run_id BLOB PRIMARY KEY NOT NULL,
    inputs TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE run_pauses (
    run_id BLOB PRIMARY KEY NOT NULL,
    pause TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Not WITHOUT ROWID: rows stand in the order they came in, so that the events of many runs that one commit stores
-- share its pages.
CREATE TABLE run_events (
    run_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT,
    PRIMARY KEY (run_id, seq)
) STRICT;

-- claims: how often it was claimed; with lease_owner it is what a worker's writes are fenced by.
CREATE TABLE jobs (
    run_id BLOB PRIMARY KEY NOT NULL,
    project_id BLOB NOT NULL,
    enqueued_at INTEGER NOT NULL,
    claims INTEGER NOT NULL,
    lease_owner BLOB,
    lease_until INTEGER,
    cancel_requested_at INTEGER,
    finished_at INTEGER,
    result TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_open ON jobs (enqueued_at, run_id) WHERE finished_at IS NULL;
CREATE INDEX jobs_leased ON jobs (lease_owner) WHERE lease_owner IS NOT NULL;
CREATE INDEX jobs_queued ON jobs (project_id) WHERE finished_at IS NULL AND claims = 0;

CREATE TABLE idempotency_keys (
    project_id BLOB NOT NULL,
    route TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    status INTEGER,
    content_type TEXT,
    body TEXT,
    PRIMARY KEY (project_id, route, idempotency_key)
) STRICT;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_unanswered ON idempotency_keys (created_at) WHERE status IS NULL;
