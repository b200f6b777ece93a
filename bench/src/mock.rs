//! The model provider of the benchmark: the chat completions of an OpenAI-compatible API, always the same answer.
//!
//! It reads a request to its end and does not look at it, but for whether a stream is wanted.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

const WHOLE: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"model","choices":[{"index":0,"message":{"role":"assistant","content":"The order left our house on Monday and should be with you by Thursday."},"finish_reason":"stop"}],"usage":{"prompt_tokens":24,"completion_tokens":16,"total_tokens":40}}"#;

const STREAM: &str = concat!(
    r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"model","choices":[{"index":0,"delta":{"role":"assistant","content":"The order left our house on Monday "},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"model","choices":[{"index":0,"delta":{"content":"and should be with you by Thursday."},"finish_reason":"stop"}]}"#,
    "\n\n",
    r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"model","choices":[],"usage":{"prompt_tokens":24,"completion_tokens":16,"total_tokens":40}}"#,
    "\n\ndata: [DONE]\n\n",
);

/// The provider, each of whose answers takes `latency`; of a stream, what comes after its first piece.
pub fn router(latency: Duration) -> Router {
    Router::new().route("/v1/chat/completions", post(complete)).with_state(latency)
}

async fn complete(State(latency): State<Duration>, body: Bytes) -> Response {
    let streams = wants_stream(&body);
    if !latency.is_zero() && !streams {
        tokio::time::sleep(latency).await;
    }
    if streams {
        ([(CONTENT_TYPE, "text/event-stream")], streamed(latency)).into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], WHOLE).into_response()
    }
}

fn streamed(latency: Duration) -> Body {
    let Some((first, rest)) = STREAM.split_once("\n\n").filter(|_| !latency.is_zero()) else {
        return Body::from(STREAM);
    };
    let first = [Bytes::from_static(first.as_bytes()), Bytes::from_static(b"\n\n")];
    let rest = stream::once(async move {
        tokio::time::sleep(latency).await;
        Bytes::from_static(rest.as_bytes())
    });
    Body::from_stream(stream::iter(first).chain(rest).map(Ok::<_, std::convert::Infallible>))
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
