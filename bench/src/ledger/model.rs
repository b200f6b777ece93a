//! The model: an OpenAI-compatible provider under two names, one with list prices and one that nobody knows a price of. It
//! keeps its own books, answers badly now and then, and gives each answer a number of tokens of its own.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::books::{Books, Entry};

/// What runs call themselves in what they ask: `run-` and a number.
pub const MARK: &str = "run-";
/// US dollars per token in units of 10^-12, as the list says of `openai/gpt-4o-mini`.
const PRICES: (u64, u64) = (150_000, 600_000);
/// One call in so many is answered badly.
const FAULT_EVERY: u64 = 7;
/// One answer in so many does not fit the schema that was asked for.
const MISFIT_EVERY: u64 = 11;
const WRITTEN: u64 = 5;

/// The model at work. Dropped, it ends.
pub struct Model {
    /// Its base URL, without a path.
    pub url: String,
    books: Arc<Mutex<Books>>,
    task: AbortHandle,
}

impl Drop for Model {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Model {
    /// Serves on a free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot bind a port")?;
        let url = format!("http://{}", listener.local_addr()?);
        let books = Arc::new(Mutex::new(Books::default()));
        let router = Router::new()
            .route("/listed/v1/chat/completions", post(|State(books), body| answer(books, body, true)))
            .route("/other/v1/chat/completions", post(|State(books), body| answer(books, body, false)))
            .with_state(books.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Ok(Self { url, books, task })
    }

    /// What it wrote down.
    pub fn books(&self) -> Books {
        self.books.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the model does with a call.
#[derive(Clone, Copy)]
enum Manner {
    Good,
    Misfit,
    TooMany,
    Broken,
    Garbage,
    CutOff,
    NoEnd,
}

impl Manner {
    /// The same for the same number, without a pattern.
    fn of(number: u64, streams: bool) -> Self {
        let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        if !scattered.is_multiple_of(FAULT_EVERY) {
            return if scattered.is_multiple_of(MISFIT_EVERY) { Self::Misfit } else { Self::Good };
        }
        match scattered / FAULT_EVERY % 5 {
            0 => Self::TooMany,
            1 => Self::Broken,
            2 => Self::Garbage,
            3 if streams => Self::NoEnd,
            _ => Self::CutOff,
        }
    }

    /// How the ledger has to name it, and whether the call is known to have cost nothing.
    const fn fault(self) -> Option<(&'static str, bool)> {
        match self {
            Self::Good | Self::Misfit => None,
            Self::TooMany => Some(("MODEL_RATE_LIMITED", true)),
            Self::Broken => Some(("MODEL_ERROR", true)),
            Self::Garbage | Self::NoEnd => Some(("MODEL_REPLY_INVALID", false)),
            Self::CutOff => Some(("MODEL_UNREACHABLE", false)),
        }
    }

    const fn text(self) -> &'static str {
        if matches!(self, Self::Misfit) { "no JSON" } else { r#"{"label": "x"}"# }
    }
}

async fn answer(books: Arc<Mutex<Books>>, body: Bytes, listed: bool) -> Response<Body> {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let streams = request["stream"] == true;
    let (manner, tokens) = {
        let mut books = books.lock().unwrap_or_else(PoisonError::into_inner);
        let number = books.calls() + 1;
        let manner = Manner::of(number, streams);
        books.add(run_of(&body), entry(manner, listed, number));
        (manner, (number, WRITTEN))
    };
    match manner {
        Manner::Good | Manner::Misfit if streams => events(&pieces(manner, tokens).concat()),
        Manner::Good | Manner::Misfit => Json(whole(manner, tokens)).into_response(),
        Manner::TooMany => (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "0")], "slow down").into_response(),
        Manner::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "it broke").into_response(),
        Manner::Garbage => Json(json!({"no": "completion"})).into_response(),
        Manner::NoEnd => events(&pieces(manner, tokens)[0]),
        Manner::CutOff if streams => cut_off("text/event-stream", pieces(manner, tokens).swap_remove(0)),
        Manner::CutOff => cut_off("application/json", r#"{"id": "#.to_owned()),
    }
}

/// How the call has to stand in the ledger.
fn entry(manner: Manner, listed: bool, number: u64) -> Entry {
    let model = if listed { "openai/gpt-4o-mini" } else { "backup/model" }.to_owned();
    match manner.fault() {
        Some((code, free)) => {
            Entry { model, outcome: code.to_owned(), prompt: 0, completion: 0, cost: free.then_some(0) }
        }
        None => {
            let cost = listed.then_some(number * PRICES.0 + WRITTEN * PRICES.1);
            Entry { model, outcome: "completed".to_owned(), prompt: number, completion: WRITTEN, cost }
        }
    }
}

/// The run that asks, by the mark in its text.
fn run_of(body: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(body);
    let after = text.split_once(MARK).map(|(_, after)| after).unwrap_or_default();
    let digits = after.split(|sign: char| !sign.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(u32::MAX)
}

fn usage((prompt, completion): (u64, u64)) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

fn whole(manner: Manner, tokens: (u64, u64)) -> Value {
    let message = json!({"role": "assistant", "content": manner.text()});
    let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
    json!({"id": "x", "model": "m", "choices": choices, "usage": usage(tokens)})
}

/// The text without an end, then the end.
fn pieces(manner: Manner, tokens: (u64, u64)) -> Vec<String> {
    let event = |data: &Value| format!("data: {data}\n\n");
    let choice = |delta: Value, reason: Value| json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
    let text = json!({"id": "x", "model": "m", "choices": choice(json!({"content": manner.text()}), Value::Null)});
    let end = json!({"id": "x", "model": "m", "choices": choice(json!({}), "stop".into()), "usage": usage(tokens)});
    vec![event(&text), event(&end) + "data: [DONE]\n\n"]
}

fn events(text: &str) -> Response<Body> {
    ([(CONTENT_TYPE, "text/event-stream")], text.to_owned()).into_response()
}

/// The connection breaks before all has come that was announced.
fn cut_off(kind: &'static str, part: String) -> Response<Body> {
    let body = Body::from_stream(stream::iter([Ok::<_, Infallible>(part)]));
    ([("content-type", kind), ("content-length", "100000")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_known_by_its_mark() {
        assert_eq!(run_of(br#"{"messages":[{"content":"run-17: hello"}]}"#), 17);
        assert_eq!(run_of(b"{}"), u32::MAX);
    }

    #[test]
    fn each_manner_comes_up() {
        let of = |streams| {
            (1..5_000).map(|number| Manner::of(number, streams) as u8).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!((of(false).len(), of(true).len()), (6, 7));
    }
}
