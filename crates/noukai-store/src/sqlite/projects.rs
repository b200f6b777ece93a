//! Organisations and projects.

use async_trait::async_trait;
use noukai_api::CaptureMode;
use rusqlite::{Connection, OptionalExtension, Row, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    SqliteStore,
    rows::{Micros, spelled},
};
use crate::{ProjectId, ProjectRecord, Projects, StoreError};

const ADD_ORGANISATION: &str = "INSERT INTO organisations (id, slug, trace_capture, created_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (slug) DO NOTHING";

const ADD_PROJECT: &str = "INSERT INTO projects (id, org_id, slug, created_at) \
    SELECT $1, o.id, $2, $3 FROM organisations o WHERE o.slug = $4 ON CONFLICT (org_id, slug) DO NOTHING";

const SET_CAPTURE: &str = "UPDATE organisations SET trace_capture = $1 WHERE id = $2";

macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT p.id, p.slug, o.id, o.slug, o.trace_capture FROM projects p \
             JOIN organisations o ON o.id = p.org_id ",
            $tail
        )
    };
}
const BY_ID: &str = select!("WHERE p.id = $1");
const BY_ADDRESS: &str = select!("WHERE o.slug = $1 AND p.slug = $2");
const ALL: &str = select!("ORDER BY o.slug, p.slug");

#[async_trait]
impl Projects for SqliteStore {
    async fn ensure_project(
        &self,
        org_slug: &str,
        slug: &str,
        org_id: Uuid,
        id: ProjectId,
        at: OffsetDateTime,
    ) -> Result<ProjectRecord, StoreError> {
        if let Some(found) = self.project_at(org_slug, slug).await? {
            return Ok(found);
        }
        let (org_slug, slug) = (org_slug.to_owned(), slug.to_owned());
        self.write(move |db, _| {
            let capture = CaptureMode::MetadataOnly.as_str();
            db.prepare_cached(ADD_ORGANISATION)?.execute(params![org_id, org_slug, capture, Micros(at)])?;
            db.prepare_cached(ADD_PROJECT)?.execute(params![id.0, slug, Micros(at), org_slug])?;
            at_address(db, &org_slug, &slug)?.ok_or_else(|| StoreError::Conflict(format!("no {org_slug}/{slug}")))
        })
        .await
    }

    async fn project(&self, id: ProjectId) -> Result<Option<ProjectRecord>, StoreError> {
        self.point(|db| Ok(db.prepare_cached(BY_ID)?.query_row([id.0], project).optional()?))
    }

    async fn project_at(&self, org_slug: &str, slug: &str) -> Result<Option<ProjectRecord>, StoreError> {
        self.point(|db| at_address(db, org_slug, slug))
    }

    async fn projects(&self) -> Result<Vec<ProjectRecord>, StoreError> {
        self.list(|db| Ok(db.prepare_cached(ALL)?.query_map([], project)?.collect::<Result<_, _>>()?)).await
    }

    async fn set_trace_capture(&self, org_id: Uuid, mode: CaptureMode) -> Result<(), StoreError> {
        self.write(move |db, _| match db.prepare_cached(SET_CAPTURE)?.execute(params![mode.as_str(), org_id])? {
            0 => Err(StoreError::Conflict(format!("there is no organisation {org_id}"))),
            _ => Ok(()),
        })
        .await
    }
}

fn at_address(db: &Connection, org_slug: &str, slug: &str) -> Result<Option<ProjectRecord>, StoreError> {
    Ok(db.prepare_cached(BY_ADDRESS)?.query_row([org_slug, slug], project).optional()?)
}

fn project(row: &Row<'_>) -> rusqlite::Result<ProjectRecord> {
    Ok(ProjectRecord {
        id: ProjectId(row.get(0)?),
        slug: row.get(1)?,
        org_id: row.get(2)?,
        org_slug: row.get(3)?,
        trace_capture: spelled(row, 4)?,
    })
}
