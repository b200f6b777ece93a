//! API keys. Knows hashes of secrets only.

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio_postgres::Row;

use super::{
    PostgresStore,
    fault::Fault,
    news::News,
    rows::{self, get, micros, number, scopes, scopes_text, time, time_if},
    transact::Tx,
};
use crate::sql::keys as sql;
use crate::{KeyRecord, Keys, ProjectId, StoreError};

#[async_trait]
impl Keys for PostgresStore {
    async fn add_key(&self, key: &KeyRecord, max_active: u32, now: OffsetDateTime) -> Result<bool, StoreError> {
        let key = key.clone();
        self.transact(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                tx.find(sql::LOCK_POSTGRES, &[&key.project_id.0]).await?;
                let active = tx.find(sql::ACTIVE, &[&key.project_id.0, &micros(now)]).await?;
                let active: i64 = active.as_ref().map_or(Ok(0), |row| number(row, 0))?;
                if active >= i64::from(max_active) {
                    return Ok(false);
                }
                add(tx, &key).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn key(&self, key_id: &str) -> Result<Option<KeyRecord>, StoreError> {
        rows::one(self.find(sql::BY_ID, &[&key_id]).await?, key)
    }

    async fn keys(
        &self,
        project: ProjectId,
        before: Option<(OffsetDateTime, String)>,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, StoreError> {
        let (at, id) = before.unzip();
        let (at, id) = (at.map(micros), id.unwrap_or_default());
        rows::all(&self.query(sql::PAGE, &[&project.0, &at, &id, &i64::from(limit)]).await?, key)
    }

    async fn revoke_key(
        &self,
        project: ProjectId,
        key_id: &str,
        at: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let key_id = key_id.to_owned();
        self.transact(move |tx| {
            let key_id = key_id.clone();
            Box::pin(async move {
                let revoked = tx.find(sql::REVOKE, &[&micros(at), &project.0, &key_id]).await?;
                tx.news.push(News::Revoked(key_id));
                revoked.map(|row| time(&row, 0)).transpose()
            })
        })
        .await
    }
}

async fn add(tx: &Tx, key: &KeyRecord) -> Result<(), Fault> {
    let (scopes, created_at) = (scopes_text(&key.scopes), micros(key.created_at));
    let (expires_at, revoked_at) = (key.expires_at.map(micros), key.revoked_at.map(micros));
    tx.execute(
        sql::ADD,
        &[
            &key.key_id,
            &key.project_id.0,
            &key.secret_hash,
            &key.environment,
            &key.name,
            &scopes,
            &created_at,
            &key.created_by,
            &expires_at,
            &revoked_at,
        ],
    )
    .await
    .map(drop)
}

fn key(row: &Row) -> Result<KeyRecord, Fault> {
    Ok(KeyRecord {
        key_id: get(row, 0)?,
        project_id: ProjectId(get(row, 1)?),
        secret_hash: get(row, 2)?,
        environment: get(row, 3)?,
        name: get(row, 4)?,
        scopes: scopes(row, 5)?,
        created_at: time(row, 6)?,
        created_by: get(row, 7)?,
        expires_at: time_if(row, 8)?,
        revoked_at: time_if(row, 9)?,
    })
}
