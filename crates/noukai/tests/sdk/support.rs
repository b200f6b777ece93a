//! What the tests share: clients, replies, events.

use noukai::{Flow, Noukai, NoukaiBuilder};
use noukai_mock::{KEY, Reply, Server};
use serde_json::{Map, Value, json};

/// A client of the server, with options to come.
pub fn builder(server: &Server) -> NoukaiBuilder {
    Noukai::builder().base_url(server.url()).api_key(KEY)
}

/// A flow on the server.
pub fn flow(server: &Server) -> Flow {
    builder(server).build().expect("a client").flow("acme/demo/hello").expect("a flow")
}

/// A run that completed with `result`.
pub fn completed(result: &Value) -> Reply {
    Reply::json(
        200,
        &json!({"status": "completed", "result": result, "flowId": "f-1", "blockCount": 2, "executionId": "r-1"}),
    )
}

/// A run that waits for the results of these calls.
pub fn paused(calls: &[&str]) -> Value {
    let call = |id: &&str| json!({"id": id, "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Oslo\"}"}});
    let calls: Vec<Value> = calls.iter().map(call).collect();
    json!({"status": "tool_calls_required", "executionId": "r-1", "pausedAtStep": "answer", "iterationsUsed": 1,
        "toolCallMessages": [{"role": "assistant", "toolCalls": calls, "tool_calls": calls}], "toolCalls": calls,
        "accumulatedOutputs": {"first": "one"}, "flowId": "f-1", "blockCount": 2})
}

/// An event of run `r-1`.
pub fn event(kind: &str, more: Value) -> Value {
    let mut event = Map::new();
    event.insert("eventType".to_owned(), json!(kind));
    event.insert("executionId".to_owned(), json!("r-1"));
    event.extend(more.as_object().cloned().expect("an object"));
    Value::Object(event)
}

/// The events of a leaf, from its start to its end.
pub fn leaf(index: u32, step: &str, output: &str) -> Vec<Value> {
    vec![
        event("step_started", json!({"stepId": step, "name": step, "stepIndex": index, "attempt": 1})),
        event("step_input", json!({"stepId": step, "inputData": {"n": index}})),
        event("step_output", json!({"stepId": step, "outputContext": output, "outputData": output})),
        event(
            "step_completed",
            json!({"stepId": step, "name": step, "output": output, "durationMs": 5, "stepIndex": index,
                "tokens": {"prompt": 1, "completion": 2, "total": 3}, "costUsd": "0.01"}),
        ),
    ]
}

pub fn started() -> Value {
    event("run_started", json!({"runId": "r-1", "flowId": "f-1", "stepCount": 2, "version": 0}))
}

pub fn step_paused(index: u32, step: &str) -> Value {
    event("step_paused", json!({"stepId": step, "stepIndex": index, "nextStepIndex": index + 1}))
}

pub fn finished(result: &str) -> Value {
    let summary = json!({"durationMs": 9, "tokens": {"prompt": 2, "completion": 4, "total": 6}, "costUsd": "0.02",
        "steps": 2});
    event("flow_completed", json!({"runId": "r-1", "result": result, "summary": summary}))
}

/// Events with ids from `first`.
pub fn numbered(first: u64, events: &[Value]) -> Vec<(u64, Value)> {
    (first..).zip(events.iter().cloned()).collect()
}

/// A stream of numbered events.
pub fn stream(first: u64, events: &[Value]) -> Reply {
    Reply::events(&numbered(first, events))
}

/// The two calls of a run with two steps.
pub fn two_calls() -> [Vec<Value>; 2] {
    let first = [vec![started()], leaf(0, "first", "one"), vec![step_paused(0, "first")]].concat();
    let second = [leaf(1, "second", "two"), vec![finished("two")]].concat();
    [first, second]
}
