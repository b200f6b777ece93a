//! API keys: made, listed, revoked, verified. A key's secret exists in full only in the reply that makes it.

use std::time::Duration;

use noukai_api::{CreateKey, CreatedKey, DeletedKey, ErrorCode, KeyInfo, KeyList, Scope, VerifiedKey};
use noukai_store::{KeyRecord, ProjectId, ProjectRecord};
use rand::{Rng, distr::Alphanumeric};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    App, AppError, Caller, Project,
    auth::sha256_hex,
    inputs::fault,
    iso,
    page::{self, Page},
};

const NAME_CHARS: usize = 100;

/// A key to be made for a project.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    /// For people, 1 to 100 characters.
    pub name: String,
    /// `live` or `test`.
    pub environment: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// ISO 8601, in the future.
    pub expires_at: Option<String>,
    /// Key id or name of who makes it.
    pub created_by: String,
}

impl App {
    /// Makes a key for a project of the caller's organisation.
    ///
    /// # Errors
    /// `FORBIDDEN` without the admin scope or for another organisation's project; `VALIDATION_ERROR`; `RATE_LIMITED`
    /// where the project has its most active keys already.
    pub async fn create_key(&self, caller: &Caller, request: CreateKey) -> Result<CreatedKey, AppError> {
        let project = self.administered(caller, &request.project_id).await?;
        let request = KeyRequest {
            name: request.name,
            environment: request.environment,
            scopes: request.scopes.unwrap_or_else(|| vec![Scope::Execute]),
            expires_at: request.expires_at,
            created_by: caller.name().to_owned(),
        };
        self.issue_key(&project.into(), request).await
    }

    /// Makes a key for a project, for the operator.
    ///
    /// # Errors
    /// As [`App::create_key`], but for the caller's rights.
    pub async fn issue_key(&self, project: &Project, request: KeyRequest) -> Result<CreatedKey, AppError> {
        let expires_at = self.check_key(&request)?;
        let (key_id, secret) = (random_text(8), random_text(32));
        let record = KeyRecord {
            key_id: key_id.clone(),
            project_id: project.record.id,
            secret_hash: sha256_hex(secret.as_bytes()),
            environment: request.environment.clone(),
            name: request.name,
            scopes: request.scopes,
            created_at: self.now(),
            created_by: request.created_by,
            expires_at,
            revoked_at: None,
        };
        let most = self.limits().keys_per_project;
        if !self.store().add_key(&record, most, self.now()).await? {
            let message = format!("the project has {most} active keys, its limit; revoke one first");
            let error = AppError::new(ErrorCode::RateLimited, message);
            return Err(AppError { retry_after: Some(Duration::from_secs(60)), ..error });
        }
        let key = format!("nk_{}_{key_id}_{secret}", request.environment);
        Ok(CreatedKey { key, info: info(record, project.org_id) })
    }

    fn check_key(&self, request: &KeyRequest) -> Result<Option<OffsetDateTime>, AppError> {
        let mut faults = Vec::new();
        if request.name.trim().is_empty() || request.name.chars().count() > NAME_CHARS {
            faults.push(fault("name", format!("must have 1 to {NAME_CHARS} characters")));
        }
        if !matches!(request.environment.as_str(), "live" | "test") {
            faults.push(fault("environment", "must be `live` or `test`"));
        }
        if request.scopes.is_empty() {
            faults.push(fault("scopes", "must name at least one of execute, author, admin"));
        }
        let parsed = request.expires_at.as_deref().map(|text| OffsetDateTime::parse(text, &Rfc3339)).transpose();
        let expires_at = parsed.unwrap_or_else(|_| {
            faults.push(fault("expires_at", "must be a time such as 2030-01-31T00:00:00Z"));
            None
        });
        if expires_at.is_some_and(|at| at <= self.now()) {
            faults.push(fault("expires_at", "must lie in the future"));
        }
        if faults.is_empty() { Ok(expires_at) } else { Err(AppError::invalid(faults)) }
    }

