//! The one way a draft changes: read it, apply operations, store the result with its log, all on one revision.

use noukai_api::{ErrorCode, FieldError, FlowChange, Scope};
use noukai_flow::{Applied, Bounds, Operation, Refusal, Touched, apply_all, edit_script};
use noukai_store::{Changed, DraftChange, FlowRecord, NewOperation};
use serde_json::Value;

use super::{Author, TRIES, flow_not_found, flows::summary, log, stale, too_busy};
use crate::app::{App, AppError};

/// Most operations in one call.
const OPERATIONS: usize = 500;

/// What operations made of a draft, and the line for its log.
pub(super) struct Worked {
    pub applied: Applied,
    pub operation: NewOperation,
}

impl App {
    /// Applies operations to a flow's draft, all of them or none. With `on_revision` only where the draft is at that
    /// revision; without, on whatever it is.
    ///
    /// # Errors
    /// `FORBIDDEN` without the author scope; `FLOW_NOT_FOUND`; `OPERATION_REFUSED` for an operation that cannot be
    /// applied; `CONFLICT` with the current revision, or where the slug is taken; `VALIDATION_ERROR`.
    pub async fn apply_operations(
        &self,
        author: &Author,
        flow: &str,
        on_revision: Option<u64>,
        operations: &[Operation],
    ) -> Result<FlowChange, AppError> {
        author.require(Scope::Author)?;
        if operations.is_empty() || operations.len() > OPERATIONS {
            let message = format!("must have 1 to {OPERATIONS} operations");
            return Err(AppError::invalid_field(&["body", "operations"], message));
        }
        let bounds = self.flow_bounds();
        self.change(author, flow, on_revision, |document| work(document, operations, &bounds)).await
    }

    /// Reads operations as they were sent.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` that names each one that is none.
    pub fn read_operations(sent: Vec<Value>) -> Result<Vec<Operation>, AppError> {
        let mut faults = Vec::new();
        let mut operations = Vec::with_capacity(sent.len().min(OPERATIONS));
        for (index, value) in sent.into_iter().take(OPERATIONS + 1).enumerate() {
            match serde_json::from_value(value) {
                Ok(operation) => operations.push(operation),
                Err(error) => faults.push(FieldError {
                    loc: ["body".to_owned(), "operations".to_owned(), index.to_string()].to_vec(),
                    msg: error.to_string().chars().take(400).collect(),
                }),
            }
        }
        if faults.is_empty() { Ok(operations) } else { Err(AppError::invalid(faults)) }
    }

    /// Makes a draft equal to a document, by the operations that lead there.
    ///
    /// # Errors
    /// As [`App::apply_operations`].
    pub async fn replace_document(
        &self,
        author: &Author,
        flow: &str,
        on_revision: Option<u64>,
        document: &Value,
    ) -> Result<FlowChange, AppError> {
        author.require(Scope::Author)?;
        let bounds = self.flow_bounds();
        let work = |before: &Value| work(before, &edit_script(before, document), &bounds);
        self.change(author, flow, on_revision, work).await
    }

    /// Changes a draft by what `work` makes of it; does so again where another change came first, unless a revision was
    /// named.
    pub(super) async fn change(
        &self,
        author: &Author,
        flow: &str,
        on_revision: Option<u64>,
        work: impl Fn(&Value) -> Result<Worked, AppError>,
    ) -> Result<FlowChange, AppError> {
        for _ in 0..TRIES {
            let record = self.flow_in_reach(author, flow).await?;
            if on_revision.is_some_and(|revision| revision != record.revision) {
                return Err(stale(record.revision));
            }
            let Some(before) = self.source(&record).await? else { continue };
            let worked = work(&before)?;
            if !worked.applied.is_change() {
                return Ok(FlowChange { flow: summary(&record), change: None, created: Vec::new() });
            }
            match self.commit(author, &record, &worked).await? {
                Changed::Done(changed) => return Ok(self.changed(author, &record, &changed, worked)),
                Changed::Stale(revision) if on_revision.is_some() => return Err(stale(revision)),
                Changed::Stale(_) | Changed::ModelsMoved => {}
                Changed::Missing => return Err(flow_not_found()),
            }
        }
        Err(too_busy())
    }

