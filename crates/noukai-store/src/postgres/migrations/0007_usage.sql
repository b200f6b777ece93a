-- What model calls took, and what they may take. Money is in units of 1e-12 US dollars.

-- The ledger: a row per call. Ids are in order of time (UUID v7), so that rows of a commit share its pages and a time is
-- found by the id; another index would cost every call. cost: NULL where it is not known.
CREATE TABLE usage_entries (
    project_id UUID NOT NULL,
    id UUID NOT NULL,
    at BIGINT NOT NULL,
    run_id UUID NOT NULL,
    flow_id UUID NOT NULL,
    flow_slug TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    session_id TEXT COLLATE "C",
    key_id TEXT COLLATE "C",
    step TEXT NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C",
    outcome TEXT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    total_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_written_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost BIGINT,
    duration_ms BIGINT NOT NULL,
    PRIMARY KEY (project_id, id)
);

-- Its sums, by hour since the epoch. What a call lacks is the empty text. slot: each node adds to rows of its own, or
-- nearly so, that nodes need not wait for each other.
CREATE TABLE usage_hours (
    project_id UUID NOT NULL,
    hour BIGINT NOT NULL,
    flow_slug TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    slot BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    cached BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    total_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_written_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    PRIMARY KEY (project_id, hour, flow_slug, version, key_id, model, provider, slot)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- One per scope, period and unit. project_id is all zeros for an organisation's; target: a flow's slug or a key's id.
CREATE TABLE budgets (
    id UUID PRIMARY KEY,
    org_id UUID NOT NULL REFERENCES organisations (id),
    scope TEXT COLLATE "C" NOT NULL,
    project_id UUID NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    period TEXT COLLATE "C" NOT NULL,
    unit TEXT COLLATE "C" NOT NULL,
    amount BIGINT NOT NULL,
    warn_percent BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    UNIQUE (org_id, scope, project_id, target, period, unit)
);

-- What a node has spent of a budget in a period, and how much it may have spent altogether. The node of all zeros has
-- what was spent before the budget was made.
CREATE TABLE budget_spend (
    budget_id UUID NOT NULL,
    period BIGINT NOT NULL,
    node UUID NOT NULL,
    spent BIGINT NOT NULL,
    granted BIGINT NOT NULL,
    PRIMARY KEY (budget_id, period, node)
) WITH (fillfactor = 50);
