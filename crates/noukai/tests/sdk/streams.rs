//! Streams: the calls they make, the events they give, and how they go on where they break.

use futures_core::Stream;
use noukai::{ErrorKind, StreamEvent};
use noukai_mock::{Piece, Reply, Server};
use serde_json::{Value, json};

use crate::support::{event, finished, flow, leaf, numbered, started, step_paused, stream, two_calls};

fn types(events: &[StreamEvent]) -> Vec<&str> {
    events.iter().map(StreamEvent::event_type).collect()
}

fn pieces(first: u64, events: &[Value]) -> Vec<Piece> {
    numbered(first, events).iter().map(|(id, data)| Piece::event(*id, data)).collect()
}

/// The events, then the connection breaks.
fn broken(first: u64, events: &[Value]) -> Reply {
    Reply::stream([pieces(first, events), vec![Piece::Cut]].concat())
}

#[tokio::test]
async fn the_cursor_goes_from_call_to_call() {
    let [first, second] = two_calls();
    let server = Server::script([stream(1, &first), stream(7, &second)]);
    let call = flow(&server).events().message("hi").parameters(json!({"a": 1})).version(3).session_id("s-1");
    let events = call.trace(true).stream().all().await.expect("events");
    let expected = [
        "run_started",
        "step_started",
        "step_input",
        "step_output",
        "step_completed",
        "step_paused",
        "step_started",
        "step_input",
        "step_output",
        "step_completed",
        "flow_completed",
    ];
    assert_eq!(types(&events), expected);
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.path == "/api/v1/seq/acme/demo/hello/v3/step"));
    assert!(requests.iter().all(|request| request.header("x-session-id") == "s-1"));
    let (one, two) = (requests[0].json(), requests[1].json());
    assert_eq!((one.get("executionId"), &one["stepIndex"], &one["message"]), (None, &json!(0), &json!("hi")));
    assert_eq!((&two["executionId"], &two["stepIndex"]), (&json!("r-1"), &json!(1)));
    assert_eq!(two["accumulatedOutputs"], json!({"first": "one"}));
    assert_eq!((two.get("message"), &two["parameters"], &two["trace"]), (None, &json!({}), &json!(true)));
}

#[tokio::test]
async fn every_event_is_typed_to_the_last_field() {
    let more = [
        event("step_delta", json!({"stepId": "s", "text": "He"})),
        event("step_progress", json!({"stepId": "s", "loopIndex": 1, "total": 3, "durationMs": 4})),
        event("loop_completed", json!({"stepId": "l", "iterations": 3})),
        event("step_dreamt", json!({"of": "sheep"})),
    ];
    let all = [vec![started()], leaf(4, "s", "out"), more.to_vec(), vec![step_paused(4, "s")]].concat();
    let failed = event(
        "step_error",
        json!({"stepId": "t", "name": "T", "error": {"code": "MODEL_ERROR", "message": "no", "attempt": 2,
            "provider": "p", "providerStatus": 500}}),
    );
    let server = Server::script([stream(1, &all), stream(20, &[failed])]);
    let mut events = flow(&server).events().stream().all().await.expect("events").into_iter();
    let mut next = || events.next().expect("an event");
    let StreamEvent::RunStarted(run) = next() else { panic!("run_started") };
    assert_eq!((run.execution_id.as_str(), run.flow_id.as_str(), run.step_count, run.version), ("r-1", "f-1", 2, 0));
    let StreamEvent::StepStarted(step) = next() else { panic!("step_started") };
    assert_eq!((step.step_id.as_str(), step.name.as_str(), step.step_index, step.attempt), ("s", "s", 4, 1));
    let StreamEvent::StepInput(input) = next() else { panic!("step_input") };
    assert_eq!(input.input_data, Some(json!({"n": 4})));
    let StreamEvent::StepOutput(output) = next() else { panic!("step_output") };
    assert_eq!(output.output_data, Some(json!("out")));
    let StreamEvent::StepCompleted(done) = next() else { panic!("step_completed") };
    assert_eq!((&done.output, done.duration_ms, done.step_index, done.skipped), (&json!("out"), 5, 4, false));
    assert_eq!((done.tokens.map(|tokens| tokens.total), done.cost_usd.as_deref()), (Some(3), Some("0.01")));
    let StreamEvent::StepDelta(delta) = next() else { panic!("step_delta") };
    assert_eq!(delta.text, "He");
    let StreamEvent::StepProgress(progress) = next() else { panic!("step_progress") };
    assert_eq!((progress.loop_index, progress.total, progress.duration_ms), (1, 3, 4));
    let StreamEvent::LoopCompleted(done) = next() else { panic!("loop_completed") };
    assert_eq!((done.step_id.as_str(), done.iterations), ("l", 3));
    let StreamEvent::Unknown(unknown) = next() else { panic!("unknown") };
    assert_eq!((unknown.event_type.as_str(), &unknown.data["of"]), ("step_dreamt", &json!("sheep")));
    let StreamEvent::StepPaused(pause) = next() else { panic!("step_paused") };
    assert_eq!((pause.step_index, pause.next_step_index), (4, 5));
    let StreamEvent::StepFailed(failed) = next() else { panic!("step_error") };
    assert_eq!((failed.name.as_str(), failed.error.code.as_str(), failed.error.attempt), ("T", "MODEL_ERROR", 2));
    assert_eq!((failed.error.provider.as_deref(), failed.error.provider_status), (Some("p"), Some(500)));
    assert!(events.next().is_none(), "a failed step is the end");
}

