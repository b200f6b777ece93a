//! Tool turns: between the wire's messages and the engine's, and the check of answers against calls.

use std::collections::BTreeMap;

use noukai_api::ToolCall;
use serde_json::{Value, json};

use crate::Message;

/// The answers do not fit the calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResultsError(pub String);

/// Picks, from the list a caller sent back, one `tool` entry per pending call.
///
/// The caller's list repeats the turns of the pause, which are ignored (the server holds its own), and adds
/// `{role: "tool", toolCallId | tool_call_id, content}` per call. Published clients' own examples leave out the role
/// and say `output` for `content`, so that is taken too. `answered` are the ids of calls that earlier pauses already
/// saw answered; repeats of those are ignored.
///
/// # Errors
/// Names the calls without an answer, or the answers without a call.
pub fn results_for_calls(
    sent: &[Value],
    pending: &[ToolCall],
    answered: &[String],
) -> Result<Vec<Message>, ToolResultsError> {
    let mut results: BTreeMap<&str, String> = BTreeMap::new();
    for entry in sent.iter().filter(|entry| is_result(entry)) {
        let id = call_id(entry).ok_or_else(|| ToolResultsError("a tool result has no toolCallId".to_owned()))?;
        if answered.iter().any(|known| known == id) {
            continue;
        }
        if !pending.iter().any(|call| call.id == id) {
            return Err(ToolResultsError(format!("there is no pending tool call `{id}`")));
        }
        if results.insert(id, content_text(entry.get("content").or_else(|| entry.get("output")))).is_some() {
            return Err(ToolResultsError(format!("the tool call `{id}` has more than one result")));
        }
    }
    let answer = |call: &ToolCall| {
        let content = results
            .remove(call.id.as_str())
            .ok_or_else(|| ToolResultsError(format!("the tool call `{}` has no result", call.id)))?;
        Ok(Message::Tool { call_id: call.id.clone(), name: Some(call.function.name.clone()), content })
    };
    pending.iter().map(answer).collect()
}

fn is_result(entry: &Value) -> bool {
    match entry.get("role") {
        Some(role) => role.as_str() == Some("tool"),
        None => call_id(entry).is_some(),
    }
}

fn call_id(entry: &Value) -> Option<&str> {
    let id = entry.get("toolCallId").or_else(|| entry.get("tool_call_id"))?;
    id.as_str().filter(|id| !id.is_empty())
}

/// Text as it is, nothing as the empty string, anything else as JSON.
pub(crate) fn content_text(content: Option<&Value>) -> String {
    match content {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Turns as the wire shows them. Assistant entries carry both `toolCalls` and `tool_calls`, because a published
/// client keeps only one of them.
pub fn wire_turns(turns: &[Message]) -> Vec<Value> {
    turns.iter().map(wire_turn).collect()
}

fn wire_turn(turn: &Message) -> Value {
    match turn {
        Message::System { text } => json!({"role": "system", "content": text}),
        Message::User { text, .. } => json!({"role": "user", "content": text}),
        Message::Assistant { text, tool_calls, .. } => {
            json!({"role": "assistant", "content": text, "toolCalls": tool_calls, "tool_calls": tool_calls})
        }
        Message::Tool { call_id, name, content } => {
            json!({"role": "tool", "toolCallId": call_id, "tool_call_id": call_id, "name": name, "content": content})
        }
    }
}
