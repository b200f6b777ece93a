//! Keys for model providers, sealed.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    SqliteStore,
    rows::{self, Micros},
};
use crate::sql::provider_keys as sql;
use crate::{ChangedKey, ProjectId, ProviderKeyRecord, ProviderKeys, Sealed, StoreError};

#[async_trait]
impl ProviderKeys for SqliteStore {
    async fn add_provider_key(&self, key: &ProviderKeyRecord, most: u32) -> Result<bool, StoreError> {
        let key = key.clone();
        self.write(move |db, _| {
            if count(db, &key)? >= i64::from(most) {
                return Ok(false);
            }
            add(db, &key)?;
            Ok(true)
        })
        .await
    }

    async fn provider_key(&self, org: Uuid, id: Uuid) -> Result<Option<ProviderKeyRecord>, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::ONE)?.query_row([org, id], key).optional()?))
    }

    async fn provider_keys(&self, project: ProjectId) -> Result<Vec<ProviderKeyRecord>, StoreError> {
        self.point(|db| {
            Ok(db.prepare_cached(sql::FOR_PROJECT)?.query_map([project.0], key)?.collect::<Result<_, _>>()?)
        })
    }

    async fn change_provider_key(&self, org: Uuid, id: Uuid, to: &ChangedKey) -> Result<bool, StoreError> {
        let to = to.clone();
        self.write(move |db, _| {
            let Sealed { with, bytes } = &to.sealed;
            let row = params![with, bytes, to.last_four, Micros(to.changed_at), org, id];
            Ok(db.prepare_cached(sql::CHANGE)?.execute(row)? > 0)
        })
        .await
    }

    async fn remove_provider_key(&self, org: Uuid, id: Uuid) -> Result<bool, StoreError> {
        self.write(move |db, _| Ok(db.prepare_cached(sql::REMOVE)?.execute([org, id])? > 0)).await
    }

    async fn provider_keys_used(&self, ids: &[Uuid], at: OffsetDateTime) -> Result<(), StoreError> {
        let ids = ids.to_vec();
        self.write(move |db, _| {
            let mut used = db.prepare_cached(sql::USED)?;
            for id in &ids {
                used.execute(params![Micros(at), id])?;
            }
            Ok(())
        })
        .await
    }

    async fn sealed_otherwise(
        &self,
        than: &str,
        after: Uuid,
        limit: u32,
    ) -> Result<Vec<ProviderKeyRecord>, StoreError> {
        let than = than.to_owned();
        self.list(move |db| {
            let mut rows = db.prepare_cached(sql::SEALED_OTHERWISE)?;
            Ok(rows.query_map(params![than, after, limit], key)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn reseal(&self, id: Uuid, from: &Sealed, to: &Sealed) -> Result<bool, StoreError> {
        let (from, to) = (from.clone(), to.clone());
        self.write(move |db, _| {
            Ok(db.prepare_cached(sql::RESEAL)?.execute(params![to.with, to.bytes, id, from.bytes])? > 0)
        })
        .await
    }

    async fn sealed_with(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.list(|db| {
            let mut rows = db.prepare_cached(sql::SEALED_WITH)?;
            Ok(rows.query_map([], |row| Ok((row.get(0)?, rows::count(row, 1)?)))?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn count(db: &Connection, key: &ProviderKeyRecord) -> rusqlite::Result<i64> {
    match key.project_id {
        Some(project) => {
            let row = [key.org_id, project.0];
            db.prepare_cached(sql::COUNT_OF_PROJECT)?.query_row(row, |row| row.get(0))
        }
        None => db.prepare_cached(sql::COUNT_OF_ORG)?.query_row([key.org_id], |row| row.get(0)),
    }
}

fn add(db: &Connection, key: &ProviderKeyRecord) -> rusqlite::Result<()> {
    let row = params![
        key.id,
        key.org_id,
        key.project_id.map(|project| project.0),
        key.provider,
        key.base_url,
        key.name,
        key.last_four,
        key.sealed.with,
        key.sealed.bytes,
        Micros(key.created_at),
        key.created_by,
        Micros(key.changed_at),
        key.last_used_at.map(Micros)
    ];
    db.prepare_cached(sql::ADD)?.execute(row).map(drop)
}

fn key(row: &Row<'_>) -> rusqlite::Result<ProviderKeyRecord> {
    Ok(ProviderKeyRecord {
        id: row.get(0)?,
        org_id: row.get(1)?,
        project_id: row.get::<_, Option<Uuid>>(2)?.map(ProjectId),
        provider: row.get(3)?,
        base_url: row.get(4)?,
        name: row.get(5)?,
        last_four: row.get(6)?,
        sealed: Sealed { with: row.get(7)?, bytes: row.get(8)? },
        created_at: rows::time(row, 9)?,
        created_by: row.get(10)?,
        changed_at: rows::time(row, 11)?,
        last_used_at: rows::time_if(row, 12)?,
    })
}
