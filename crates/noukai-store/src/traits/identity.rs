//! The traits for people and for what they grant to programs. Apart from the others because neither is on the path of
//! a run.

use async_trait::async_trait;
use noukai_api::MemberRole;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    ClientRecord, CodeRecord, CodeUse, GrantRecord, InvitationRecord, MemberChange, MemberRecord, MembershipRecord,
    NewInstallation, ProjectRecord, Rotation, SignInAttempt, SignInRecord, StoreError, TokenRecord, UserRecord,
};

/// People. An account is of no project; whatever is of an organisation takes the organisation first.
#[async_trait]
pub trait Identities: Send + Sync {
    /// Whether there are neither accounts nor API keys; unscoped, for the first start.
    async fn is_untouched(&self) -> Result<bool, StoreError>;

    /// Adds a setup token; false where there is an account already. Unscoped, for the operator.
    async fn add_setup_token(&self, token_hash: &str, at: OffsetDateTime) -> Result<bool, StoreError>;

    /// Makes the first account, organisation and project, and voids every setup token; `None`, with nothing made, where
    /// the token is none or was made before `valid_since`.
    async fn set_up(
        &self,
        new: &NewInstallation,
        at: OffsetDateTime,
        valid_since: OffsetDateTime,
    ) -> Result<Option<ProjectRecord>, StoreError>;

    /// By id; unscoped, as accounts are.
    async fn user(&self, id: Uuid) -> Result<Option<UserRecord>, StoreError>;

    /// By email address in lower case; unscoped, as accounts are.
    async fn user_by_email(&self, email: &str) -> Result<Option<UserRecord>, StoreError>;

    /// Sets a new password hash, and voids the user's sign-ins and grants.
    async fn set_password(&self, user: Uuid, password_hash: &str, at: OffsetDateTime) -> Result<(), StoreError>;

    /// The user's organisations, in order of their slugs.
    async fn memberships(&self, user: Uuid) -> Result<Vec<MembershipRecord>, StoreError>;

    /// One member.
    async fn member(&self, org: Uuid, user: Uuid) -> Result<Option<MemberRecord>, StoreError>;

    /// Members behind the email address `after`, in order of their addresses, at most `limit`.
    async fn members(&self, org: Uuid, after: Option<&str>, limit: u32) -> Result<Vec<MemberRecord>, StoreError>;

    /// Sets a member's role; takes the last owner's from nobody.
    async fn set_role(&self, org: Uuid, user: Uuid, role: MemberRole) -> Result<MemberChange, StoreError>;

    /// Takes a member out of the organisation; the account stays.
    async fn remove_member(&self, org: Uuid, user: Uuid) -> Result<MemberChange, StoreError>;

    /// Adds an invitation unless `most` are open at `now`; false then. An older one to the same address is void.
    async fn add_invitation(
        &self,
        invitation: &InvitationRecord,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Invitations open at `now`, newest first.
    async fn invitations(&self, org: Uuid, now: OffsetDateTime) -> Result<Vec<InvitationRecord>, StoreError>;

    /// The invitation of a token, if it is open at `now`; unscoped, because it is what finds the scope.
    async fn invitation(&self, token_hash: &str, now: OffsetDateTime) -> Result<Option<InvitationRecord>, StoreError>;

    /// Takes an invitation back; whether there was one.
    async fn remove_invitation(&self, org: Uuid, id: Uuid) -> Result<bool, StoreError>;

    /// Uses an invitation open at `at` up: `user` is a member then, and made if missing. `None` where there is no such
    /// invitation any more; [`StoreError::Conflict`] where the address has another account by now. Who is a member
    /// already gets no lower role.
    async fn accept_invitation(
        &self,
        token_hash: &str,
        user: &UserRecord,
        at: OffsetDateTime,
    ) -> Result<Option<InvitationRecord>, StoreError>;

    /// Counts an attempt to sign in, at most `most` of them since `since` for the same `subject`.
    async fn attempt_sign_in(
        &self,
        subject: &str,
        most: u32,
        since: OffsetDateTime,
        at: OffsetDateTime,
    ) -> Result<SignInAttempt, StoreError>;

    /// Stores a sign-in, and forgets the attempts of the subject that led to it.
    async fn add_sign_in(&self, sign_in: &SignInRecord, subject: &str) -> Result<(), StoreError>;

    /// By the hash of its token, whatever its age; unscoped, because it is what finds the scope.
    async fn sign_in(&self, token_hash: &str) -> Result<Option<SignInRecord>, StoreError>;

    /// Ends a sign-in; whether there was one. Unscoped: the token is the right to do so.
    async fn end_sign_in(&self, token_hash: &str) -> Result<bool, StoreError>;

    /// Forgets what ended before `before`: sign-ins, invitations, attempts, setup tokens, clients, codes, tokens, grants
    /// without either. At most `limit` of each; how many went.
    async fn prune_identities(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError>;
}

/// What people grant to programs. All of it is found by secrets that only their holders know, so nothing takes a scope:
/// it is what finds the scope.
#[async_trait]
pub trait Grants: Send + Sync {
    /// Adds a client unless `most` are known at `now`; false then.
    async fn add_client(&self, client: &ClientRecord, most: u32, now: OffsetDateTime) -> Result<bool, StoreError>;

    /// By id, if it is not forgotten at `now`.
    async fn client(&self, id: &str, now: OffsetDateTime) -> Result<Option<ClientRecord>, StoreError>;

    /// Stores a code with the grant it stands for.
    async fn add_code(&self, code: &CodeRecord) -> Result<(), StoreError>;

    /// Uses a code up. A second use voids the grant: somebody else has the code.
    async fn use_code(&self, code_hash: &str, at: OffsetDateTime) -> Result<CodeUse, StoreError>;

    /// Stores the first tokens of a grant, and keeps its client until `client_until`; false where the grant is void.
    async fn add_tokens(
        &self,
        grant: Uuid,
        tokens: &[TokenRecord],
        client_until: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// An access token with its grant, whatever their age.
    async fn access_token(&self, token_hash: &str) -> Result<Option<(TokenRecord, GrantRecord)>, StoreError>;

    /// Replaces a client's refresh token. A second use of one voids the grant: somebody else has it.
    async fn rotate(
        &self,
        refresh_hash: &str,
        client_id: &str,
        tokens: &[TokenRecord],
        at: OffsetDateTime,
        client_until: OffsetDateTime,
    ) -> Result<Rotation, StoreError>;

    /// Voids the grant of a client's token of either kind; whether there was one.
    async fn revoke_grant(&self, token_hash: &str, client_id: &str, at: OffsetDateTime) -> Result<bool, StoreError>;
}
