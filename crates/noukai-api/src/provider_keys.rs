//! Keys for model providers. Field names are snake_case here, as for API keys.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Body of `POST /provider-keys`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateProviderKey {
    /// `openai`, `anthropic` and so on; or a name of your own, with a `base_url`.
    pub provider: String,
    /// The key. It is never shown again.
    #[serde(alias = "apiKey")]
    pub api_key: String,
    /// The project it is for; absent: that of the API key.
    #[serde(default, alias = "projectId", skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// Whether it is for all projects of the organisation instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub organization: bool,
    /// The one address it goes to; absent: the provider's own.
    #[serde(default, alias = "baseUrl", skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// For people, at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl fmt::Debug for CreateProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateProviderKey").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// Body of `POST /provider-keys/{provider_key_id}/replace`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReplaceProviderKey {
    /// The new key. It is never shown again.
    #[serde(alias = "apiKey")]
    pub api_key: String,
}

impl fmt::Debug for ReplaceProviderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplaceProviderKey").finish_non_exhaustive()
    }
}

/// A provider key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderKeyInfo {
    /// The key.
    pub id: String,
    /// The provider.
    pub provider: String,
    /// The one address it goes to.
    pub base_url: String,
    /// For people.
    pub name: String,
    /// Its last four characters; empty for a short key.
    pub last_four: String,
    /// The project it is for; absent: all of the organisation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// The organisation.
    pub organization_id: String,
    /// Whether the server has the master key that opens it.
    pub readable: bool,
    /// ISO 8601.
    pub created_at: String,
    /// Key id or name of who added it.
    pub created_by: String,
    /// When its secret was last replaced. ISO 8601.
    pub changed_at: String,
    /// About when it was last sent, to a minute or so. ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
}

/// Reply of `GET /provider-keys`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderKeyList {
    /// The project's own, then its organisation's: the order in which they are used.
    pub provider_keys: Vec<ProviderKeyInfo>,
}

/// Reply of `DELETE /provider-keys/{provider_key_id}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeletedProviderKey {
    /// The key; every server stops using it within 30 s.
    pub id: String,
}

/// What a provider made of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ProviderKeyOutcome {
    /// It takes it.
    Accepted,
    /// It does not.
    Refused,
    /// It answered something else; not every provider lists its models.
    Unclear,
    /// It did not answer.
    Unreachable,
}

/// Reply of `POST /provider-keys/{provider_key_id}/test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderKeyTest {
    /// The key; absent for one of the server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The provider.
    pub provider: String,
    /// Where it was asked.
    pub base_url: String,
    /// What it made of the key.
    pub outcome: ProviderKeyOutcome,
    /// The same for a person.
    pub message: String,
}
