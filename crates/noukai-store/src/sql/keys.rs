//! API keys.

pub(crate) const ACTIVE: &str = "SELECT count(*) FROM api_keys \
    WHERE project_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";

pub(crate) const ADD: &str = "INSERT INTO api_keys (key_id, project_id, secret_hash, environment, name, scopes, created_at, \
    created_by, expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT key_id, project_id, secret_hash, environment, name, scopes, created_at, created_by, expires_at, \
             revoked_at FROM api_keys ",
            $tail
        )
    };
}

pub(crate) const BY_ID: &str = select!("WHERE key_id = $1");

/// Those of a project behind a time and an id; all, where there is no time.
pub(crate) const PAGE: &str = select!(
    "WHERE project_id = $1 AND (CAST($2 AS BIGINT) IS NULL OR (created_at, key_id) < (CAST($2 AS BIGINT), $3)) \
     ORDER BY created_at DESC, key_id DESC LIMIT $4"
);

pub(crate) const REVOKE: &str = "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $1) \
    WHERE project_id = $2 AND key_id = $3 RETURNING revoked_at";

/// One adds a key at a time; SQLite's one writer needs no lock for it.
pub(crate) const LOCK_POSTGRES: &str = "SELECT 1 FROM projects WHERE id = $1 FOR NO KEY UPDATE";
