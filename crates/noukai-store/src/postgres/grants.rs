//! What people grant to programs: clients, grants, codes, tokens.

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    rows::{self, get, micros, number, scopes, scopes_text, time, time_if},
    transact::{Params, Tx},
};
use crate::sql::grants as sql;
use crate::{ClientRecord, CodeRecord, CodeUse, GrantRecord, Grants, ProjectId, Rotation, StoreError, TokenRecord};

#[async_trait]
impl Grants for PostgresStore {
    async fn add_client(&self, client: &ClientRecord, most: u32, now: OffsetDateTime) -> Result<bool, StoreError> {
        let new = client.clone();
        self.transact(move |tx| {
            let new = new.clone();
            Box::pin(async move {
                tx.query(sql::LOCK_CLIENTS_POSTGRES, &[]).await?;
                let known = tx.find(sql::CLIENTS, &[&micros(now)]).await?;
                let known: i64 = known.as_ref().map_or(Ok(0), |row| number(row, 0))?;
                if known >= i64::from(most) {
                    return Ok(false);
                }
                let uris = new.redirect_uris.join("\n");
                let (created_at, expires_at) = (micros(new.created_at), micros(new.expires_at));
                tx.execute(sql::ADD_CLIENT, &[&new.id, &new.name, &uris, &created_at, &expires_at]).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn client(&self, id: &str, now: OffsetDateTime) -> Result<Option<ClientRecord>, StoreError> {
        rows::one(self.find(sql::CLIENT, &[&id, &micros(now)]).await?, client)
    }

    async fn add_code(&self, code: &CodeRecord) -> Result<(), StoreError> {
        let new = code.clone();
        self.transact(move |tx| {
            let new = new.clone();
            Box::pin(async move {
                add_grant(tx, &new.grant).await?;
                let expires_at = micros(new.expires_at);
                let row: Params<'_> = &[&new.code_hash, &new.grant.id, &new.redirect_uri, &new.challenge, &expires_at];
                tx.execute(sql::ADD_CODE, row).await.map(drop)
            })
        })
        .await
    }

    async fn use_code(&self, code_hash: &str, at: OffsetDateTime) -> Result<CodeUse, StoreError> {
        let code_hash = code_hash.to_owned();
        self.transact(move |tx| {
            let code_hash = code_hash.clone();
            Box::pin(async move {
                match first_use(tx, &code_hash, at).await? {
                    Some(code) if code.grant.revoked_at.is_none() => Ok(CodeUse::First(Box::new(code))),
                    Some(_) => Ok(CodeUse::Missing),
                    None => {
                        let again = revoke_of(tx, sql::USED_CODE, &[&code_hash], at).await?;
                        Ok(if again { CodeUse::Again } else { CodeUse::Missing })
                    }
                }
            })
        })
        .await
    }

    async fn add_tokens(
        &self,
        grant: Uuid,
        tokens: &[TokenRecord],
        client_until: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let tokens = tokens.to_vec();
        self.transact(move |tx| {
            let tokens = tokens.clone();
            Box::pin(async move { add_tokens(tx, grant, &tokens, client_until).await })
        })
        .await
    }

    async fn access_token(&self, token_hash: &str) -> Result<Option<(TokenRecord, GrantRecord)>, StoreError> {
        let Some(row) = self.find(sql::ACCESS_TOKEN, &[&token_hash]).await? else { return Ok(None) };
        let expires_at = time(&row, 8)?;
        let token = TokenRecord { token_hash: token_hash.to_owned(), refresh: false, expires_at };
        Ok(Some((token, grant_of(&row)?)))
    }

    async fn rotate(
        &self,
        refresh_hash: &str,
        client_id: &str,
        tokens: &[TokenRecord],
        at: OffsetDateTime,
        client_until: OffsetDateTime,
    ) -> Result<Rotation, StoreError> {
        let (refresh, client, tokens) = (refresh_hash.to_owned(), client_id.to_owned(), tokens.to_vec());
        self.transact(move |tx| {
            let (refresh, client, tokens) = (refresh.clone(), client.clone(), tokens.clone());
            Box::pin(async move {
                let Some(used) = tx.find(sql::USE_REFRESH, &[&micros(at), &refresh, &client]).await? else {
                    let again = revoke_of(tx, sql::USED_REFRESH, &[&refresh, &client], at).await?;
                    return Ok(if again { Rotation::Again } else { Rotation::Missing });
                };
                let grant: Uuid = get(&used, 0)?;
                if !add_tokens(tx, grant, &tokens, client_until).await? {
                    return Ok(Rotation::Missing);
                }
                Ok(Rotation::Done(Box::new(find_grant(tx, grant).await?)))
            })
        })
        .await
    }

    async fn revoke_grant(&self, token_hash: &str, client_id: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
        let (token, client) = (token_hash.to_owned(), client_id.to_owned());
        self.transact(move |tx| {
            let (token, client) = (token.clone(), client.clone());
            Box::pin(async move { revoke_of(tx, sql::GRANT_OF_TOKEN, &[&token, &client], at).await })
        })
        .await
    }
}

async fn first_use(tx: &Tx, code_hash: &str, at: OffsetDateTime) -> Result<Option<CodeRecord>, Fault> {
    let Some(row) = tx.find(sql::USE_CODE, &[&micros(at), &code_hash]).await? else { return Ok(None) };
    Ok(Some(CodeRecord {
        code_hash: code_hash.to_owned(),
        grant: find_grant(tx, get(&row, 0)?).await?,
        redirect_uri: get(&row, 1)?,
        challenge: get(&row, 2)?,
        expires_at: time(&row, 3)?,
    }))
}

async fn find_grant(tx: &Tx, id: Uuid) -> Result<GrantRecord, Fault> {
    let missing = || StoreError::Conflict("the grant is gone".to_owned());
    grant_of(&tx.find(sql::GRANT, &[&id]).await?.ok_or_else(missing)?)
}

/// Voids the grant that a query finds; whether it found one.
async fn revoke_of(tx: &Tx, find: &str, row: Params<'_>, at: OffsetDateTime) -> Result<bool, Fault> {
    let Some(found) = tx.find(find, row).await? else { return Ok(false) };
    let grant: Uuid = get(&found, 0)?;
    tx.execute(sql::REVOKE, &[&micros(at), &grant]).await?;
    Ok(true)
}

async fn add_grant(tx: &Tx, grant: &GrantRecord) -> Result<(), Fault> {
    let (scopes, created_at) = (scopes_text(&grant.scopes), micros(grant.created_at));
    let revoked_at = grant.revoked_at.map(micros);
    let row: Params<'_> = &[
        &grant.id,
        &grant.client_id,
        &grant.user_id,
        &grant.project_id.0,
        &scopes,
        &grant.audience,
        &created_at,
        &revoked_at,
    ];
    tx.execute(sql::ADD_GRANT, row).await.map(drop)
}

async fn add_tokens(tx: &Tx, grant: Uuid, tokens: &[TokenRecord], client_until: OffsetDateTime) -> Result<bool, Fault> {
    if tx.execute(sql::HOLD, &[&grant]).await? == 0 {
        return Ok(false);
    }
    for token in tokens {
        let (kind, expires_at) = (if token.refresh { "refresh" } else { "access" }, micros(token.expires_at));
        tx.execute(sql::ADD_TOKEN, &[&token.token_hash, &grant, &kind, &expires_at]).await?;
    }
    tx.execute(sql::KEEP_CLIENT, &[&micros(client_until), &grant]).await?;
    Ok(true)
}

fn client(row: &Row) -> Result<ClientRecord, Fault> {
    Ok(ClientRecord {
        id: get(row, 0)?,
        name: get(row, 1)?,
        redirect_uris: get::<&str>(row, 2)?.lines().map(str::to_owned).collect(),
        created_at: time(row, 3)?,
        expires_at: time(row, 4)?,
    })
}

fn grant_of(row: &Row) -> Result<GrantRecord, Fault> {
    Ok(GrantRecord {
        id: get(row, 0)?,
        client_id: get(row, 1)?,
        user_id: get(row, 2)?,
        project_id: ProjectId(get(row, 3)?),
        scopes: scopes(row, 4)?,
        audience: get(row, 5)?,
        created_at: time(row, 6)?,
        revoked_at: time_if(row, 7)?,
    })
}
