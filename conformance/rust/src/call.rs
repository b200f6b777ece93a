//! A call of the table: its fields, and how they become options of the crate's builders.

use std::time::Duration;

use noukai::{Attachment, ToolChoice};
use serde_json::Value;

/// A text field.
pub fn text<'a>(call: &'a Value, name: &str) -> Option<&'a str> {
    call.get(name).and_then(Value::as_str)
}

/// A list field; none where it is absent.
pub fn list<'a>(call: &'a Value, name: &str) -> &'a [Value] {
    call.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a field is there and true.
pub fn flag(call: &Value, name: &str) -> bool {
    call.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// A number field.
pub fn number(call: &Value, name: &str) -> Option<u32> {
    call.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
}

/// A field of milliseconds.
pub fn millis(call: &Value, name: &str) -> Option<Duration> {
    call.get(name).and_then(Value::as_u64).map(Duration::from_millis)
}

/// The attachments; what is none stands for an attachment without a URL.
pub fn attachments(call: &Value) -> Vec<Attachment> {
    let read = |value: &Value| serde_json::from_value(value.clone()).unwrap_or_else(|_| Attachment::new("", ""));
    list(call, "attachments").iter().map(read).collect()
}

/// The tools: a name stands for its definition in the table.
pub fn tools(table: &Value, call: &Value) -> Vec<Value> {
    let read = |tool: &Value| tool.as_str().map_or(tool, |name| &table["tools"][name]).clone();
    list(call, "tools").iter().map(read).collect()
}

/// The tool choice: a word, or `{"function": name}`.
pub fn tool_choice(call: &Value) -> Option<noukai::Result<ToolChoice>> {
    let choice = call.get("tool_choice")?;
    Some(match choice.as_str() {
        Some(word) => word.parse(),
        None => Ok(ToolChoice::function(text(choice, "function").unwrap_or_default())),
    })
}

/// Sets the options that every builder has.
macro_rules! call_options {
    ($builder:expr, $call:expr, $session:expr, $cancel:expr) => {{
        let (call, mut builder) = ($call, $builder);
        if let Some(message) = crate::call::text(call, "message") {
            builder = builder.message(message);
        }
        if call.get("messages").is_some() {
            builder = builder.messages(crate::call::list(call, "messages"));
        }
        if let Some(parameters) = call.get("parameters") {
            builder = builder.parameters(parameters);
        }
        if let Some(overrides) = call.get("block_overrides") {
            builder = builder.block_overrides(overrides);
        }
        if call.get("attachments").is_some() {
            builder = builder.attachments(crate::call::attachments(call));
        }
        if let Some(version) = call.get("version") {
            builder = match version.as_i64() {
                Some(number) => builder.version(number),
                None => builder.version(version.as_str().unwrap_or_default()),
            };
        }
        if let Some(timeout) = crate::call::millis(call, "timeout_ms") {
            builder = builder.timeout(timeout);
        }
        if let Some(session) = $session {
            builder = builder.session_id(session);
        }
        builder.trace(crate::call::flag(call, "trace")).cancel($cancel)
    }};
}

/// Sets the options of builders that take tools.
macro_rules! tool_options {
    ($builder:expr, $table:expr, $call:expr) => {{
        let (call, mut builder) = ($call, $builder);
        if call.get("tools").is_some() {
            builder = builder.tools(crate::call::tools($table, call));
        }
        if let Some(choice) = crate::call::tool_choice(call) {
            builder = builder.tool_choice(choice?);
        }
        if let Some(kind) = call.get("handler").cloned() {
            builder = builder.tool_handler(move |calls: Vec<noukai::ToolCall>| {
                std::future::ready(crate::scenario::handled(&kind, &calls))
            });
        }
        if let Some(rounds) = crate::call::number(call, "max_tool_rounds") {
            builder = builder.max_tool_rounds(rounds);
        }
        builder
    }};
}

/// Sets the options of streams.
macro_rules! stream_options {
    ($builder:expr, $call:expr) => {{
        let mut builder = $builder;
        if let Some(overrides) = $call.get("input_overrides") {
            builder = builder.input_overrides(overrides);
        }
        builder
    }};
}

pub(crate) use {call_options, stream_options, tool_options};
