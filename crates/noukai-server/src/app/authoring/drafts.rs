//! From a document to what is stored of it: its address, its object models filled in, what is wrong with it.

use noukai_api::{DraftProblem, DraftProblems, Scope};
use noukai_flow::{Problem, ProblemCode, document_hash, model_references, resolve_models};
use noukai_store::{Draft, FlowRecord, ModelsUsed, ObjectModelRecord, ProjectId, StoredDocument};
use serde_json::Value;

use super::Author;
use crate::app::{App, AppError, SLUG_RULE};

impl App {
    /// A document as the draft of a flow of the project.
    pub(super) async fn draft(&self, project: ProjectId, document: &Value) -> Result<Draft, AppError> {
        let text = |key: &str| document.get(key).and_then(Value::as_str);
        let slug = text("slug").filter(|slug| noukai_flow::is_slug(slug)).ok_or_else(|| bad_slug(text("slug")))?;
        let models = self.models_used(project, document).await?;
        Ok(Draft {
            slug: slug.to_owned(),
            name: text("name").filter(|name| !name.is_empty()).unwrap_or(slug).to_owned(),
            description: text("description").unwrap_or_default().to_owned(),
            source: stored(document),
            resolved: models.as_ref().and_then(|(_, models)| resolved(document, models)),
            models: models.map(|(used, _)| used),
        })
    }

    async fn models_used(
        &self,
        project: ProjectId,
        document: &Value,
    ) -> Result<Option<(ModelsUsed, Vec<ObjectModelRecord>)>, AppError> {
        let mut names: Vec<String> = model_references(document).into_iter().map(|(_, name)| name).collect();
        if names.is_empty() {
            return Ok(None);
        }
        names.sort_unstable();
        names.dedup();
        // The count first: a change that comes in between shows when the draft is stored.
        let record = self.store().project(project).await?;
        let revision = record.ok_or_else(|| AppError::internal(format!("no project {project}")))?.models_revision;
        let models = self.store().object_models(project).await?;
        Ok(Some((ModelsUsed { names, revision }, models)))
    }

    /// All that is wrong with a document of the project, its code blocks included.
    pub(crate) async fn problems(&self, project: ProjectId, document: &Value) -> Result<Vec<Problem>, AppError> {
        let models = self.models_used(project, document).await?;
        let resolved = models.and_then(|(_, models)| resolve(document, &models));
        let checked = noukai_flow::check(resolved.as_ref().unwrap_or(document), &self.flow_bounds());
        let mut problems = checked.problems;
        if let Some(flow) = &checked.flow {
            // What cannot be checked now is checked before it runs.
            let unchecked = |error: AppError| vec![Problem::warning("", ProblemCode::CodeNotRunnable, error.message)];
            problems.extend(self.code().problems(flow).await.unwrap_or_else(unchecked));
        }
        Ok(problems)
    }

    /// All that is wrong with a flow's draft.
    ///
    /// # Errors
    /// `FORBIDDEN`, `FLOW_NOT_FOUND`.
    pub async fn draft_problems(&self, author: &Author, flow: &str) -> Result<DraftProblems, AppError> {
        author.require(Scope::Author)?;
        let (record, document) = self.current(author, flow).await?;
        let problems = self.problems(record.project_id, &document).await?;
        Ok(DraftProblems {
            flow_id: record.id.to_string(),
            revision: record.revision,
            publishable: !problems.iter().any(Problem::is_error),
            problems: problems.iter().map(shown).collect(),
        })
    }

    /// A flow and its draft as written, of one and the same moment.
    pub(super) async fn current(&self, author: &Author, flow: &str) -> Result<(FlowRecord, Value), AppError> {
        for _ in 0..super::TRIES {
            let record = self.flow_in_reach(author, flow).await?;
            if let Some(document) = self.source(&record).await? {
                return Ok((record, document));
            }
        }
        Err(super::too_busy())
    }
}

fn shown(problem: &Problem) -> DraftProblem {
    DraftProblem {
        path: problem.path.clone(),
        code: problem.code.as_str().to_owned(),
        message: problem.message.clone(),
        severity: if problem.is_error() { "error" } else { "warning" }.to_owned(),
    }
}

/// What a document is with the project's object models filled in; `None`: the same.
pub(super) fn resolved(document: &Value, models: &[ObjectModelRecord]) -> Option<StoredDocument> {
    resolve(document, models).as_ref().map(stored)
}

fn resolve(document: &Value, models: &[ObjectModelRecord]) -> Option<Value> {
    let schema = |name: &str| {
        let model = models.iter().find(|model| model.name == name)?;
        serde_json::from_str(&model.schema).ok()
    };
    resolve_models(document, schema)
}

pub(super) fn stored(document: &Value) -> StoredDocument {
    StoredDocument { hash: document_hash(document), json: document.to_string() }
}

fn bad_slug(slug: Option<&str>) -> AppError {
    let shown: String = slug.unwrap_or_default().chars().take(60).collect();
    AppError::invalid_field(&["document", "slug"], format!("`{shown}` is no slug: use {SLUG_RULE}"))
}
