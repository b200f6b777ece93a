//! Object models: named schemas that outputs of blocks follow. A change of one changes what the drafts that name it run,
//! in the same transaction; published versions keep what they were published with.

use noukai_api::{
    CreateObjectModel, Deleted, ErrorCode, FlowUse, ObjectModel, ObjectModelList, ObjectModelUse, Scope,
    UpdateObjectModel,
};
use noukai_flow::{
    OutputSchema, is_model_name, model_references,
    published::{fields_of_schema, schema_of_fields},
};
use noukai_store::{FlowRecord, ModelAction, ModelChange, ModelChanged, ModelDraft, ObjectModelRecord, ProjectId};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Author, TEXT_CHARS, TRIES, bounded,
    change::json_text,
    drafts::{resolved, stored},
    too_busy,
};
use crate::app::{
    App, AppError, iso,
    page::{self, Page},
};

/// Object models in a project.
const MODELS: usize = 500;

impl App {
    /// A page of a project's object models, by name.
    ///
    /// # Errors
    /// `FORBIDDEN`, `PROJECT_NOT_FOUND`; `VALIDATION_ERROR` for a page that is none.
    pub async fn list_object_models(
        &self,
        author: &Author,
        project: Option<&str>,
        page: &Page,
    ) -> Result<ObjectModelList, AppError> {
        author.require(Scope::Author)?;
        let (limit, after) = (page.limit()?, page.cursor.as_deref());
        if after.is_some_and(|name| !is_model_name(name)) {
            return Err(page::no_cursor());
        }
        let project = self.project_in_reach(author, project).await?;
        let found = self.store().object_model_page(project.id, after, limit + 1).await?;
        let (found, next_cursor) = page::cut(found, limit, |last| last.name.clone());
        Ok(ObjectModelList { object_models: found.into_iter().map(shown).collect::<Result<_, _>>()?, next_cursor })
    }

    /// One of them, with the flows whose drafts name it.
    ///
    /// # Errors
    /// `FORBIDDEN`, `OBJECT_MODEL_NOT_FOUND`.
    pub async fn object_model(&self, author: &Author, id: &str) -> Result<ObjectModelUse, AppError> {
        author.require(Scope::Author)?;
        let record = self.model_in_reach(author, id).await?;
        self.with_uses(record).await
    }

    /// Makes one. Drafts that name it already follow it from then on.
    ///
    /// # Errors
    /// `FORBIDDEN` without the author scope; `PROJECT_NOT_FOUND`; `CONFLICT` where the name is taken;
    /// `VALIDATION_ERROR`.
    pub async fn create_object_model(
        &self,
        author: &Author,
        request: CreateObjectModel,
    ) -> Result<ObjectModelUse, AppError> {
        author.require(Scope::Author)?;
        let project = self.project_in_reach(author, request.project_id.as_deref()).await?;
        if !is_model_name(&request.name) {
            let message = "must be 1 to 64 letters, digits, `_` and `-`, and none of the names of types";
            return Err(AppError::invalid_field(&["body", "name"], message));
        }
        let schema = schema_of(request.fields, request.schema)?;
        let schema = schema.ok_or_else(|| AppError::invalid_field(&["body", "fields"], "say fields, or a schema"))?;
        let description = request.description.unwrap_or_default();
        bounded("description", &description, TEXT_CHARS)?;
        if self.store().object_models(project.id).await?.len() >= MODELS {
            let message = format!("the project has {MODELS} object models, its limit; delete one first");
            return Err(AppError::new(ErrorCode::Conflict, message));
        }
        let by = author.signature(self.now());
        let record = ObjectModelRecord {
            id: Uuid::now_v7(),
            project_id: project.id,
            name: request.name,
            description,
            schema: json_text(&schema)?,
            revision: 1,
            created_at: by.at,
            by,
        };
        self.change_model(&ModelAction::Create(record.clone()), &record).await?;
        self.with_uses(record).await
    }

