//! Organisations and projects.

pub(crate) const ADD_ORGANISATION: &str = "INSERT INTO organisations (id, slug, trace_capture, created_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (slug) DO NOTHING";

pub(crate) const ADD_PROJECT: &str = "INSERT INTO projects (id, org_id, slug, created_at) \
    SELECT $1, o.id, $2, $3 FROM organisations o WHERE o.slug = $4 ON CONFLICT (org_id, slug) DO NOTHING";

pub(crate) const CREATE_PROJECT: &str = "INSERT INTO projects (id, org_id, slug, name, description, flows_as_tools, \
    created_at) SELECT $1, o.id, $2, $3, $4, $5, $6 FROM organisations o WHERE o.id = $7 \
    ON CONFLICT (org_id, slug) DO NOTHING";

pub(crate) const UPDATE_PROJECT: &str = "UPDATE projects SET name = $1, description = $2, flows_as_tools = $3 \
    WHERE org_id = $4 AND id = $5";

pub(crate) const SET_CAPTURE: &str = "UPDATE organisations SET trace_capture = $1 WHERE id = $2";

pub(crate) const ORGANISATION: &str =
    "SELECT id, slug, name, trace_capture, created_at FROM organisations WHERE id = $1";

pub(crate) const RENAME_ORGANISATION: &str = "UPDATE organisations SET name = $1 WHERE id = $2";

macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT p.id, p.slug, o.id, o.slug, o.trace_capture, p.name, p.description, p.flows_as_tools, \
             p.models_revision, p.created_at FROM projects p JOIN organisations o ON o.id = p.org_id ",
            $tail
        )
    };
}

pub(crate) const BY_ID: &str = select!("WHERE p.id = $1");

pub(crate) const BY_ADDRESS: &str = select!("WHERE o.slug = $1 AND p.slug = $2");

pub(crate) const ALL: &str = select!("ORDER BY o.slug, p.slug");

pub(crate) const PAGE: &str = select!("WHERE o.id = $1 AND p.slug > $2 ORDER BY p.slug LIMIT $3");
