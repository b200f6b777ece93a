-- Model replies that are given again for the same request, per project, until their time is up. bytes: what a row counts
-- for. cache_sizes: the sum of a project's; who changes any of a project's replies locks its row first.
CREATE TABLE cached_replies (
    project_id UUID NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    reply TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    kept_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, key)
);
CREATE INDEX cached_replies_by_age ON cached_replies (project_id, kept_at);
CREATE INDEX cached_replies_by_end ON cached_replies (expires_at);

CREATE TABLE cache_sizes (
    project_id UUID PRIMARY KEY,
    bytes BIGINT NOT NULL
);
