//! Flows, their documents and versions.

pub(crate) const KEEP_DOCUMENT: &str = "INSERT INTO documents (project_id, hash, document, created_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (project_id, hash) DO NOTHING";

pub(crate) const PUT_DRAFT: &str = "INSERT INTO flows (id, project_id, slug, name, draft_hash, latest_version, created_at, \
    updated_at) VALUES ($1, $2, $3, $4, $5, 0, $6, $6) \
    ON CONFLICT (project_id, slug) WHERE removed_at IS NULL \
    DO UPDATE SET name = excluded.name, draft_hash = excluded.draft_hash, updated_at = excluded.updated_at";

macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT f.id, f.slug, f.name, f.draft_hash, f.latest_version, v.number, v.hash FROM flows f \
             LEFT JOIN versions v ON v.flow_id = f.id AND v.number = f.production_version \
             WHERE f.project_id = $1 AND f.removed_at IS NULL ",
            $tail
        )
    };
}

pub(crate) const BY_SLUG: &str = select!("AND f.slug = $2");

pub(crate) const BY_ID: &str = select!("AND f.id = $2");

pub(crate) const ALL: &str = select!("ORDER BY f.slug");

pub(crate) const REMOVE: &str =
    "UPDATE flows SET removed_at = $1 WHERE project_id = $2 AND slug = $3 AND removed_at IS NULL";

pub(crate) const DOCUMENT: &str = "SELECT document FROM documents WHERE project_id = $1 AND hash = $2";

pub(crate) const VERSION: &str = "SELECT number, hash, note, author, created_at FROM versions \
    WHERE project_id = $1 AND flow_id = $2 AND number = $3";

pub(crate) const ADD_VERSION: &str = "INSERT INTO versions (flow_id, number, project_id, hash, note, author, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub(crate) const SET_LATEST: &str = "UPDATE flows SET latest_version = $1 WHERE project_id = $2 AND id = $3";

pub(crate) const SET_PRODUCTION: &str = "UPDATE flows SET production_version = $1 \
    WHERE project_id = $2 AND id = $3 AND removed_at IS NULL";

pub(crate) const LOG_PRODUCTION: &str = "INSERT INTO production_log (project_id, flow_id, number, author, created_at) \
    VALUES ($1, $2, $3, $4, $5)";

/// SQLite's one writer needs no lock.
pub(crate) const LOCK_POSTGRES: &str = "SELECT 1 FROM flows WHERE project_id = $1 AND id = $2 FOR NO KEY UPDATE";
