//! Flows, their documents and versions.

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio_postgres::Row;

use super::{
    PostgresStore,
    fault::Fault,
    rows::{self, get, micros, number, number_if, time},
    transact::Tx,
};
use crate::sql::flows as sql;
use crate::{FlowId, FlowRecord, Flows, ProjectId, StoreError, VersionRecord};

#[async_trait]
impl Flows for PostgresStore {
    async fn put_draft(
        &self,
        project: ProjectId,
        id: FlowId,
        slug: &str,
        name: &str,
        hash: &str,
        document: &str,
        at: OffsetDateTime,
    ) -> Result<FlowRecord, StoreError> {
        let texts = [slug, name, hash, document].map(str::to_owned);
        self.transact(move |tx| {
            let [slug, name, hash, document] = texts.clone();
            Box::pin(async move {
                tx.execute(sql::KEEP_DOCUMENT, &[&project.0, &hash, &document, &micros(at)]).await?;
                tx.execute(sql::PUT_DRAFT, &[&id.0, &project.0, &slug, &name, &hash, &micros(at)]).await?;
                let found = tx.find(sql::BY_SLUG, &[&project.0, &slug]).await?;
                flow(&found.ok_or_else(|| missing(id))?)
            })
        })
        .await
    }

    async fn flow(&self, project: ProjectId, slug: &str) -> Result<Option<FlowRecord>, StoreError> {
        rows::one(self.find(sql::BY_SLUG, &[&project.0, &slug]).await?, flow)
    }

    async fn flows(&self, project: ProjectId) -> Result<Vec<FlowRecord>, StoreError> {
        rows::all(&self.query(sql::ALL, &[&project.0]).await?, flow)
    }

    async fn remove_flow(&self, project: ProjectId, slug: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
        let slug = slug.to_owned();
        self.transact(move |tx| {
            let slug = slug.clone();
            Box::pin(async move { Ok(tx.execute(sql::REMOVE, &[&micros(at), &project.0, &slug]).await? > 0) })
        })
        .await
    }

    async fn document(&self, project: ProjectId, hash: &str) -> Result<Option<String>, StoreError> {
        rows::one(self.find(sql::DOCUMENT, &[&project.0, &hash]).await?, |row| get(row, 0))
    }

    async fn version(
        &self,
        project: ProjectId,
        flow: FlowId,
        number: u32,
    ) -> Result<Option<VersionRecord>, StoreError> {
        rows::one(self.find(sql::VERSION, &[&project.0, &flow.0, &i64::from(number)]).await?, version)
    }

    async fn publish(
        &self,
        project: ProjectId,
        flow: FlowId,
        hash: &str,
        note: &str,
        author: &str,
        at: OffsetDateTime,
    ) -> Result<VersionRecord, StoreError> {
        let [hash, note, author] = [hash, note, author].map(str::to_owned);
        let version = VersionRecord { number: 0, hash, note, author, created_at: at };
        self.transact(move |tx| {
            let version = version.clone();
            Box::pin(publish(tx, project, flow, version))
        })
        .await
    }

    async fn set_production(
        &self,
        project: ProjectId,
        flow: FlowId,
        number: u32,
        author: &str,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let (author, number) = (author.to_owned(), i64::from(number));
        self.transact(move |tx| {
            let author = author.clone();
            Box::pin(async move {
                if tx.find(sql::VERSION, &[&project.0, &flow.0, &number]).await?.is_none()
                    || tx.execute(sql::SET_PRODUCTION, &[&number, &project.0, &flow.0]).await? == 0
                {
                    return Ok(false);
                }
                tx.execute(sql::LOG_PRODUCTION, &[&project.0, &flow.0, &number, &author, &micros(at)]).await?;
                Ok(true)
            })
        })
        .await
    }
}

/// The same content as the latest version's is that version. The flow stays locked meanwhile: one publishes at a time.
async fn publish(
    tx: &mut Tx,
    project: ProjectId,
    id: FlowId,
    mut version: VersionRecord,
) -> Result<VersionRecord, Fault> {
    tx.find(sql::LOCK_POSTGRES, &[&project.0, &id.0]).await?;
    let found = tx.find(sql::BY_ID, &[&project.0, &id.0]).await?.ok_or_else(|| missing(id))?;
    let found = flow(&found)?;
    if found.draft_hash != version.hash {
        return Err(StoreError::Conflict(format!("the draft of {} is {} now", found.slug, found.draft_hash)).into());
    }
    let latest = tx.find(sql::VERSION, &[&project.0, &id.0, &i64::from(found.latest_version)]).await?;
    let latest = latest.map(|row| self::version(&row)).transpose()?;
    if let Some(latest) = latest.filter(|latest| latest.hash == version.hash) {
        return Ok(latest);
    }
    version.number = found.latest_version + 1;
    let (number, at) = (i64::from(version.number), micros(version.created_at));
    let VersionRecord { hash, note, author, .. } = &version;
    tx.execute(sql::ADD_VERSION, &[&id.0, &number, &project.0, hash, note, author, &at]).await?;
    tx.execute(sql::SET_LATEST, &[&number, &project.0, &id.0]).await?;
    Ok(version)
}

fn missing(id: FlowId) -> StoreError {
    StoreError::Conflict(format!("the project has no flow {id}"))
}

fn flow(row: &Row) -> Result<FlowRecord, Fault> {
    let production: Option<u32> = number_if(row, 5)?;
    Ok(FlowRecord {
        id: FlowId(get(row, 0)?),
        slug: get(row, 1)?,
        name: get(row, 2)?,
        draft_hash: get(row, 3)?,
        latest_version: number(row, 4)?,
        production: production.map(|number| Ok::<_, Fault>((number, get(row, 6)?))).transpose()?,
    })
}

fn version(row: &Row) -> Result<VersionRecord, Fault> {
    Ok(VersionRecord {
        number: number(row, 0)?,
        hash: get(row, 1)?,
        note: get(row, 2)?,
        author: get(row, 3)?,
        created_at: time(row, 4)?,
    })
}