#[tokio::test]
async fn the_end_has_its_sums() {
    let [first, second] = two_calls();
    let server = Server::script([stream(1, &[&first[..5], &second[..]].concat())]);
    let events = flow(&server).events().run_remaining(true).stream().all().await.expect("events");
    let Some(StreamEvent::FlowCompleted(done)) = events.last() else { panic!("an end") };
    assert_eq!((&done.result, done.summary.duration_ms, done.summary.steps), (&json!("two"), 9, 2));
    assert_eq!((done.summary.tokens.total, done.summary.cost_usd.as_str()), (6, "0.02"));
    assert_eq!((done.summary.failed_at_step.as_deref(), done.summary.error.is_none()), (None, true));
}

#[tokio::test]
async fn a_failed_step_is_an_error_of_steps() {
    let failed = json!({"stepId": "second", "name": "second", "error": {"code": "STEP_TIMEOUT", "message": "slow", "attempt": 1}});
    let [first, _] = two_calls();
    let server = Server::script([stream(1, &first), stream(7, &[event("step_error", failed)])]);
    let mut steps = flow(&server).steps().message("hi").stream();
    assert_eq!(steps.next().await.expect("a step").expect("it completed").output, "one");
    let error = steps.next().await.expect("an item").expect_err("it failed");
    assert_eq!((error.kind(), error.code()), (ErrorKind::FlowExecution, Some("STEP_TIMEOUT")));
    assert_eq!(error.execution_id(), Some("r-1"));
    assert!(steps.next().await.is_none());
}

#[tokio::test]
async fn streams_survive_any_chunk_boundaries_comments_and_crlf() {
    let [first, second] = two_calls();
    for crlf in [false, true] {
        let text: Vec<u8> = pieces(1, &[&first[..5], &second[..]].concat())
            .into_iter()
            .flat_map(|piece| match piece {
                Piece::Bytes(bytes) => [b": still here\n\n".to_vec(), bytes].concat(),
                _ => Vec::new(),
            })
            .collect();
        let text = String::from_utf8(text).expect("text");
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let bytes = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        let server = Server::script([Reply::stream(bytes.chunks(7).map(|chunk| Piece::Bytes(chunk.to_vec())))]);
        let events = flow(&server).events().run_remaining(true).stream().all().await.expect("events");
        assert_eq!(events.len(), 10, "crlf: {crlf}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_goes_on_by_the_trace_and_gives_nothing_twice() {
    let [first, second] = two_calls();
    // The trace tells again what was seen (a careless server), then what was not.
    let again = stream(1, &first);
    let server = Server::script([broken(1, &first[..3]), again, stream(7, &second)]);
    let events = flow(&server).events().message("hi").session_id("s-1").stream().all().await.expect("events");
    assert_eq!(types(&events), types_of(&[first, second].concat()));
    let requests = server.requests();
    assert_eq!(
        (requests[1].method.as_str(), requests[1].path.as_str()),
        ("GET", "/api/v1/seq/acme/demo/hello/runs/r-1/trace/stream")
    );
    assert_eq!(requests[1].header("last-event-id"), "3");
    assert_eq!((requests[2].method.as_str(), &requests[2].json()["stepIndex"]), ("POST", &json!(1)));
}

fn types_of(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["eventType"].as_str()).collect()
}

#[tokio::test]
async fn the_trace_may_break_too() {
    let [first, second] = two_calls();
    let server = Server::script([
        broken(1, &first[..2]),
        broken(3, &first[2..4]),
        Reply::stream([Piece::Cut]),
        stream(5, &first[4..]),
        stream(7, &second),
    ]);
    let events = flow(&server).events().message("hi").stream().all().await.expect("events");
    assert_eq!(types(&events), types_of(&[first, second].concat()));
    let seen: Vec<String> = server.requests().iter().map(|r| r.header("last-event-id").to_owned()).collect();
    assert_eq!(seen, ["", "2", "4", "4", ""]);
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_event_is_asked_for_again() {
    let [first, second] = two_calls();
    let nothing = || Reply::stream([Piece::Bytes(b": hello\n\n".to_vec()), Piece::Cut]);
    let server = Server::script([nothing(), stream(1, &first), nothing(), stream(7, &second)]);
    let events = flow(&server).events().message("hi").stream().all().await.expect("events");
    assert_eq!(events.len(), 11);
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.method == "POST"));
    let key = |index: usize| requests[index].header("idempotency-key");
    assert_eq!((key(0), key(2)), (key(1), key(3)));
    assert_eq!(requests[2].body, requests[3].body);
}

