//! Taking one operation back, while nothing later changes the same step.

use noukai_api::{ErrorCode, FlowChange, Scope};
use noukai_flow::{Bounds, Operation, apply_all};
use noukai_store::{FlowRecord, NewOperation, OperationRecord};
use serde_json::{Value, json};

use super::{
    Author,
    change::{Worked, json_text, read_touched, touched},
};
use crate::app::{App, AppError};

/// Lines of the log read at once.
const LINES: u32 = 500;

impl App {
    /// Takes an operation back, by its place in the log. Undoing an undo does the operation again.
    ///
    /// # Errors
    /// `OPERATION_NOT_FOUND`; `CONFLICT` where it was undone before, where a later operation changes the same step, or
    /// where the draft is at another revision than `on_revision`; `OPERATION_REFUSED` for what cannot be undone; and as
    /// [`App::apply_operations`].
    pub async fn undo(
        &self,
        author: &Author,
        flow: &str,
        seq: u64,
        on_revision: Option<u64>,
    ) -> Result<FlowChange, AppError> {
        author.require(Scope::Author)?;
        let record = self.flow_in_reach(author, flow).await?;
        let lines = self.lines_from(&record, seq).await?;
        let (undone, later) = lines.split_first().filter(|(line, _)| line.seq == seq).ok_or_else(|| not_found(seq))?;
        let inverse = inverse(undone)?;
        if let Some(by) = undone.undone_by {
            return Err(conflict(format!("operation {seq} was undone before, by {by}; undo {by} to do it again")));
        }
        if let Some((other, what)) = later.iter().find_map(|line| Some((line.seq, in_the_way(line, undone)?))) {
            let message = format!(
                "operation {seq} cannot be undone: {what} was changed again by operation {other}; undo that one first"
            );
            return Err(conflict(message));
        }
        // What was looked at must still be all there is: the log's end is part of the draft's revision.
        let seen = Some(on_revision.unwrap_or(record.revision));
        let bounds = self.flow_bounds();
        self.change(author, flow, seen, |document| work(document, undone, &inverse, &bounds)).await
    }

    async fn lines_from(&self, record: &FlowRecord, seq: u64) -> Result<Vec<OperationRecord>, AppError> {
        let mut lines: Vec<OperationRecord> = Vec::new();
        let mut from = seq.max(1);
        loop {
            let page = self.store().operations_from(record.project_id, record.id, from, LINES).await?;
            let is_last = page.len() < LINES as usize;
            from = page.last().map_or(from, |line| line.seq + 1);
            lines.extend(page);
            if is_last {
                return Ok(lines);
            }
        }
    }
}

fn inverse(line: &OperationRecord) -> Result<Vec<Operation>, AppError> {
    let message = || format!("operation {} ({}) is of a kind that cannot be undone", line.seq, line.operation.op);
    let text = line.operation.inverse.as_ref();
    let text = text.ok_or_else(|| AppError::new(ErrorCode::OperationRefused, message()))?;
    serde_json::from_str(text).map_err(AppError::internal)
}

/// What a later line changes of what `undone` changed. Lines that took each other back do not count.
fn in_the_way(line: &OperationRecord, undone: &OperationRecord) -> Option<String> {
    let counts = line.undone_by.is_none() && line.operation.undoes.is_none_or(|undoes| undoes < undone.seq);
    let touched = |line: &OperationRecord| read_touched(&line.operation.touched);
    if counts { touched(undone).met_by(&touched(line)) } else { None }
}

fn work(
    document: &Value,
    undone: &OperationRecord,
    inverse: &[Operation],
    bounds: &Bounds,
) -> Result<Worked, AppError> {
    let applied = apply_all(document, inverse, bounds).map_err(|refusal| {
        conflict(format!("operation {} cannot be undone any more: {}", undone.seq, refusal.message))
    })?;
    let operation = NewOperation {
        op: "undo".to_owned(),
        operations: json!([{"op": "undo", "seq": undone.seq}]).to_string(),
        inverse: Some(json_text(&applied.inverse)?),
        touched: json_text(&touched(&applied))?,
        summary: format!("undid operation {}: {}", undone.seq, undone.operation.summary),
        undoes: Some(undone.seq),
    };
    Ok(Worked { applied, operation })
}

fn not_found(seq: u64) -> AppError {
    AppError::new(ErrorCode::OperationNotFound, format!("the flow's log has no operation {seq}"))
}

fn conflict(message: String) -> AppError {
    AppError::new(ErrorCode::Conflict, message)
}