    async fn commit(&self, author: &Author, record: &FlowRecord, worked: &Worked) -> Result<Changed, AppError> {
        let draft = self.draft(record.project_id, &worked.applied.document).await?;
        let slug = draft.slug.clone();
        let change = DraftChange {
            project_id: record.project_id,
            flow_id: record.id,
            on_revision: record.revision,
            draft,
            operation: worked.operation.clone(),
            contents: worked.applied.content_changed.clone(),
            by: author.signature(self.now()),
        };
        if slug != record.slug && self.store().flow(record.project_id, &slug).await?.is_some() {
            return Err(slug_taken(&slug));
        }
        self.store().change_draft(change).await.map_err(|error| match error {
            noukai_store::StoreError::Conflict(_) => slug_taken(&slug),
            other => other.into(),
        })
    }

    fn changed(&self, author: &Author, before: &FlowRecord, after: &FlowRecord, worked: Worked) -> FlowChange {
        self.forget_record(before.project_id, &before.slug);
        self.forget_record(after.project_id, &after.slug);
        let by = author.signature(after.updated_at);
        let line = log::line(worked.operation, after, by);
        let created = worked.applied.created.into_iter().flatten().collect();
        FlowChange { flow: summary(after), change: Some(log::logged(&line)), created }
    }

    /// The draft as written; `None` where another change came in between, so that it is gone.
    pub(super) async fn source(&self, record: &FlowRecord) -> Result<Option<Value>, AppError> {
        let text = self.store().document(record.project_id, &record.source_hash).await?;
        text.map(|text| serde_json::from_str(&text).map_err(AppError::internal)).transpose()
    }
}

/// Applies operations in order.
fn work(document: &Value, operations: &[Operation], bounds: &Bounds) -> Result<Worked, AppError> {
    let applied = apply_all(document, operations, bounds).map_err(|refusal| refused(&refusal))?;
    let operation = NewOperation {
        op: kind(operations)?,
        operations: json_text(operations)?,
        inverse: Some(json_text(&applied.inverse)?),
        touched: json_text(&touched(&applied))?,
        summary: applied.summary.clone(),
        undoes: None,
    };
    Ok(Worked { applied, operation })
}

/// The name of the one operation, or of all; `change` of different ones.
fn kind(operations: &[Operation]) -> Result<String, AppError> {
    let name = |operation: &Operation| {
        let value = serde_json::to_value(operation).map_err(AppError::internal)?;
        Ok::<_, AppError>(value["op"].as_str().unwrap_or_default().to_owned())
    };
    let mut kinds = operations.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    kinds.dedup();
    Ok(if kinds.len() == 1 { kinds.remove(0) } else { "change".to_owned() })
}

pub(super) fn json_text(value: &(impl serde::Serialize + ?Sized)) -> Result<String, AppError> {
    serde_json::to_string(value).map_err(AppError::internal)
}

const STEP: &str = "step:";
const WITHIN: &str = "within:";
const FLOW: &str = "flow:";
const EVERYTHING: &str = "everything";

/// What was changed, as the log has it: a text for each, so that it can be looked for.
pub(super) fn touched(applied: &Applied) -> Vec<String> {
    let Touched { steps, within, flow, everything } = &applied.touched;
    let named = |kind: &'static str, ids: &[String]| ids.iter().map(|id| format!("{kind}{id}")).collect::<Vec<_>>();
    let mut all = [named(STEP, steps), named(WITHIN, within), named(FLOW, flow)].concat();
    all.extend(everything.then(|| EVERYTHING.to_owned()));
    all
}

/// How the log says that a step was changed.
pub(super) fn touched_step(step_id: &str) -> String {
    format!("{STEP}{step_id}")
}

/// What was changed, read from the log.
pub(super) fn read_touched(text: &str) -> Touched {
    let all: Vec<String> = serde_json::from_str(text).unwrap_or_default();
    let of = |kind: &str| all.iter().filter_map(|one| one.strip_prefix(kind)).map(str::to_owned).collect();
    Touched { steps: of(STEP), within: of(WITHIN), flow: of(FLOW), everything: all.iter().any(|one| one == EVERYTHING) }
}

fn refused(refusal: &Refusal) -> AppError {
    let mut loc = vec!["body".to_owned(), "operations".to_owned(), refusal.operation.to_string()];
    loc.extend(refusal.argument.map(str::to_owned));
    let errors = vec![FieldError { loc, msg: format!("{}: {}", refusal.code.as_str(), refusal.message) }];
    AppError { errors, ..AppError::new(ErrorCode::OperationRefused, refusal.message.clone()) }
}

pub(super) fn slug_taken(slug: &str) -> AppError {
    let message = format!("the project has another flow `{slug}`; choose another slug, or change that flow");
    AppError::new(ErrorCode::Conflict, message)
}
