//! What people grant to programs: clients, grants, codes, tokens.

/// One adds a client at a time, or more would be known than may; SQLite's one writer needs no lock for it. `oauth` in
/// ASCII.
pub(crate) const LOCK_CLIENTS_POSTGRES: &str = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(478560413032)) AS held";

pub(crate) const CLIENTS: &str = "SELECT count(*) FROM oauth_clients WHERE expires_at > $1";

pub(crate) const ADD_CLIENT: &str =
    "INSERT INTO oauth_clients (id, name, redirect_uris, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";

pub(crate) const CLIENT: &str =
    "SELECT id, name, redirect_uris, created_at, expires_at FROM oauth_clients WHERE id = $1 AND expires_at > $2";

pub(crate) const KEEP_CLIENT: &str = "UPDATE oauth_clients SET expires_at = $1 \
    WHERE expires_at < $1 AND id = (SELECT g.client_id FROM oauth_grants g WHERE g.id = $2)";

pub(crate) const ADD_GRANT: &str = "INSERT INTO oauth_grants (id, client_id, user_id, project_id, scopes, audience, \
    created_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub(crate) const ADD_CODE: &str = "INSERT INTO oauth_codes (code_hash, grant_id, redirect_uri, challenge, expires_at) \
    VALUES ($1, $2, $3, $4, $5)";

macro_rules! grant_columns {
    () => {
        "g.id, g.client_id, g.user_id, g.project_id, g.scopes, g.audience, g.created_at, g.revoked_at"
    };
}

pub(crate) const GRANT: &str = concat!("SELECT ", grant_columns!(), " FROM oauth_grants g WHERE g.id = $1");

pub(crate) const USE_CODE: &str = "UPDATE oauth_codes SET used_at = $1 \
    WHERE code_hash = $2 AND used_at IS NULL AND expires_at > $1 \
    RETURNING grant_id, redirect_uri, challenge, expires_at";

pub(crate) const USED_CODE: &str = "SELECT grant_id FROM oauth_codes WHERE code_hash = $1 AND used_at IS NOT NULL";

pub(crate) const REVOKE: &str = "UPDATE oauth_grants SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";

pub(crate) const REVOKE_OF_USER: &str =
    "UPDATE oauth_grants SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL";

/// Changes nothing, but holds the grant until the end of the transaction; no row where it is void.
pub(crate) const HOLD: &str = "UPDATE oauth_grants SET created_at = created_at WHERE id = $1 AND revoked_at IS NULL";

pub(crate) const ADD_TOKEN: &str =
    "INSERT INTO oauth_tokens (token_hash, grant_id, kind, expires_at) VALUES ($1, $2, $3, $4)";

pub(crate) const ACCESS_TOKEN: &str = concat!(
    "SELECT ",
    grant_columns!(),
    ", t.expires_at FROM oauth_tokens t JOIN oauth_grants g ON g.id = t.grant_id \
     WHERE t.token_hash = $1 AND t.kind = 'access'"
);

pub(crate) const USE_REFRESH: &str = "UPDATE oauth_tokens SET used_at = $1 \
    WHERE token_hash = $2 AND kind = 'refresh' AND used_at IS NULL AND expires_at > $1 \
    AND EXISTS (SELECT 1 FROM oauth_grants g WHERE g.id = oauth_tokens.grant_id AND g.client_id = $3) \
    RETURNING grant_id";

pub(crate) const USED_REFRESH: &str = "SELECT t.grant_id FROM oauth_tokens t \
    JOIN oauth_grants g ON g.id = t.grant_id \
    WHERE t.token_hash = $1 AND t.kind = 'refresh' AND t.used_at IS NOT NULL AND g.client_id = $2";

pub(crate) const GRANT_OF_TOKEN: &str = "SELECT t.grant_id FROM oauth_tokens t \
    JOIN oauth_grants g ON g.id = t.grant_id WHERE t.token_hash = $1 AND g.client_id = $2";
