//! Sessions that are captured, and replayed from memory.

use std::process::Command;

use noukai::{ErrorKind, Noukai, RunStatus, StreamEvent};
use noukai_mock::{KEY, Reply, Server};
use serde_json::{Value, json};

use crate::support::builder;

#[tokio::test]
async fn a_session_tags_all_its_calls_with_one_fresh_id() {
    let server = Server::demo();
    let client = builder(&server).session_id("another").build().expect("a client");
    let session = client.session();
    let flow = session.flow("acme/demo/hello").expect("a flow");
    flow.execute().message("hi").await.expect("a reply");
    flow.steps().message("hi").stream().all().await.expect("steps");
    flow.execute_async().message("hi").await.expect("a job");
    session.client().flow("acme/demo/hello").expect("a flow").execute().await.expect("a reply");
    let id = session.id();
    assert_eq!((id.len(), id.chars().nth(14)), (36, Some('4')), "a UUID, version 4");
    assert!(server.requests().iter().all(|request| request.header("x-session-id") == id));
    assert_ne!(client.session().id(), id);
    let recorded = client.recorded_session(id).await.expect("a session");
    assert_eq!(recorded.executions.len(), 4);
    assert!(recorded.executions.iter().all(|run| run.steps[0].output_snapshot.is_some()));
}

#[tokio::test]
async fn replay_is_off_unless_it_is_wanted() {
    let server = Server::demo();
    let error = flow_client(&server).replay("0b5a7c1e-1111-4222-8333-444455556666").await.expect_err("it is off");
    assert_eq!(error.kind(), ErrorKind::ReplayDisabled);
    assert!(error.to_string().contains("NOUKAI_REPLAY_ENABLED=true"), "{error}");
    assert_eq!(server.requests().len(), 0);
}

fn flow_client(server: &Server) -> Noukai {
    builder(server).build().expect("a client")
}

