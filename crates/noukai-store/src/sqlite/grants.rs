//! What people grant to programs: clients, grants, codes, tokens.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    SqliteStore,
    rows::{self, Micros, Scopes},
};
use crate::sql::grants as sql;
use crate::{ClientRecord, CodeRecord, CodeUse, GrantRecord, Grants, ProjectId, Rotation, StoreError, TokenRecord};

#[async_trait]
impl Grants for SqliteStore {
    async fn add_client(&self, client: &ClientRecord, most: u32, now: OffsetDateTime) -> Result<bool, StoreError> {
        let new = client.clone();
        self.write(move |db, _| {
            let known: i64 = db.prepare_cached(sql::CLIENTS)?.query_row([Micros(now)], |row| row.get(0))?;
            if known >= i64::from(most) {
                return Ok(false);
            }
            let uris = new.redirect_uris.join("\n");
            let row = params![new.id, new.name, uris, Micros(new.created_at), Micros(new.expires_at)];
            db.prepare_cached(sql::ADD_CLIENT)?.execute(row)?;
            Ok(true)
        })
        .await
    }

    async fn client(&self, id: &str, now: OffsetDateTime) -> Result<Option<ClientRecord>, StoreError> {
        let row = params![id, Micros(now)];
        self.point(|db| Ok(db.prepare_cached(sql::CLIENT)?.query_row(row, client).optional()?))
    }

    async fn add_code(&self, code: &CodeRecord) -> Result<(), StoreError> {
        let new = code.clone();
        self.write(move |db, _| {
            add_grant(db, &new.grant)?;
            let row = params![new.code_hash, new.grant.id, new.redirect_uri, new.challenge, Micros(new.expires_at)];
            db.prepare_cached(sql::ADD_CODE)?.execute(row)?;
            Ok(())
        })
        .await
    }

    async fn use_code(&self, code_hash: &str, at: OffsetDateTime) -> Result<CodeUse, StoreError> {
        let code_hash = code_hash.to_owned();
        self.write(move |db, _| match first_use(db, &code_hash, at)? {
            Some(code) if code.grant.revoked_at.is_none() => Ok(CodeUse::First(Box::new(code))),
            Some(_) => Ok(CodeUse::Missing),
            None => {
                let again = revoke_of(db, sql::USED_CODE, params![code_hash], at)?;
                Ok(if again { CodeUse::Again } else { CodeUse::Missing })
            }
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
        self.write(move |db, _| Ok(add_tokens(db, grant, &tokens, client_until)?)).await
    }

    async fn access_token(&self, token_hash: &str) -> Result<Option<(TokenRecord, GrantRecord)>, StoreError> {
        let token = |row: &Row<'_>| {
            let expires_at = rows::time(row, 8)?;
            Ok((TokenRecord { token_hash: token_hash.to_owned(), refresh: false, expires_at }, grant_of(row)?))
        };
        self.point(|db| Ok(db.prepare_cached(sql::ACCESS_TOKEN)?.query_row([token_hash], token).optional()?))
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
        self.write(move |db, _| {
            let row = params![Micros(at), refresh, client];
            let used = db.prepare_cached(sql::USE_REFRESH)?.query_row(row, |row| row.get::<_, Uuid>(0)).optional()?;
            let Some(grant) = used else {
                let again = revoke_of(db, sql::USED_REFRESH, params![refresh, client], at)?;
                return Ok(if again { Rotation::Again } else { Rotation::Missing });
            };
            if !add_tokens(db, grant, &tokens, client_until)? {
                return Ok(Rotation::Missing);
            }
            Ok(Rotation::Done(Box::new(db.prepare_cached(sql::GRANT)?.query_row([grant], grant_of)?)))
        })
        .await
    }

    async fn revoke_grant(&self, token_hash: &str, client_id: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
        let (token, client) = (token_hash.to_owned(), client_id.to_owned());
        self.write(move |db, _| Ok(revoke_of(db, sql::GRANT_OF_TOKEN, params![token, client], at)?)).await
    }
}

fn first_use(db: &Connection, code_hash: &str, at: OffsetDateTime) -> rusqlite::Result<Option<CodeRecord>> {
    let code = |row: &Row<'_>| {
        let grant = db.prepare_cached(sql::GRANT)?.query_row([row.get::<_, Uuid>(0)?], grant_of)?;
        Ok(CodeRecord {
            code_hash: code_hash.to_owned(),
            grant,
            redirect_uri: row.get(1)?,
            challenge: row.get(2)?,
            expires_at: rows::time(row, 3)?,
        })
    };
    db.prepare_cached(sql::USE_CODE)?.query_row(params![Micros(at), code_hash], code).optional()
}

/// Voids the grant that a query finds; whether it found one.
fn revoke_of(db: &Connection, find: &str, row: &[&dyn rusqlite::ToSql], at: OffsetDateTime) -> rusqlite::Result<bool> {
    let grant = db.prepare_cached(find)?.query_row(row, |row| row.get::<_, Uuid>(0)).optional()?;
    if let Some(grant) = grant {
        db.prepare_cached(sql::REVOKE)?.execute(params![Micros(at), grant])?;
    }
    Ok(grant.is_some())
}

fn add_grant(db: &Connection, grant: &GrantRecord) -> rusqlite::Result<()> {
    let row = params![
        grant.id,
        grant.client_id,
        grant.user_id,
        grant.project_id.0,
        Scopes(grant.scopes.clone()),
        grant.audience,
        Micros(grant.created_at),
        grant.revoked_at.map(Micros)
    ];
    db.prepare_cached(sql::ADD_GRANT)?.execute(row).map(drop)
}

fn add_tokens(
    db: &Connection,
    grant: Uuid,
    tokens: &[TokenRecord],
    client_until: OffsetDateTime,
) -> rusqlite::Result<bool> {
    if db.prepare_cached(sql::HOLD)?.execute([grant])? == 0 {
        return Ok(false);
    }
    for token in tokens {
        let row = params![token.token_hash, grant, kind(token), Micros(token.expires_at)];
        db.prepare_cached(sql::ADD_TOKEN)?.execute(row)?;
    }
    db.prepare_cached(sql::KEEP_CLIENT)?.execute(params![Micros(client_until), grant])?;
    Ok(true)
}

const fn kind(token: &TokenRecord) -> &'static str {
    if token.refresh { "refresh" } else { "access" }
}

fn client(row: &Row<'_>) -> rusqlite::Result<ClientRecord> {
    Ok(ClientRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        redirect_uris: row.get::<_, String>(2)?.lines().map(str::to_owned).collect(),
        created_at: rows::time(row, 3)?,
        expires_at: rows::time(row, 4)?,
    })
}

fn grant_of(row: &Row<'_>) -> rusqlite::Result<GrantRecord> {
    Ok(GrantRecord {
        id: row.get(0)?,
        client_id: row.get(1)?,
        user_id: row.get(2)?,
        project_id: ProjectId(row.get(3)?),
        scopes: row.get::<_, Scopes>(4)?.0,
        audience: row.get(5)?,
        created_at: rows::time(row, 6)?,
        revoked_at: rows::time_if(row, 7)?,
    })
}
