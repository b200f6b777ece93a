//! Runs and their traces, typed to the last field.

use noukai::{Attempt, ErrorKind, RunStatus, StepStatus, TriggerType};
use noukai_mock::{Reply, Server};
use serde_json::{Value, json};

use crate::support::flow;

fn step(attempt: u32) -> Value {
    json!({"stepId": "greet", "name": "Greet", "attempt": attempt, "loopIndex": 2, "status": "failed",
        "startedAt": "2026-01-01T00:00:00.000Z", "completedAt": "2026-01-01T00:00:01.000Z", "durationMs": 1000,
        "modelUsed": "m", "tokens": {"prompt": 1, "completion": 2, "total": 3}, "costUsd": "0.1",
        "inputContext": {"a": 1}, "outputContext": "o", "errorContext": {"code": "X"}, "renderedPrompt": "p",
        "inputSizeBytes": 7, "outputSizeBytes": 3, "truncated": true, "later": "unknown"})
}

fn trace() -> Value {
    json!({"flowRun": {"id": "r-1", "flowId": "f-1", "status": "completed", "triggerType": "step",
        "startedAt": "2026-01-01T00:00:00.000Z", "completedAt": "2026-01-01T00:00:01.000Z", "durationMs": 1000,
        "stepCount": 2, "version": 3, "sessionId": "s-1", "tokens": {"prompt": 1, "completion": 2, "total": 3},
        "costUsd": "0.1"}, "steps": [step(1)]})
}

#[tokio::test]
async fn a_trace_is_typed_to_the_last_field() {
    let server = Server::script([Reply::json(200, &trace())]);
    let trace = flow(&server).run("r-1").trace().await.expect("a trace");
    let run = trace.flow_run;
    assert_eq!((run.id.as_str(), run.status, run.trigger_type), ("r-1", RunStatus::Completed, TriggerType::Step));
    assert_eq!((run.step_count, run.version, run.session_id.as_deref()), (2, 3, Some("s-1")));
    assert_eq!((run.duration_ms, run.cost_usd.as_deref()), (Some(1_000), Some("0.1")));
    let step = &trace.steps[0];
    assert_eq!((step.attempt, step.loop_index, step.status), (1, Some(2), StepStatus::Failed));
    assert_eq!((step.model_used.as_deref(), step.tokens.map(|tokens| tokens.total)), (Some("m"), Some(3)));
    assert_eq!((&step.input_context, &step.output_context), (&Some(json!({"a": 1})), &Some(json!("o"))));
    assert_eq!((step.error_context.is_some(), step.rendered_prompt.as_deref()), (true, Some("p")));
    assert_eq!((step.input_size_bytes, step.output_size_bytes, step.truncated), (Some(7), Some(3), true));
}

#[tokio::test]
async fn a_steps_trace_is_asked_for_by_attempt_and_iteration() {
    let all = json!({"stepId": "greet", "attempts": [step(1), step(2)]});
    let server = Server::script([Reply::json(200, &step(2)), Reply::json(200, &all), Reply::json(200, &step(1))]);
    let run = flow(&server).run("r-1");
    let latest = run.step_trace("greet").await.expect("a trace");
    assert_eq!((latest.step_id.as_str(), latest.latest().map(|step| step.attempt)), ("greet", Some(2)));
    let both = run.step_trace("greet").attempt(Attempt::All).loop_index(2).await.expect("traces");
    assert_eq!(both.attempts.iter().map(|step| step.attempt).collect::<Vec<_>>(), [1, 2]);
    let first = run.step_trace("a b").attempt(Attempt::Number(1)).await.expect("a trace");
    assert_eq!(first.attempts.len(), 1);
    let asked: Vec<String> = server.requests().iter().map(|r| format!("{}?{}", r.path, r.query)).collect();
    let base = "/api/v1/seq/acme/demo/hello/runs/r-1/steps";
    assert_eq!(asked[0], format!("{base}/greet/trace?attempt=latest"));
    assert_eq!(asked[1], format!("{base}/greet/trace?attempt=all&loop_index=2"));
    assert_eq!(asked[2], format!("{base}/a%20b/trace?attempt=1"));
}

#[tokio::test]
async fn what_names_nothing_fails_before_a_request() {
    let server = Server::demo();
    let flow = flow(&server);
    let errors = [
        flow.run("").trace().await.map(drop),
        flow.run("a/b").summary().await.map(drop),
        flow.run("..").live_trace().all().await.map(drop),
        flow.run("r").step_trace("").await.map(drop),
        flow.run("r").step_trace("s").attempt(Attempt::Number(0)).await.map(drop),
    ];
    for error in errors {
        assert_eq!(error.map_err(|error| error.kind()), Err(ErrorKind::InvalidValue));
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_run_is_found_by_its_id_alone() {
    let server = Server::script([Reply::json(200, &trace())]);
    let client = crate::support::builder(&server).build().expect("a client");
    let run = client.run("r-1");
    assert_eq!(run.execution_id(), "r-1");
    assert_eq!(run.summary().await.expect("a run").step_count, 2);
    assert_eq!(server.requests()[0].path, "/api/v1/flow-runs/r-1/trace");
}
