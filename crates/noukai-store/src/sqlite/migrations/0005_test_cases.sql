-- Test cases of flows, what came of running them, and what must pass before a version is published.
--
-- definition: what is sent and expected. cassette: model replies to run it with; replies: how many. Both are JSON.
CREATE TABLE test_cases (
    id BLOB PRIMARY KEY NOT NULL,
    project_id BLOB NOT NULL REFERENCES projects (id),
    flow_id BLOB NOT NULL REFERENCES flows (id),
    name TEXT NOT NULL,
    definition TEXT NOT NULL,
    cassette TEXT,
    replies INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX test_cases_by_name ON test_cases (flow_id, name);
CREATE INDEX test_cases_by_flow ON test_cases (flow_id, id);

CREATE TABLE test_gates (
    flow_id BLOB PRIMARY KEY NOT NULL REFERENCES flows (id),
    project_id BLOB NOT NULL,
    gate TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- alive_until: whoever runs it said that it lives until then; one that is not and has not ended was cut off.
CREATE TABLE test_runs (
    id BLOB PRIMARY KEY NOT NULL,
    project_id BLOB NOT NULL REFERENCES projects (id),
    flow_id BLOB NOT NULL REFERENCES flows (id),
    flow_slug TEXT NOT NULL,
    version INTEGER NOT NULL,
    hash TEXT NOT NULL,
    status TEXT NOT NULL,
    total INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    completed_at INTEGER,
    alive_until INTEGER NOT NULL,
    created_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX test_runs_by_flow ON test_runs (flow_id, id);

CREATE TABLE test_results (
    test_run_id BLOB NOT NULL REFERENCES test_runs (id),
    position INTEGER NOT NULL,
    case_id BLOB NOT NULL,
    case_name TEXT NOT NULL,
    status TEXT NOT NULL,
    run_id BLOB,
    detail TEXT,
    PRIMARY KEY (test_run_id, position)
) STRICT;
