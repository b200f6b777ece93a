-- Model replies that are given again for the same request, per project, until their time is up. bytes: what a row counts
-- for. cache_sizes: the sum of a project's.
CREATE TABLE cached_replies (
    project_id BLOB NOT NULL,
    key TEXT NOT NULL,
    reply TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    kept_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, key)
) STRICT;
CREATE INDEX cached_replies_by_age ON cached_replies (project_id, kept_at);
CREATE INDEX cached_replies_by_end ON cached_replies (expires_at);

CREATE TABLE cache_sizes (
    project_id BLOB PRIMARY KEY NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