/// Runs a test of this file in a process where replay is on.
fn with_replay_on(test: &str) {
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    child.args(["--exact", &format!("replay::{test}")]).env("NOUKAI_REPLAY_ENABLED", "true");
    let output = child.output().expect("the test runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn is_on() -> bool {
    std::env::var("NOUKAI_REPLAY_ENABLED").is_ok()
}

fn execution(slug: &str, trigger: &str, output: &str) -> Value {
    let step = |step: &str, output: Value, error: Value| {
        json!({"stepId": step, "attempt": 1, "loopIndex": null, "status": "completed", "startedAt": "t",
            "completedAt": "t", "durationMs": 4, "inputSnapshot": {}, "outputSnapshot": output, "errorSnapshot": error,
            "truncated": false})
    };
    let (failed, last) = match output {
        "!" => (json!("s2"), step("s2", Value::Null, json!({"code": "MODEL_ERROR", "message": "no", "attempt": 3}))),
        _ => (Value::Null, step("s2", json!({"text": output, "__rendered_prompt__": "p"}), Value::Null)),
    };
    json!({"executionId": format!("{slug}-{trigger}-{output}"), "flowId": "f", "slug": slug, "triggerType": trigger,
        "status": if failed.is_null() { "completed" } else { "failed" }, "startedAt": "t", "completedAt": "t",
        "traceCaptureMode": "full", "snapshotsAvailable": true, "errorAtStep": failed,
        "steps": [step("s1", json!("one"), Value::Null), last]})
}

fn recorded(executions: &[Value]) -> Server {
    Server::script([Reply::json(200, &json!({"sessionId": ID, "executions": executions}))])
}

const ID: &str = "0b5a7c1e-1111-4222-8333-444455556666";

#[test]
fn recordings_are_served_in_order_per_flow_and_door() {
    with_replay_on("in_order");
}

#[tokio::test]
async fn in_order() {
    if !is_on() {
        return;
    }
    let server = recorded(&[
        execution("hello", "execute", "a"),
        execution("other", "execute", "b"),
        execution("hello", "step", "c"),
        execution("hello", "execute", "!"),
        execution("hello", "job", "d"),
        execution("hello", "step", "!"),
    ]);
    let client = Noukai::builder().base_url(server.url()).api_key(KEY).build().expect("a client");
    let replay = client.replay(ID).await.expect("a replay");
    let hello = replay.flow("acme/demo/hello").expect("a flow");
    let other = replay.client().flow("acme/demo/other").expect("a flow");
    assert_eq!(other.execute().await.expect("a recording").completed().expect("an end").result, json!({"text": "b"}));
    let done = hello.execute().message("ignored").await.expect("a recording").completed().expect("an end");
    assert_eq!((&done.result, done.session_id.as_deref()), (&json!({"text": "a"}), Some(ID)));
    assert_eq!(done.execution_id, "hello-execute-a");
    let failed = hello.execute().await.expect("a recording").completed().expect("an end");
    assert_eq!(failed.status, RunStatus::Failed);
    assert_eq!(failed.into_result().expect_err("it failed").code(), Some("MODEL_ERROR"));

    let events = hello.events().stream().all().await.expect("a recording");
    let types: Vec<&str> = events.iter().map(StreamEvent::event_type).collect();
    let expected =
        ["run_started", "step_started", "step_completed", "step_started", "step_completed", "flow_completed"];
    assert_eq!(types, expected);
    assert!(
        matches!(&events[4], StreamEvent::StepCompleted(step) if step.output == json!({"text": "c"}) && step.step_index == 1)
    );
    let mut steps = hello.steps().stream();
    assert_eq!(steps.next().await.expect("a step").expect("it completed").output, "one");
    assert_eq!(steps.next().await.expect("an item").expect_err("it failed").code(), Some("MODEL_ERROR"));

    let job = hello.execute_async().await.expect("a recording");
    assert_eq!(job.wait().await.expect("an end").result, Some(json!({"text": "d"})));
    assert_eq!(server.requests().len(), 1, "everything came from memory");
    replay.finish().expect("all were asked for");
}

#[test]
fn a_call_without_a_recording_is_a_miss_and_a_recording_without_a_call_a_leftover() {
    with_replay_on("misses_and_leftovers");
}

#[tokio::test]
async fn misses_and_leftovers() {
    if !is_on() {
        return;
    }
    let server = recorded(&[execution("hello", "execute", "a"), execution("hello", "step", "c")]);
    let client = Noukai::builder().base_url(server.url()).api_key(KEY).build().expect("a client");
    let replay = client.replay(ID).await.expect("a replay");
    let hello = replay.flow("acme/demo/hello").expect("a flow");
    hello.execute().await.expect("a recording");
    let misses = [
        hello.execute().await.map(drop),
        hello.execute_async().await.map(drop),
        replay.flow("acme/demo/never").expect("a flow").steps().stream().all().await.map(drop),
    ];
    for miss in misses {
        assert_eq!(miss.map_err(|error| error.kind()), Err(ErrorKind::ReplayMiss));
    }
    // What is not valid is not valid here either.
    assert_eq!(
        hello.execute().version("main").await.map_err(|error| error.kind()).err(),
        Some(ErrorKind::InvalidValue)
    );
    let error = replay.finish().expect_err("one is left");
    assert_eq!(error.kind(), ErrorKind::ReplayLeftover);
    assert!(error.to_string().contains("hello-step-c"), "{error}");
}

#[test]
fn a_session_without_snapshots_is_refused_up_front() {
    with_replay_on("without_snapshots");
}

#[tokio::test]
async fn without_snapshots() {
    if !is_on() {
        return;
    }
    let mut bare = execution("hello", "execute", "a");
    bare["snapshotsAvailable"] = json!(false);
    bare["traceCaptureMode"] = json!("metadata_only");
    let server = recorded(&[execution("hello", "execute", "b"), bare]);
    let client = Noukai::builder().base_url(server.url()).api_key(KEY).build().expect("a client");
    let error = client.replay(ID).await.expect_err("no snapshots");
    assert_eq!((error.kind(), error.execution_id()), (ErrorKind::ReplayUnavailable, Some("hello-execute-a")));
    assert!(error.to_string().contains("metadata_only"), "{error}");
    assert_eq!(client.replay("").await.expect_err("no id").kind(), ErrorKind::InvalidValue);
}
