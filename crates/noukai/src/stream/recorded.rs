//! A recorded run as the events it would have sent.

use serde_json::Value;

use crate::{
    FlowCompleted, FlowSummary, RecordedExecution, RecordedStep, RunStarted, RunStatus, StepCompleted, StepFailed,
    StepFailure, StepStarted, StepStatus, StreamEvent,
};

/// The key under which a snapshot may keep the rendered prompt.
const SIDECAR: &str = "__rendered_prompt__";

/// A snapshot without what was added to it for the trace.
pub(crate) fn plain(snapshot: Option<&Value>) -> Value {
    let mut value = snapshot.cloned().unwrap_or_default();
    if let Value::Object(map) = &mut value {
        map.shift_remove(SIDECAR);
    }
    value
}

/// Why a recorded run failed; `None` where it did not.
pub(crate) fn failure(run: &RecordedExecution) -> Option<StepFailure> {
    let at = run.error_at_step.as_ref();
    let snapshot = run.steps.iter().find(|step| Some(&step.step_id) == at && step.error_snapshot.is_some());
    let told = snapshot.and_then(|step| serde_json::from_value(step.error_snapshot.clone()?).ok());
    if at.is_none() && run.status == RunStatus::Completed {
        return None;
    }
    let mut failure: StepFailure = told.unwrap_or_default();
    if failure.code.is_empty() {
        failure.code = "INTERRUPTED".to_owned();
        failure.message = format!("the recorded run is {}", run.status.as_str());
    }
    failure.step_id = failure.step_id.or_else(|| at.cloned());
    Some(failure)
}

/// What a recorded run gave.
pub(crate) fn result(run: &RecordedExecution) -> Value {
    plain(run.steps.last().and_then(|step| step.output_snapshot.as_ref()))
}

/// The events, all at once.
pub(super) fn events(run: &RecordedExecution) -> Vec<StreamEvent> {
    let execution_id = &run.execution_id;
    let mut events = vec![StreamEvent::RunStarted(RunStarted {
        execution_id: execution_id.clone(),
        flow_id: run.flow_id.clone(),
        step_count: count(run.steps.len()),
        ..RunStarted::default()
    })];
    for (index, step) in run.steps.iter().enumerate() {
        events.push(StreamEvent::StepStarted(started(execution_id, count(index), step)));
        if step.error_snapshot.is_none() {
            events.push(StreamEvent::StepCompleted(completed(execution_id, count(index), step)));
        }
    }
    match failure(run) {
        Some(error) => {
            let step_id = error.step_id.clone().unwrap_or_default();
            let name = step_id.clone();
            events.push(StreamEvent::StepFailed(StepFailed {
                execution_id: execution_id.clone(),
                step_id,
                name,
                error,
            }));
        }
        None => events.push(StreamEvent::FlowCompleted(FlowCompleted {
            execution_id: execution_id.clone(),
            result: result(run),
            summary: FlowSummary { steps: count(run.steps.len()), ..FlowSummary::default() },
        })),
    }
    events
}

fn started(execution_id: &str, step_index: u32, step: &RecordedStep) -> StepStarted {
    StepStarted {
        execution_id: execution_id.to_owned(),
        step_id: step.step_id.clone(),
        name: step.step_id.clone(),
        step_index,
        attempt: step.attempt,
    }
}

fn completed(execution_id: &str, step_index: u32, step: &RecordedStep) -> StepCompleted {
    StepCompleted {
        execution_id: execution_id.to_owned(),
        name: step.step_id.clone(),
        step_id: step.step_id.clone(),
        output: plain(step.output_snapshot.as_ref()),
        duration_ms: step.duration_ms.unwrap_or_default(),
        step_index,
        skipped: step.status == StepStatus::Skipped,
        ..StepCompleted::default()
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
