//! The request on Anthropic's wire.

use noukai_engine::{Image, Message, ModelRequest, Tool, ToolCall, ToolChoice, ToolChoiceMode};
use serde_json::{Map, Value, json};

use super::{NAME, schema};
use crate::wire::{Outgoing, Settings, settings};

/// Anthropic wants to be told; all its models since 3.5 write that much.
const MAX_TOKENS: u64 = 8192;

/// A block's word for a prompt that the vendor is to cache, in Anthropic's shape.
const CACHE: &str = "cache_control";

/// Body of `POST /messages`.
pub(super) fn body(outgoing: &Outgoing<'_>) -> Value {
    let Outgoing { request, model, stream, max_output } = *outgoing;
    let settings = settings(&request.config);
    let mut body = json!({"model": model, "messages": messages(&request.messages)});
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[name] = value;
        }
    };
    set("max_tokens", Some(settings.max_tokens.clone().unwrap_or_else(|| max_output.unwrap_or(MAX_TOKENS).into())));
    let cache = settings.rest.get(CACHE).filter(|cache| cache.is_object()).cloned();
    set("system", system(&request.messages).map(|text| marked_text(text, cache.as_ref())));
    set("temperature", settings.temperature.clone());
    set("top_p", settings.top_p.clone());
    set("top_k", settings.top_k.clone());
    set("stop_sequences", (!settings.stop.is_empty()).then(|| settings.stop.clone().into()));
    set("stream", stream.then_some(true.into()));
    set("tools", (!request.tools.is_empty()).then(|| request.tools.iter().map(tool).collect()));
    set("tool_choice", tool_choice(request, &settings));
    set("output_config", output_config(request, &settings));
    let taken = ["system", "output_config", CACHE];
    let own = settings.rest.into_iter().filter(|(name, _)| !taken.contains(&name.as_str()));
    own.for_each(|(name, value)| set(&name, Some(value)));
    if let (Some(cache), Some(turns)) = (cache, body["messages"].as_array_mut()) {
        mark_conversation(turns, &cache);
    }
    body
}

/// A system message ends what is the same in all calls of a block: tools stand before it.
fn marked_text(text: String, cache: Option<&Value>) -> Value {
    match cache {
        Some(cache) => json!([{"type": "text", "text": text, "cache_control": cache}]),
        None => Value::String(text),
    }
}

/// Where turns come before the last one, they come again with the next.
fn mark_conversation(turns: &mut [Value], cache: &Value) {
    let [.., _, last] = turns else { return };
    if let Some(text) = last["content"].as_str().map(str::to_owned) {
        last["content"] = marked_text(text, Some(cache));
    } else if let Some(part) = last["content"].as_array_mut().and_then(|parts| parts.last_mut()) {
        part["cache_control"] = cache.clone();
    }
}

fn system(messages: &[Message]) -> Option<String> {
    let texts: Vec<&str> = messages
        .iter()
        .filter_map(|message| match message {
            Message::System { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

/// A block's own `output_config`, with the schema in it.
fn output_config(request: &ModelRequest, settings: &Settings) -> Option<Value> {
    let own = settings.rest.get("output_config").and_then(Value::as_object).cloned();
    let format = request.output.as_ref().and_then(|output| schema::closed(&output.schema));
    if format.is_none() {
        return own.map(Value::Object);
    }
    let mut config = own.unwrap_or_default();
    config.insert("format".to_owned(), json!({"type": "json_schema", "schema": format}));
    Some(Value::Object(config))
}

fn tool(tool: &Tool) -> Value {
    let schema = tool.function.parameters.clone().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    let mut entry = json!({"name": tool.function.name, "input_schema": schema});
    if let Some(description) = &tool.function.description {
        entry["description"] = json!(description);
    }
    entry
}

fn tool_choice(request: &ModelRequest, settings: &Settings) -> Option<Value> {
    if request.tools.is_empty() {
        return None;
    }
    let mut choice = match &request.tool_choice {
        Some(ToolChoice::Mode(ToolChoiceMode::None)) => return Some(json!({"type": "none"})),
        Some(ToolChoice::Mode(ToolChoiceMode::Required)) => json!({"type": "any"}),
        Some(ToolChoice::Function { function, .. }) => json!({"type": "tool", "name": function.name}),
        Some(ToolChoice::Mode(ToolChoiceMode::Auto)) => json!({"type": "auto"}),
        None if settings.parallel_tool_calls == Some(false) => json!({"type": "auto"}),
        None => return None,
    };
    if settings.parallel_tool_calls == Some(false) {
        choice["disable_parallel_tool_use"] = json!(true);
    }
    Some(choice)
}

/// Turns; the results of one turn's calls go into one user turn.
fn messages(messages: &[Message]) -> Vec<Value> {
    let mut turns: Vec<Value> = Vec::with_capacity(messages.len());
    let mut results: Vec<Value> = Vec::new();
    for message in messages {
        if let Message::Tool { call_id, content, .. } = message {
            results.push(json!({"type": "tool_result", "tool_use_id": id(call_id), "content": content}));
            continue;
        }
        if !results.is_empty() {
            turns.push(json!({"role": "user", "content": std::mem::take(&mut results)}));
        }
        turns.extend(turn(message));
    }
    if !results.is_empty() {
        turns.push(json!({"role": "user", "content": results}));
    }
    turns
}

fn turn(message: &Message) -> Option<Value> {
    match message {
        Message::System { .. } | Message::Tool { .. } => None,
        Message::User { text, images } if images.is_empty() => Some(json!({"role": "user", "content": text})),
        Message::User { text, images } => {
            let text = Some(text).filter(|text| !text.is_empty()).map(|text| json!({"type": "text", "text": text}));
            let content: Vec<Value> = images.iter().map(image).chain(text).collect();
            Some(json!({"role": "user", "content": content}))
        }
        Message::Assistant { text, tool_calls, carried } => {
            let thoughts = carried.as_ref().filter(|carried| carried.dialect == NAME);
            let mut content = thoughts.and_then(|carried| carried.data.as_array()).cloned().unwrap_or_default();
            let text = text.as_deref().filter(|text| !text.trim().is_empty());
            content.extend(text.map(|text| json!({"type": "text", "text": text})));
            content.extend(tool_calls.iter().map(call));
            // Turns without content are refused.
            (!content.is_empty()).then(|| json!({"role": "assistant", "content": content}))
        }
    }
}

fn image(image: &Image) -> Value {
    json!({"type": "image", "source": {"type": "url", "url": image.url}})
}

fn call(call: &ToolCall) -> Value {
    let input: Value = serde_json::from_str(&call.function.arguments).unwrap_or_default();
    let input = if input.is_object() { input } else { Value::Object(Map::new()) };
    json!({"type": "tool_use", "id": id(&call.id), "name": call.function.name, "input": input})
}

/// Ids of other vendors may have characters that Anthropic refuses.
fn id(id: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    id.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}
