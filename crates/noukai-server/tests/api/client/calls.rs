//! Calls, jobs and traces.

use std::time::Duration;

use noukai::{Attempt, ErrorKind, Message, Noukai, RunStatus, StepStatus, Tool, ToolCall};
use serde_json::json;

use super::{builder, client, flow};
use crate::common::TestServer;

/// What a block without an output schema gives.
#[derive(serde::Deserialize)]
struct Said {
    message: String,
}

#[tokio::test]
async fn execute_gives_the_result_and_its_trace() {
    let server = TestServer::start().await;
    let flow = flow(&server, "two-step");
    let done = flow.execute().message("hi").trace(true).await.expect("a reply").completed().expect("an end");
    assert_eq!((done.output::<Said>().expect("a text").message.as_str(), done.block_count), ("2: 1: hi", 2));
    let run = flow.run(&done.execution_id);
    let trace = run.trace().await.expect("a trace");
    assert_eq!((trace.flow_run.status, trace.flow_run.version), (RunStatus::Completed, 0));
    let steps: Vec<_> = trace.steps.iter().map(|step| (step.step_id.as_str(), step.output_context.clone())).collect();
    assert_eq!(steps, [("first", Some(json!({"message": "1: hi"}))), ("second", Some(json!({"message": "2: 1: hi"})))]);
    assert_eq!(run.summary().await.expect("a run").id, done.execution_id);
    let step = run.step_trace("second").attempt(Attempt::All).await.expect("attempts");
    assert_eq!(step.latest().map(|step| (step.attempt, step.status)), Some((1, StepStatus::Completed)));
    let error = run.step_trace("second").attempt(Attempt::Number(9)).await.expect_err("no such attempt");
    assert_eq!(error.code(), Some("STEP_NOT_FOUND"));
    let by_id = client(&server).run(&done.execution_id).trace().await.expect("a trace");
    assert_eq!(by_id.steps.len(), 2);
}

#[tokio::test]
async fn inputs_and_overrides_reach_the_run() {
    let server = TestServer::start().await;
    let echo = flow(&server, "echo");
    let turns = [Message::user("a"), Message::assistant("b"), Message::user("c")];
    echo.execute().messages(turns.clone()).await.expect("a reply").completed().expect("an end");
    // In streams too.
    let steps = echo.steps().messages(turns).stream().all().await.expect("steps");
    assert_eq!(steps.len(), 1);
    let overridden = echo.execute().message("x").block_overrides(json!({"answer": {"prompt": "over"}}));
    assert_eq!(overridden.await.expect("a reply").completed().expect("an end").result["message"], "over");
    let inputs = json!({"message": "by name"});
    let named = echo.execute().parameters(inputs).await.expect("a reply").completed().expect("an end");
    assert_eq!(named.result["message"], "by name");
    let error = echo.execute().await.expect_err("nothing was sent");
    assert_eq!((error.kind(), error.code()), (ErrorKind::FlowExecution, Some("MISSING_MESSAGE")));
}

#[tokio::test]
async fn versions_are_the_drafts_and_the_published() {
    let server = TestServer::start().await;
    let echo = flow(&server, "echo");
    for version in ["draft", "production"] {
        echo.execute().message("x").version(version).await.expect("a reply");
    }
    let error = echo.execute().message("x").version(7).await.expect_err("never published");
    assert_eq!((error.kind(), error.code()), (ErrorKind::FlowNotFound, Some("VERSION_NOT_FOUND")));
}

#[tokio::test]
async fn errors_have_the_kinds_of_the_contract() {
    let server = TestServer::start().await;
    let missing = flow(&server, "missing").execute().message("x").await.expect_err("no such flow");
    assert_eq!((missing.kind(), missing.code()), (ErrorKind::FlowNotFound, Some("FLOW_NOT_FOUND")));
    assert!(missing.request_id().is_some());
    let foreign = client(&server).flow("other/demo/echo").expect("a flow").execute().message("x").await;
    assert_eq!(foreign.expect_err("not ours").kind(), ErrorKind::PermissionDenied);
    let stranger = builder(&server).api_key("nk_test_abcdefgh_00000000000000000000000000000000").build();
    let error = stranger.expect("a client").verify_key().await.expect_err("no such key");
    assert_eq!(error.kind(), ErrorKind::Authentication);
    let key = client(&server).verify_key().await.expect("a key");
    assert_eq!((key.organization.as_str(), key.project.as_str()), ("acme", "demo"));
    let failed = flow(&server, "text-only").execute().message("x").await.expect("a value").completed().expect("an end");
    assert_eq!(failed.into_result().expect_err("no provider").code(), Some("MODEL_NOT_AVAILABLE"));
}

