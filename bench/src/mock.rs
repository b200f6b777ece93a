//! The model provider of the benchmark: the chat completions of an OpenAI-compatible API, always the same answer.
//!
//! It reads a request to its end and does not look at it, but for whether a stream is wanted.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;

const WHOLE: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"model","choices":[{"index":0,"message":{"role":"assistant","content":"The order left our house on Monday and should be with you by Thursday."},"finish_reason":"stop"}],"usage":{"prompt_tokens":24,"completion_tokens":16,"total_tokens":40}}"#;

const STREAM: &str = concat!(
    r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"model","choices":[{"index":0,"delta":{"role":"assistant","content":"The order left our house on Monday "},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"model","choices":[{"index":0,"delta":{"content":"and should be with you by Thursday."},"finish_reason":"stop"}]}"#,
    "\n\n",
    r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"model","choices":[],"usage":{"prompt_tokens":24,"completion_tokens":16,"total_tokens":40}}"#,
    "\n\ndata: [DONE]\n\n",
);

/// The provider, each of whose answers takes `latency`.
pub fn router(latency: Duration) -> Router {
    Router::new().route("/v1/chat/completions", post(complete)).with_state(latency)
}

async fn complete(State(latency): State<Duration>, body: Bytes) -> Response {
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if wants_stream(&body) {
        ([(CONTENT_TYPE, "text/event-stream")], STREAM).into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], WHOLE).into_response()
    }
}

fn wants_stream(body: &[u8]) -> bool {
    let has = |wanted: &[u8]| body.windows(wanted.len()).any(|part| part == wanted);
    has(br#""stream":true"#) || has(br#""stream": true"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_are_json() {
        let whole: serde_json::Value = serde_json::from_str(WHOLE).expect("JSON");
        let text = whole["choices"][0]["message"]["content"].as_str().expect("a text");
        let mut streamed = String::new();
        for line in STREAM.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|line| *line != "[DONE]") {
            let chunk: serde_json::Value = serde_json::from_str(line).expect("JSON");
            streamed += chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
        }
        assert_eq!(streamed, text);
    }

    #[test]
    fn a_stream_is_given_where_it_is_asked_for() {
        assert!(wants_stream(br#"{"stream":true}"#));
        assert!(!wants_stream(br#"{"stream":false}"#));
    }
}