    /// A page of the keys of a project of the caller's organisation; of its own where none is named.
    ///
    /// # Errors
    /// `FORBIDDEN`; `VALIDATION_ERROR` for a page that is none.
    pub async fn keys(&self, caller: &Caller, project_id: Option<&str>, page: &Page) -> Result<KeyList, AppError> {
        let own = caller.project_id.to_string();
        let project = self.administered(caller, project_id.unwrap_or(&own)).await?;
        self.project_keys(&project.into(), page).await
    }

    /// A page of a project's keys, newest first, for the operator.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a page that is none.
    pub async fn project_keys(&self, project: &Project, page: &Page) -> Result<KeyList, AppError> {
        let limit = page.limit()?;
        let before = match page.cursor.as_deref() {
            Some(key_id) => Some(self.key_on_page(project, key_id).await?),
            None => None,
        };
        let found = self.store().keys(project.record.id, before, limit + 1).await?;
        let (found, next_cursor) = page::cut(found, limit, |last| last.key_id.clone());
        Ok(KeyList { keys: found.into_iter().map(|key| info(key, project.org_id)).collect(), next_cursor })
    }

    /// Where the key of a cursor stands in its project's list. Keys stay when they are revoked.
    async fn key_on_page(&self, project: &Project, key_id: &str) -> Result<(OffsetDateTime, String), AppError> {
        let found = self.store().key(key_id).await?.filter(|key| key.project_id == project.record.id);
        found.map(|key| (key.created_at, key.key_id)).ok_or_else(page::no_cursor)
    }

    /// Revokes a key of the caller's organisation.
    ///
    /// # Errors
    /// `FORBIDDEN` without the admin scope; `KEY_NOT_FOUND`, the same for foreign keys as for missing ones.
    pub async fn revoke_key(&self, caller: &Caller, key_id: &str) -> Result<DeletedKey, AppError> {
        caller.require(Scope::Admin)?;
        let found = self.store().key(key_id).await?.ok_or_else(key_not_found)?;
        let project = self.store().project(found.project_id).await?;
        let project = project.filter(|project| project.org_id == caller.org_id).ok_or_else(key_not_found)?;
        self.revoke_project_key(&project.into(), key_id).await
    }

    /// Revokes a project's key, for the operator.
    ///
    /// # Errors
    /// `KEY_NOT_FOUND`.
    pub async fn revoke_project_key(&self, project: &Project, key_id: &str) -> Result<DeletedKey, AppError> {
        let revoked = self.store().revoke_key(project.record.id, key_id, self.now()).await?;
        self.forget_key(key_id);
        let revoked_at = revoked.ok_or_else(key_not_found)?;
        Ok(DeletedKey { key_id: key_id.to_owned(), revoked_at: iso(revoked_at) })
    }

    /// What the caller's own key is good for.
    pub fn verify(&self, caller: &Caller) -> VerifiedKey {
        VerifiedKey {
            key_id: caller.key_id.clone(),
            project_id: caller.project_id.to_string(),
            project: caller.project.clone(),
            organization_id: caller.org_id.to_string(),
            organization: caller.org.clone(),
            environment: caller.environment.clone(),
            scopes: caller.scopes.clone(),
        }
    }

    /// A project the caller administers. Foreign and missing projects are refused alike.
    pub(super) async fn administered(&self, caller: &Caller, project_id: &str) -> Result<ProjectRecord, AppError> {
        caller.require(Scope::Admin)?;
        let refused = || AppError::new(ErrorCode::Forbidden, "this API key does not administer that project");
        let id = Uuid::parse_str(project_id).map_err(|_| refused())?;
        let project = self.store().project(ProjectId(id)).await?;
        project.filter(|project| project.org_id == caller.org_id).ok_or_else(refused)
    }
}

fn random_text(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

fn key_not_found() -> AppError {
    AppError::new(ErrorCode::KeyNotFound, "there is no such API key in your organisation")
}

fn info(key: KeyRecord, org_id: Uuid) -> KeyInfo {
    KeyInfo {
        key_id: key.key_id,
        project_id: key.project_id.to_string(),
        organization_id: org_id.to_string(),
        environment: key.environment,
        name: key.name,
        scopes: key.scopes,
        created_at: iso(key.created_at),
        created_by: key.created_by,
        expires_at: key.expires_at.map(iso),
        revoked_at: key.revoked_at.map(iso),
    }
}
