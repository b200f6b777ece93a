//! The request on Google's wire.

use std::collections::HashMap;

use noukai_engine::{Message, ModelRequest, Tool, ToolCall, ToolChoice, ToolChoiceMode};
use serde_json::{Map, Value, json};

use super::NAME;
use crate::wire::{Settings, settings};

/// Body of `:generateContent`.
pub(super) fn body(request: &ModelRequest) -> Value {
    let settings = settings(&request.config);
    let mut body = json!({"contents": contents(&request.messages)});
    let system: Vec<Value> = request.messages.iter().filter_map(system_part).collect();
    if !system.is_empty() {
        body["systemInstruction"] = json!({"parts": system});
    }
    if !request.tools.is_empty() {
        let declarations: Vec<Value> = request.tools.iter().map(declaration).collect();
        body["tools"] = json!([{"functionDeclarations": declarations}]);
        if let Some(config) = request.tool_choice.as_ref().map(calling_config) {
            body["toolConfig"] = json!({"functionCallingConfig": config});
        }
    }
    let generation = generation_config(request, &settings);
    if !generation.is_empty() {
        body["generationConfig"] = Value::Object(generation);
    }
    let taken = ["generationConfig", "contents", "systemInstruction", "toolConfig", "thinkingConfig", "cache_control"];
    for (name, value) in settings.rest.into_iter().filter(|(name, _)| !taken.contains(&name.as_str())) {
        body[name] = value;
    }
    body
}

fn system_part(message: &Message) -> Option<Value> {
    match message {
        Message::System { text } => Some(json!({"text": text})),
        _ => None,
    }
}

fn declaration(tool: &Tool) -> Value {
    let mut entry = json!({"name": tool.function.name});
    if let Some(description) = &tool.function.description {
        entry["description"] = json!(description);
    }
    if let Some(parameters) = &tool.function.parameters {
        entry["parametersJsonSchema"] = parameters.clone();
    }
    entry
}

fn calling_config(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Mode(ToolChoiceMode::Auto) => json!({"mode": "AUTO"}),
        ToolChoice::Mode(ToolChoiceMode::None) => json!({"mode": "NONE"}),
        ToolChoice::Mode(ToolChoiceMode::Required) => json!({"mode": "ANY"}),
        ToolChoice::Function { function, .. } => json!({"mode": "ANY", "allowedFunctionNames": [function.name]}),
    }
}

/// The block's settings under Google's names; its own `generationConfig` goes first.
fn generation_config(request: &ModelRequest, settings: &Settings) -> Map<String, Value> {
    let own = settings.rest.get("generationConfig").and_then(Value::as_object).cloned();
    let mut config = own.unwrap_or_default();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.entry(name).or_insert(value);
        }
    };
    set("maxOutputTokens", settings.max_tokens.clone());
    set("temperature", settings.temperature.clone());
    set("topP", settings.top_p.clone());
    set("topK", settings.top_k.clone());
    set("seed", settings.seed.clone());
    set("frequencyPenalty", settings.frequency_penalty.clone());
    set("presencePenalty", settings.presence_penalty.clone());
    set("stopSequences", (!settings.stop.is_empty()).then(|| settings.stop.clone().into()));
    set("thinkingConfig", settings.rest.get("thinkingConfig").cloned());
    if let Some(output) = &request.output {
        config.insert("responseMimeType".to_owned(), json!("application/json"));
        config.insert("responseJsonSchema".to_owned(), output.schema.as_ref().clone());
    }
    config
}

/// Turns; the results of one turn's calls go into one user turn. Google names functions in results, not calls.
fn contents(messages: &[Message]) -> Vec<Value> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut turns: Vec<Value> = Vec::with_capacity(messages.len());
    let mut results: Vec<Value> = Vec::new();
    for message in messages {
        if let Message::Assistant { tool_calls, .. } = message {
            names.extend(tool_calls.iter().map(|call| (call.id.as_str(), call.function.name.as_str())));
        }
        if let Message::Tool { call_id, name, content } = message {
            let name = name.as_deref().or_else(|| names.get(call_id.as_str()).copied()).unwrap_or(call_id);
            results.push(json!({"functionResponse": {"id": call_id, "name": name, "response": result(content)}}));
            continue;
        }
        if !results.is_empty() {
            turns.push(json!({"role": "user", "parts": std::mem::take(&mut results)}));
        }
        turns.extend(turn(message));
    }
    if !results.is_empty() {
        turns.push(json!({"role": "user", "parts": results}));
    }
    turns
}

/// Results must be objects.
fn result(content: &str) -> Value {
    match serde_json::from_str(content) {
        Ok(Value::Object(object)) => Value::Object(object),
        Ok(other) => json!({"result": other}),
        Err(_) => json!({"result": content}),
    }
}

fn turn(message: &Message) -> Option<Value> {
    match message {
        Message::System { .. } | Message::Tool { .. } => None,
        Message::User { text, images } => {
            let text = Some(text).filter(|text| images.is_empty() || !text.is_empty());
            let images =
                images.iter().map(|image| json!({"fileData": {"mimeType": image.mime_type, "fileUri": image.url}}));
            let parts: Vec<Value> = text.map(|text| json!({"text": text})).into_iter().chain(images).collect();
            Some(json!({"role": "user", "parts": parts}))
        }
        Message::Assistant { text, tool_calls, carried } => {
            let signatures = carried.as_ref().filter(|carried| carried.dialect == NAME).map(|carried| &carried.data);
            let text = text.as_deref().filter(|text| !text.is_empty()).map(|text| json!({"text": text}));
            let calls = tool_calls.iter().enumerate().map(|(position, call)| {
                function_call(call, signatures.and_then(|signatures| signatures.get(position)))
            });
            let parts: Vec<Value> = text.into_iter().chain(calls).collect();
            (!parts.is_empty()).then(|| json!({"role": "model", "parts": parts}))
        }
    }
}

/// Google wants the signature of the thoughts that led to a call back with it.
fn function_call(call: &ToolCall, signature: Option<&Value>) -> Value {
    let args: Value = serde_json::from_str(&call.function.arguments).unwrap_or_default();
    let args = if args.is_object() { args } else { Value::Object(Map::new()) };
    let mut part = json!({"functionCall": {"id": call.id, "name": call.function.name, "args": args}});
    if let Some(signature) = signature.filter(|signature| signature.is_string()) {
        part["thoughtSignature"] = signature.clone();
    }
    part
}
