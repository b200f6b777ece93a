//! Sessions: all runs tagged with one id, with what is needed to replay them.
//!
//! Replaying clients read three things off the list of steps: the first row with an error ends a stream, a run with
//! `errorAtStep` fails with that row's error, and the last row's output is the run's result. Rows are made to fit.

use noukai_api::{
    CaptureMode, ErrorCode, RunStatus, Scope, Session, SessionExecution, SessionStep, StepError, StepStatus,
};
use noukai_store::RunRecord;
use serde_json::Value;
use uuid::Uuid;

use super::{
    App, AppError, Caller,
    capture::Content,
    from_micros,
    history::{History, StepRow, latest, loop_indexes},
    iso,
    record::Record,
};

/// Runs of one session that are shown.
const MOST_RUNS: u32 = 1_000;
/// Names the row of a failure that no step is to blame for.
const WHOLE_RUN: &str = "run";

impl App {
    /// All runs of a session, in order of start.
    ///
    /// # Errors
    /// `SESSION_ID_INVALID` for what is no UUID; `SESSION_NOT_FOUND`; `FORBIDDEN` where some run of the session is
    /// another project's.
    pub async fn session(&self, caller: &Caller, id: &str) -> Result<Session, AppError> {
        caller.require(Scope::Execute)?;
        if id.len() != 36 || Uuid::parse_str(id).is_err() {
            return Err(AppError::new(ErrorCode::SessionIdInvalid, "a session id is a UUID here"));
        }
        let runs = self.store().session_runs(id, MOST_RUNS).await?;
        if runs.is_empty() {
            return Err(AppError::new(ErrorCode::SessionNotFound, "there is no such session"));
        }
        if runs.iter().any(|run| run.project_id != caller.scope()) {
            return Err(AppError::new(ErrorCode::Forbidden, "some run of this session is not your project's"));
        }
        let mut executions = Vec::with_capacity(runs.len());
        for run in &runs {
            executions.push(self.session_execution(run).await?);
        }
        Ok(Session { session_id: id.to_owned(), executions })
    }

    async fn session_execution(&self, run: &RunRecord) -> Result<SessionExecution, AppError> {
        let history = self.history(run).await?;
        let rows = latest(history.rows());
        let error_at_step = error_at_step(run, &rows);
        let shown = |row: &&StepRow| run.capture != CaptureMode::Off || row.status == StepStatus::Failed;
        let steps = rows.iter().zip(loop_indexes(&rows)).filter(|(row, _)| shown(row));
        let mut steps: Vec<SessionStep> = steps.map(|(row, index)| session_step(row, index)).collect();
        let closing = match &error_at_step {
            Some(step) => failure_row(run, &steps, step),
            None => result_row(run, &history, steps.last()),
        };
        steps.extend(closing);
        Ok(SessionExecution {
            execution_id: run.id.to_string(),
            flow_id: run.flow_id.to_string(),
            slug: Some(run.flow_slug.clone()),
            trigger_type: run.trigger,
            status: run.status,
            started_at: iso(run.started_at),
            completed_at: run.completed_at.map(iso),
            trace_capture_mode: run.capture,
            snapshots_available: run.capture.keeps_contents(),
            error_at_step,
            steps,
        })
    }
}

/// The step that failed the run: the one to blame, else the first one cut off.
fn error_at_step(run: &RunRecord, rows: &[StepRow]) -> Option<String> {
    if run.status != RunStatus::Failed {
        return None;
    }
    let error: Option<StepError> = run.error.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let cut_off = || rows.iter().find(|row| row.status == StepStatus::Failed).map(|row| row.step.clone());
    Some(error.and_then(|error| error.step_id).or_else(cut_off).unwrap_or_else(|| WHOLE_RUN.to_owned()))
}

fn session_step(row: &StepRow, loop_index: Option<u32>) -> SessionStep {
    let value = Content::kept;
    SessionStep {
        step_id: row.step.clone(),
        attempt: row.attempt,
        loop_index,
        status: row.status,
        started_at: iso(from_micros(row.started_at)),
        completed_at: row.completed_at.map(|at| iso(from_micros(at))),
        duration_ms: row.duration_ms,
        input_snapshot: value(&row.input),
        // An item that failed in a loop that went on did not fail the run: its error is an output.
        output_snapshot: row.item_error.clone().or_else(|| row.output.as_ref().and_then(value)),
        error_snapshot: if row.item_error.is_some() { None } else { row.error.clone() },
        truncated: row.truncated(),
    }
}

/// A row with the run's error, where the step it names has none: a container, or the run as a whole.
fn failure_row(run: &RunRecord, steps: &[SessionStep], step: &str) -> Option<SessionStep> {
    if steps.iter().any(|row| row.step_id == step && row.error_snapshot.is_some()) {
        return None;
    }
    let error: Value = serde_json::from_str(run.error.as_deref()?).ok()?;
    Some(SessionStep { status: StepStatus::Failed, error_snapshot: Some(error), ..closing_row(run, step) })
}

/// A row with the run's result, named after the root's last node, where the last row's output is another: the flow
/// ends with a container, or with leaves that were skipped.
fn result_row(run: &RunRecord, history: &History, last: Option<&SessionStep>) -> Option<SessionStep> {
    if run.status != RunStatus::Completed || !run.capture.keeps_contents() {
        return None;
    }
    let (result, node) = history.events.iter().rev().find_map(|happened| match &happened.record {
        Record::Finished { result, last, .. } => Some((result, last.as_deref())),
        _ => None,
    })?;
    let value = result.value.as_deref()?;
    if last.is_some_and(|step| step.output_snapshot.as_ref() == Some(value)) {
        return None;
    }
    let row = closing_row(run, node.unwrap_or(WHOLE_RUN));
    Some(SessionStep { output_snapshot: Some(value.clone()), truncated: result.truncated, ..row })
}

fn closing_row(run: &RunRecord, step: &str) -> SessionStep {
    let at = run.completed_at.map(iso);
    SessionStep {
        step_id: step.to_owned(),
        attempt: 1,
        loop_index: None,
        status: StepStatus::Completed,
        started_at: at.clone().unwrap_or_else(|| iso(run.started_at)),
        completed_at: at,
        duration_ms: Some(0),
        input_snapshot: None,
        output_snapshot: None,
        error_snapshot: None,
        truncated: false,
    }
}
