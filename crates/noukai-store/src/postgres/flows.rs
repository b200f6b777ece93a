//! Flows and their documents, as runs find them.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    PostgresStore,
    fault::Fault,
    rows::{self, get, number, number_if, time, time_if},
};
use crate::sql::flows as sql;
use crate::{FlowId, FlowRecord, Flows, ProjectId, Signature, StoreError, VersionRecord};

#[async_trait]
impl Flows for PostgresStore {
    async fn flow(&self, project: ProjectId, slug: &str) -> Result<Option<FlowRecord>, StoreError> {
        rows::one(self.find(sql::BY_SLUG, &[&project.0, &slug]).await?, flow)
    }

    async fn flows(&self, project: ProjectId) -> Result<Vec<FlowRecord>, StoreError> {
        rows::all(&self.query(sql::ALL, &[&project.0]).await?, flow)
    }

    async fn document(&self, project: ProjectId, hash: &str) -> Result<Option<String>, StoreError> {
        rows::one(self.find(sql::DOCUMENT, &[&project.0, &hash]).await?, |row| get(row, 0))
    }

    async fn keep_document(&self, project: ProjectId, hash: &str) -> Result<bool, StoreError> {
        let hash = hash.to_owned();
        self.transact(move |tx| {
            let hash = hash.clone();
            Box::pin(async move { Ok(tx.execute(sql::KEEP_DOCUMENT, &[&project.0, &hash]).await? > 0) })
        })
        .await
    }

    async fn version(
        &self,
        project: ProjectId,
        flow: FlowId,
        number: u32,
    ) -> Result<Option<VersionRecord>, StoreError> {
        rows::one(self.find(sql::VERSION, &[&project.0, &flow.0, &i64::from(number)]).await?, version)
    }
}

pub(super) fn flow(row: &Row) -> Result<FlowRecord, Fault> {
    let production: Option<u32> = number_if(row, 12)?;
    Ok(FlowRecord {
        id: FlowId(get(row, 0)?),
        project_id: ProjectId(get(row, 1)?),
        slug: get(row, 2)?,
        name: get(row, 3)?,
        description: get(row, 4)?,
        draft_hash: get(row, 5)?,
        source_hash: get(row, 6)?,
        revision: number(row, 7)?,
        last_seq: number(row, 8)?,
        latest_version: number(row, 9)?,
        created_at: time(row, 10)?,
        updated_at: time(row, 11)?,
        production: production.map(|number| Ok::<_, Fault>((number, get(row, 13)?))).transpose()?,
    })
}

/// A flow and the first column behind its own.
pub(super) fn flow_and_text(row: &Row) -> Result<(FlowRecord, String), Fault> {
    Ok((flow(row)?, get(row, sql::FLOW_COLUMNS)?))
}

pub(super) fn version(row: &Row) -> Result<VersionRecord, Fault> {
    let deprecated_at = time_if(row, 7)?;
    Ok(VersionRecord {
        number: number(row, 0)?,
        hash: get(row, 1)?,
        source_hash: get(row, 2)?,
        note: get(row, 3)?,
        by: Signature { author: get(row, 4)?, name: get(row, 5)?, at: time(row, 6)? },
        deprecated: deprecated_at.map(|at| Ok::<_, Fault>((at, get(row, 8)?))).transpose()?,
        revision: number(row, 9)?,
    })
}
