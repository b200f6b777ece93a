-- Test cases of flows, what came of running them, and what must pass before a version is published.
--
-- definition: what is sent and expected. cassette: model replies to run it with; replies: how many. Both are JSON.
CREATE TABLE test_cases (
    id UUID PRIMARY KEY,
    project_id UUID NOT NULL REFERENCES projects (id),
    flow_id UUID NOT NULL REFERENCES flows (id),
    name TEXT COLLATE "C" NOT NULL,
    definition TEXT NOT NULL,
    cassette TEXT,
    replies BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL
);
CREATE UNIQUE INDEX test_cases_by_name ON test_cases (flow_id, name);
CREATE INDEX test_cases_by_flow ON test_cases (flow_id, id);

CREATE TABLE test_gates (
    flow_id UUID PRIMARY KEY REFERENCES flows (id),
    project_id UUID NOT NULL,
    gate TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL
);

-- alive_until: whoever runs it said that it lives until then; one that is not and has not ended was cut off.
CREATE TABLE test_runs (
    id UUID PRIMARY KEY,
    project_id UUID NOT NULL REFERENCES projects (id),
    flow_id UUID NOT NULL REFERENCES flows (id),
    flow_slug TEXT NOT NULL,
    version BIGINT NOT NULL,
    hash TEXT NOT NULL,
    status TEXT NOT NULL,
    total BIGINT NOT NULL,
    passed BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    completed_at BIGINT,
    alive_until BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE INDEX test_runs_by_flow ON test_runs (flow_id, id);

CREATE TABLE test_results (
    test_run_id UUID NOT NULL REFERENCES test_runs (id),
    position BIGINT NOT NULL,
    case_id UUID NOT NULL,
    case_name TEXT NOT NULL,
    status TEXT NOT NULL,
    run_id UUID,
    detail TEXT,
    PRIMARY KEY (test_run_id, position)
);
