//! People and what stands for them: accounts, memberships, invitations, sign-ins, and what they grant to programs.
//! Secrets are here as hashes only.

use noukai_api::{MemberRole, Scope};
use time::OffsetDateTime;
use uuid::Uuid;

use super::ProjectId;

/// An account.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The user.
    pub id: Uuid,
    /// Unique; in lower case.
    pub email: String,
    /// For people.
    pub name: String,
    /// A password hash with its parameters, as text.
    pub password_hash: String,
    /// When.
    pub created_at: OffsetDateTime,
}

impl std::fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRecord").field("id", &self.id).field("email", &self.email).finish_non_exhaustive()
    }
}

/// A member of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRecord {
    /// The user.
    pub user_id: Uuid,
    /// The user's.
    pub email: String,
    /// The user's.
    pub name: String,
    /// What they may do.
    pub role: MemberRole,
    /// Member since.
    pub since: OffsetDateTime,
}

/// An organisation that a user is a member of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipRecord {
    /// The organisation.
    pub org_id: Uuid,
    /// Its slug.
    pub org_slug: String,
    /// What the user may do there.
    pub role: MemberRole,
}

/// What became of a change to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChange {
    /// It is done.
    Done,
    /// The organisation has no such member.
    Missing,
    /// Refused: the organisation would be left without an owner.
    LastOwner,
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationRecord {
    /// The invitation.
    pub id: Uuid,
    /// Where to.
    pub org_id: Uuid,
    /// Whom; in lower case.
    pub email: String,
    /// As what.
    pub role: MemberRole,
    /// SHA-256 of its token, in hex.
    pub token_hash: String,
    /// Who invited.
    pub created_by: String,
    /// When.
    pub created_at: OffsetDateTime,
    /// Void from then on.
    pub expires_at: OffsetDateTime,
}

/// What the first start makes, all or nothing.
#[derive(Debug, Clone)]
pub struct NewInstallation {
    /// SHA-256 of the setup token, in hex.
    pub token_hash: String,
    /// The first owner.
    pub owner: UserRecord,
    /// The first organisation; used only where there is none of that slug.
    pub org_id: Uuid,
    /// Its slug.
    pub org_slug: String,
    /// Its first project; used only where there is none of that slug.
    pub project_id: ProjectId,
    /// Its slug.
    pub project_slug: String,
}

/// A sign-in that lasts for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRecord {
    /// SHA-256 of its token, in hex.
    pub token_hash: String,
    /// Who.
    pub user_id: Uuid,
    /// The project it works in; `None` for a browser at the consent page.
    pub project_id: Option<ProjectId>,
    /// When.
    pub created_at: OffsetDateTime,
    /// Refused from then on.
    pub expires_at: OffsetDateTime,
}

/// Whether somebody may try to sign in now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInAttempt {
    /// They may; the attempt is counted.
    Counted,
    /// There were too many since that time.
    TooMany(OffsetDateTime),
}

/// A program that registered itself to be granted something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRecord {
    /// The client.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// Where browsers may be sent back to.
    pub redirect_uris: Vec<String>,
    /// When.
    pub created_at: OffsetDateTime,
    /// Forgotten from then on.
    pub expires_at: OffsetDateTime,
}

/// What a user granted to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRecord {
    /// The grant.
    pub id: Uuid,
    /// To whom.
    pub client_id: String,
    /// By whom.
    pub user_id: Uuid,
    /// For which project.
    pub project_id: ProjectId,
    /// What.
    pub scopes: Vec<Scope>,
    /// Which part of the server it is for.
    pub audience: String,
    /// When.
    pub created_at: OffsetDateTime,
    /// Void since.
    pub revoked_at: Option<OffsetDateTime>,
}

/// A code to be exchanged for tokens, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRecord {
    /// SHA-256 of the code, in hex.
    pub code_hash: String,
    /// What it stands for.
    pub grant: GrantRecord,
    /// Where the browser was sent back to.
    pub redirect_uri: String,
    /// The PKCE challenge (S256).
    pub challenge: String,
    /// Void from then on.
    pub expires_at: OffsetDateTime,
}

/// What a code was good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeUse {
    /// This was its first use.
    First(Box<CodeRecord>),
    /// It was used before, so that its grant is now void.
    Again,
    /// There is no such code, or it is void.
    Missing,
}

/// A token of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// SHA-256 of the token, in hex.
    pub token_hash: String,
    /// Whether it is only good for getting new tokens.
    pub refresh: bool,
    /// Void from then on.
    pub expires_at: OffsetDateTime,
}

/// What became of a refresh token that was to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The new tokens are stored.
    Done(Box<GrantRecord>),
    /// It was replaced before, so that its grant is now void.
    Again,
    /// There is no such token of the client's, or it is void.
    Missing,
}