#[tokio::test]
async fn tools_are_answered_by_hand_and_by_a_handler() {
    let server = TestServer::start().await;
    let tools = flow(&server, "tools");
    let call = || tools.execute().message("hi").tools([Tool::new("look_up").parameters(json!({"type": "object"}))]);
    let paused = call().await.expect("a reply").paused().expect("a pause");
    assert_eq!(paused.tool_calls[0].name, "look_up");
    let answers = |calls: &[ToolCall]| calls.iter().map(|call| call.answer("found")).collect::<Vec<_>>();
    let by_hand = paused.resume(answers(&paused.tool_calls)).await.expect("a reply").completed().expect("an end");
    let error = paused.resume(answers(&paused.tool_calls)).await.expect_err("once");
    assert_eq!((error.code(), error.status()), (Some("ALREADY_RESUMED"), Some(409)));
    let handled =
        call().tool_handler(move |calls: Vec<ToolCall>| std::future::ready(answers(&calls))).await.expect("a reply");
    assert_eq!(handled.completed().expect("an end").result, by_hand.result);
}

#[tokio::test]
async fn a_job_is_waited_for_followed_and_cancelled() {
    let server = TestServer::start().await;
    let slow = flow(&server, "slow");
    let job = slow.execute_async().message("hi").await.expect("a job");
    assert!(!job.poll().await.expect("a status").status.is_final());
    let done = job.wait().timeout(Duration::from_secs(60)).await.expect("an end");
    assert_eq!(done.output::<Said>().expect("a text").message, "hi");
    let events = slow.run(job.execution_id()).live_trace().all().await.expect("events");
    assert_eq!(events.last().map(noukai::StreamEvent::event_type), Some("flow_completed"));
    let job = slow.execute_async().message("hi").await.expect("a job");
    let cancelled = job.cancel().await.expect("a status");
    assert!(matches!(cancelled.status, RunStatus::Cancelled | RunStatus::Running | RunStatus::Pending));
    assert_eq!(job.wait().await.expect("an end").status, RunStatus::Cancelled);
    let unknown = slow.job("00000000-0000-4000-8000-000000000000").poll().await.expect_err("no such job");
    assert_eq!((unknown.kind(), unknown.code()), (ErrorKind::FlowNotFound, Some("JOB_NOT_FOUND")));
}

#[tokio::test]
async fn the_same_idempotency_key_runs_once() {
    let server = TestServer::start().await;
    let echo = flow(&server, "echo");
    let call = || echo.execute().message("hi").idempotency_key("order-1").into_future();
    let (one, two) = tokio::join!(call(), call());
    assert_eq!(one.expect("a reply").execution_id(), two.expect("a reply").execution_id());
    let error = echo.execute().message("other").idempotency_key("order-1").await.expect_err("another body");
    assert_eq!(error.code(), Some("IDEMPOTENCY_KEY_REUSED"));
}

#[test]
fn the_blocking_client_does_the_same() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(TestServer::start());
    let url = format!("{}/api/v1", server.server.url());
    let client = Noukai::builder().base_url(url).api_key(server.key.as_str()).build_blocking().expect("a client");
    let flow = client.flow("acme/demo/two-step").expect("a flow");
    let outputs: Vec<_> =
        flow.steps().message("hi").stream().map(|step| step.expect("a step").output["message"].clone()).collect();
    assert_eq!(outputs, ["1: hi", "2: 1: hi"]);
    let job = flow.execute_async().message("hi").send().expect("a job");
    assert_eq!(job.wait().send().expect("an end").output::<Said>().expect("a text").message, "2: 1: hi");
    drop(client);
    runtime.block_on(async { drop(server) });
}
