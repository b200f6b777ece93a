//! Organisations and projects, as their admins and authors see them.

use noukai_api::{
    CaptureMode, CreateProject, ErrorCode, Organisation, OrganisationList, ProjectInfo, ProjectList, Scope,
    UpdateOrganisation, UpdateProject,
};
use noukai_store::{NewProject, OrganisationRecord, ProjectId, ProjectRecord, ProjectSettings};
use uuid::Uuid;

use super::{Author, NAME_CHARS, Reach, TEXT_CHARS, bounded, has_more, page_size};
use crate::app::{App, AppError, SLUG_RULE, iso};

impl App {
    /// The organisations that the author belongs to.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn organisations(&self, author: &Author) -> Result<OrganisationList, AppError> {
        let own = self.store().organisation(author.org_id).await?;
        Ok(OrganisationList { organizations: own.into_iter().map(organisation).collect() })
    }

    /// One of them.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`, the same for foreign ones as for missing ones.
    pub async fn organisation(&self, author: &Author, id: &str) -> Result<Organisation, AppError> {
        let id = Uuid::parse_str(id).ok().filter(|id| *id == author.org_id).ok_or_else(organisation_not_found)?;
        self.store().organisation(id).await?.map(organisation).ok_or_else(organisation_not_found)
    }

    /// Changes its settings.
    ///
    /// # Errors
    /// As [`App::organisation`]; `FORBIDDEN` without the admin scope; `VALIDATION_ERROR`.
    pub async fn update_organisation(
        &self,
        author: &Author,
        id: &str,
        request: UpdateOrganisation,
    ) -> Result<Organisation, AppError> {
        author.require(Scope::Admin)?;
        let id = self.organisation(author, id).await?.organization_id;
        if let Some(name) = request.name {
            bounded("name", &name, NAME_CHARS)?;
            self.store().rename_organisation(author.org_id, &name).await?;
        }
        if let Some(mode) = request.trace_capture {
            self.set_trace_capture(author.org_id, mode).await?;
        }
        self.organisation(author, &id).await
    }

    /// Callers that are known carry their organisation's mode with them, so they are looked up anew.
    async fn set_trace_capture(&self, org: Uuid, mode: CaptureMode) -> Result<(), AppError> {
        self.store().set_trace_capture(org, mode).await?;
        self.inner.keys.clear();
        Ok(())
    }

    /// A page of the projects in reach, by slug.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`.
    pub async fn list_projects(
        &self,
        author: &Author,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<ProjectList, AppError> {
        let size = page_size(limit)?;
        let Reach::Organisation = author.reach else {
            let own = self.project_in_reach(author, None).await?;
            return Ok(ProjectList { projects: vec![project(&own)], next_cursor: None });
        };
        let mut found = self.store().projects_of(author.org_id, cursor, size + 1).await?;
        let more = has_more(&mut found, size);
        let next_cursor = found.last().filter(|_| more).map(|last| last.slug.clone());
        Ok(ProjectList { projects: found.iter().map(project).collect(), next_cursor })
    }

    /// One of them.
    ///
    /// # Errors
    /// `PROJECT_NOT_FOUND`.
    pub async fn project_info(&self, author: &Author, id: &str) -> Result<ProjectInfo, AppError> {
        Ok(project(&self.project_in_reach(author, Some(id)).await?))
    }

    /// Makes a project in the author's organisation. It has no key yet.
    ///
    /// # Errors
    /// `FORBIDDEN` without the admin scope; `CONFLICT` where the slug is taken; `VALIDATION_ERROR`.
    pub async fn create_project(&self, author: &Author, request: CreateProject) -> Result<ProjectInfo, AppError> {
        author.require(Scope::Admin)?;
        if !noukai_flow::is_slug(&request.slug) {
            let shown: String = request.slug.chars().take(60).collect();
            return Err(AppError::invalid_field(&["body", "slug"], format!("`{shown}` is no slug: use {SLUG_RULE}")));
        }
        let settings = ProjectSettings {
            name: request.name.unwrap_or_else(|| request.slug.clone()),
            description: request.description.unwrap_or_default(),
            flows_as_tools: request.flows_as_tools.unwrap_or_default(),
        };
        check(&settings)?;
        let (id, slug) = (ProjectId(Uuid::now_v7()), request.slug);
        let new = NewProject { id, org_id: author.org_id, slug: slug.clone(), settings, at: self.now() };
        if !self.store().create_project(new).await? {
            let message = format!("the organisation has a project `{slug}` already; choose another slug");
            return Err(AppError::new(ErrorCode::Conflict, message));
        }
        self.project_info(author, &id.to_string()).await
    }

    /// Changes what people see of a project.
    ///
    /// # Errors
    /// `FORBIDDEN` without the admin scope; `PROJECT_NOT_FOUND`; `VALIDATION_ERROR`.
    pub async fn update_project(
        &self,
        author: &Author,
        id: &str,
        request: UpdateProject,
    ) -> Result<ProjectInfo, AppError> {
        author.require(Scope::Admin)?;
        let found = self.project_in_reach(author, Some(id)).await?;
        let settings = ProjectSettings {
            name: request.name.unwrap_or(found.settings.name),
            description: request.description.unwrap_or(found.settings.description),
            flows_as_tools: request.flows_as_tools.unwrap_or(found.settings.flows_as_tools),
        };
        check(&settings)?;
        self.store().update_project(author.org_id, found.id, &settings).await?;
        self.project_info(author, id).await
    }
}

fn check(settings: &ProjectSettings) -> Result<(), AppError> {
    bounded("name", &settings.name, NAME_CHARS)?;
    bounded("description", &settings.description, TEXT_CHARS)
}

fn organisation_not_found() -> AppError {
    AppError::new(ErrorCode::OrganizationNotFound, "there is no such organisation in reach; see `GET /orgs`")
}

fn organisation(record: OrganisationRecord) -> Organisation {
    Organisation {
        organization_id: record.id.to_string(),
        name: if record.name.is_empty() { record.slug.clone() } else { record.name },
        slug: record.slug,
        trace_capture: record.trace_capture,
        created_at: iso(record.created_at),
    }
}

/// A project on the wire.
pub(super) fn project(record: &ProjectRecord) -> ProjectInfo {
    let ProjectSettings { name, description, flows_as_tools } = &record.settings;
    ProjectInfo {
        project_id: record.id.to_string(),
        slug: record.slug.clone(),
        name: if name.is_empty() { record.slug.clone() } else { name.clone() },
        description: description.clone(),
        organization_id: record.org_id.to_string(),
        organization: record.org_slug.clone(),
        flows_as_tools: *flows_as_tools,
        created_at: iso(record.created_at),
    }
}
