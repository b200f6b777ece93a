-- What model calls took, and what they may take. Money is in units of 1e-12 US dollars.

-- The ledger: a row per call. Ids are in order of time (UUID v7), so that rows of a commit share its pages and a time is
-- found by the id; another index would cost every call. cost: NULL where it is not known.
CREATE TABLE usage_entries (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    run_id BLOB NOT NULL,
    flow_id BLOB NOT NULL,
    flow_slug TEXT NOT NULL,
    version INTEGER NOT NULL,
    session_id TEXT,
    key_id TEXT,
    step TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT,
    outcome TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cache_written_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost INTEGER,
    duration_ms INTEGER NOT NULL,
    PRIMARY KEY (project_id, id)
) STRICT, WITHOUT ROWID;

-- Its sums, by hour since the epoch. What a call lacks is the empty text.
CREATE TABLE usage_hours (
    project_id BLOB NOT NULL,
    hour INTEGER NOT NULL,
    flow_slug TEXT NOT NULL,
    version INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    calls INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cache_written_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (project_id, hour, flow_slug, version, key_id, model, provider)
) STRICT, WITHOUT ROWID;

-- One per scope, period and unit. project_id is all zeros for an organisation's; target: a flow's slug or a key's id.
CREATE TABLE budgets (
    id BLOB PRIMARY KEY NOT NULL,
    org_id BLOB NOT NULL REFERENCES organisations (id),
    scope TEXT NOT NULL,
    project_id BLOB NOT NULL,
    target TEXT NOT NULL,
    period TEXT NOT NULL,
    unit TEXT NOT NULL,
    amount INTEGER NOT NULL,
    warn_percent INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    UNIQUE (org_id, scope, project_id, target, period, unit)
) STRICT;

-- What is spent of a budget in a period, by the number of the period.
CREATE TABLE budget_spend (
    budget_id BLOB NOT NULL,
    period INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    PRIMARY KEY (budget_id, period)
) STRICT, WITHOUT ROWID;
