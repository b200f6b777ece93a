//! Flows for tests, all on `noukai/echo`.

use serde_json::{Value, json};

/// Every one of them.
pub fn all() -> Vec<Value> {
    vec![
        flow("echo", json!([llm("answer", "{{ initial.message }}")])),
        flow("two-step", json!([llm("first", "1: {{ initial.message }}"), llm("second", "2: {{ previous_output }}")])),
        flow("slow", json!([with(llm("wait", "{{ initial.message }}"), json!({"config": {"latency_ms": 300}}))])),
        flow("tools", json!([with_tools("ask"), llm("report", "{{ previous_output }}")])),
        flow("tools-once", json!([with(with_tools("ask"), json!({"max_tool_iterations": 1}))])),
        flow("tools-in-loop", tools_in_loop()),
        flow("text-only", json!([with(llm("answer", "x"), json!({"model": "openai/gpt-3.5-turbo"}))])),
        flow("loop", each()),
        flow("broken", json!([{"id": "a", "nonsense": {}}])),
        flow("empty", json!([])),
    ]
}

fn flow(slug: &str, steps: Value) -> Value {
    json!({"schema": 1, "slug": slug, "input": {"message": "string"}, "steps": steps})
}

fn llm(id: &str, prompt: &str) -> Value {
    json!({"id": id, "llm": {"prompt": prompt}})
}

fn with(mut step: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().expect("fields") {
        step["llm"][name] = value.clone();
    }
    step
}

fn with_tools(id: &str) -> Value {
    with(llm(id, "{{ initial.message }}"), json!({"tools_enabled": true}))
}

fn each() -> Value {
    json!([{"id": "each", "loop": {"over": "items", "steps": [llm("one", "{{ index }}: {{ item }}")]}}])
}

fn tools_in_loop() -> Value {
    json!([{"id": "each", "loop": {"over": "items", "steps": [with_tools("one")]}}])
}

/// `count` tools with different names.
pub fn tools(count: usize) -> Value {
    (0..count).map(|index| tool(&format!("tool_{index}"))).collect()
}

/// A tool without parameters.
pub fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}})
}

/// The answer to a paused reply or a pause event.
pub fn answer(paused: &Value) -> Value {
    let mut messages = paused["toolCallMessages"].as_array().expect("messages").clone();
    for call in paused["toolCalls"].as_array().expect("calls") {
        messages.push(json!({"role": "tool", "toolCallId": call["id"], "content": "done"}));
    }
    json!({
        "executionId": paused["executionId"],
        "pausedAtStep": paused["pausedAtStep"],
        "toolCallMessages": messages,
        "iterationsUsed": paused["iterationsUsed"],
        "accumulatedOutputs": paused["accumulatedOutputs"],
    })
}
