//! Flows and their documents, as runs find them.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SqliteStore, rows};
use crate::sql::flows as sql;
use crate::{FlowId, FlowRecord, Flows, ProjectId, Signature, StoreError, VersionRecord};

#[async_trait]
impl Flows for SqliteStore {
    async fn flow(&self, project: ProjectId, slug: &str) -> Result<Option<FlowRecord>, StoreError> {
        self.point(|db| by_slug(db, project, slug))
    }

    async fn flows(&self, project: ProjectId) -> Result<Vec<FlowRecord>, StoreError> {
        self.list(move |db| Ok(db.prepare_cached(sql::ALL)?.query_map([project.0], flow)?.collect::<Result<_, _>>()?))
            .await
    }

    async fn document(&self, project: ProjectId, hash: &str) -> Result<Option<String>, StoreError> {
        self.point(|db| {
            Ok(db.prepare_cached(sql::DOCUMENT)?.query_row(params![project.0, hash], |row| row.get(0)).optional()?)
        })
    }

    async fn keep_document(&self, project: ProjectId, hash: &str) -> Result<bool, StoreError> {
        let hash = hash.to_owned();
        self.write(move |db, _| Ok(db.prepare_cached(sql::KEEP_DOCUMENT)?.execute(params![project.0, hash])? > 0)).await
    }

    async fn version(
        &self,
        project: ProjectId,
        flow: FlowId,
        number: u32,
    ) -> Result<Option<VersionRecord>, StoreError> {
        self.point(|db| find_version(db, project, flow, number))
    }
}

pub(super) fn by_slug(db: &Connection, project: ProjectId, slug: &str) -> Result<Option<FlowRecord>, StoreError> {
    Ok(db.prepare_cached(sql::BY_SLUG)?.query_row(params![project.0, slug], flow).optional()?)
}

pub(super) fn by_id(db: &Connection, project: ProjectId, id: FlowId) -> Result<Option<FlowRecord>, StoreError> {
    Ok(db.prepare_cached(sql::BY_ID)?.query_row([project.0, id.0], flow).optional()?)
}

pub(super) fn find_version(
    db: &Connection,
    project: ProjectId,
    flow: FlowId,
    number: u32,
) -> Result<Option<VersionRecord>, StoreError> {
    Ok(db.prepare_cached(sql::VERSION)?.query_row(params![project.0, flow.0, number], version).optional()?)
}

pub(super) fn flow(row: &Row<'_>) -> rusqlite::Result<FlowRecord> {
    let production: Option<u32> = row.get(12)?;
    Ok(FlowRecord {
        id: FlowId(row.get(0)?),
        project_id: ProjectId(row.get(1)?),
        slug: row.get(2)?,
        name: row.get(3)?,
        description: row.get(4)?,
        draft_hash: row.get(5)?,
        source_hash: row.get(6)?,
        revision: rows::count(row, 7)?,
        last_seq: rows::count(row, 8)?,
        latest_version: row.get(9)?,
        created_at: rows::time(row, 10)?,
        updated_at: rows::time(row, 11)?,
        production: production.map(|number| Ok::<_, rusqlite::Error>((number, row.get(13)?))).transpose()?,
    })
}

/// A flow and the first column behind its own.
pub(super) fn flow_and_text(row: &Row<'_>) -> rusqlite::Result<(FlowRecord, String)> {
    Ok((flow(row)?, row.get(sql::FLOW_COLUMNS)?))
}

pub(super) fn version(row: &Row<'_>) -> rusqlite::Result<VersionRecord> {
    let deprecated_at = rows::time_if(row, 7)?;
    Ok(VersionRecord {
        number: row.get(0)?,
        hash: row.get(1)?,
        source_hash: row.get(2)?,
        note: row.get(3)?,
        by: Signature { author: row.get(4)?, name: row.get(5)?, at: rows::time(row, 6)? },
        deprecated: deprecated_at.map(|at| Ok::<_, rusqlite::Error>((at, row.get(8)?))).transpose()?,
        revision: rows::count(row, 9)?,
    })
}
