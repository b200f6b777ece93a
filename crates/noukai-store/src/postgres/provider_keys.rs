//! Keys for model providers, sealed.

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    rows::{self, get, micros, number, time, time_if},
    transact::Tx,
};
use crate::sql::provider_keys as sql;
use crate::{ChangedKey, ProjectId, ProviderKeyRecord, ProviderKeys, Sealed, StoreError};

/// One adds a key to an organisation at a time.
const LOCK: &str = "SELECT 1 FROM organisations WHERE id = $1 FOR NO KEY UPDATE";

#[async_trait]
impl ProviderKeys for PostgresStore {
    async fn add_provider_key(&self, key: &ProviderKeyRecord, most: u32) -> Result<bool, StoreError> {
        let key = key.clone();
        self.transact(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                tx.find(LOCK, &[&key.org_id]).await?;
                if count(tx, &key).await? >= i64::from(most) {
                    return Ok(false);
                }
                add(tx, &key).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn provider_key(&self, org: Uuid, id: Uuid) -> Result<Option<ProviderKeyRecord>, StoreError> {
        rows::one(self.find(sql::ONE, &[&org, &id]).await?, key)
    }

    async fn provider_keys(&self, project: ProjectId) -> Result<Vec<ProviderKeyRecord>, StoreError> {
        rows::all(&self.query(sql::FOR_PROJECT, &[&project.0]).await?, key)
    }

    async fn change_provider_key(&self, org: Uuid, id: Uuid, to: &ChangedKey) -> Result<bool, StoreError> {
        let to = to.clone();
        self.transact(move |tx| {
            let to = to.clone();
            Box::pin(async move {
                let (Sealed { with, bytes }, changed_at) = (&to.sealed, micros(to.changed_at));
                Ok(tx.execute(sql::CHANGE, &[with, bytes, &to.last_four, &changed_at, &org, &id]).await? > 0)
            })
        })
        .await
    }

    async fn remove_provider_key(&self, org: Uuid, id: Uuid) -> Result<bool, StoreError> {
        self.transact(move |tx| Box::pin(async move { Ok(tx.execute(sql::REMOVE, &[&org, &id]).await? > 0) })).await
    }

    async fn provider_keys_used(&self, ids: &[Uuid], at: OffsetDateTime) -> Result<(), StoreError> {
        let mut ids = ids.to_vec();
        // In one order, as other nodes may note the same ones.
        ids.sort_unstable();
        self.transact(move |tx| {
            let ids = ids.clone();
            Box::pin(async move {
                for id in &ids {
                    tx.execute(sql::USED, &[&micros(at), id]).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn sealed_otherwise(
        &self,
        than: &str,
        after: Uuid,
        limit: u32,
    ) -> Result<Vec<ProviderKeyRecord>, StoreError> {
        rows::all(&self.query(sql::SEALED_OTHERWISE, &[&than, &after, &i64::from(limit)]).await?, key)
    }

    async fn reseal(&self, id: Uuid, from: &Sealed, to: &Sealed) -> Result<bool, StoreError> {
        let (from, to) = (from.clone(), to.clone());
        self.transact(move |tx| {
            let (from, to) = (from.clone(), to.clone());
            Box::pin(async move { Ok(tx.execute(sql::RESEAL, &[&to.with, &to.bytes, &id, &from.bytes]).await? > 0) })
        })
        .await
    }

    async fn sealed_with(&self) -> Result<Vec<(String, u64)>, StoreError> {
        rows::all(&self.query(sql::SEALED_WITH, &[]).await?, |row| Ok((get(row, 0)?, number(row, 1)?)))
    }
}

async fn count(tx: &Tx, key: &ProviderKeyRecord) -> Result<i64, Fault> {
    let found = match key.project_id {
        Some(project) => tx.find(sql::COUNT_OF_PROJECT, &[&key.org_id, &project.0]).await?,
        None => tx.find(sql::COUNT_OF_ORG, &[&key.org_id]).await?,
    };
    found.map_or(Ok(0), |row| get(&row, 0))
}

async fn add(tx: &Tx, key: &ProviderKeyRecord) -> Result<(), Fault> {
    let project = key.project_id.map(|project| project.0);
    let (created_at, changed_at) = (micros(key.created_at), micros(key.changed_at));
    let last_used_at = key.last_used_at.map(micros);
    tx.execute(
        sql::ADD,
        &[
            &key.id,
            &key.org_id,
            &project,
            &key.provider,
            &key.base_url,
            &key.name,
            &key.last_four,
            &key.sealed.with,
            &key.sealed.bytes,
            &created_at,
            &key.created_by,
            &changed_at,
            &last_used_at,
        ],
    )
    .await
    .map(drop)
}

fn key(row: &Row) -> Result<ProviderKeyRecord, Fault> {
    Ok(ProviderKeyRecord {
        id: get(row, 0)?,
        org_id: get(row, 1)?,
        project_id: get::<Option<Uuid>>(row, 2)?.map(ProjectId),
        provider: get(row, 3)?,
        base_url: get(row, 4)?,
        name: get(row, 5)?,
        last_four: get(row, 6)?,
        sealed: Sealed { with: get(row, 7)?, bytes: get(row, 8)? },
        created_at: time(row, 9)?,
        created_by: get(row, 10)?,
        changed_at: time(row, 11)?,
        last_used_at: time_if(row, 12)?,
    })
}
