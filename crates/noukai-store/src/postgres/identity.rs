//! People: accounts, memberships, invitations, sign-ins.

use std::sync::Arc;

use async_trait::async_trait;
use noukai_api::MemberRole;
use time::OffsetDateTime;
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    projects,
    rows::{self, get, micros, number, spelled, time},
    transact::{Params, Tx},
};
use crate::sql::{grants, identity as sql, projects as project_sql};
use crate::{
    Identities, InvitationRecord, MemberChange, MemberRecord, MembershipRecord, NewInstallation, ProjectId,
    ProjectRecord, SignInAttempt, SignInRecord, StoreError, UserRecord,
};

#[async_trait]
impl Identities for PostgresStore {
    async fn is_untouched(&self) -> Result<bool, StoreError> {
        let row = self.find(sql::UNTOUCHED, &[]).await?;
        Ok(row.map_or(Ok(false), |row| get(&row, 0))?)
    }

    async fn add_setup_token(&self, token_hash: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
        Ok(self.change(sql::ADD_SETUP_TOKEN, vec![Box::new(token_hash.to_owned()), Box::new(micros(at))]).await? > 0)
    }

    async fn set_up(
        &self,
        new: &NewInstallation,
        at: OffsetDateTime,
        valid_since: OffsetDateTime,
    ) -> Result<Option<ProjectRecord>, StoreError> {
        let new = new.clone();
        self.transact(move |tx| {
            let new = new.clone();
            Box::pin(async move {
                tx.query(sql::LOCK_SETUP_POSTGRES, &[]).await?;
                let valid = tx.find(sql::SETUP_TOKEN, &[&new.token_hash, &micros(valid_since)]).await?;
                if valid.is_some() { set_up(tx, &new, at).await.map(Some) } else { Ok(None) }
            })
        })
        .await
    }

