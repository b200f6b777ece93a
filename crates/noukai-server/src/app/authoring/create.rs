//! Flows come, are renamed, and go.

use noukai_api::{CreateFlow, Deleted, ErrorCode, FlowChange, FlowDraft, Scope, UpdateFlow};
use noukai_flow::Operation;
use noukai_store::{FlowId, FlowRecord, NewFlow, ProjectId, ProjectRecord, Removal, Removed};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Author, NAME_CHARS, TEXT_CHARS, TRIES, bounded, change::slug_taken, flow_not_found, flows::summary, log, stale,
    too_busy,
};
use crate::app::{App, AppError, Project, PutFlow, SLUG_RULE};

impl App {
    /// Makes a flow, from a document or empty.
    ///
    /// # Errors
    /// `FORBIDDEN` without the author scope; `PROJECT_NOT_FOUND`; `CONFLICT` where the slug is taken;
    /// `VALIDATION_ERROR`.
    pub async fn create_flow(&self, author: &Author, request: CreateFlow) -> Result<FlowDraft, AppError> {
        author.require(Scope::Author)?;
        let project = self.project_in_reach(author, request.project_id.as_deref()).await?;
        let document = first_document(request)?;
        match self.try_create(author, &project, &document).await? {
            Some(made) => {
                Ok(FlowDraft { flow: summary(&made), document, content_versions: std::collections::BTreeMap::new() })
            }
            None => Err(slug_taken(document["slug"].as_str().unwrap_or_default())),
        }
    }

    /// `None` where the slug is taken.
    async fn try_create(
        &self,
        author: &Author,
        project: &ProjectRecord,
        document: &Value,
    ) -> Result<Option<FlowRecord>, AppError> {
        for _ in 0..TRIES {
            let draft = self.draft(project.id, document).await?;
            if self.store().flow(project.id, &draft.slug).await?.is_some() {
                return Ok(None);
            }
            let slug = draft.slug.clone();
            let new = NewFlow {
                project_id: project.id,
                id: FlowId(Uuid::now_v7()),
                operation: log::event(
                    &json!({"op": "create_flow", "slug": slug, "name": draft.name, "hash": draft.source.hash}),
                    format!("made the flow `{slug}`"),
                ),
                draft,
                by: author.signature(self.now()),
            };
            // Nothing is made where the slug was taken in between, or an object model changed: the next turn tells which.
            if let Some(made) = self.store().create_flow(new).await? {
                self.forget_record(project.id, &slug);
                return Ok(Some(made));
            }
        }
        Err(too_busy())
    }

    /// Changes a flow's address, name or description.
    ///
    /// # Errors
    /// As [`App::apply_operations`].
    pub async fn update_flow(
        &self,
        author: &Author,
        flow: &str,
        on_revision: Option<u64>,
        request: UpdateFlow,
    ) -> Result<FlowChange, AppError> {
        author.require(Scope::Author)?;
        check_texts(request.name.as_deref(), request.description.as_deref())?;
        let mut operations = Vec::new();
        if let Some(slug) = request.slug {
            check_slug(&slug)?;
            let (path, value) = (vec!["slug".to_owned()], slug.into());
            operations.push(Operation::SetField(noukai_flow::SetField { step_id: None, path, value }));
        }
        if request.name.is_some() || request.description.is_some() {
            operations.push(Operation::UpdateFlow(noukai_flow::UpdateFlow {
                name: request.name.map(Some),
                description: request.description.map(Some),
                ..noukai_flow::UpdateFlow::default()
            }));
        }
        self.apply_operations(author, flow, on_revision, &operations).await
    }

