//! Sessions: all runs tagged with one id, with what is needed to replay them.

use noukai_api::{CaptureMode, ErrorCode, RunStatus, Session, SessionExecution, SessionStep, StepError, StepStatus};
use noukai_store::RunRecord;
use serde_json::Value;
use uuid::Uuid;

use super::{
    App, AppError, Caller, from_micros,
    history::{History, StepRow, loop_indexes},
    iso,
    record::Record,
};

/// Runs of one session that are shown.
const MOST_RUNS: u32 = 1_000;

impl App {
    /// All runs of a session, in order of start.
    ///
    /// # Errors
    /// `SESSION_ID_INVALID` for what is no UUID; `SESSION_NOT_FOUND`; `FORBIDDEN` where some run of the session is
    /// another project's.
    pub async fn session(&self, caller: &Caller, id: &str) -> Result<Session, AppError> {
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
        let rows: Vec<StepRow> = match run.capture {
            CaptureMode::Off => Vec::new(),
            _ => history.rows(),
        };
        let steps = rows.iter().zip(loop_indexes(&rows)).map(|(row, index)| session_step(row, index));
        let mut steps: Vec<SessionStep> = steps.collect();
        steps.extend(closing_step(run, &history, steps.last()));
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
            error_at_step: error_at_step(run),
            steps,
        })
    }
}

fn error_at_step(run: &RunRecord) -> Option<String> {
    let error: StepError = serde_json::from_str(run.error.as_deref()?).ok()?;
    if run.status == RunStatus::Failed { error.step_id } else { None }
}

fn session_step(row: &StepRow, loop_index: Option<u32>) -> SessionStep {
    SessionStep {
        step_id: row.step.clone(),
        attempt: row.attempt,
        loop_index,
        status: row.status,
        started_at: iso(from_micros(row.started_at)),
        completed_at: row.completed_at.map(|at| iso(from_micros(at))),
        duration_ms: row.duration_ms,
        input_snapshot: row.input.value.clone(),
        output_snapshot: row.output.as_ref().and_then(|output| output.value.clone()),
        error_snapshot: row.error.clone(),
        truncated: row.truncated(),
    }
}

/// Replaying clients take the last step's output for the run's result. Where the flow ends with a container, or with
/// skipped leaves, the two differ; the result then closes the list as a step of its own, named `result`.
fn closing_step(run: &RunRecord, history: &History, last: Option<&SessionStep>) -> Option<SessionStep> {
    if run.status != RunStatus::Completed || !run.capture.keeps_contents() {
        return None;
    }
    let finished = history.events.iter().rev().find_map(|happened| match &happened.record {
        Record::Finished { result, .. } => Some(result),
        _ => None,
    })?;
    let result: &Value = finished.value.as_ref()?;
    if last.is_some_and(|step| step.output_snapshot.as_ref() == Some(result)) {
        return None;
    }
    let at = run.completed_at.map(iso);
    Some(SessionStep {
        step_id: "result".to_owned(),
        attempt: 1,
        loop_index: None,
        status: StepStatus::Completed,
        started_at: at.clone().unwrap_or_else(|| iso(run.started_at)),
        completed_at: at,
        duration_ms: Some(0),
        input_snapshot: None,
        output_snapshot: Some(result.clone()),
        error_snapshot: None,
        truncated: finished.truncated,
    })
}
