//! API keys. Field names are snake_case here, as published.

use serde::{Deserialize, Serialize};

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Scope {
    /// Run flows and read their traces.
    Execute,
    /// Change flows.
    Author,
    /// Manage the organisation: keys, members, settings.
    Admin,
}

impl Scope {
    /// Every scope, least first.
    pub const ALL: [Self; 3] = [Self::Execute, Self::Author, Self::Admin];

    /// As spelled on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Author => "author",
            Self::Admin => "admin",
        }
    }
}

/// Body of `POST /keys`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateKey {
    /// The project the key is for.
    #[serde(alias = "projectId")]
    pub project_id: String,
    /// For people, 1 to 100 characters.
    pub name: String,
    /// `live` or `test`.
    pub environment: String,
    /// ISO 8601; absent: never.
    #[serde(default, alias = "expiresAt", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Default: `["execute"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
}

/// Reply of `POST /keys`; the only time the secret is shown.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreatedKey {
    /// `nk_{live|test}_{id}_{secret}`.
    pub key: String,
    /// The rest, as in lists.
    #[serde(flatten)]
    pub info: KeyInfo,
}

impl std::fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedKey").field("key", &"[secret]").field("info", &self.info).finish()
    }
}

/// A key without its secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyInfo {
    /// Eight characters; also part of the key.
    pub key_id: String,
    /// The project.
    pub project_id: String,
    /// Its organisation.
    pub organization_id: String,
    /// `live` or `test`.
    pub environment: String,
    /// For people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// ISO 8601.
    pub created_at: String,
    /// Key id or name of who made it.
    pub created_by: String,
    /// ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

/// Reply of `GET /keys`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyList {
    /// Newest first.
    pub keys: Vec<KeyInfo>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Reply of `DELETE /keys/{key_id}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeletedKey {
    /// The key.
    pub key_id: String,
    /// ISO 8601; every node refuses the key within 30 s of it.
    pub revoked_at: String,
}

/// Reply of `GET /keys/verify`: what the caller's own key is good for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerifiedKey {
    /// The key.
    pub key_id: String,
    /// The project.
    pub project_id: String,
    /// The project's slug.
    pub project: String,
    /// The organisation.
    pub organization_id: String,
    /// The organisation's slug.
    pub organization: String,
    /// `live` or `test`.
    pub environment: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
}
