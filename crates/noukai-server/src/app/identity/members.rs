//! Members of an organisation and invitations to it. Owners manage both; administrators see them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use noukai_api::{
    AcceptInvitation, CreatedInvitation, Done, ErrorCode, Invitation, InvitationList, Invite, Member, MemberList,
    MemberRole, Scope, SignedIn, User,
};
use noukai_store::{InvitationRecord, MemberChange, MemberRecord, ProjectRecord, UserRecord};
use time::Duration;
use uuid::Uuid;

use super::{Minted, email_fault, name_fault, normal_email, password_fault, refuse};
use crate::app::{
    App, AppError, Caller,
    auth::sha256_hex,
    iso,
    page::{self, Page},
};

const PREFIX: &str = "nki_";
/// How long an invitation can be accepted.
const VALID: Duration = Duration::days(7);
/// Open invitations of an organisation.
const OPEN: u32 = 100;

impl App {
    /// A page of the members of the caller's organisation.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND` for any but the caller's own; `FORBIDDEN` without the admin scope; `VALIDATION_ERROR` for a
    /// page that is none.
    pub async fn members(&self, caller: &Caller, org: &str, page: &Page) -> Result<MemberList, AppError> {
        caller.check_organisation(org)?;
        caller.require(Scope::Admin)?;
        let (limit, after) = (page.limit()?, page.cursor.as_deref().map(email_of).transpose()?);
        let found = self.store().members(caller.org_id, after.as_deref(), limit + 1).await?;
        let (found, next_cursor) = page::cut(found, limit, |last| URL_SAFE_NO_PAD.encode(&last.email));
        Ok(MemberList { members: found.into_iter().map(member).collect(), next_cursor })
    }

    /// Sets a member's role.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND` for any but the caller's own; `FORBIDDEN` for who is no owner; `MEMBER_NOT_FOUND`; `CONFLICT` where the organisation would have no owner left.
    pub async fn change_member(
        &self,
        caller: &Caller,
        org: &str,
        user: &str,
        role: MemberRole,
    ) -> Result<Member, AppError> {
        caller.check_organisation(org)?;
        caller.require_owner()?;
        let user = Uuid::parse_str(user).map_err(|_| member_not_found())?;
        changed(self.store().set_role(caller.org_id, user, role).await?)?;
        let found = self.store().member(caller.org_id, user).await?;
        found.map(member).ok_or_else(member_not_found)
    }

    /// Takes a member out of the caller's organisation. Their sign-ins and grants there are void at once; their account
    /// stays.
    ///
    /// # Errors
    /// As [`App::change_member`].
    pub async fn remove_member(&self, caller: &Caller, org: &str, user: &str) -> Result<Done, AppError> {
        caller.check_organisation(org)?;
        caller.require_owner()?;
        let user = Uuid::parse_str(user).map_err(|_| member_not_found())?;
        changed(self.store().remove_member(caller.org_id, user).await?)?;
        Ok(Done { done: true })
    }

    /// Invites somebody. The token is for the caller to pass on; it is shown this once.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND` for any but the caller's own; `FORBIDDEN` for who is no owner; `VALIDATION_ERROR`; `RATE_LIMITED` past the most open invitations.
    pub async fn invite(&self, caller: &Caller, org: &str, request: Invite) -> Result<CreatedInvitation, AppError> {
        caller.check_organisation(org)?;
        caller.require_owner()?;
        let email = normal_email(&request.email);
        refuse([email_fault(&email)])?;
        let (token, now) = (Minted::new(PREFIX), self.now());
        let record = InvitationRecord {
            id: Uuid::now_v7(),
            org_id: caller.org_id,
            email,
            role: request.role,
            token_hash: token.hash,
            created_by: caller.name().to_owned(),
            created_at: now,
            expires_at: now + VALID,
        };
        if !self.store().add_invitation(&record, OPEN, now).await? {
            let message = format!("the organisation has {OPEN} open invitations, its limit; take one back first");
            let error = AppError::new(ErrorCode::RateLimited, message);
            return Err(AppError { retry_after: Some(std::time::Duration::from_secs(60)), ..error });
        }
        Ok(CreatedInvitation { token: token.secret, invitation: invitation(record) })
    }

