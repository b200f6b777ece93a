//! Object models, and which drafts name them.

use super::flows::{flow_columns, flow_tables};

macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT m.id, m.project_id, m.name, m.description, m.schema, m.revision, m.created_at, m.author, \
             m.author_name, m.updated_at FROM object_models m ",
            $tail
        )
    };
}

pub(crate) const ALL: &str = select!("WHERE m.project_id = $1 ORDER BY m.name");

pub(crate) const PAGE: &str = select!("WHERE m.project_id = $1 AND m.name > $2 ORDER BY m.name LIMIT $3");

pub(crate) const OF_ORGANISATION: &str =
    select!("JOIN projects p ON p.id = m.project_id WHERE p.org_id = $1 AND m.id = $2");

pub(crate) const BY_NAME: &str = select!("WHERE m.project_id = $1 AND m.name = $2");

pub(crate) const ADD: &str = "INSERT INTO object_models (id, project_id, name, description, schema, revision, created_at, \
    author, author_name, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Only from one revision to the next.
pub(crate) const UPDATE: &str = "UPDATE object_models SET description = $1, schema = $2, revision = revision + 1, \
    author = $3, author_name = $4, updated_at = $5 WHERE project_id = $6 AND id = $7 AND revision = $8";

pub(crate) const REMOVE: &str = "DELETE FROM object_models WHERE project_id = $1 AND id = $2 \
    AND (CAST($3 AS BIGINT) IS NULL OR revision = CAST($3 AS BIGINT))";

pub(crate) const REVISION: &str = "SELECT models_revision FROM projects WHERE id = $1";

/// Drafts that name object models and changes of object models wait for each other. SQLite's one writer needs no lock.
pub(crate) const REVISION_SHARED_POSTGRES: &str = "SELECT models_revision FROM projects WHERE id = $1 FOR SHARE";

pub(crate) const REVISION_LOCKED_POSTGRES: &str =
    "SELECT models_revision FROM projects WHERE id = $1 FOR NO KEY UPDATE";

pub(crate) const COUNT_UP: &str = "UPDATE projects SET models_revision = models_revision + 1 WHERE id = $1";

pub(crate) const USERS: &str = concat!(
    "SELECT ",
    flow_columns!(),
    ", d.document",
    flow_tables!(),
    "JOIN flow_models u ON u.flow_id = f.id \
     JOIN documents d ON d.project_id = f.project_id AND d.hash = f.source_hash \
     WHERE u.project_id = $1 AND u.name = $2 AND f.removed_at IS NULL ORDER BY f.slug"
);

/// Which drafts name it, and at which revision.
pub(crate) const USING: &str = "SELECT f.id, f.revision, f.draft_hash, f.source_hash FROM flows f \
    JOIN flow_models u ON u.flow_id = f.id WHERE u.project_id = $1 AND u.name = $2 AND f.removed_at IS NULL";

pub(crate) const FORGET_USES: &str = "DELETE FROM flow_models WHERE project_id = $1 AND flow_id = $2";

pub(crate) const ADD_USE: &str = "INSERT INTO flow_models (project_id, name, flow_id) VALUES ($1, $2, $3)";

pub(crate) const SET_RESOLVED: &str = "UPDATE flows SET draft_hash = $1 WHERE project_id = $2 AND id = $3";