    async fn user(&self, id: Uuid) -> Result<Option<UserRecord>, StoreError> {
        rows::one(self.find(sql::USER, &[&id]).await?, user)
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<UserRecord>, StoreError> {
        rows::one(self.find(sql::USER_BY_EMAIL, &[&email]).await?, user)
    }

    async fn set_password(&self, user: Uuid, password_hash: &str, at: OffsetDateTime) -> Result<(), StoreError> {
        let password_hash = password_hash.to_owned();
        self.transact(move |tx| {
            let password_hash = password_hash.clone();
            Box::pin(async move {
                tx.execute(sql::SET_PASSWORD, &[&password_hash, &user]).await?;
                tx.execute(sql::END_SIGN_INS, &[&user]).await?;
                tx.execute(grants::REVOKE_OF_USER, &[&micros(at), &user]).await.map(drop)
            })
        })
        .await
    }

    async fn memberships(&self, user: Uuid) -> Result<Vec<MembershipRecord>, StoreError> {
        rows::all(&self.query(sql::MEMBERSHIPS, &[&user]).await?, membership)
    }

    async fn member(&self, org: Uuid, user: Uuid) -> Result<Option<MemberRecord>, StoreError> {
        rows::one(self.find(sql::MEMBER, &[&org, &user]).await?, member)
    }

    async fn members(&self, org: Uuid, after: Option<&str>, limit: u32) -> Result<Vec<MemberRecord>, StoreError> {
        let after = after.unwrap_or_default();
        rows::all(&self.query(sql::MEMBERS, &[&org, &after, &i64::from(limit)]).await?, member)
    }

    async fn set_role(&self, org: Uuid, user: Uuid, role: MemberRole) -> Result<MemberChange, StoreError> {
        self.transact(move |tx| {
            Box::pin(async move {
                tx.find(sql::LOCK_POSTGRES, &[&org]).await?;
                let changed = tx.execute(sql::SET_ROLE, &[&role.as_str(), &org, &user]).await?;
                changed_member(tx, changed, org, user).await
            })
        })
        .await
    }

    async fn remove_member(&self, org: Uuid, user: Uuid) -> Result<MemberChange, StoreError> {
        self.transact(move |tx| {
            Box::pin(async move {
                tx.find(sql::LOCK_POSTGRES, &[&org]).await?;
                let changed = tx.execute(sql::REMOVE_MEMBER, &[&org, &user]).await?;
                changed_member(tx, changed, org, user).await
            })
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
        self.transact(move |tx| {
            let new = new.clone();
            Box::pin(async move {
                tx.find(sql::LOCK_POSTGRES, &[&new.org_id]).await?;
                tx.execute(sql::REPLACE_INVITATION, &[&new.org_id, &new.email]).await?;
                let open = tx.find(sql::OPEN_INVITATIONS, &[&new.org_id, &micros(now)]).await?;
                let open: i64 = open.as_ref().map_or(Ok(0), |row| number(row, 0))?;
                if open >= i64::from(most) {
                    return Ok(false);
                }
                add_invitation(tx, &new).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn invitations(&self, org: Uuid, now: OffsetDateTime) -> Result<Vec<InvitationRecord>, StoreError> {
        rows::all(&self.query(sql::INVITATIONS, &[&org, &micros(now)]).await?, invitation_of)
    }

    async fn invitation(&self, token_hash: &str, now: OffsetDateTime) -> Result<Option<InvitationRecord>, StoreError> {
        rows::one(self.find(sql::INVITATION, &[&token_hash, &micros(now)]).await?, invitation_of)
    }

    async fn remove_invitation(&self, org: Uuid, id: Uuid) -> Result<bool, StoreError> {
        Ok(self.change(sql::REMOVE_INVITATION, vec![Box::new(org), Box::new(id)]).await? > 0)
    }

    async fn accept_invitation(
        &self,
        token_hash: &str,
        user: &UserRecord,
        at: OffsetDateTime,
    ) -> Result<Option<InvitationRecord>, StoreError> {
        let (token_hash, user) = (token_hash.to_owned(), user.clone());
        self.transact(move |tx| {
            let (token_hash, user) = (token_hash.clone(), user.clone());
            Box::pin(async move {
                let used = tx.find(sql::USE_INVITATION, &[&token_hash, &micros(at)]).await?;
                let Some(used) = used.map(|row| invitation_of(&row)).transpose()? else { return Ok(None) };
                ensure_user(tx, &user).await?;
                join(tx, &used, user.id, at).await?;
                Ok(Some(used))
            })
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
        self.transact(move |tx| {
            let subject = subject.clone();
            Box::pin(async move {
                let row: Params<'_> = &[&subject, &micros(at), &micros(since), &i64::from(most)];
                if tx.find(sql::ATTEMPT, row).await?.is_some() {
                    return Ok(SignInAttempt::Counted);
                }
                let first = tx.find(sql::ATTEMPTS_SINCE, &[&subject]).await?;
                Ok(SignInAttempt::TooMany(first.map_or(Ok(at), |row| time(&row, 0))?))
            })
        })
        .await
    }

    async fn add_sign_in(&self, sign_in: &SignInRecord, subject: &str) -> Result<(), StoreError> {
        let (new, subject) = (sign_in.clone(), subject.to_owned());
        self.transact(move |tx| {
            let (new, subject) = (new.clone(), subject.clone());
            Box::pin(async move {
                let project = new.project_id.map(|project| project.0);
                let (created_at, expires_at) = (micros(new.created_at), micros(new.expires_at));
                let row: Params<'_> = &[&new.token_hash, &new.user_id, &project, &created_at, &expires_at];
                tx.execute(sql::ADD_SIGN_IN, row).await?;
                tx.execute(sql::FORGET_ATTEMPTS, &[&subject]).await.map(drop)
            })
        })
        .await
    }

    async fn sign_in(&self, token_hash: &str) -> Result<Option<SignInRecord>, StoreError> {
        rows::one(self.find(sql::SIGN_IN, &[&token_hash]).await?, sign_in_of)
    }

    async fn end_sign_in(&self, token_hash: &str) -> Result<bool, StoreError> {
        Ok(self.change(sql::END_SIGN_IN, vec![Box::new(token_hash.to_owned())]).await? > 0)
    }

    async fn prune_identities(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        let mut gone = 0;
        for delete in sql::PRUNE {
            gone += self.change(delete, vec![Box::new(micros(before)), Box::new(i64::from(limit))]).await?;
        }
        Ok(u32::try_from(gone).unwrap_or(u32::MAX))
    }
}

impl PostgresStore {
    /// One statement in a transaction of its own; how many rows it changed.
    async fn change(&self, sql: &'static str, row: Vec<Box<dyn ToSql + Sync + Send>>) -> Result<u64, StoreError> {
        let row = Arc::new(row);
        self.transact(move |tx| {
            let row = row.clone();
            Box::pin(async move {
                let row: Vec<&(dyn ToSql + Sync)> = row.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
                tx.execute(sql, &row).await
            })
        })
        .await
    }
}

async fn set_up(tx: &Tx, new: &NewInstallation, at: OffsetDateTime) -> Result<ProjectRecord, Fault> {
    projects::add(tx, (new.org_id, &new.org_slug), (new.project_id, &new.project_slug), at).await?;
    add_user(tx, &new.owner).await?;
    tx.execute(sql::ADD_OWNER, &[&new.owner.id, &micros(at), &new.org_slug]).await?;
    tx.execute(sql::FORGET_SETUP_TOKENS, &[]).await?;
    let found = tx.find(project_sql::BY_ADDRESS, &[&new.org_slug, &new.project_slug]).await?;
    let missing = || StoreError::Conflict(format!("no {}/{}", new.org_slug, new.project_slug));
    projects::project(&found.ok_or_else(missing)?)
}

async fn add_user(tx: &Tx, user: &UserRecord) -> Result<(), Fault> {
    let created_at = micros(user.created_at);
    let row: Params<'_> = &[&user.id, &user.email, &user.name, &user.password_hash, &created_at];
    tx.execute(sql::ADD_USER, row).await.map(drop)
}

async fn ensure_user(tx: &Tx, user: &UserRecord) -> Result<(), Fault> {
    match tx.find(sql::USER_BY_EMAIL, &[&user.email]).await? {
        None => add_user(tx, user).await,
        Some(row) if get::<Uuid>(&row, 0)? == user.id => Ok(()),
        Some(_) => Err(StoreError::Conflict("the address has an account by now".to_owned()).into()),
    }
}

async fn join(tx: &Tx, used: &InvitationRecord, user: Uuid, at: OffsetDateTime) -> Result<(), Fault> {
    match find_member(tx, used.org_id, user).await? {
        None => {
            let (role, at) = (used.role.as_str(), micros(at));
            tx.execute(sql::ADD_MEMBER, &[&used.org_id, &user, &role, &at]).await?;
        }
        Some(known) if known.role < used.role => {
            tx.execute(sql::SET_ROLE, &[&used.role.as_str(), &used.org_id, &user]).await?;
        }
        Some(_) => {}
    }
    Ok(())
}

async fn add_invitation(tx: &Tx, new: &InvitationRecord) -> Result<(), Fault> {
    let (role, created_at, expires_at) = (new.role.as_str(), micros(new.created_at), micros(new.expires_at));
    let row: Params<'_> =
        &[&new.id, &new.org_id, &new.email, &role, &new.token_hash, &new.created_by, &created_at, &expires_at];
    tx.execute(sql::ADD_INVITATION, row).await.map(drop)
}

async fn changed_member(tx: &Tx, changed: u64, org: Uuid, user: Uuid) -> Result<MemberChange, Fault> {
    if changed > 0 {
        return Ok(MemberChange::Done);
    }
    let known = find_member(tx, org, user).await?.is_some();
    Ok(if known { MemberChange::LastOwner } else { MemberChange::Missing })
}

async fn find_member(tx: &Tx, org: Uuid, user: Uuid) -> Result<Option<MemberRecord>, Fault> {
    tx.find(sql::MEMBER, &[&org, &user]).await?.map(|row| member(&row)).transpose()
}

fn user(row: &Row) -> Result<UserRecord, Fault> {
    Ok(UserRecord {
        id: get(row, 0)?,
        email: get(row, 1)?,
        name: get(row, 2)?,
        password_hash: get(row, 3)?,
        created_at: time(row, 4)?,
    })
}

fn role(row: &Row, column: usize) -> Result<MemberRole, Fault> {
    spelled(row, column, MemberRole::parse, "role")
}

fn membership(row: &Row) -> Result<MembershipRecord, Fault> {
    Ok(MembershipRecord { org_id: get(row, 0)?, org_slug: get(row, 1)?, role: role(row, 2)? })
}

fn member(row: &Row) -> Result<MemberRecord, Fault> {
    Ok(MemberRecord {
        user_id: get(row, 0)?,
        email: get(row, 1)?,
        name: get(row, 2)?,
        role: role(row, 3)?,
        since: time(row, 4)?,
    })
}

fn invitation_of(row: &Row) -> Result<InvitationRecord, Fault> {
    Ok(InvitationRecord {
        id: get(row, 0)?,
        org_id: get(row, 1)?,
        email: get(row, 2)?,
        role: role(row, 3)?,
        token_hash: get(row, 4)?,
        created_by: get(row, 5)?,
        created_at: time(row, 6)?,
        expires_at: time(row, 7)?,
    })
}

fn sign_in_of(row: &Row) -> Result<SignInRecord, Fault> {
    Ok(SignInRecord {
        token_hash: get(row, 0)?,
        user_id: get(row, 1)?,
        project_id: get::<Option<Uuid>>(row, 2)?.map(ProjectId),
        created_at: time(row, 3)?,
        expires_at: time(row, 4)?,
    })
}
