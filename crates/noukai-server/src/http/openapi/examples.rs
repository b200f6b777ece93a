//! Examples of the document. A test checks each against its schema.

mod access;
mod authoring;
mod test_cases;

use serde_json::{Value, json};

const RUN: &str = "01985f3e-6d0a-7c3b-9f4e-2b8d5a1c7e90";
const FLOW: &str = "01985f3d-11c2-7a54-8e21-7f0b3c9d6a42";

/// Examples of a handler's request bodies.
pub(super) fn requests(handler: &str) -> Vec<(&'static str, Value)> {
    match handler {
        "execute::execute" => vec![
            ("message", json!({"message": "Printer on fire"})),
            ("inputs", json!({"parameters": {"topic": "printers", "tone": "calm"}, "trace": true})),
            ("tools", with_tools()),
            ("resume", resume()),
        ],
        "step::step" => vec![
            ("first call", json!({"message": "Printer on fire"})),
            ("next call", json!({"executionId": RUN, "stepIndex": 1, "accumulatedOutputs": {"classify": "urgent"}})),
            ("all that remain", json!({"message": "Printer on fire", "runRemaining": true})),
        ],
        "jobs::submit" => vec![("message", json!({"message": "Printer on fire"}))],
        "provider_keys::create" => vec![
            ("of the project", json!({"provider": "anthropic", "api_key": "sk-ant-...", "name": "Team"})),
            (
                "of the organisation, elsewhere",
                json!({"provider": "azure", "api_key": "...", "base_url": "https://acme.openai.azure.com", "organization": true}),
            ),
        ],
        "provider_keys::replace" => vec![("key", json!({"api_key": "sk-ant-..."}))],
        other => [authoring::requests(other), test_cases::requests(other), access::requests(other)].concat(),
    }
}

/// Examples of a handler's replies.
pub(super) fn replies(handler: &str) -> Vec<(&'static str, Value)> {
    match handler {
        "execute::execute" => vec![
            (
                "completed",
                json!({"status": "completed", "result": "urgent", "flowId": FLOW, "blockCount": 1, "executionId": RUN}),
            ),
            ("failed", failed()),
            ("paused", paused()),
        ],
        "step::step" | "runs::follow" => vec![("events", json!(events()))],
        "jobs::submit" => {
            vec![("queued", json!({"executionId": RUN, "status": "started", "flowId": FLOW, "blockCount": 1}))]
        }
        "jobs::poll" => vec![
            ("running", json!({"executionId": RUN, "status": "running"})),
            ("completed", json!({"executionId": RUN, "status": "completed", "result": "urgent"})),
        ],
        other => [authoring::replies(other), test_cases::replies(other), access::replies(other)].concat(),
    }
}

fn with_tools() -> Value {
    json!({
        "message": "What is the weather in Oslo?",
        "tools": [{"type": "function", "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        }}],
        "toolChoice": "auto",
    })
}

fn tool_call() -> Value {
    json!({"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Oslo\"}"}})
}

fn asking() -> Value {
    json!({"role": "assistant", "content": "", "toolCalls": [tool_call()], "tool_calls": [tool_call()]})
}

fn resume() -> Value {
    json!({
        "executionId": RUN,
        "pausedAtStep": "answer",
        "iterationsUsed": 1,
        "toolCallMessages": [asking(), {"role": "tool", "toolCallId": "call_1", "content": "4 degrees, rain"}],
        "accumulatedOutputs": {},
    })
}

fn failed() -> Value {
    let error =
        json!({"code": "MODEL_ERROR", "message": "the provider answered 500", "stepId": "classify", "attempt": 3});
    json!({"status": "failed", "result": {"error": error}, "flowId": FLOW, "blockCount": 1, "executionId": RUN})
}

fn paused() -> Value {
    json!({
        "status": "tool_calls_required",
        "executionId": RUN,
        "pausedAtStep": "answer",
        "iterationsUsed": 1,
        "toolCallMessages": [asking()],
        "toolCalls": [tool_call()],
        "accumulatedOutputs": {},
        "flowId": FLOW,
        "blockCount": 1,
    })
}

fn events() -> String {
    let started = json!({
        "eventType": "step_started", "stepId": "classify", "name": "Classify", "stepIndex": 0, "attempt": 1,
        "executionId": RUN,
    });
    let paused = json!({
        "eventType": "step_paused", "stepId": "classify", "stepIndex": 0, "nextStepIndex": 1, "executionId": RUN,
    });
    format!("id: 2\nevent: step_started\ndata: {started}\n\nid: 6\nevent: step_paused\ndata: {paused}\n\n")
}
