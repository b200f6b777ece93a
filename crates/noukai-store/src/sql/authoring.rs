//! Drafts, the log of operations, versions, checkpoints.

use super::flows::{flow_columns, flow_tables, version_columns};

/// Texts that only a draft has go when the draft changes; what a run or a version has is kept.
pub(crate) const ADD_DOCUMENT: &str = "INSERT INTO documents (project_id, hash, document, created_at, kept) \
    VALUES ($1, $2, $3, $4, 0) ON CONFLICT (project_id, hash) DO NOTHING";

pub(crate) const DROP_DOCUMENT: &str = "DELETE FROM documents WHERE project_id = $1 AND hash = $2 AND kept = 0";

pub(crate) const ADD_FLOW: &str = "INSERT INTO flows (id, project_id, slug, name, description, draft_hash, source_hash, \
    revision, last_seq, latest_version, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, 1, 0, 0, $8, $8)";

pub(crate) const CHANGE_DRAFT: &str = "UPDATE flows SET slug = $1, name = $2, description = $3, draft_hash = $4, \
    source_hash = $5, revision = revision + 1, updated_at = $6 WHERE project_id = $7 AND id = $8";

pub(crate) const OF_ORGANISATION: &str = concat!(
    "SELECT ",
    flow_columns!(),
    flow_tables!(),
    "JOIN projects p ON p.id = f.project_id WHERE p.org_id = $1 AND f.id = $2 AND f.removed_at IS NULL"
);

/// `$2`: behind this slug. `$3`: a pattern for slug and name.
macro_rules! page {
    () => {
        "WHERE f.project_id = $1 AND f.removed_at IS NULL AND f.slug > $2 \
         AND (f.slug LIKE $3 ESCAPE '\\' OR lower(f.name) LIKE $3 ESCAPE '\\') ORDER BY f.slug LIMIT $4"
    };
}

pub(super) use page;

pub(crate) const PAGE: &str = concat!("SELECT ", flow_columns!(), flow_tables!(), page!());

pub(crate) const PAGE_OF_DRAFTS: &str = concat!(
    "SELECT ",
    flow_columns!(),
    ", d.document",
    flow_tables!(),
    "JOIN documents d ON d.project_id = f.project_id AND d.hash = f.source_hash ",
    page!()
);

pub(crate) const PAGE_OF_VERSIONS: &str = concat!(
    "SELECT ",
    version_columns!(),
    ", v.flow_id FROM versions v WHERE v.flow_id IN (SELECT f.id FROM flows f ",
    page!(),
    ") ORDER BY v.flow_id, v.number DESC"
);

pub(crate) const REMOVE: &str = "UPDATE flows SET removed_at = $1 WHERE project_id = $2 AND id = $3";

/// SQLite's one writer needs no lock.
pub(crate) const LOCK_FLOW_POSTGRES: &str = "SELECT 1 FROM flows WHERE project_id = $1 AND id = $2 FOR NO KEY UPDATE";

pub(crate) const ADD_OPERATION: &str = "INSERT INTO flow_operations (flow_id, seq, project_id, revision, op, operations, \
    inverse, touched, summary, undoes, author, author_name, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

pub(crate) const SET_LAST_SEQ: &str = "UPDATE flows SET last_seq = $1 WHERE project_id = $2 AND id = $3";

/// What the undone operation had taken back counts again.
pub(crate) const COUNT_AGAIN: &str =
    "UPDATE flow_operations SET undone_by = NULL WHERE project_id = $1 AND flow_id = $2 AND undone_by = $3";

pub(crate) const MARK_UNDONE: &str =
    "UPDATE flow_operations SET undone_by = $1 WHERE project_id = $2 AND flow_id = $3 AND seq = $4";

macro_rules! operations {
    ($tail:literal) => {
        concat!(
            "SELECT seq, revision, op, operations, inverse, touched, summary, undoes, undone_by, author, author_name, \
             created_at FROM flow_operations WHERE project_id = $1 AND flow_id = $2 ",
            $tail
        )
    };
}

/// `$4`: a pattern for what is touched. `$5`: the kind; empty: any.
pub(crate) const OPERATIONS: &str = operations!(
    "AND seq < $3 AND touched LIKE $4 ESCAPE '\\' AND ($5 = '' OR op = $5) ORDER BY seq DESC LIMIT $6 OFFSET $7"
);

