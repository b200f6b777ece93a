//! Flows and their documents, as runs find them.

/// The columns that make a flow's record, of `flows f` joined with its production version `v`.
macro_rules! flow_columns {
    () => {
        "f.id, f.project_id, f.slug, f.name, f.description, f.draft_hash, f.source_hash, f.revision, f.last_seq, \
         f.latest_version, f.created_at, f.updated_at, v.number, v.hash"
    };
}
pub(crate) use flow_columns;

/// How many columns those are: the first free one for a join's own.
pub(crate) const FLOW_COLUMNS: usize = 14;

macro_rules! flow_tables {
    () => {
        " FROM flows f LEFT JOIN versions v ON v.flow_id = f.id AND v.number = f.production_version "
    };
}
pub(crate) use flow_tables;

macro_rules! select {
    ($tail:literal) => {
        concat!("SELECT ", flow_columns!(), flow_tables!(), "WHERE f.project_id = $1 AND f.removed_at IS NULL ", $tail)
    };
}

pub(crate) const BY_SLUG: &str = select!("AND f.slug = $2");

pub(crate) const BY_ID: &str = select!("AND f.id = $2");

pub(crate) const ALL: &str = select!("ORDER BY f.slug");

pub(crate) const DOCUMENT: &str = "SELECT document FROM documents WHERE project_id = $1 AND hash = $2";

pub(crate) const KEEP_DOCUMENT: &str = "UPDATE documents SET kept = 1 WHERE project_id = $1 AND hash = $2";

/// The columns that make a version's record, of `versions v`.
macro_rules! version_columns {
    () => {
        "v.number, v.hash, v.source_hash, v.note, v.author, v.author_name, v.created_at, v.deprecated_at, v.deprecation, \
         v.revision"
    };
}
pub(crate) use version_columns;

/// How many columns those are.
pub(crate) const VERSION_COLUMNS: usize = 10;

pub(crate) const VERSION: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM versions v WHERE v.project_id = $1 AND v.flow_id = $2 AND v.number = $3"
);
