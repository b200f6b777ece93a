//! Flows, their documents and versions.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use time::OffsetDateTime;

use super::{
    SqliteStore,
    rows::{self, Micros},
};
use crate::sql::flows as sql;
use crate::{FlowId, FlowRecord, Flows, ProjectId, StoreError, VersionRecord};

#[async_trait]
impl Flows for SqliteStore {
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
        let draft = Draft { project, id, at, slug: slug.into(), name: name.into(), hash: hash.into() };
        let document = document.to_owned();
        self.write(move |db, _| draft.put(db, &document)).await
    }

    async fn flow(&self, project: ProjectId, slug: &str) -> Result<Option<FlowRecord>, StoreError> {
        self.point(|db| by_slug(db, project, slug))
    }

    async fn flows(&self, project: ProjectId) -> Result<Vec<FlowRecord>, StoreError> {
        self.list(move |db| Ok(db.prepare_cached(sql::ALL)?.query_map([project.0], flow)?.collect::<Result<_, _>>()?))
            .await
    }

    async fn remove_flow(&self, project: ProjectId, slug: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
        let slug = slug.to_owned();
        self.write(move |db, _| Ok(db.prepare_cached(sql::REMOVE)?.execute(params![Micros(at), project.0, slug])? > 0))
            .await
    }

    async fn document(&self, project: ProjectId, hash: &str) -> Result<Option<String>, StoreError> {
        self.point(|db| {
            Ok(db.prepare_cached(sql::DOCUMENT)?.query_row(params![project.0, hash], |row| row.get(0)).optional()?)
        })
    }

    async fn version(
        &self,
        project: ProjectId,
        flow: FlowId,
        number: u32,
    ) -> Result<Option<VersionRecord>, StoreError> {
        self.point(|db| find_version(db, project, flow, number))
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
        let (hash, note, author) = (hash.to_owned(), note.to_owned(), author.to_owned());
        let version = VersionRecord { number: 0, hash, note, author, created_at: at };
        self.write(move |db, _| publish(db, project, flow, version.clone())).await
    }

    async fn set_production(
        &self,
        project: ProjectId,
        flow: FlowId,
        number: u32,
        author: &str,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let author = author.to_owned();
        self.write(move |db, _| {
            if find_version(db, project, flow, number)?.is_none()
                || db.prepare_cached(sql::SET_PRODUCTION)?.execute(params![number, project.0, flow.0])? == 0
            {
                return Ok(false);
            }
            let row = params![project.0, flow.0, number, author, Micros(at)];
            db.prepare_cached(sql::LOG_PRODUCTION)?.execute(row)?;
            Ok(true)
        })
        .await
    }
}

struct Draft {
    project: ProjectId,
    id: FlowId,
    at: OffsetDateTime,
    slug: String,
    name: String,
    hash: String,
}

impl Draft {
    fn put(&self, db: &Connection, document: &str) -> Result<FlowRecord, StoreError> {
        let Self { project, id, at, slug, name, hash } = self;
        db.prepare_cached(sql::KEEP_DOCUMENT)?.execute(params![project.0, hash, document, Micros(*at)])?;
        db.prepare_cached(sql::PUT_DRAFT)?.execute(params![id.0, project.0, slug, name, hash, Micros(*at)])?;
        by_slug(db, *project, slug)?.ok_or_else(|| missing(*id))
    }
}

fn by_slug(db: &Connection, project: ProjectId, slug: &str) -> Result<Option<FlowRecord>, StoreError> {
    Ok(db.prepare_cached(sql::BY_SLUG)?.query_row(params![project.0, slug], flow).optional()?)
}

/// The same content as the latest version's is that version.
fn publish(
    db: &Connection,
    project: ProjectId,
    id: FlowId,
    mut version: VersionRecord,
) -> Result<VersionRecord, StoreError> {
    let found = db.prepare_cached(sql::BY_ID)?.query_row([project.0, id.0], flow).optional()?;
    let found = found.ok_or_else(|| missing(id))?;
    if found.draft_hash != version.hash {
        return Err(StoreError::Conflict(format!("the draft of {} is {} now", found.slug, found.draft_hash)));
    }
    let latest = find_version(db, project, id, found.latest_version)?;
    if let Some(latest) = latest.filter(|latest| latest.hash == version.hash) {
        return Ok(latest);
    }
    version.number = found.latest_version + 1;
    let at = Micros(version.created_at);
    let VersionRecord { number, hash, note, author, .. } = &version;
    db.prepare_cached(sql::ADD_VERSION)?.execute(params![id.0, number, project.0, hash, note, author, at])?;
    db.prepare_cached(sql::SET_LATEST)?.execute(params![number, project.0, id.0])?;
    Ok(version)
}

fn missing(id: FlowId) -> StoreError {
    StoreError::Conflict(format!("the project has no flow {id}"))
}

fn find_version(
    db: &Connection,
    project: ProjectId,
    flow: FlowId,
    number: u32,
) -> Result<Option<VersionRecord>, StoreError> {
    Ok(db.prepare_cached(sql::VERSION)?.query_row(params![project.0, flow.0, number], version).optional()?)
}

fn flow(row: &Row<'_>) -> rusqlite::Result<FlowRecord> {
    let production: Option<u32> = row.get(5)?;
    Ok(FlowRecord {
        id: FlowId(row.get(0)?),
        slug: row.get(1)?,
        name: row.get(2)?,
        draft_hash: row.get(3)?,
        latest_version: row.get(4)?,
        production: production.map(|number| Ok::<_, rusqlite::Error>((number, row.get(6)?))).transpose()?,
    })
}

fn version(row: &Row<'_>) -> rusqlite::Result<VersionRecord> {
    Ok(VersionRecord {
        number: row.get(0)?,
        hash: row.get(1)?,
        note: row.get(2)?,
        author: row.get(3)?,
        created_at: rows::time(row, 4)?,
    })
}
