//! Tool calls: answered by hand and by a handler, in `execute` and in streams, up to the limit.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use noukai::{CancelToken, ErrorKind, StreamEvent, Tool, ToolCall, ToolResult};
use noukai_mock::{Reply, Server};
use serde_json::{Value, json};

use crate::support::{completed, event, finished, flow, leaf, paused, started, stream};

fn answered(calls: Vec<ToolCall>) -> Vec<ToolResult> {
    calls.iter().map(|call| call.answer(json!({"temperature": -3}))).collect()
}

fn pause_event() -> Value {
    let mut pause = paused(&["c1"]);
    pause["stepId"] = json!("answer");
    pause["stepIndex"] = json!(1);
    pause["runId"] = json!("r-1");
    event("step_paused_for_tool_calls", pause)
}

#[tokio::test]
async fn a_pause_is_resumed_by_hand() {
    let server = Server::script([
        Reply::json(200, &paused(&["c1", "c2"])),
        Reply::json(200, &paused(&["c3"])),
        completed(&json!("done")),
    ]);
    let call = flow(&server).execute().message("hi").parameters(json!({"tone": "warm"}));
    let first = call.tools([Tool::new("get_weather")]).trace(true).version(2).session_id("s-1").await;
    let pause = first.expect("a reply").paused().expect("a pause");
    assert_eq!(
        (pause.execution_id.as_str(), pause.paused_at_step.as_str(), pause.iterations_used),
        ("r-1", "answer", 1)
    );
    assert_eq!((pause.session_id.as_deref(), pause.tool_calls.len()), (Some("s-1"), 2));
    let second = pause.resume(answered(pause.tool_calls.clone())).await.expect("a reply").paused().expect("a pause");
    second.resume([ToolResult::new("c3", "text")]).await.expect("a reply").completed().expect("an end");

    let requests = server.requests();
    assert!(requests.iter().all(|request| request.path.ends_with("/hello/v2/execute")));
    assert!(requests.iter().all(|request| request.header("x-session-id") == "s-1"));
    let body = requests[1].json();
    assert_eq!(
        (&body["executionId"], &body["pausedAtStep"], &body["iterationsUsed"]),
        (&json!("r-1"), &json!("answer"), &json!(1))
    );
    assert_eq!(body["accumulatedOutputs"], json!({"first": "one"}));
    assert_eq!(body["toolCallMessages"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        body["toolCallMessages"][1],
        json!({"role": "tool", "toolCallId": "c1", "content": "{\"temperature\":-3}"})
    );
    // What the first request said is repeated, but for the message.
    assert_eq!((&body["parameters"], &body["trace"]), (&json!({"tone": "warm"}), &json!(true)));
    assert_eq!((body["tools"].as_array().map(Vec::len), body.get("message")), (Some(1), None));
    let keys: std::collections::HashSet<&str> =
        requests.iter().map(|request| request.header("idempotency-key")).collect();
    assert_eq!(keys.len(), 3, "every request is one of its own");
}

#[tokio::test]
async fn results_that_do_not_fit_fail_before_a_request() {
    let server = Server::script([Reply::json(200, &paused(&["c1", "c2"]))]);
    let pause = flow(&server).execute().await.expect("a reply").paused().expect("a pause");
    for bad in [vec!["c1"], vec!["c1", "c9"], vec!["c1", "c2", "c2"]] {
        let results = bad.iter().map(|id| ToolResult::new(*id, "x"));
        let error = pause.resume(results).await.expect_err("not one for each");
        assert_eq!((error.kind(), error.execution_id()), (ErrorKind::InvalidValue, Some("r-1")));
        assert!(error.to_string().contains("c1, c2"), "{error}");
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_handler_answers_by_itself() {
    let server = Server::script([
        Reply::json(200, &paused(&["c1"])),
        Reply::json(200, &paused(&["c2"])),
        completed(&json!("done")),
    ]);
    let rounds = Arc::new(AtomicU32::new(0));
    let counted = rounds.clone();
    let handler = move |calls: Vec<ToolCall>| {
        let counted = counted.clone();
        async move {
            tokio::task::yield_now().await;
            counted.fetch_add(1, Ordering::SeqCst);
            assert_eq!(calls[0].parse::<Value>().expect("arguments"), json!({"city": "Oslo"}));
            answered(calls)
        }
    };
    let done = flow(&server).execute().message("hi").idempotency_key("k").tool_handler(handler).await;
    assert_eq!(done.expect("a reply").completed().expect("an end").result, "done");
    assert_eq!(rounds.load(Ordering::SeqCst), 2);
    let keys: Vec<String> = server.requests().iter().map(|r| r.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys, ["k", "k.1", "k.2"], "the whole call can be repeated");
}

#[tokio::test]
async fn one_more_pause_than_allowed_is_an_error() {
    for (most, requests) in [(0, 1), (2, 3)] {
        let server = Server::script([Reply::json(200, &paused(&["c1"]))]);
        let call = flow(&server).execute().max_tool_rounds(most).tool_handler(async |calls| answered(calls));
        let error = call.await.expect_err("it pauses for ever");
        assert_eq!((error.kind(), error.execution_id()), (ErrorKind::ToolCallLimit, Some("r-1")));
        assert!(error.to_string().contains(&format!("({most})")), "{error}");
        assert_eq!(server.requests().len(), requests);
    }
    let server = Server::script([Reply::json(200, &paused(&["c1"]))]);
    let error = flow(&server).execute().tool_handler(async |calls| answered(calls)).await.expect_err("for ever");
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::ToolCallLimit, 11), "ten rounds by default");
}

#[tokio::test]
async fn a_handlers_error_is_the_source() {
    let server = Server::script([Reply::json(200, &paused(&["c1"]))]);
    let handler = async |_: Vec<ToolCall>| Err::<Vec<ToolResult>, _>(std::io::Error::other("no network"));
    let error = flow(&server).execute().tool_handler(handler).await.expect_err("it failed");
    assert_eq!((error.kind(), error.execution_id()), (ErrorKind::ToolHandler, Some("r-1")));
    assert!(std::error::Error::source(&error).is_some_and(|source| source.to_string() == "no network"));
}

#[tokio::test]
async fn a_token_ends_a_handler_that_hangs() {
    let server = Server::script([Reply::json(200, &paused(&["c1"]))]);
    let token = CancelToken::new();
    let cancelling = token.clone();
    let handler = move |_| {
        cancelling.cancel();
        std::future::pending::<Vec<ToolResult>>()
    };
    let error = flow(&server).execute().cancel(&token).tool_handler(handler).await.expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

/// A run that pauses at its second step.
fn pausing_stream() -> Server {
    let first = [vec![started()], leaf(0, "first", "one"), vec![pause_event()]].concat();
    let second = [leaf(1, "answer", "cold"), vec![finished("cold")]].concat();
    Server::script([stream(1, &first), stream(7, &second)])
}

#[tokio::test]
async fn a_handler_answers_inside_a_stream_and_the_pause_is_not_seen() {
    let server = pausing_stream();
    let call = flow(&server).events().message("hi").tools([Tool::new("get_weather")]).run_remaining(true);
    let events = call.tool_handler(async |calls| answered(calls)).stream().all().await.expect("events");
    assert!(!events.iter().any(|event| matches!(event, StreamEvent::ToolCallsRequired(_))));
    assert!(matches!(events.last(), Some(StreamEvent::FlowCompleted(flow)) if flow.result == "cold"));
    let body = server.requests()[1].json();
    assert_eq!(
        (&body["executionId"], &body["stepIndex"], &body["iterationsUsed"]),
        (&json!("r-1"), &json!(1), &json!(1))
    );
    assert_eq!(body["toolCallMessages"][1]["toolCallId"], "c1");
    assert_eq!((&body["accumulatedOutputs"], body.get("message")), (&json!({"first": "one"}), None));

    let server = pausing_stream();
    let steps = flow(&server).steps().tools([Tool::new("get_weather")]).tool_handler(async |calls| answered(calls));
    let steps = steps.stream().all().await.expect("steps");
    assert_eq!(steps.iter().map(|step| step.step_id.as_str()).collect::<Vec<_>>(), ["first", "answer"]);
}

#[tokio::test]
async fn a_pause_inside_a_stream_is_resumed_by_hand() {
    let server = pausing_stream();
    let mut events = flow(&server).events().tools([Tool::new("get_weather")]).stream();
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.expect("an event");
        if let StreamEvent::ToolCallsRequired(pause) = &event {
            assert_eq!((pause.step_id.as_str(), pause.step_index), ("answer", 1));
            let error = pause.resume([]).expect_err("no result");
            assert_eq!(error.kind(), ErrorKind::InvalidValue);
            // Read on too early: told, and not over.
            let early = events.next().await.expect("an item").expect_err("it waits");
            assert!(early.to_string().contains("`resume`"), "{early}");
            pause.resume(answered(pause.tool_calls.clone())).expect("it fits");
            assert!(pause.resume(answered(pause.tool_calls.clone())).is_err(), "once");
        }
        seen.push(event.event_type().to_owned());
    }
    assert_eq!(seen[5], "step_paused_for_tool_calls");
    assert_eq!(seen.last().map(String::as_str), Some("flow_completed"));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_round_limit_counts_in_streams_too() {
    let first = stream(1, &[started(), pause_event()]);
    let server = Server::script([first, stream(3, &[pause_event()]), stream(4, &[pause_event()])]);
    let call = flow(&server).events().max_tool_rounds(2).tool_handler(async |calls| answered(calls));
    let error = call.stream().all().await.expect_err("a third pause");
    assert_eq!((error.kind(), error.execution_id()), (ErrorKind::ToolCallLimit, Some("r-1")));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_pause_of_a_trace_cannot_be_resumed() {
    let server = Server::script([stream(1, &[started(), pause_event(), finished("x")])]);
    let events = flow(&server).run("r-1").live_trace().all().await.expect("events");
    let StreamEvent::ToolCallsRequired(pause) = &events[1] else { panic!("a pause") };
    let error = pause.resume(answered(pause.tool_calls.clone())).expect_err("a trace");
    assert!(error.to_string().contains("trace"), "{error}");
}
