//! Idempotency keys.

/// Finds a row only where the key is the caller's now.
pub(crate) const BEGIN_SQLITE: &str = "INSERT INTO idempotency_keys (project_id, route, idempotency_key, body_hash, created_at, run_id) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project_id, route, idempotency_key) \
    DO UPDATE SET body_hash = excluded.body_hash, created_at = excluded.created_at, status = NULL, \
    content_type = NULL, body = NULL, run_id = excluded.run_id, result = NULL, begun_after = 0 \
    WHERE idempotency_keys.created_at < $7 RETURNING 1";

/// As on SQLite, and who took it.
pub(crate) const BEGIN_POSTGRES: &str = "INSERT INTO idempotency_keys (project_id, route, idempotency_key, body_hash, \
    created_at, node, run_id) VALUES ($1, $2, $3, $4, $5, $7, $8) ON CONFLICT (project_id, route, idempotency_key) \
    DO UPDATE SET body_hash = excluded.body_hash, created_at = excluded.created_at, status = NULL, \
    content_type = NULL, body = NULL, node = excluded.node, run_id = excluded.run_id, result = NULL, \
    begun_after = 0 \
    WHERE idempotency_keys.created_at < $6 RETURNING 1";

pub(crate) const BEFORE: &str = "SELECT body_hash, status, content_type, body, run_id, result, begun_after FROM idempotency_keys \
    WHERE project_id = $1 AND route = $2 AND idempotency_key = $3";

/// The key of a request that goes on with a run, from behind the event it stood at.
pub(crate) const GOES_ON: &str =
    "UPDATE idempotency_keys SET run_id = $1, begun_after = $2 WHERE run_id = $3 AND status IS NULL";

pub(crate) const FINISH_SQLITE: &str = "UPDATE idempotency_keys SET status = $1, content_type = $2, body = $3, result = NULL \
    WHERE project_id = $4 AND route = $5 AND idempotency_key = $6 AND status IS NULL";

/// Only for the node that took it: one that was given up for dead has lost it.
pub(crate) const FINISH_POSTGRES: &str = "UPDATE idempotency_keys SET status = $1, content_type = $2, body = $3, result = NULL \
    WHERE project_id = $4 AND route = $5 AND idempotency_key = $6 AND status IS NULL AND node = $7";

pub(crate) const ABANDON_SQLITE: &str = "DELETE FROM idempotency_keys \
    WHERE project_id = $1 AND route = $2 AND idempotency_key = $3 AND status IS NULL \
    AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = idempotency_keys.run_id)";

pub(crate) const ABANDON_POSTGRES: &str = "DELETE FROM idempotency_keys \
    WHERE project_id = $1 AND route = $2 AND idempotency_key = $3 AND status IS NULL AND node = $4 \
    AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = idempotency_keys.run_id)";

/// Those whose run is there stay: it tells the reply.
pub(crate) const FORGET_UNANSWERED_SQLITE: &str = "DELETE FROM idempotency_keys WHERE status IS NULL \
    AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = idempotency_keys.run_id)";

/// Of nodes that are no more.
pub(crate) const FORGET_UNANSWERED_POSTGRES: &str = "DELETE FROM idempotency_keys k WHERE status IS NULL \
    AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = k.run_id) \
    AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = k.node AND n.alive_until > $1)";

pub(crate) const FORGET_OLD: &str = "DELETE FROM idempotency_keys WHERE (project_id, route, idempotency_key) IN \
    (SELECT project_id, route, idempotency_key FROM idempotency_keys WHERE created_at < $1 LIMIT $2)";
