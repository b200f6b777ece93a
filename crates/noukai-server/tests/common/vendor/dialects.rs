//! What a well-behaved model answers, in each of the formats.

use serde_json::{Map, Value, json};

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
}

/// What a model says.
#[derive(Debug, Clone)]
pub enum Said {
    Text(String),
    /// A call of the tool of that name.
    Call(String, Value),
}

impl Dialect {
    /// By the path that a model is called at.
    pub fn of(path: &str) -> Option<Self> {
        match path {
            path if path.ends_with("/chat/completions") => Some(Self::OpenAi),
            path if path.ends_with("/messages") => Some(Self::Anthropic),
            path if path.ends_with(":generateContent") => Some(Self::Gemini),
            _ => None,
        }
    }

    /// The smallest value of the schema that is asked for; else a call of the first tool, until it has answered; else
    /// the last text, repeated.
    pub fn answer(self, body: &Value) -> Said {
        if let Some(schema) = self.schema(body) {
            return Said::Text(sample(schema).to_string());
        }
        match self.tool(body) {
            Some((name, schema)) if !self.has_results(body) => Said::Call(name, sample(&schema)),
            _ => Said::Text(format!("re: {}", self.last_text(body))),
        }
    }

    fn schema(self, body: &Value) -> Option<&Value> {
        let place = match self {
            Self::OpenAi => "/response_format/json_schema/schema",
            Self::Anthropic => "/output_config/format/schema",
            Self::Gemini => "/generationConfig/responseJsonSchema",
        };
        body.pointer(place)
    }

    fn tool(self, body: &Value) -> Option<(String, Value)> {
        let (name, schema) = match self {
            Self::OpenAi => ("/tools/0/function/name", "/tools/0/function/parameters"),
            Self::Anthropic => ("/tools/0/name", "/tools/0/input_schema"),
            Self::Gemini => {
                ("/tools/0/functionDeclarations/0/name", "/tools/0/functionDeclarations/0/parametersJsonSchema")
            }
        };
        let name = body.pointer(name)?.as_str()?.to_owned();
        Some((name, body.pointer(schema).cloned().unwrap_or_default()))
    }

    fn turns(self, body: &Value) -> &Vec<Value> {
        let turns = if self == Self::Gemini { &body["contents"] } else { &body["messages"] };
        turns.as_array().expect("turns")
    }

    fn has_results(self, body: &Value) -> bool {
        let Some(last) = self.turns(body).last() else { return false };
        match self {
            Self::OpenAi => last["role"] == "tool",
            Self::Anthropic => last["content"][0]["type"] == "tool_result",
            Self::Gemini => last["parts"][0].get("functionResponse").is_some(),
        }
    }

    fn last_text(self, body: &Value) -> String {
        let last = self.turns(body).last().cloned().unwrap_or_default();
        let text = match self {
            Self::OpenAi => &last["content"],
            Self::Anthropic if last["content"].is_string() => &last["content"],
            Self::Anthropic => &last["content"][0]["content"],
            Self::Gemini if last["parts"][0]["text"].is_string() => &last["parts"][0]["text"],
            Self::Gemini => &last["parts"][0]["functionResponse"]["response"]["result"],
        };
        text.as_str().unwrap_or_default().to_owned()
    }

    /// In the documented shape, ten tokens read and two written.
    pub fn reply(self, said: Said) -> Value {
        match self {
            Self::OpenAi => openai(said),
            Self::Anthropic => anthropic(said),
            Self::Gemini => gemini(said),
        }
    }
}

fn openai(said: Said) -> Value {
    let (message, finish) = match said {
        Said::Text(text) => (json!({"role": "assistant", "content": text}), "stop"),
        Said::Call(name, input) => {
            let function = json!({"name": name, "arguments": input.to_string()});
            let call = json!({"id": "call_1", "type": "function", "function": function});
            (json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls")
        }
    };
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
    })
}

fn anthropic(said: Said) -> Value {
    let (content, stop) = match said {
        Said::Text(text) => (json!({"type": "text", "text": text}), "end_turn"),
        Said::Call(name, input) => {
            (json!({"type": "tool_use", "id": "toolu_1", "name": name, "input": input}), "tool_use")
        }
    };
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": [content], "stop_reason": stop, "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 2},
    })
}

fn gemini(said: Said) -> Value {
    let part = match said {
        Said::Text(text) => json!({"text": text}),
        Said::Call(name, input) => json!({"functionCall": {"name": name, "args": input}}),
    };
    json!({
        "candidates": [{"content": {"parts": [part], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 2, "totalTokenCount": 12},
        "modelVersion": "gemini-2.5-flash",
    })
}

/// A small value that fits a schema, as far as the flows of these tests need it.
fn sample(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().cloned().unwrap_or_default(),
        kind => kind.clone(),
    };
    match kind.as_str() {
        Some("array") => json!([sample(&schema["items"])]),
        Some("integer") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1.5)),
        Some("boolean") => json!(true),
        Some("string") => json!("word"),
        _ => {
            let fields = schema["properties"].as_object().cloned().unwrap_or_default();
            Value::Object(fields.iter().map(|(name, schema)| (name.clone(), sample(schema))).collect::<Map<_, _>>())
        }
    }
}