pub(crate) const OPERATIONS_FROM: &str = operations!("AND seq >= $3 ORDER BY seq LIMIT $4");

pub(crate) const COUNT_CONTENT: &str = "INSERT INTO content_versions (flow_id, step_id, version) VALUES ($1, $2, 1) \
    ON CONFLICT (flow_id, step_id) DO UPDATE SET version = content_versions.version + 1";

pub(crate) const PAGE_OF_CONTENTS: &str = concat!(
    "SELECT c.flow_id, c.step_id, c.version FROM content_versions c WHERE c.flow_id IN (SELECT f.id FROM flows f ",
    page!(),
    ")"
);

pub(crate) const CONTENTS: &str = "SELECT c.step_id, c.version FROM content_versions c \
    JOIN flows f ON f.id = c.flow_id WHERE f.project_id = $1 AND c.flow_id = $2";

pub(crate) const ADD_VERSION: &str = "INSERT INTO versions (flow_id, number, project_id, hash, source_hash, note, author, \
    author_name, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

pub(crate) const SET_LATEST: &str = "UPDATE flows SET latest_version = $1 WHERE project_id = $2 AND id = $3";

pub(crate) const VERSIONS: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM versions v WHERE v.project_id = $1 AND v.flow_id = $2 AND v.number < $3 ORDER BY v.number DESC LIMIT $4"
);

pub(crate) const DEPRECATE: &str = "UPDATE versions SET deprecated_at = $1, deprecation = $2, \
    revision = revision + 1 WHERE project_id = $3 AND flow_id = $4 AND number = $5 \
    AND (CAST($6 AS BIGINT) IS NULL OR revision = CAST($6 AS BIGINT))";

pub(crate) const SET_PRODUCTION: &str = "UPDATE flows SET production_version = $1 \
    WHERE project_id = $2 AND id = $3 AND removed_at IS NULL";

pub(crate) const LOG_PRODUCTION: &str = "INSERT INTO production_log (project_id, flow_id, number, author, author_name, \
    created_at) VALUES ($1, $2, $3, $4, $5, $6)";

pub(crate) const PROMOTIONS: &str = "SELECT number, author, author_name, created_at FROM production_log \
    WHERE project_id = $1 AND flow_id = $2 ORDER BY created_at DESC, number DESC LIMIT $3";

pub(crate) const ADD_CHECKPOINT: &str = "INSERT INTO checkpoints (id, project_id, flow_id, step_id, note, revision, content, \
    author, author_name, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

macro_rules! checkpoints {
    ($($tail:tt)+) => {
        concat!(
            "SELECT c.id, c.flow_id, c.step_id, c.note, c.revision, c.content, c.author, c.author_name, c.created_at \
             FROM checkpoints c WHERE ",
            $($tail)+
        )
    };
}

/// `$3`: the step; empty: any. `$4`: the last one seen; the highest id there is: none.
pub(crate) const CHECKPOINTS: &str = checkpoints!(
    "c.project_id = $1 AND c.flow_id = $2 AND ($3 = '' OR c.step_id = $3) AND c.id < $4 ORDER BY c.id DESC LIMIT $5"
);

pub(crate) const CHECKPOINT: &str = checkpoints!("c.project_id = $1 AND c.flow_id = $2 AND c.id = $3");

pub(crate) const PAGE_OF_CHECKPOINTS: &str =
    checkpoints!("c.flow_id IN (SELECT f.id FROM flows f ", page!(), ") ORDER BY c.flow_id, c.id DESC");

pub(crate) const REMOVE_CHECKPOINT: &str = "DELETE FROM checkpoints WHERE project_id = $1 AND flow_id = $2 AND id = $3";

/// A pattern for `LIKE ... ESCAPE '\'` that finds `text` anywhere; of nothing, one that finds everything.
pub(crate) fn anywhere(text: Option<&str>) -> String {
    let mut pattern = String::from("%");
    for c in text.unwrap_or_default().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    if text.is_some_and(|text| !text.is_empty()) {
        pattern.push('%');
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_texts_as_they_are() {
        assert_eq!(anywhere(None), "%");
        assert_eq!(anywhere(Some("")), "%");
        assert_eq!(anywhere(Some("50%_\\")), "%50\\%\\_\\\\%");
    }
}
