//! A flow's log: who changed what, newest first.

use noukai_api::{LoggedOperation, OperationLog, Scope};
use noukai_store::{FlowRecord, NewOperation, OperationFilter, OperationRecord, Signature};
use serde_json::Value;

use super::{
    Author,
    change::{read_touched, touched_step},
    has_more, number_cursor, page_size,
};
use crate::app::{App, AppError, iso};

/// What a log is narrowed to, as sent.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Lines that change this step.
    pub step_id: Option<String>,
    /// Lines of this kind.
    pub op: Option<String>,
    /// 1 to 100, default 20.
    pub limit: Option<u32>,
    /// As the page before gave it.
    pub cursor: Option<String>,
    /// Leave so many out first.
    pub offset: u32,
}

impl App {
    /// A page of a flow's log, newest first.
    ///
    /// # Errors
    /// `FORBIDDEN`, `FLOW_NOT_FOUND`, `VALIDATION_ERROR`.
    pub async fn operation_log(&self, author: &Author, flow: &str, query: &LogQuery) -> Result<OperationLog, AppError> {
        author.require(Scope::Author)?;
        let size = page_size(query.limit)?;
        let before = number_cursor(query.cursor.as_deref())?;
        let record = self.flow_in_reach(author, flow).await?;
        let filter = OperationFilter {
            before,
            touched: query.step_id.as_deref().map(|id| Value::from(touched_step(id)).to_string()),
            op: query.op.clone(),
            offset: query.offset,
            limit: size + 1,
        };
        let mut rows = self.store().operations(record.project_id, record.id, filter).await?;
        let more = has_more(&mut rows, size);
        let next_cursor = rows.last().filter(|_| more).map(|row| row.seq.to_string());
        Ok(OperationLog { operations: rows.iter().map(logged).collect(), next_cursor })
    }
}

/// A line as it is stored as the last of `flow`.
pub(super) fn line(operation: NewOperation, flow: &FlowRecord, by: Signature) -> OperationRecord {
    OperationRecord { seq: flow.last_seq, revision: flow.revision, operation, undone_by: None, by }
}

/// A line on the wire.
pub(super) fn logged(row: &OperationRecord) -> LoggedOperation {
    let NewOperation { op, operations, inverse, touched, summary, undoes } = &row.operation;
    LoggedOperation {
        seq: row.seq,
        revision: row.revision,
        op: op.clone(),
        operations: serde_json::from_str(operations).unwrap_or_default(),
        summary: summary.clone(),
        touched: read_touched(touched).steps,
        author: row.by.author.clone(),
        author_name: row.by.name.clone(),
        created_at: iso(row.by.at),
        undoable: inverse.is_some() && row.undone_by.is_none(),
        undoes: *undoes,
        undone_by: row.undone_by,
    }
}

/// A line that changes no draft and cannot be undone.
pub(super) fn event(operation: &Value, summary: String) -> NewOperation {
    NewOperation {
        op: operation.get("op").and_then(Value::as_str).unwrap_or_default().to_owned(),
        operations: Value::from(vec![operation.clone()]).to_string(),
        inverse: None,
        touched: "[]".to_owned(),
        summary,
        undoes: None,
    }
}
