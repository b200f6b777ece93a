//! Keys for model providers.

macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT k.id, k.org_id, k.project_id, k.provider, k.base_url, k.name, k.last_four, k.sealed_with, k.sealed, \
             k.created_at, k.created_by, k.changed_at, k.last_used_at FROM provider_keys k ",
            $tail
        )
    };
}

/// Of one owner: a project, or an organisation as such.
pub(crate) const COUNT_OF_PROJECT: &str = "SELECT count(*) FROM provider_keys WHERE org_id = $1 AND project_id = $2";
pub(crate) const COUNT_OF_ORG: &str = "SELECT count(*) FROM provider_keys WHERE org_id = $1 AND project_id IS NULL";

pub(crate) const ADD: &str = "INSERT INTO provider_keys (id, org_id, project_id, provider, base_url, name, last_four, \
    sealed_with, sealed, created_at, created_by, changed_at, last_used_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

pub(crate) const ONE: &str = select!("WHERE k.org_id = $1 AND k.id = $2");

/// Those that a project's calls may use, its own first.
pub(crate) const FOR_PROJECT: &str = select!(
    "WHERE k.org_id = (SELECT p.org_id FROM projects p WHERE p.id = $1) \
     AND (k.project_id = $1 OR k.project_id IS NULL) ORDER BY k.project_id IS NULL, k.created_at, k.id"
);

pub(crate) const CHANGE: &str = "UPDATE provider_keys SET sealed_with = $1, sealed = $2, last_four = $3, changed_at = $4 \
    WHERE org_id = $5 AND id = $6";

pub(crate) const REMOVE: &str = "DELETE FROM provider_keys WHERE org_id = $1 AND id = $2";

pub(crate) const USED: &str = "UPDATE provider_keys SET last_used_at = $1 \
    WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)";

/// Those that another master key than this one opens.
pub(crate) const SEALED_OTHERWISE: &str = select!("WHERE k.sealed_with <> $1 AND k.id > $2 ORDER BY k.id LIMIT $3");

/// Only where nobody replaced it meanwhile.
pub(crate) const RESEAL: &str = "UPDATE provider_keys SET sealed_with = $1, sealed = $2 WHERE id = $3 AND sealed = $4";

pub(crate) const SEALED_WITH: &str =
    "SELECT sealed_with, count(*) FROM provider_keys GROUP BY sealed_with ORDER BY sealed_with";
