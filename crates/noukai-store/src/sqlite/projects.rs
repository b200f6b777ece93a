//! Organisations and projects.

use async_trait::async_trait;
use noukai_api::CaptureMode;
use rusqlite::{Connection, OptionalExtension, Row, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    SqliteStore,
    rows::{Micros, count, spelled, time},
};
use crate::sql::projects as sql;
use crate::{NewProject, OrganisationRecord, ProjectId, ProjectRecord, ProjectSettings, Projects, StoreError};

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
            add(db, (org_id, &org_slug), (id, &slug), at)?;
            at_address(db, &org_slug, &slug)?.ok_or_else(|| StoreError::Conflict(format!("no {org_slug}/{slug}")))
        })
        .await
    }

    async fn project(&self, id: ProjectId) -> Result<Option<ProjectRecord>, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::BY_ID)?.query_row([id.0], project).optional()?))
    }

    async fn project_at(&self, org_slug: &str, slug: &str) -> Result<Option<ProjectRecord>, StoreError> {
        self.point(|db| at_address(db, org_slug, slug))
    }

    async fn projects(&self) -> Result<Vec<ProjectRecord>, StoreError> {
        self.list(|db| Ok(db.prepare_cached(sql::ALL)?.query_map([], project)?.collect::<Result<_, _>>()?)).await
    }

    async fn set_trace_capture(&self, org_id: Uuid, mode: CaptureMode) -> Result<(), StoreError> {
        self.write(move |db, _| match db.prepare_cached(sql::SET_CAPTURE)?.execute(params![mode.as_str(), org_id])? {
            0 => Err(StoreError::Conflict(format!("there is no organisation {org_id}"))),
            _ => Ok(()),
        })
        .await
    }

    async fn organisation(&self, org_id: Uuid) -> Result<Option<OrganisationRecord>, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::ORGANISATION)?.query_row([org_id], organisation).optional()?))
    }

    async fn rename_organisation(&self, org_id: Uuid, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |db, _| Ok(db.prepare_cached(sql::RENAME_ORGANISATION)?.execute(params![name, org_id])? > 0))
            .await
    }

    async fn projects_of(
        &self,
        org_id: Uuid,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ProjectRecord>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        self.list(move |db| {
            let row = params![org_id, after, limit];
            Ok(db.prepare_cached(sql::PAGE)?.query_map(row, project)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn create_project(&self, new: NewProject) -> Result<bool, StoreError> {
        self.write(move |db, _| {
            let NewProject { id, org_id, slug, settings, at } = &new;
            let ProjectSettings { name, description, flows_as_tools } = settings;
            let row = params![id.0, slug, name, description, flows_as_tools, Micros(*at), org_id];
            Ok(db.prepare_cached(sql::CREATE_PROJECT)?.execute(row)? > 0)
        })
        .await
    }

    async fn update_project(
        &self,
        org_id: Uuid,
        id: ProjectId,
        settings: &ProjectSettings,
    ) -> Result<bool, StoreError> {
        let settings = settings.clone();
        self.write(move |db, _| {
            let ProjectSettings { name, description, flows_as_tools } = &settings;
            let row = params![name, description, flows_as_tools, org_id, id.0];
            Ok(db.prepare_cached(sql::UPDATE_PROJECT)?.execute(row)? > 0)
        })
        .await
    }
}

/// The organisation and the project, each where it is missing.
pub(super) fn add(
    db: &Connection,
    (org_id, org_slug): (Uuid, &str),
    (id, slug): (ProjectId, &str),
    at: OffsetDateTime,
) -> rusqlite::Result<()> {
    let capture = CaptureMode::MetadataOnly.as_str();
    db.prepare_cached(sql::ADD_ORGANISATION)?.execute(params![org_id, org_slug, capture, Micros(at)])?;
    db.prepare_cached(sql::ADD_PROJECT)?.execute(params![id.0, slug, Micros(at), org_slug]).map(drop)
}

fn at_address(db: &Connection, org_slug: &str, slug: &str) -> Result<Option<ProjectRecord>, StoreError> {
    Ok(db.prepare_cached(sql::BY_ADDRESS)?.query_row([org_slug, slug], project).optional()?)
}

pub(super) fn project(row: &Row<'_>) -> rusqlite::Result<ProjectRecord> {
    Ok(ProjectRecord {
        id: ProjectId(row.get(0)?),
        slug: row.get(1)?,
        org_id: row.get(2)?,
        org_slug: row.get(3)?,
        trace_capture: spelled(row, 4)?,
        settings: ProjectSettings { name: row.get(5)?, description: row.get(6)?, flows_as_tools: row.get(7)? },
        models_revision: count(row, 8)?,
        created_at: time(row, 9)?,
    })
}

fn organisation(row: &Row<'_>) -> rusqlite::Result<OrganisationRecord> {
    Ok(OrganisationRecord {
        id: row.get(0)?,
        slug: row.get(1)?,
        name: row.get(2)?,
        trace_capture: spelled(row, 3)?,
        created_at: time(row, 4)?,
    })
}
