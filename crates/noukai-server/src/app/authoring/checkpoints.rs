//! Checkpoints: saved contents of one step, to go back to.

use noukai_api::{Checkpoint, CheckpointList, CreateCheckpoint, Deleted, ErrorCode, FlowChange, Scope};
use noukai_flow::{Operation, ReplaceNode};
use noukai_store::{CheckpointFilter, CheckpointRecord, FlowRecord};
use serde_json::Value;
use uuid::Uuid;

use super::{Author, TEXT_CHARS, bad_cursor, bounded, flow_not_found, has_more, page_size, stale};
use crate::app::{App, AppError, iso};

impl App {
    /// Saves what a step is now, with all that is in it; with `on_revision` only where the draft is at that revision.
    ///
    /// # Errors
    /// `FORBIDDEN` without the author scope; `FLOW_NOT_FOUND`; `STEP_NOT_FOUND`; `VALIDATION_ERROR`; `CONFLICT` with the
    /// current revision.
    pub async fn create_checkpoint(
        &self,
        author: &Author,
        flow: &str,
        on_revision: Option<u64>,
        request: CreateCheckpoint,
    ) -> Result<Checkpoint, AppError> {
        author.require(Scope::Author)?;
        bounded("note", &request.note, TEXT_CHARS)?;
        let (record, document) = self.current(author, flow).await?;
        if on_revision.is_some_and(|revision| revision != record.revision) {
            return Err(stale(record.revision));
        }
        let step = noukai_flow::find_step(&document, &request.step_id).ok_or_else(|| no_step(&request.step_id))?;
        let checkpoint = CheckpointRecord {
            id: Uuid::now_v7(),
            flow_id: record.id,
            step_id: request.step_id,
            note: request.note,
            revision: record.revision,
            content: step.to_string(),
            by: author.signature(self.now()),
        };
        if !self.store().add_checkpoint(record.project_id, checkpoint.clone()).await? {
            return Err(flow_not_found());
        }
        shown(checkpoint)
    }

    /// A page of a flow's checkpoints, newest first; of one step where it is named.
    ///
    /// # Errors
    /// `FORBIDDEN`, `FLOW_NOT_FOUND`, `VALIDATION_ERROR`.
    pub async fn list_checkpoints(
        &self,
        author: &Author,
        flow: &str,
        step_id: Option<&str>,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<CheckpointList, AppError> {
        author.require(Scope::Author)?;
        let size = page_size(limit)?;
        let before = cursor.map(Uuid::parse_str).transpose().map_err(|_| bad_cursor())?;
        let record = self.flow_in_reach(author, flow).await?;
        let filter = CheckpointFilter { step_id: step_id.map(str::to_owned), before, limit: size + 1 };
        let mut found = self.store().checkpoints(record.project_id, record.id, filter).await?;
        let more = has_more(&mut found, size);
        let next_cursor = found.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(CheckpointList { checkpoints: found.into_iter().map(shown).collect::<Result<_, _>>()?, next_cursor })
    }

    /// One of them.
    ///
    /// # Errors
    /// `FORBIDDEN`, `FLOW_NOT_FOUND`, `CHECKPOINT_NOT_FOUND`.
    pub async fn checkpoint(&self, author: &Author, flow: &str, id: &str) -> Result<Checkpoint, AppError> {
        author.require(Scope::Author)?;
        shown(self.checkpoint_of(author, flow, id).await?.1)
    }

    /// Puts what was saved back in the step's place.
    ///
    /// # Errors
    /// As [`App::checkpoint`] and [`App::apply_operations`]; `OPERATION_REFUSED` where the step is gone.
    pub async fn restore_checkpoint(
        &self,
        author: &Author,
        flow: &str,
        id: &str,
        on_revision: Option<u64>,
    ) -> Result<FlowChange, AppError> {
        author.require(Scope::Author)?;
        let (_, checkpoint) = self.checkpoint_of(author, flow, id).await?;
        let node: Value = serde_json::from_str(&checkpoint.content).map_err(AppError::internal)?;
        let restore = Operation::ReplaceNode(ReplaceNode { step_id: checkpoint.step_id, node });
        self.apply_operations(author, flow, on_revision, &[restore]).await
    }

    /// Forgets a checkpoint; with `on_revision` only where it was saved at that revision of the draft, which never changes.
    ///
    /// # Errors
    /// As [`App::checkpoint`]; `CONFLICT` with the revision it was saved at.
    pub async fn delete_checkpoint(
        &self,
        author: &Author,
        flow: &str,
        id: &str,
        on_revision: Option<u64>,
    ) -> Result<Deleted, AppError> {
        author.require(Scope::Author)?;
        let (record, checkpoint) = self.checkpoint_of(author, flow, id).await?;
        if on_revision.is_some_and(|revision| revision != checkpoint.revision) {
            return Err(other_checkpoint(checkpoint.revision));
        }
        if !self.store().remove_checkpoint(record.project_id, record.id, checkpoint.id).await? {
            return Err(not_found());
        }
        Ok(Deleted { id: checkpoint.id.to_string(), deleted: true })
    }

    async fn checkpoint_of(
        &self,
        author: &Author,
        flow: &str,
        id: &str,
    ) -> Result<(FlowRecord, CheckpointRecord), AppError> {
        let record = self.flow_in_reach(author, flow).await?;
        let id = Uuid::parse_str(id).map_err(|_| not_found())?;
        let found = self.store().checkpoint(record.project_id, record.id, id).await?;
        Ok((record, found.ok_or_else(not_found)?))
    }
}

/// A checkpoint on the wire.
pub(super) fn shown(record: CheckpointRecord) -> Result<Checkpoint, AppError> {
    Ok(Checkpoint {
        checkpoint_id: record.id.to_string(),
        flow_id: record.flow_id.to_string(),
        step_id: record.step_id,
        note: record.note,
        revision: record.revision,
        content: serde_json::from_str(&record.content).map_err(AppError::internal)?,
        author: record.by.author,
        author_name: record.by.name,
        created_at: iso(record.by.at),
    })
}

fn no_step(step_id: &str) -> AppError {
    let shown: String = step_id.chars().take(80).collect();
    AppError::new(
        ErrorCode::StepNotFound,
        format!("the draft has no step `{shown}`; `GET /flows/{{flow_id}}` shows them"),
    )
}

/// Somebody means another one.
fn other_checkpoint(revision: u64) -> AppError {
    let message = format!(
        "the checkpoint was saved at revision {revision} of the draft; see whether it is the one that is meant, and send \
         the request again with its `ETag`"
    );
    AppError::new(ErrorCode::Conflict, message).at_revision(revision)
}

fn not_found() -> AppError {
    AppError::new(ErrorCode::CheckpointNotFound, "the flow has no such checkpoint; list those it has")
}
