//! Streams: step by step, in one go, with deltas, with tools, edited on the way.

use noukai::{StreamEvent, Tool, ToolCall};
use serde_json::{Value, json};

use super::flow;
use crate::common::TestServer;

fn types(events: &[StreamEvent]) -> Vec<&str> {
    events.iter().map(StreamEvent::event_type).collect()
}

const LEAF: [&str; 4] = ["step_started", "step_input", "step_output", "step_completed"];

#[tokio::test]
async fn a_run_is_stepped_through() {
    let server = TestServer::start().await;
    let two = flow(&server, "two-step");
    let events = two.events().message("hi").stream().all().await.expect("events");
    let expected = [&["run_started"], &LEAF[..], &["step_paused"], &LEAF[..], &["flow_completed"]].concat();
    assert_eq!(types(&events), expected);
    let whole = two.events().message("hi").run_remaining(true).stream().all().await.expect("events");
    assert_eq!(types(&whole), [&["run_started"], &LEAF[..], &LEAF[..], &["flow_completed"]].concat());
    let steps = two.steps().message("hi").stream().all().await.expect("steps");
    let seen: Vec<_> = steps.iter().map(|step| (step.step_index, step.step_id.as_str())).collect();
    assert_eq!(seen, [(0, "first"), (1, "second")]);
    assert!(steps.iter().all(|step| step.tokens.is_some()));
}

#[tokio::test]
async fn deltas_come_where_they_are_asked_for() {
    let server = TestServer::start().await;
    let echo = flow(&server, "echo");
    let text = |events: &[StreamEvent]| -> String {
        let delta = |event: &StreamEvent| match event {
            StreamEvent::StepDelta(delta) => Some(delta.text.clone()),
            _ => None,
        };
        events.iter().filter_map(delta).collect()
    };
    let asked = echo.events().message("some words to stream").deltas(true).stream().all().await.expect("events");
    assert_eq!(text(&asked), "some words to stream");
    let plain = echo.events().message("some words to stream").stream().all().await.expect("events");
    assert_eq!(text(&plain), "");
}

#[tokio::test]
async fn loops_tell_of_their_progress() {
    let server = TestServer::start().await;
    let call = flow(&server, "loop").events().message("x").parameters(json!({"message": "x", "items": ["a", "b"]}));
    match call.stream().all().await {
        Ok(events) => assert!(types(&events).contains(&"step_progress"), "{:?}", types(&events)),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn pauses_for_tools_are_answered_inside_and_by_hand() {
    let server = TestServer::start().await;
    let tools = flow(&server, "tools");
    let tool = || [Tool::new("look_up").parameters(json!({"type": "object"}))];
    let result = |events: &[StreamEvent]| match events.last() {
        Some(StreamEvent::FlowCompleted(done)) => done.result.clone(),
        other => panic!("no end but {other:?}"),
    };
    let call = tools.events().message("hi").tools(tool());
    let handler = async |calls: Vec<ToolCall>| calls.iter().map(|call| call.answer("found")).collect::<Vec<_>>();
    let handled = call.tool_handler(handler).stream().all().await.expect("events");
    let mut by_hand = Vec::new();
    let mut events = tools.events().message("hi").tools(tool()).stream();
    while let Some(event) = events.next().await {
        let event = event.expect("an event");
        if let StreamEvent::ToolCallsRequired(pause) = &event {
            pause.resume(pause.tool_calls.iter().map(|call| call.answer("found"))).expect("it fits");
        }
        by_hand.push(event);
    }
    assert_eq!(result(&handled), result(&by_hand));
    assert!(types(&by_hand).contains(&"step_paused_for_tool_calls"));
    assert!(!types(&handled).contains(&"step_paused_for_tool_calls"));
}

#[tokio::test]
async fn outputs_are_edited_and_steps_run_again() {
    let server = TestServer::start().await;
    let mut events = flow(&server, "two-step").events().message("hi").stream();
    let (mut result, mut went_back) = (Value::Null, false);
    while let Some(event) = events.next().await {
        match event.expect("an event") {
            StreamEvent::StepPaused(_) if !went_back => {
                events.go_to(0).expect("between steps");
                went_back = true;
            }
            StreamEvent::StepPaused(step) => events.set_output(&step.step_id, "edited").expect("between steps"),
            StreamEvent::FlowCompleted(done) => result = done.result,
            _ => {}
        }
    }
    assert_eq!(result["message"], "2: edited");
    let id = events.execution_id().expect("a run");
    let first = flow(&server, "two-step").run(id).step_trace("first").attempt(noukai::Attempt::All).await;
    assert_eq!(first.expect("attempts").attempts.len(), 2);
}

#[tokio::test]
async fn input_overrides_replace_an_output() {
    let server = TestServer::start().await;
    let call = flow(&server, "two-step").events().message("hi").input_overrides(json!({"first": "other"}));
    let events = call.stream().all().await.expect("events");
    assert!(matches!(events.last(), Some(StreamEvent::FlowCompleted(done)) if done.result["message"] == "2: other"));
}