    /// Open invitations to the caller's organisation.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND` for any but the caller's own; `FORBIDDEN` without the admin scope.
    pub async fn invitations(&self, caller: &Caller, org: &str) -> Result<InvitationList, AppError> {
        caller.check_organisation(org)?;
        caller.require(Scope::Admin)?;
        let open = self.store().invitations(caller.org_id, self.now()).await?;
        Ok(InvitationList { invitations: open.into_iter().map(invitation).collect() })
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND` for any but the caller's own; `FORBIDDEN` for who is no owner; `INVITATION_NOT_FOUND`.
    pub async fn withdraw_invitation(&self, caller: &Caller, org: &str, id: &str) -> Result<Done, AppError> {
        caller.check_organisation(org)?;
        caller.require_owner()?;
        let id = Uuid::parse_str(id).map_err(|_| invitation_not_found())?;
        let gone = self.store().remove_invitation(caller.org_id, id).await?;
        if gone { Ok(Done { done: true }) } else { Err(invitation_not_found()) }
    }

    /// Accepts an invitation: a new account, or the one that the address has, with its password.
    ///
    /// # Errors
    /// `INVITATION_NOT_FOUND`; `UNAUTHENTICATED` for the wrong password of an account that is there;
    /// `VALIDATION_ERROR`; `CONFLICT` where the organisation has no project yet.
    pub async fn accept_invitation(&self, request: AcceptInvitation) -> Result<SignedIn, AppError> {
        let token_hash = sha256_hex(request.token.as_bytes());
        let open = self.store().invitation(&token_hash, self.now()).await?.ok_or_else(invitation_not_found)?;
        let user = self.invited_user(&open, request).await?;
        let used = self.store().accept_invitation(&token_hash, &user, self.now()).await?;
        let used = used.ok_or_else(invitation_not_found)?;
        let project = self.first_project(used.org_id).await?;
        self.sign_in_as(&user, &project.into()).await
    }

    async fn invited_user(&self, open: &InvitationRecord, request: AcceptInvitation) -> Result<UserRecord, AppError> {
        if self.store().user_by_email(&open.email).await?.is_some() {
            return self.verified_user(&open.email, &request.password).await;
        }
        refuse([name_fault(&request.name), password_fault("password", &request.password)])?;
        self.new_user(open.email.clone(), request.name, &request.password).await
    }

    async fn first_project(&self, org: Uuid) -> Result<ProjectRecord, AppError> {
        let projects = self.store().projects_of(org, None, 1).await?;
        let none = "you are a member now; the organisation has no project yet, so sign in once it has";
        projects.into_iter().next().ok_or_else(|| AppError::new(ErrorCode::Conflict, none))
    }
}

/// The address behind which a page begins: it stands in addresses of requests, so not as it is.
fn email_of(cursor: &str) -> Result<String, AppError> {
    let email = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    email.filter(|email| email_fault(email).is_none()).ok_or_else(page::no_cursor)
}

fn changed(change: MemberChange) -> Result<(), AppError> {
    match change {
        MemberChange::Done => Ok(()),
        MemberChange::Missing => Err(member_not_found()),
        MemberChange::LastOwner => {
            let message = "the organisation must keep an owner; make somebody else one first";
            Err(AppError::new(ErrorCode::Conflict, message))
        }
    }
}

fn member(record: MemberRecord) -> Member {
    let user = User { id: record.user_id.to_string(), email: record.email, name: record.name };
    Member { user, role: record.role, since: iso(record.since) }
}

fn invitation(record: InvitationRecord) -> Invitation {
    Invitation {
        id: record.id.to_string(),
        email: record.email,
        role: record.role,
        created_by: record.created_by,
        created_at: iso(record.created_at),
        expires_at: iso(record.expires_at),
    }
}

fn member_not_found() -> AppError {
    AppError::new(ErrorCode::MemberNotFound, "your organisation has no such member; GET its members to see their ids")
}

fn invitation_not_found() -> AppError {
    AppError::new(ErrorCode::InvitationNotFound, "there is no such invitation, or it is used, over or taken back")
}
