//! What came of a call, in the neutral terms of the table: without ids, times and words meant for people.

use noukai::{
    Error, ExecuteResult, Execution, JobStatus, PausedResult, StepCompleted, StepTrace, StepTraces, StreamEvent,
    Tokens, ToolCall, Trace,
};
use serde_json::{Map, Value, json};

/// An error: its kind, and what the server said.
pub fn error(error: &Error) -> Value {
    let mut found = Map::from_iter([("error".to_owned(), json!(error.kind().to_string()))]);
    if let Some(status) = error.status() {
        found.insert("status".to_owned(), json!(status));
    }
    if let Some(code) = error.code() {
        found.insert("code".to_owned(), json!(code));
    }
    if let Some(wait) = error.retry_after() {
        found.insert("retry_after".to_owned(), json!(wait.as_secs()));
    }
    Value::Object(found)
}

/// The end or the pause of a run.
pub fn execution(execution: &Execution) -> Value {
    match execution {
        Execution::Completed(done) => result(done),
        Execution::Paused(paused) => pause(paused),
    }
}

fn result(done: &ExecuteResult) -> Value {
    let mut found = json!({"status": done.status.as_str(), "blocks": done.block_count});
    if done.is_failed() {
        let failed = &done.result["error"];
        found["failed"] = json!([failed["stepId"], failed["code"], failed["attempt"]]);
    } else {
        found["result"] = done.result.clone();
    }
    if done.session_id.is_some() {
        found["session"] = json!(true);
    }
    found
}

fn pause(paused: &PausedResult) -> Value {
    json!({
        "status": "paused",
        "blocks": paused.block_count,
        "step": paused.paused_at_step,
        "round": paused.iterations_used,
        "calls": calls(&paused.tool_calls),
        "turns": paused.tool_call_messages.iter().map(|turn| turn["role"].clone()).collect::<Vec<_>>(),
        "outputs": paused.accumulated_outputs,
    })
}

fn calls(calls: &[ToolCall]) -> Value {
    let arguments = |call: &ToolCall| serde_json::from_str::<Value>(&call.arguments).unwrap_or_default();
    calls.iter().map(|call| json!([call.name, arguments(call)])).collect()
}

/// An event as a short list: its type, its step, its values.
pub fn event(event: &StreamEvent) -> Value {
    let kind = event.event_type();
    match event {
        StreamEvent::RunStarted(run) => json!([kind, run.step_count]),
        StreamEvent::StepStarted(step) => json!([kind, step.step_id, step.step_index, step.name]),
        StreamEvent::StepInput(step) => json!([kind, step.step_id, step.input_data]),
        StreamEvent::StepOutput(step) => json!([kind, step.step_id, step.output_data]),
        StreamEvent::StepCompleted(step) => self::step(step),
        StreamEvent::StepFailed(step) => json!([kind, step.step_id, step.error.code, step.error.attempt]),
        StreamEvent::StepPaused(pause) => json!([kind, pause.step_id, pause.step_index]),
        StreamEvent::ToolCallsRequired(pause) => {
            let names: Vec<&str> = pause.tool_calls.iter().map(|call| call.name.as_str()).collect();
            json!([kind, pause.step_id, pause.step_index, pause.iterations_used, names, pause.accumulated_outputs])
        }
        StreamEvent::FlowCompleted(flow) => {
            let summary = &flow.summary;
            json!([kind, flow.result, summary.steps, summary.tokens.total, summary.cost_usd, summary.failed_at_step])
        }
        _ => json!([kind]),
    }
}

/// A completed step, as the event.
pub fn step(step: &StepCompleted) -> Value {
    json!(["step_completed", step.step_id, step.step_index, step.output, tokens(step.tokens.as_ref()), step.cost_usd])
}

fn tokens(tokens: Option<&Tokens>) -> Value {
    tokens.map_or(Value::Null, |tokens| json!([tokens.prompt, tokens.completion]))
}

/// A job's status.
pub fn job(status: &JobStatus) -> Value {
    let mut found = json!({"status": status.status.as_str()});
    if let Some(result) = &status.result {
        found["result"] = result.clone();
    }
    if status.error.is_some() {
        found["explained"] = json!(true);
    }
    found
}

/// A run's trace.
pub fn trace(trace: &Trace) -> Value {
    let run = &trace.flow_run;
    let steps: Vec<Value> = trace.steps.iter().map(attempt).collect();
    json!({"status": run.status.as_str(), "trigger": run.trigger_type.as_str(), "blocks": run.step_count, "steps": steps})
}

/// A step's attempts.
pub fn step_traces(traces: &StepTraces) -> Value {
    json!({"step": traces.step_id, "attempts": traces.attempts.iter().map(attempt).collect::<Vec<_>>()})
}

fn attempt(step: &StepTrace) -> Value {
    let mut found = json!({"step": step.step_id, "attempt": step.attempt, "status": step.status.as_str()});
    if let Some(index) = step.loop_index {
        found["loop_index"] = json!(index);
    }
    if let Some(model) = &step.model_used {
        found["model"] = json!(model);
    }
    if let Some(used) = &step.tokens {
        found["tokens"] = tokens(Some(used));
    }
    if let Some(input) = &step.input_context {
        found["input"] = input.clone();
    }
    if let Some(output) = &step.output_context {
        let mut output = output.clone();
        output.as_object_mut().map(|fields| fields.remove("__rendered_prompt__"));
        found["output"] = output;
    }
    if let Some(error) = &step.error_context {
        found["code"] = error["code"].clone();
    }
    found
}
