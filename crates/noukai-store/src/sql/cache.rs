//! Model replies that are given again.

pub(crate) const FIND: &str =
    "SELECT reply FROM cached_replies WHERE project_id = $1 AND key = $2 AND kept_at >= $3 AND expires_at > $4";

/// Adds to a project's sum, and locks it. Stands first in every change.
pub(crate) const GROW: &str = "INSERT INTO cache_sizes (project_id, bytes) VALUES ($1, $2) \
    ON CONFLICT (project_id) DO UPDATE SET bytes = cache_sizes.bytes + excluded.bytes RETURNING bytes";

pub(crate) const TAKE: &str = "DELETE FROM cached_replies WHERE project_id = $1 AND key = $2 RETURNING bytes";

pub(crate) const PUT: &str = "INSERT INTO cached_replies (project_id, key, reply, bytes, kept_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";

/// The oldest of a project, but for one: so many that a number of bytes is free, a few at a time.
pub(crate) const TAKE_OLDEST: &str = "DELETE FROM cached_replies WHERE project_id = $1 AND key IN \
    (SELECT key FROM (SELECT key, CAST(sum(bytes) OVER (ORDER BY kept_at, key) - bytes AS BIGINT) AS earlier FROM \
    (SELECT key, bytes, kept_at FROM cached_replies WHERE project_id = $1 AND key <> $2 ORDER BY kept_at LIMIT 64) \
    AS oldest) AS summed WHERE earlier < $3) RETURNING bytes";

/// A project that has some whose time is up.
pub(crate) const OVERDUE: &str =
    "SELECT project_id FROM cached_replies WHERE expires_at <= $1 ORDER BY expires_at LIMIT 1";

pub(crate) const TAKE_OVERDUE: &str = "DELETE FROM cached_replies WHERE project_id = $1 AND key IN \
    (SELECT key FROM cached_replies WHERE project_id = $1 AND expires_at <= $2 LIMIT $3) RETURNING bytes";
