//! Tests of the providers as the engine sees them, against servers that speak the true wire format.

mod anthropic;
mod echo;
mod egress;
mod errors;
mod family;
mod gemini;
mod hostile;
mod matrix;
mod mock;
mod probe;
mod refresh;
mod replies;
mod requests;
mod resilience;
mod router;
mod samples;
mod streams;

use noukai_engine::{CallSite, DeltaSink, Message, ModelRequest};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

/// A request with one user turn.
fn request(model: &str, text: &str) -> ModelRequest {
    ModelRequest {
        site: CallSite::default(),
        model: model.to_owned(),
        messages: vec![user(text)],
        config: Map::new(),
        output: None,
        tools: Vec::new(),
        tool_choice: None,
        cache: None,
    }
}

fn user(text: &str) -> Message {
    Message::User { text: text.to_owned(), images: Vec::new() }
}

fn tool(name: &str, parameters: Value) -> noukai_engine::Tool {
    serde_json::from_value(json!({"type": "function", "function": {"name": name, "parameters": parameters}})).unwrap()
}

fn output(schema: Value) -> Option<noukai_engine::OutputFormat> {
    Some(noukai_engine::OutputFormat { name: "out".to_owned(), schema: schema.into(), by_tool: false })
}

fn forced(name: &str) -> noukai_engine::ToolChoice {
    serde_json::from_value(json!({"type": "function", "function": {"name": name}})).unwrap()
}

fn call(id: &str, name: &str, arguments: &str) -> noukai_engine::ToolCall {
    let function = noukai_engine::ToolCallFunction { name: name.to_owned(), arguments: arguments.to_owned() };
    noukai_engine::ToolCall { id: id.to_owned(), kind: "function".to_owned(), function }
}

#[derive(Default)]
struct Pieces(Mutex<Vec<String>>);

impl Pieces {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

impl DeltaSink for Pieces {
    fn text(&self, text: &str) {
        self.0.lock().push(text.to_owned());
    }
}