    /// Changes one, and with it what the drafts that name it run; those are listed.
    ///
    /// # Errors
    /// `FORBIDDEN` without the author scope; `OBJECT_MODEL_NOT_FOUND`; `VALIDATION_ERROR`; `CONFLICT` with the current
    /// revision.
    pub async fn update_object_model(
        &self,
        author: &Author,
        id: &str,
        on_revision: Option<u64>,
        request: UpdateObjectModel,
    ) -> Result<ObjectModelUse, AppError> {
        author.require(Scope::Author)?;
        let before = self.model_in_reach(author, id).await?;
        if on_revision.is_some_and(|revision| revision != before.revision) {
            return Err(stale_model(before.revision));
        }
        let schema = schema_of(request.fields, request.schema)?;
        let description = request.description.unwrap_or(before.description);
        bounded("description", &description, TEXT_CHARS)?;
        let record = ObjectModelRecord {
            description,
            schema: schema.map_or(Ok(before.schema), |schema| json_text(&schema))?,
            revision: before.revision + 1,
            by: author.signature(self.now()),
            ..before
        };
        self.change_model(&ModelAction::Update(record.clone()), &record).await?;
        self.with_uses(record).await
    }

    /// Deletes one. Drafts that name it have a problem from then on; versions keep what they were published with.
    ///
    /// # Errors
    /// `FORBIDDEN` without the author scope; `OBJECT_MODEL_NOT_FOUND`; `CONFLICT` with the current revision, and where
    /// drafts name it and `force` is not said.
    pub async fn delete_object_model(
        &self,
        author: &Author,
        id: &str,
        on_revision: Option<u64>,
        force: bool,
    ) -> Result<Deleted, AppError> {
        author.require(Scope::Author)?;
        let record = self.model_in_reach(author, id).await?;
        if on_revision.is_some_and(|revision| revision != record.revision) {
            return Err(stale_model(record.revision));
        }
        let users = self.store().flows_with_model(record.project_id, &record.name).await?;
        if !users.is_empty() && !force {
            let slugs: Vec<&str> = users.iter().map(|(flow, _)| flow.slug.as_str()).take(20).collect();
            let message = format!(
                "drafts name the object model `{}`: {}; change them first, or delete it with `force=true`",
                record.name,
                slugs.join(", ")
            );
            return Err(AppError::new(ErrorCode::Conflict, message));
        }
        let by = author.signature(self.now());
        self.change_model(&ModelAction::Delete { id: record.id, on_revision, by }, &record).await?;
        Ok(Deleted { id: record.id.to_string(), deleted: true })
    }

    /// Does it, with all that follows for drafts; again where drafts or other object models changed in between.
    async fn change_model(&self, what: &ModelAction, record: &ObjectModelRecord) -> Result<(), AppError> {
        for _ in 0..TRIES {
            let project = self.store().project(record.project_id).await?;
            let on_revision = project.ok_or_else(model_not_found)?.models_revision;
            let mut models = self.store().object_models(record.project_id).await?;
            models.retain(|model| model.id != record.id);
            if let ModelAction::Create(new) | ModelAction::Update(new) = what {
                models.push(new.clone());
            }
            let users = self.store().flows_with_model(record.project_id, &record.name).await?;
            let drafts = users.iter().map(|(flow, text)| follow(flow, text, &models)).collect::<Result<_, _>>()?;
            let (project_id, name) = (record.project_id, record.name.clone());
            let change = ModelChange { project_id, on_revision, what: what.clone(), name, drafts };
            match self.store().change_model(change).await? {
                ModelChanged::Done => {
                    users.iter().for_each(|(flow, _)| self.forget_record(flow.project_id, &flow.slug));
                    return Ok(());
                }
                ModelChanged::Moved => {}
                ModelChanged::Missing => return Err(self.model_moved(record).await),
                ModelChanged::NameTaken => return Err(name_taken(&record.name)),
            }
        }
        Err(too_busy())
    }

    /// Why a change of an object model that was there found none at its revision.
    async fn model_moved(&self, record: &ObjectModelRecord) -> AppError {
        match self.store().object_models(record.project_id).await {
            Ok(models) => match models.iter().find(|model| model.id == record.id) {
                Some(now) => stale_model(now.revision),
                None => model_not_found(),
            },
            Err(error) => error.into(),
        }
    }

