//! What the model answers: `step(what it was about)`, so that a run's result tells which answers it was made of. Or
//! something that no model should.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};

use super::prompt::Asked;

/// Tool results after which the model is content.
const ROUNDS: usize = 2;
/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 429 with `Retry-After: 0`.
    RateLimited,
    /// 500.
    Broken,
    /// 200 with something that is no completion.
    Garbage,
    /// The answer breaks off in the middle.
    Half,
    /// No answer.
    Hang,
}

impl Fault {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::RateLimited, Self::Broken, Self::Garbage, Self::Half, Self::Hang];

    pub(super) async fn answer(self, asked: &Asked) -> Response {
        match self {
            Self::RateLimited => {
                (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "0")], error("slow down")).into_response()
            }
            Self::Broken => (StatusCode::INTERNAL_SERVER_ERROR, error("it broke")).into_response(),
            Self::Garbage => ([(CONTENT_TYPE, "application/json")], "<html>{{{").into_response(),
            Self::Half => half(asked),
            Self::Hang => {
                tokio::time::sleep(FOR_EVER).await;
                refusal("nobody waits so long")
            }
        }
    }
}

fn error(message: &str) -> String {
    json!({"error": {"message": message}}).to_string()
}

/// For what is no request of ours.
pub fn refusal(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, error(why)).into_response()
}

/// The right answer.
pub fn good(asked: &Asked) -> Response {
    if asked.stream {
        ([(CONTENT_TYPE, "text/event-stream")], streamed(asked)).into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], whole(asked).to_string()).into_response()
    }
}

/// The first part of the right answer; then the connection breaks.
fn half(asked: &Asked) -> Response {
    let (kind, text) = if asked.stream {
        ("text/event-stream", streamed(asked))
    } else {
        ("application/json", whole(asked).to_string())
    };
    let part = text.as_bytes()[..text.len() / 2].to_vec();
    let broken = io::Error::new(io::ErrorKind::ConnectionReset, "as planned");
    let body = Body::from_stream(stream::iter([Ok(part), Err(broken)]));
    ([(CONTENT_TYPE, kind)], body).into_response()
}

/// The text that the model gives.
pub fn text_of(step: &str, about: &str) -> String {
    format!("{step}({about})")
}

fn wants_tool(asked: &Asked) -> bool {
    asked.tools && asked.results.len() < ROUNDS
}

fn message(asked: &Asked) -> Value {
    if wants_tool(asked) {
        let id = format!("call-{}-{}", asked.run, asked.results.len());
        let function = json!({"name": "look", "arguments": json!({"at": asked.about}).to_string()});
        return json!({"role": "assistant", "content": null,
            "tool_calls": [{"id": id, "type": "function", "function": function}]});
    }
    let about = [std::slice::from_ref(&asked.about), &asked.results].concat().join("+");
    json!({"role": "assistant", "content": text_of(&asked.step, &about)})
}

fn finish_reason(asked: &Asked) -> &'static str {
    if wants_tool(asked) { "tool_calls" } else { "stop" }
}

fn usage() -> Value {
    json!({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10})
}

fn whole(asked: &Asked) -> Value {
    json!({"id": "c", "object": "chat.completion", "created": 1_700_000_000, "model": "mock", "usage": usage(),
        "choices": [{"index": 0, "message": message(asked), "finish_reason": finish_reason(asked)}]})
}

fn streamed(asked: &Asked) -> String {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "mock",
            "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let message = message(asked);
    let mut text = String::new();
    if let Some(content) = message["content"].as_str() {
        let (first, second) = content.split_at(content.len() / 2);
        for part in [first, second] {
            text += &chunk(json!([{"index": 0, "delta": {"content": part}}]), Value::Null);
        }
    } else {
        let mut calls = message["tool_calls"].clone();
        calls[0]["index"] = json!(0);
        text += &chunk(json!([{"index": 0, "delta": {"tool_calls": calls}}]), Value::Null);
    }
    text += &chunk(json!([{"index": 0, "delta": {}, "finish_reason": finish_reason(asked)}]), Value::Null);
    text += &chunk(json!([]), usage());
    text + "data: [DONE]\n\n"
}
