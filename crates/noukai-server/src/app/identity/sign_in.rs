//! Signing in and out, and what a sign-in stands for afterwards.

use std::sync::Arc;

use noukai_api::{ChangePassword, Done, ErrorCode, SignIn, SignedIn};
use noukai_store::{MembershipRecord, ProjectRecord, SignInAttempt, SignInRecord, UserRecord};
use time::Duration;

use super::{Minted, normal_email, password_fault, refuse, unauthenticated};
use crate::app::{
    App, AppError, Caller, Project,
    auth::{Member, sha256_hex, unauthenticated as no_credential},
    iso,
};

/// What stands for a person begins with it.
pub(crate) const PREFIX: &str = "nks_";
/// How long a sign-in lasts.
const VALID: Duration = Duration::hours(12);
/// How long one at the consent page lasts.
const BROWSER_VALID: Duration = Duration::hours(1);
/// Attempts for one address in a window.
const ATTEMPTS: u32 = 10;
const WINDOW: Duration = Duration::minutes(15);
/// Projects of one organisation that a person is asked to choose from.
const MOST_PROJECTS: u32 = 500;

/// Somebody at the consent page.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    pub user: UserRecord,
}

impl App {
    /// Signs a person in.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, in the same words for an unknown address and a wrong password; `RATE_LIMITED` after too many
    /// attempts; `FORBIDDEN` for a project that is not one of theirs.
    pub async fn sign_in(&self, request: SignIn) -> Result<SignedIn, AppError> {
        let user = self.verified_user(&request.email, &request.password).await?;
        let project = self.project_for(&user, request.project.as_deref()).await?;
        self.sign_in_as(&user, &project.into()).await
    }

    /// Ends the caller's sign-in.
    ///
    /// # Errors
    /// `BAD_REQUEST` where the caller has none.
    pub async fn sign_out(&self, caller: &Caller) -> Result<Done, AppError> {
        let sign_in = caller.member.as_ref().and_then(|member| member.sign_in.as_deref());
        let none = || AppError::new(ErrorCode::BadRequest, "only a sign-in can be ended; revoke a key instead");
        self.store().end_sign_in(sign_in.ok_or_else(none)?).await?;
        Ok(Done { done: true })
    }

    /// Sets a new password, and ends everything that the old one led to: sign-ins and grants.
    ///
    /// # Errors
    /// `FORBIDDEN` for a key; `UNAUTHENTICATED` where `current` is wrong; `VALIDATION_ERROR`.
    pub async fn change_password(&self, caller: &Caller, request: ChangePassword) -> Result<Done, AppError> {
        let member = caller.signed_in()?;
        refuse([password_fault("new", &request.new)])?;
        let user = self.verified_user(&member.email, &request.current).await?;
        let hash = self.inner.passwords.hash(&request.new).await?;
        self.store().set_password(user.id, &hash, self.now()).await?;
        Ok(Done { done: true })
    }

    pub(super) async fn sign_in_as(&self, user: &UserRecord, project: &Project) -> Result<SignedIn, AppError> {
        let token = Minted::new(PREFIX);
        let record = SignInRecord {
            token_hash: token.hash,
            user_id: user.id,
            project_id: Some(project.record.id),
            created_at: self.now(),
            expires_at: self.now() + VALID,
        };
        self.store().add_sign_in(&record, &user.email).await?;
        let expires_at = iso(record.expires_at);
        let caller = self.signed_in_caller(record).await?;
        Ok(SignedIn { token: token.secret, expires_at, me: self.me(&caller) })
    }

    /// Who a sign-in's token stands for.
    pub(crate) async fn caller_of_sign_in(&self, token: &str) -> Result<Caller, AppError> {
        let record = self.store().sign_in(&sha256_hex(token.as_bytes())).await?;
        let record = record.filter(|record| record.expires_at > self.now()).ok_or_else(no_credential)?;
        self.signed_in_caller(record).await
    }

    async fn signed_in_caller(&self, record: SignInRecord) -> Result<Caller, AppError> {
        let project = record.project_id.ok_or_else(no_credential)?;
        let project = self.store().project(project).await?.ok_or_else(no_credential)?;
        let member = self.store().member(project.org_id, record.user_id).await?.ok_or_else(no_credential)?;
        let scopes = member.role.scopes().to_vec();
        let member = Member { sign_in: Some(record.token_hash), ..Member::from(member) };
        Ok(Caller::of_member(member, scopes, Arc::new(project)))
    }

    /// Signs somebody in at the consent page; the token for the browser's cookie.
    pub(crate) async fn sign_in_browser(&self, email: &str, password: &str) -> Result<String, AppError> {
        let user = self.verified_user(email, password).await?;
        let token = Minted::new(PREFIX);
        let record = SignInRecord {
            token_hash: token.hash,
            user_id: user.id,
            project_id: None,
            created_at: self.now(),
            expires_at: self.now() + BROWSER_VALID,
        };
        self.store().add_sign_in(&record, &user.email).await?;
        Ok(token.secret)
    }

    /// Who is at the consent page, by the cookie.
    pub(crate) async fn browser(&self, token: &str) -> Result<Option<Browser>, AppError> {
        let record = self.store().sign_in(&sha256_hex(token.as_bytes())).await?;
        let record = record.filter(|record| record.expires_at > self.now() && record.project_id.is_none());
        let Some(record) = record else { return Ok(None) };
        Ok(self.store().user(record.user_id).await?.map(|user| Browser { user }))
    }

    /// The person of an address and a password. Counts the attempt first, so that many at once count as many.
    pub(super) async fn verified_user(&self, email: &str, password: &str) -> Result<UserRecord, AppError> {
        let email = normal_email(email);
        let (now, since) = (self.now(), self.now() - WINDOW);
        // As long as any address may be; what is longer has no account.
        let subject: String = email.chars().take(super::EMAIL_CHARS).collect();
        if let SignInAttempt::TooMany(first) = self.store().attempt_sign_in(&subject, ATTEMPTS, since, now).await? {
            let wait = (first + WINDOW - now).max(Duration::SECOND);
            let error = AppError::new(ErrorCode::RateLimited, "too many attempts to sign in; try again later");
            return Err(AppError { retry_after: wait.try_into().ok(), ..error });
        }
        let user = self.store().user_by_email(&email).await?;
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        let genuine = self.inner.passwords.verify(password, hash).await?;
        user.filter(|_| genuine).ok_or_else(|| unauthenticated("the email address or the password is wrong"))
    }

    /// The project a person wants to work in, or the first there is.
    async fn project_for(&self, user: &UserRecord, wanted: Option<&str>) -> Result<ProjectRecord, AppError> {
        let own = self.projects_of(user).await?;
        let found = match wanted {
            None => own.into_iter().next().map(|(project, _)| project),
            Some(wanted) => own
                .into_iter()
                .map(|(project, _)| project)
                .find(|project| format!("{}/{}", project.org_slug, project.slug) == wanted),
        };
        let refused = "that project, as `organization/project`, is none of yours";
        found.ok_or_else(|| AppError::new(ErrorCode::Forbidden, refused))
    }

    /// Every project of a person's organisations, in order of their addresses.
    pub(crate) async fn projects_of(
        &self,
        user: &UserRecord,
    ) -> Result<Vec<(ProjectRecord, MembershipRecord)>, AppError> {
        let memberships = self.store().memberships(user.id).await?;
        let mut own = Vec::new();
        for membership in memberships {
            let projects = self.store().projects_of(membership.org_id, None, MOST_PROJECTS).await?;
            own.extend(projects.into_iter().map(|project| (project, membership.clone())));
        }
        Ok(own)
    }
}