    /// Takes a flow out of sight; its runs and versions stay. With `on_revision` only where the draft is at that revision.
    ///
    /// # Errors
    /// `FORBIDDEN` without the author scope; `FLOW_NOT_FOUND`; `CONFLICT` with the current revision.
    pub async fn delete_flow(
        &self,
        author: &Author,
        flow: &str,
        on_revision: Option<u64>,
    ) -> Result<Deleted, AppError> {
        author.require(Scope::Author)?;
        let record = self.flow_in_reach(author, flow).await?;
        let removal = Removal {
            project_id: record.project_id,
            flow_id: record.id,
            on_revision,
            operation: log::event(&json!({"op": "delete_flow"}), format!("deleted the flow `{}`", record.slug)),
            by: author.signature(self.now()),
        };
        let removed = self.store().remove_flow(removal).await?;
        self.forget_record(record.project_id, &record.slug);
        match removed {
            Removed::Done => Ok(Deleted { id: record.id.to_string(), deleted: true }),
            Removed::Stale(revision) => Err(stale(revision)),
            Removed::Missing => Err(flow_not_found()),
        }
    }

    /// Creates a flow or replaces its draft, for the operator: by its slug, whatever its revision is.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` where the document has no valid slug to be saved under.
    pub async fn put_flow(&self, project: &Project, document: &Value) -> Result<PutFlow, AppError> {
        let problems = self.problems(project.record.id, document).await?;
        let slug = document.get("slug").and_then(Value::as_str).filter(|slug| noukai_flow::is_slug(slug));
        let slug = slug.ok_or_else(|| AppError::invalid(crate::app::flows::as_field_errors(&problems)))?;
        let author = Author::local(project, LOCAL);
        for _ in 0..TRIES {
            if let Some(found) = self.store().flow(project.record.id, slug).await? {
                let id = found.id.to_string();
                let change = self.replace_document(&author, &id, None, document).await?;
                return Ok(PutFlow { slug: slug.to_owned(), flow_id: id, changed: change.change.is_some(), problems });
            }
            if let Some(made) = self.try_create(&author, &project.record, document).await? {
                return Ok(PutFlow { slug: slug.to_owned(), flow_id: made.id.to_string(), changed: true, problems });
            }
        }
        Err(too_busy())
    }

    /// Takes a flow out of sight, for the operator: by its slug.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn remove_flow(&self, project: &Project, slug: &str) -> Result<bool, AppError> {
        let Some(found) = self.store().flow(project.record.id, slug).await? else { return Ok(false) };
        match self.delete_flow(&Author::local(project, LOCAL), &found.id.to_string(), None).await {
            Ok(_) => Ok(true),
            Err(error) if error.code == ErrorCode::FlowNotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What is known of a flow's row is no longer true.
    pub(crate) fn forget_record(&self, project: ProjectId, slug: &str) {
        self.inner.flows.forget(project, slug);
    }
}

/// What the log calls who works at the machine itself.
const LOCAL: &str = "local";

/// The document that a new flow begins with.
fn first_document(request: CreateFlow) -> Result<Value, AppError> {
    check_texts(request.name.as_deref(), request.description.as_deref())?;
    let mut document = request.document.unwrap_or_else(|| json!({"schema": 1, "slug": "", "steps": []}));
    let Some(fields) = document.as_object_mut() else {
        return Err(AppError::invalid_field(&["body", "document"], "must be an object: a flow's document"));
    };
    for (key, value) in [("slug", request.slug), ("name", request.name), ("description", request.description)] {
        if let Some(value) = value {
            fields.insert(key.to_owned(), value.into());
        }
    }
    check_slug(fields.get("slug").and_then(Value::as_str).unwrap_or_default())?;
    Ok(document)
}

fn check_slug(slug: &str) -> Result<(), AppError> {
    if noukai_flow::is_slug(slug) {
        return Ok(());
    }
    let shown: String = slug.chars().take(60).collect();
    Err(AppError::invalid_field(&["body", "slug"], format!("`{shown}` is no slug: use {SLUG_RULE}")))
}

fn check_texts(name: Option<&str>, description: Option<&str>) -> Result<(), AppError> {
    name.map_or(Ok(()), |name| bounded("name", name, NAME_CHARS))?;
    description.map_or(Ok(()), |text| bounded("description", text, TEXT_CHARS))
}