#[tokio::test]
async fn contents_that_the_trace_does_not_keep_come_from_the_call_itself() {
    let [first, second] = two_calls();
    let mut bare = first.clone();
    bare[3] = event("step_output", json!({"stepId": "first"}));
    bare[4]["output"] = Value::Null;
    let delta = event("step_delta", json!({"stepId": "first", "text": "o"}));
    let whole = {
        let mut pieces = pieces(1, &first);
        pieces.insert(3, Piece::event(0, &delta));
        Reply::stream(pieces)
    };
    let server = Server::script([broken(1, &first[..2]), stream(3, &bare[2..]), whole, stream(7, &second)]);
    let events = flow(&server).events().message("hi").stream().all().await.expect("events");
    assert_eq!(types(&events), types_of(&[first, second].concat()));
    let StreamEvent::StepCompleted(done) = &events[4] else { panic!("step_completed") };
    assert_eq!(done.output, "one");
    let requests = server.requests();
    assert_eq!(requests[1].method, "GET");
    assert_eq!(requests[2].header("idempotency-key"), requests[0].header("idempotency-key"));
    assert_eq!(requests[2].body, requests[0].body);
}

#[tokio::test]
async fn a_stream_that_ends_without_its_last_event_is_broken() {
    let [first, second] = two_calls();
    let server = Server::script([stream(1, &first[..4]), stream(5, &first[4..]), stream(7, &second)]);
    let events = flow(&server).events().message("hi").stream().all().await.expect("events");
    assert_eq!(events.len(), 11);
    assert_eq!(server.requests()[1].header("last-event-id"), "4");
}

#[tokio::test]
async fn a_refusal_while_a_stream_is_mended_is_told() {
    let [first, _] = two_calls();
    let server = Server::script([broken(1, &first[..2]), Reply::error(404, "RUN_NOT_FOUND")]);
    let mut events = flow(&server).events().message("hi").stream();
    assert!(events.next().await.is_some_and(|event| event.is_ok()));
    assert!(events.next().await.is_some_and(|event| event.is_ok()));
    let error = events.next().await.expect("an item").expect_err("the run is gone");
    assert_eq!((error.code(), error.execution_id()), (Some("RUN_NOT_FOUND"), Some("r-1")));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn the_caller_may_edit_go_back_and_run_the_rest() {
    let [first, second] = two_calls();
    let rest = [&first[1..5], &second[..]].concat();
    let server = Server::script([stream(1, &first), stream(7, &rest)]);
    let mut events = flow(&server).events().message("hi").stream();
    assert!(events.set_output("first", "x").is_err(), "nothing is done yet");
    while let Some(event) = events.next().await {
        match event.expect("an event") {
            StreamEvent::StepStarted(_) => {
                let error = events.go_to(0).expect_err("a step goes on");
                assert_eq!(error.kind(), ErrorKind::InvalidValue);
            }
            StreamEvent::StepPaused(_) => {
                events.set_output("first", "edited").expect("it is done");
                let error = events.set_output("second", "x").expect_err("it is not done");
                assert!(error.to_string().contains("first"), "{error}");
                events.go_to(0).expect("between steps");
                events.set_run_remaining(true).expect("between steps");
            }
            _ => {}
        }
    }
    let body = server.requests()[1].json();
    assert_eq!((&body["stepIndex"], &body["runRemaining"]), (&json!(0), &json!(true)));
    assert_eq!(body["accumulatedOutputs"], json!({"first": "edited"}));
    assert_eq!(events.execution_id().as_deref(), Some("r-1"));
}

#[tokio::test]
async fn streams_are_streams() {
    fn is_stream<S: Stream<Item = noukai::Result<T>> + Unpin + Send + 'static, T>(_: &S) {}
    let server = Server::demo();
    let flow = flow(&server);
    is_stream(&flow.events().stream());
    is_stream(&flow.steps().stream());
    is_stream(&flow.run("r").live_trace());
}

#[tokio::test]
async fn a_live_trace_goes_on_where_it_broke_until_the_run_ends() {
    let [first, second] = two_calls();
    let failed = [event("step_error", json!({"stepId": "x"})), finished("never")];
    let server = Server::script([broken(1, &first), broken(7, &second[..2]), stream(9, &failed)]);
    let events = flow(&server).run("r-1").live_trace().all().await.expect("events");
    assert_eq!(types(&events), types_of(&[&first[..], &second[..2], &failed[..]].concat()));
    let seen: Vec<String> = server.requests().iter().map(|r| r.header("last-event-id").to_owned()).collect();
    assert_eq!(seen, ["", "6", "8"]);
}
