//! Keys for model providers. Sealed by the caller: the store never sees one.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::ProjectId;

/// A sealed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Id of the master key that opens it.
    pub with: String,
    /// What only that key opens.
    pub bytes: Vec<u8>,
}

/// A key for a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderKeyRecord {
    /// The key.
    pub id: Uuid,
    /// Whose it is.
    pub org_id: Uuid,
    /// The one project it is for; `None`: all of the organisation's.
    pub project_id: Option<ProjectId>,
    /// The provider's name.
    pub provider: String,
    /// The one address it is sent to.
    pub base_url: String,
    /// For people.
    pub name: String,
    /// Its last characters, for people.
    pub last_four: String,
    /// The key itself.
    pub sealed: Sealed,
    /// When.
    pub created_at: OffsetDateTime,
    /// By whom.
    pub created_by: String,
    /// When the key itself was last replaced.
    pub changed_at: OffsetDateTime,
    /// About when it was last sent.
    pub last_used_at: Option<OffsetDateTime>,
}

/// A new secret in place of a key's old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedKey {
    /// The key itself.
    pub sealed: Sealed,
    /// Its last characters.
    pub last_four: String,
    /// When.
    pub changed_at: OffsetDateTime,
}
