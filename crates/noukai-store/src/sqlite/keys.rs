//! API keys. Knows hashes of secrets only.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use time::OffsetDateTime;

use super::{
    SqliteStore,
    rows::{self, Micros, Scopes},
};
use crate::sql::keys as sql;
use crate::{KeyRecord, Keys, ProjectId, StoreError};

#[async_trait]
impl Keys for SqliteStore {
    async fn add_key(&self, key: &KeyRecord, max_active: u32, now: OffsetDateTime) -> Result<bool, StoreError> {
        let key = key.clone();
        self.write(move |db, _| {
            let row = params![key.project_id.0, Micros(now)];
            let active: i64 = db.prepare_cached(sql::ACTIVE)?.query_row(row, |row| row.get(0))?;
            if active >= i64::from(max_active) {
                return Ok(false);
            }
            add(db, &key)?;
            Ok(true)
        })
        .await
    }

    async fn key(&self, key_id: &str) -> Result<Option<KeyRecord>, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::BY_ID)?.query_row([key_id], key).optional()?))
    }

    async fn keys(
        &self,
        project: ProjectId,
        before: Option<(OffsetDateTime, String)>,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, StoreError> {
        let (at, id) = before.unzip();
        self.list(move |db| {
            let row = params![project.0, at.map(Micros), id.unwrap_or_default(), limit];
            Ok(db.prepare_cached(sql::PAGE)?.query_map(row, key)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn revoke_key(
        &self,
        project: ProjectId,
        key_id: &str,
        at: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let key_id = key_id.to_owned();
        self.write(move |db, _| {
            let row = params![Micros(at), project.0, key_id];
            Ok(db.prepare_cached(sql::REVOKE)?.query_row(row, |row| rows::time(row, 0)).optional()?)
        })
        .await
    }
}

fn add(db: &Connection, key: &KeyRecord) -> rusqlite::Result<()> {
    let row = params![
        key.key_id,
        key.project_id.0,
        key.secret_hash,
        key.environment,
        key.name,
        Scopes(key.scopes.clone()),
        Micros(key.created_at),
        key.created_by,
        key.expires_at.map(Micros),
        key.revoked_at.map(Micros)
    ];
    db.prepare_cached(sql::ADD)?.execute(row).map(drop)
}

fn key(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    Ok(KeyRecord {
        key_id: row.get(0)?,
        project_id: ProjectId(row.get(1)?),
        secret_hash: row.get(2)?,
        environment: row.get(3)?,
        name: row.get(4)?,
        scopes: row.get::<_, Scopes>(5)?.0,
        created_at: rows::time(row, 6)?,
        created_by: row.get(7)?,
        expires_at: rows::time_if(row, 8)?,
        revoked_at: rows::time_if(row, 9)?,
    })
}
