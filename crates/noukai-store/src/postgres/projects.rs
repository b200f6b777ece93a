//! Organisations and projects.

use async_trait::async_trait;
use noukai_api::CaptureMode;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    rows::{self, get, micros, number, spelled, time},
    transact::{Params, Tx},
};
use crate::sql::projects as sql;
use crate::{NewProject, OrganisationRecord, ProjectId, ProjectRecord, ProjectSettings, Projects, StoreError};

#[async_trait]
impl Projects for PostgresStore {
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
        self.transact(move |tx| {
            let (org_slug, slug) = (org_slug.clone(), slug.clone());
            Box::pin(async move {
                add(tx, (org_id, &org_slug), (id, &slug), at).await?;
                let found = tx.find(sql::BY_ADDRESS, &[&org_slug, &slug]).await?;
                let missing = || StoreError::Conflict(format!("no {org_slug}/{slug}"));
                project(&found.ok_or_else(missing)?)
            })
        })
        .await
    }

    async fn project(&self, id: ProjectId) -> Result<Option<ProjectRecord>, StoreError> {
        rows::one(self.find(sql::BY_ID, &[&id.0]).await?, project)
    }

    async fn project_at(&self, org_slug: &str, slug: &str) -> Result<Option<ProjectRecord>, StoreError> {
        rows::one(self.find(sql::BY_ADDRESS, &[&org_slug, &slug]).await?, project)
    }

    async fn projects(&self) -> Result<Vec<ProjectRecord>, StoreError> {
        rows::all(&self.query(sql::ALL, &[]).await?, project)
    }

    async fn set_trace_capture(&self, org_id: Uuid, mode: CaptureMode) -> Result<(), StoreError> {
        self.transact(move |tx| {
            Box::pin(async move {
                match tx.execute(sql::SET_CAPTURE, &[&mode.as_str(), &org_id]).await? {
                    0 => Err(StoreError::Conflict(format!("there is no organisation {org_id}")).into()),
                    _ => Ok(()),
                }
            })
        })
        .await
    }

    async fn organisation(&self, org_id: Uuid) -> Result<Option<OrganisationRecord>, StoreError> {
        rows::one(self.find(sql::ORGANISATION, &[&org_id]).await?, organisation)
    }

    async fn rename_organisation(&self, org_id: Uuid, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.transact(move |tx| {
            let name = name.clone();
            Box::pin(async move { Ok(tx.execute(sql::RENAME_ORGANISATION, &[&name, &org_id]).await? > 0) })
        })
        .await
    }

    async fn projects_of(
        &self,
        org_id: Uuid,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ProjectRecord>, StoreError> {
        let row: Params<'_> = &[&org_id, &after.unwrap_or_default(), &i64::from(limit)];
        rows::all(&self.query(sql::PAGE, row).await?, project)
    }

    async fn create_project(&self, new: NewProject) -> Result<bool, StoreError> {
        self.transact(move |tx| {
            let new = new.clone();
            Box::pin(async move {
                let NewProject { id, org_id, slug, settings, at } = &new;
                let ProjectSettings { name, description, flows_as_tools } = settings;
                let (tools, at) = (i64::from(*flows_as_tools), micros(*at));
                let row: Params<'_> = &[&id.0, slug, name, description, &tools, &at, org_id];
                Ok(tx.execute(sql::CREATE_PROJECT, row).await? > 0)
            })
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
        self.transact(move |tx| {
            let settings = settings.clone();
            Box::pin(async move {
                let ProjectSettings { name, description, flows_as_tools } = &settings;
                let row: Params<'_> = &[name, description, &i64::from(*flows_as_tools), &org_id, &id.0];
                Ok(tx.execute(sql::UPDATE_PROJECT, row).await? > 0)
            })
        })
        .await
    }
}

/// The organisation and the project, each where it is missing.
pub(super) async fn add(
    tx: &Tx,
    (org_id, org_slug): (Uuid, &str),
    (id, slug): (ProjectId, &str),
    at: OffsetDateTime,
) -> Result<(), Fault> {
    let capture = CaptureMode::MetadataOnly.as_str();
    tx.execute(sql::ADD_ORGANISATION, &[&org_id, &org_slug, &capture, &micros(at)]).await?;
    tx.execute(sql::ADD_PROJECT, &[&id.0, &slug, &micros(at), &org_slug]).await.map(drop)
}

pub(super) fn project(row: &Row) -> Result<ProjectRecord, Fault> {
    Ok(ProjectRecord {
        id: ProjectId(get(row, 0)?),
        slug: get(row, 1)?,
        org_id: get(row, 2)?,
        org_slug: get(row, 3)?,
        trace_capture: spelled(row, 4, CaptureMode::parse, "capture mode")?,
        settings: ProjectSettings {
            name: get(row, 5)?,
            description: get(row, 6)?,
            flows_as_tools: number::<i64>(row, 7)? != 0,
        },
        models_revision: number(row, 8)?,
        created_at: time(row, 9)?,
    })
}

fn organisation(row: &Row) -> Result<OrganisationRecord, Fault> {
    Ok(OrganisationRecord {
        id: get(row, 0)?,
        slug: get(row, 1)?,
        name: get(row, 2)?,
        trace_capture: spelled(row, 3, CaptureMode::parse, "capture mode")?,
        created_at: time(row, 4)?,
    })
}
