//! The failing store on what no failpoint is at: people, and what they grant. Passes everything on.

use async_trait::async_trait;
use noukai_api::MemberRole;
use noukai_store::{
    ClientRecord, CodeRecord, CodeUse, GrantRecord, Grants, Identities, InvitationRecord, MemberChange, MemberRecord,
    MembershipRecord, NewInstallation, ProjectRecord, Rotation, SignInAttempt, SignInRecord, StoreError, TokenRecord,
    UserRecord,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::FailingStore;

#[async_trait]
impl Identities for FailingStore {
    async fn is_untouched(&self) -> Result<bool, StoreError> {
        self.inner.is_untouched().await
    }

    async fn add_setup_token(&self, token_hash: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
        self.inner.add_setup_token(token_hash, at).await
    }

    async fn set_up(
        &self,
        new: &NewInstallation,
        at: OffsetDateTime,
        valid_since: OffsetDateTime,
    ) -> Result<Option<ProjectRecord>, StoreError> {
        self.inner.set_up(new, at, valid_since).await
    }

    async fn user(&self, id: Uuid) -> Result<Option<UserRecord>, StoreError> {
        self.inner.user(id).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<UserRecord>, StoreError> {
        self.inner.user_by_email(email).await
    }

    async fn set_password(&self, user: Uuid, password_hash: &str, at: OffsetDateTime) -> Result<(), StoreError> {
        self.inner.set_password(user, password_hash, at).await
    }

    async fn memberships(&self, user: Uuid) -> Result<Vec<MembershipRecord>, StoreError> {
        self.inner.memberships(user).await
    }

    async fn member(&self, org: Uuid, user: Uuid) -> Result<Option<MemberRecord>, StoreError> {
        self.inner.member(org, user).await
    }

    async fn members(&self, org: Uuid, after: Option<&str>, limit: u32) -> Result<Vec<MemberRecord>, StoreError> {
        self.inner.members(org, after, limit).await
    }

    async fn set_role(&self, org: Uuid, user: Uuid, role: MemberRole) -> Result<MemberChange, StoreError> {
        self.inner.set_role(org, user, role).await
    }

    async fn remove_member(&self, org: Uuid, user: Uuid) -> Result<MemberChange, StoreError> {
        self.inner.remove_member(org, user).await
    }

    async fn add_invitation(
        &self,
        invitation: &InvitationRecord,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        self.inner.add_invitation(invitation, most, now).await
    }

    async fn invitations(&self, org: Uuid, now: OffsetDateTime) -> Result<Vec<InvitationRecord>, StoreError> {
        self.inner.invitations(org, now).await
    }

    async fn invitation(&self, token_hash: &str, now: OffsetDateTime) -> Result<Option<InvitationRecord>, StoreError> {
        self.inner.invitation(token_hash, now).await
    }

    async fn remove_invitation(&self, org: Uuid, id: Uuid) -> Result<bool, StoreError> {
        self.inner.remove_invitation(org, id).await
    }

    async fn accept_invitation(
        &self,
        token_hash: &str,
        user: &UserRecord,
        at: OffsetDateTime,
    ) -> Result<Option<InvitationRecord>, StoreError> {
        self.inner.accept_invitation(token_hash, user, at).await
    }

    async fn attempt_sign_in(
        &self,
        subject: &str,
        most: u32,
        since: OffsetDateTime,
        at: OffsetDateTime,
    ) -> Result<SignInAttempt, StoreError> {
        self.inner.attempt_sign_in(subject, most, since, at).await
    }

    async fn add_sign_in(&self, sign_in: &SignInRecord, subject: &str) -> Result<(), StoreError> {
        self.inner.add_sign_in(sign_in, subject).await
    }

    async fn sign_in(&self, token_hash: &str) -> Result<Option<SignInRecord>, StoreError> {
        self.inner.sign_in(token_hash).await
    }

    async fn end_sign_in(&self, token_hash: &str) -> Result<bool, StoreError> {
        self.inner.end_sign_in(token_hash).await
    }

    async fn prune_identities(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        self.inner.prune_identities(before, limit).await
    }
}

#[async_trait]
impl Grants for FailingStore {
    async fn add_client(&self, client: &ClientRecord, most: u32, now: OffsetDateTime) -> Result<bool, StoreError> {
        self.inner.add_client(client, most, now).await
    }

    async fn client(&self, id: &str, now: OffsetDateTime) -> Result<Option<ClientRecord>, StoreError> {
        self.inner.client(id, now).await
    }

    async fn add_code(&self, code: &CodeRecord) -> Result<(), StoreError> {
        self.inner.add_code(code).await
    }

    async fn use_code(&self, code_hash: &str, at: OffsetDateTime) -> Result<CodeUse, StoreError> {
        self.inner.use_code(code_hash, at).await
    }

    async fn add_tokens(
        &self,
        grant: Uuid,
        tokens: &[TokenRecord],
        client_until: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        self.inner.add_tokens(grant, tokens, client_until).await
    }

    async fn access_token(&self, token_hash: &str) -> Result<Option<(TokenRecord, GrantRecord)>, StoreError> {
        self.inner.access_token(token_hash).await
    }

    async fn rotate(
        &self,
        refresh_hash: &str,
        client_id: &str,
        tokens: &[TokenRecord],
        at: OffsetDateTime,
        client_until: OffsetDateTime,
    ) -> Result<Rotation, StoreError> {
        self.inner.rotate(refresh_hash, client_id, tokens, at, client_until).await
    }

    async fn revoke_grant(&self, token_hash: &str, client_id: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
        self.inner.revoke_grant(token_hash, client_id, at).await
    }
}
