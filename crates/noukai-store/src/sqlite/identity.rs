//! People: accounts, memberships, invitations, sign-ins.

use async_trait::async_trait;
use noukai_api::MemberRole;
use rusqlite::{Connection, OptionalExtension, Row, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    SqliteStore, projects,
    rows::{self, Micros, spelled},
};
use crate::sql::{grants, identity as sql, projects as project_sql};
use crate::{
    Identities, InvitationRecord, MemberChange, MemberRecord, MembershipRecord, NewInstallation, ProjectId,
    ProjectRecord, SignInAttempt, SignInRecord, StoreError, UserRecord,
};

#[async_trait]
impl Identities for SqliteStore {
    async fn is_untouched(&self) -> Result<bool, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::UNTOUCHED)?.query_row([], |row| row.get(0))?))
    }

    async fn add_setup_token(&self, token_hash: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
        let token_hash = token_hash.to_owned();
        self.write(move |db, _| {
            Ok(db.prepare_cached(sql::ADD_SETUP_TOKEN)?.execute(params![token_hash, Micros(at)])? > 0)
        })
        .await
    }

    async fn set_up(
        &self,
        new: &NewInstallation,
        at: OffsetDateTime,
        valid_since: OffsetDateTime,
    ) -> Result<Option<ProjectRecord>, StoreError> {
        let new = new.clone();
        self.write(move |db, _| {
            let valid = db.prepare_cached(sql::SETUP_TOKEN)?.exists(params![new.token_hash, Micros(valid_since)])?;
            if valid { set_up(db, &new, at).map(Some) } else { Ok(None) }
        })
        .await
    }

    async fn user(&self, id: Uuid) -> Result<Option<UserRecord>, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::USER)?.query_row([id], user).optional()?))
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<UserRecord>, StoreError> {
        self.point(|db| by_email(db, email))
    }

    async fn set_password(&self, user: Uuid, password_hash: &str, at: OffsetDateTime) -> Result<(), StoreError> {
        let password_hash = password_hash.to_owned();
        self.write(move |db, _| {
            db.prepare_cached(sql::SET_PASSWORD)?.execute(params![password_hash, user])?;
            db.prepare_cached(sql::END_SIGN_INS)?.execute([user])?;
            db.prepare_cached(grants::REVOKE_OF_USER)?.execute(params![Micros(at), user])?;
            Ok(())
        })
        .await
    }

    async fn memberships(&self, user: Uuid) -> Result<Vec<MembershipRecord>, StoreError> {
        self.point(|db| {
            Ok(db.prepare_cached(sql::MEMBERSHIPS)?.query_map([user], membership)?.collect::<Result<_, _>>()?)
        })
    }

    async fn member(&self, org: Uuid, user: Uuid) -> Result<Option<MemberRecord>, StoreError> {
        self.point(|db| find_member(db, org, user))
    }

    async fn members(&self, org: Uuid, after: Option<&str>, limit: u32) -> Result<Vec<MemberRecord>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        self.list(move |db| {
            let row = params![org, after, limit];
            Ok(db.prepare_cached(sql::MEMBERS)?.query_map(row, member)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn set_role(&self, org: Uuid, user: Uuid, role: MemberRole) -> Result<MemberChange, StoreError> {
        self.write(move |db, _| {
            let changed = db.prepare_cached(sql::SET_ROLE)?.execute(params![role.as_str(), org, user])?;
            changed_member(db, changed, org, user)
        })
        .await
    }

    async fn remove_member(&self, org: Uuid, user: Uuid) -> Result<MemberChange, StoreError> {
        self.write(move |db, _| {
            let changed = db.prepare_cached(sql::REMOVE_MEMBER)?.execute(params![org, user])?;
            changed_member(db, changed, org, user)
        })
        .await
    }

    async fn add_invitation(
        &self,
        invitation: &InvitationRecord,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let new = invitation.clone();
        self.write(move |db, _| {
            db.prepare_cached(sql::REPLACE_INVITATION)?.execute(params![new.org_id, new.email])?;
            let row = params![new.org_id, Micros(now)];
            let open: i64 = db.prepare_cached(sql::OPEN_INVITATIONS)?.query_row(row, |row| row.get(0))?;
            if open >= i64::from(most) {
                return Ok(false);
            }
            add_invitation(db, &new)?;
            Ok(true)
        })
        .await
    }

    async fn invitations(&self, org: Uuid, now: OffsetDateTime) -> Result<Vec<InvitationRecord>, StoreError> {
        self.list(move |db| {
            let row = params![org, Micros(now)];
            Ok(db.prepare_cached(sql::INVITATIONS)?.query_map(row, invitation_of)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn invitation(&self, token_hash: &str, now: OffsetDateTime) -> Result<Option<InvitationRecord>, StoreError> {
        let row = params![token_hash, Micros(now)];
        self.point(|db| Ok(db.prepare_cached(sql::INVITATION)?.query_row(row, invitation_of).optional()?))
    }

    async fn remove_invitation(&self, org: Uuid, id: Uuid) -> Result<bool, StoreError> {
        self.write(move |db, _| Ok(db.prepare_cached(sql::REMOVE_INVITATION)?.execute(params![org, id])? > 0)).await
    }

    async fn accept_invitation(
        &self,
        token_hash: &str,
        user: &UserRecord,
        at: OffsetDateTime,
    ) -> Result<Option<InvitationRecord>, StoreError> {
        let (token_hash, user) = (token_hash.to_owned(), user.clone());
        self.write(move |db, _| {
            let row = params![token_hash, Micros(at)];
            let used = db.prepare_cached(sql::USE_INVITATION)?.query_row(row, invitation_of).optional()?;
            let Some(used) = used else { return Ok(None) };
            ensure_user(db, &user)?;
            join(db, &used, user.id, at)?;
            Ok(Some(used))
        })
        .await
    }

    async fn attempt_sign_in(
        &self,
        subject: &str,
        most: u32,
        since: OffsetDateTime,
        at: OffsetDateTime,
    ) -> Result<SignInAttempt, StoreError> {
        let subject = subject.to_owned();
        self.write(move |db, _| {
            let row = params![subject, Micros(at), Micros(since), most];
            if db.prepare_cached(sql::ATTEMPT)?.exists(row)? {
                return Ok(SignInAttempt::Counted);
            }
            let first = db.prepare_cached(sql::ATTEMPTS_SINCE)?.query_row([&subject], |row| rows::time(row, 0))?;
            Ok(SignInAttempt::TooMany(first))
        })
        .await
    }

    async fn add_sign_in(&self, sign_in: &SignInRecord, subject: &str) -> Result<(), StoreError> {
        let (new, subject) = (sign_in.clone(), subject.to_owned());
        self.write(move |db, _| {
            let project = new.project_id.map(|project| project.0);
            let row = params![new.token_hash, new.user_id, project, Micros(new.created_at), Micros(new.expires_at)];
            db.prepare_cached(sql::ADD_SIGN_IN)?.execute(row)?;
            db.prepare_cached(sql::FORGET_ATTEMPTS)?.execute([&subject])?;
            Ok(())
        })
        .await
    }

    async fn sign_in(&self, token_hash: &str) -> Result<Option<SignInRecord>, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::SIGN_IN)?.query_row([token_hash], sign_in_of).optional()?))
    }

    async fn end_sign_in(&self, token_hash: &str) -> Result<bool, StoreError> {
        let token_hash = token_hash.to_owned();
        self.write(move |db, _| Ok(db.prepare_cached(sql::END_SIGN_IN)?.execute([&token_hash])? > 0)).await
    }

    async fn prune_identities(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        self.write(move |db, _| {
            let mut gone = 0;
            for delete in sql::PRUNE {
                gone += db.prepare_cached(delete)?.execute(params![Micros(before), limit])?;
            }
            Ok(u32::try_from(gone).unwrap_or(u32::MAX))
        })
        .await
    }
}

fn set_up(db: &Connection, new: &NewInstallation, at: OffsetDateTime) -> Result<ProjectRecord, StoreError> {
    projects::add(db, (new.org_id, &new.org_slug), (new.project_id, &new.project_slug), at)?;
    add_user(db, &new.owner)?;
    db.prepare_cached(sql::ADD_OWNER)?.execute(params![new.owner.id, Micros(at), new.org_slug])?;
    db.prepare_cached(sql::FORGET_SETUP_TOKENS)?.execute([])?;
    let row = [&new.org_slug, &new.project_slug];
    Ok(db.prepare_cached(project_sql::BY_ADDRESS)?.query_row(row, projects::project)?)
}

fn add_user(db: &Connection, user: &UserRecord) -> rusqlite::Result<()> {
    let row = params![user.id, user.email, user.name, user.password_hash, Micros(user.created_at)];
    db.prepare_cached(sql::ADD_USER)?.execute(row).map(drop)
}

fn ensure_user(db: &Connection, user: &UserRecord) -> Result<(), StoreError> {
    match by_email(db, &user.email)? {
        None => Ok(add_user(db, user)?),
        Some(found) if found.id == user.id => Ok(()),
        Some(_) => Err(StoreError::Conflict("the address has an account by now".to_owned())),
    }
}

fn join(db: &Connection, used: &InvitationRecord, user: Uuid, at: OffsetDateTime) -> Result<(), StoreError> {
    match find_member(db, used.org_id, user)? {
        None => {
            let row = params![used.org_id, user, used.role.as_str(), Micros(at)];
            db.prepare_cached(sql::ADD_MEMBER)?.execute(row)?;
        }
        Some(known) if known.role < used.role => {
            db.prepare_cached(sql::SET_ROLE)?.execute(params![used.role.as_str(), used.org_id, user])?;
        }
        Some(_) => {}
    }
    Ok(())
}

fn add_invitation(db: &Connection, new: &InvitationRecord) -> rusqlite::Result<()> {
    let row = params![
        new.id,
        new.org_id,
        new.email,
        new.role.as_str(),
        new.token_hash,
        new.created_by,
        Micros(new.created_at),
        Micros(new.expires_at)
    ];
    db.prepare_cached(sql::ADD_INVITATION)?.execute(row).map(drop)
}

fn changed_member(db: &Connection, changed: usize, org: Uuid, user: Uuid) -> Result<MemberChange, StoreError> {
    if changed > 0 {
        return Ok(MemberChange::Done);
    }
    let known = find_member(db, org, user)?.is_some();
    Ok(if known { MemberChange::LastOwner } else { MemberChange::Missing })
}

fn by_email(db: &Connection, email: &str) -> Result<Option<UserRecord>, StoreError> {
    Ok(db.prepare_cached(sql::USER_BY_EMAIL)?.query_row([email], user).optional()?)
}

fn find_member(db: &Connection, org: Uuid, user: Uuid) -> Result<Option<MemberRecord>, StoreError> {
    Ok(db.prepare_cached(sql::MEMBER)?.query_row([org, user], member).optional()?)
}

fn user(row: &Row<'_>) -> rusqlite::Result<UserRecord> {
    Ok(UserRecord {
        id: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        password_hash: row.get(3)?,
        created_at: rows::time(row, 4)?,
    })
}

fn membership(row: &Row<'_>) -> rusqlite::Result<MembershipRecord> {
    Ok(MembershipRecord { org_id: row.get(0)?, org_slug: row.get(1)?, role: spelled(row, 2)? })
}

fn member(row: &Row<'_>) -> rusqlite::Result<MemberRecord> {
    Ok(MemberRecord {
        user_id: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        role: spelled(row, 3)?,
        since: rows::time(row, 4)?,
    })
}

fn invitation_of(row: &Row<'_>) -> rusqlite::Result<InvitationRecord> {
    Ok(InvitationRecord {
        id: row.get(0)?,
        org_id: row.get(1)?,
        email: row.get(2)?,
        role: spelled(row, 3)?,
        token_hash: row.get(4)?,
        created_by: row.get(5)?,
        created_at: rows::time(row, 6)?,
        expires_at: rows::time(row, 7)?,
    })
}

fn sign_in_of(row: &Row<'_>) -> rusqlite::Result<SignInRecord> {
    Ok(SignInRecord {
        token_hash: row.get(0)?,
        user_id: row.get(1)?,
        project_id: row.get::<_, Option<Uuid>>(2)?.map(ProjectId),
        created_at: rows::time(row, 3)?,
        expires_at: rows::time(row, 4)?,
    })
}