    async fn with_uses(&self, record: ObjectModelRecord) -> Result<ObjectModelUse, AppError> {
        let users = self.store().flows_with_model(record.project_id, &record.name).await?;
        let used_by = users.iter().map(|(flow, text)| uses(flow, text, &record.name)).collect::<Result<_, _>>()?;
        Ok(ObjectModelUse { model: shown(record)?, used_by })
    }

    async fn model_in_reach(&self, author: &Author, id: &str) -> Result<ObjectModelRecord, AppError> {
        let id = Uuid::parse_str(id).map_err(|_| model_not_found())?;
        let found = self.store().object_model_of(author.org_id, id).await?;
        found.filter(|model| author.reaches(model.project_id.0)).ok_or_else(model_not_found)
    }

    /// A project's object models on the wire.
    pub(super) async fn shown_models(&self, project: ProjectId) -> Result<Vec<ObjectModel>, AppError> {
        self.store().object_models(project).await?.into_iter().map(shown).collect()
    }
}

/// A draft with its object models as they will be.
fn follow(flow: &FlowRecord, text: &str, models: &[ObjectModelRecord]) -> Result<ModelDraft, AppError> {
    let document: Value = serde_json::from_str(text).map_err(AppError::internal)?;
    let resolved = resolved(&document, models).unwrap_or_else(|| stored(&document));
    Ok(ModelDraft { flow_id: flow.id, revision: flow.revision, resolved })
}

fn uses(flow: &FlowRecord, text: &str, name: &str) -> Result<FlowUse, AppError> {
    let document: Value = serde_json::from_str(text).map_err(AppError::internal)?;
    let references = model_references(&document).into_iter().filter(|(_, model)| model == name);
    Ok(FlowUse {
        flow_id: flow.id.to_string(),
        slug: flow.slug.clone(),
        name: flow.name.clone(),
        step_ids: references.map(|(step, _)| step).collect(),
    })
}

/// The JSON Schema that is meant; `None`: none was given.
fn schema_of(fields: Option<Vec<Value>>, schema: Option<Value>) -> Result<Option<Value>, AppError> {
    let (loc, schema) = match (fields, schema) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(AppError::invalid_field(&["body", "schema"], "say fields or a schema, not both"));
        }
        (Some(fields), None) => {
            let schema = schema_of_fields(&fields);
            ("fields", schema.map_err(|message| AppError::invalid_field(&["body", "fields"], message))?)
        }
        (None, Some(schema)) => ("schema", schema),
    };
    if loc == "schema" && schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(AppError::invalid_field(&["body", "schema"], "must be a JSON Schema with `type: object`"));
    }
    match OutputSchema::compile(&schema) {
        Ok(compiled) => Ok(Some(compiled.json().as_ref().clone())),
        Err(error) => Err(AppError::invalid_field(&["body", loc], error.to_string())),
    }
}

fn shown(record: ObjectModelRecord) -> Result<ObjectModel, AppError> {
    let schema: Value = serde_json::from_str(&record.schema).map_err(AppError::internal)?;
    Ok(ObjectModel {
        object_model_id: record.id.to_string(),
        project_id: record.project_id.to_string(),
        name: record.name,
        description: record.description,
        fields: fields_of_schema(&schema),
        schema,
        revision: record.revision,
        author: record.by.author,
        author_name: record.by.name,
        created_at: iso(record.created_at),
        updated_at: iso(record.by.at),
    })
}

fn model_not_found() -> AppError {
    AppError::new(ErrorCode::ObjectModelNotFound, "there is no such object model in reach; list those there are")
}

fn name_taken(name: &str) -> AppError {
    AppError::new(ErrorCode::Conflict, format!("the project has an object model `{name}` already; change that one"))
}

fn stale_model(revision: u64) -> AppError {
    let message = format!("the object model has changed and is at revision {revision} now; read it and try again");
    AppError::new(ErrorCode::Conflict, message).at_revision(revision)
}
