//! Streamed replies, as providers send them.

use noukai_engine::{Model, ModelError, ModelErrorKind, ModelReply, Tokens};
use serde_json::{Value, json};

use super::{
    Pieces,
    mock::{Answer, Mock},
    request,
};
use crate::decimal_text;

fn events(chunks: &[Value]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

fn delta(delta: Value, finish: Option<&str>) -> Value {
    json!({
        "id": "c", "object": "chat.completion.chunk", "model": "m-1",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": null,
    })
}

fn whole_stream() -> String {
    let chunks = [
        delta(json!({"role": "assistant", "content": ""}), None),
        delta(json!({"content": "Hé"}), None),
        delta(json!({"content": " 日本 \u{1f600}"}), None),
        delta(json!({}), Some("stop")),
        json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "cost": 0.00070}}),
    ];
    format!(": OPENROUTER PROCESSING\n\n{}data: [DONE]\n\n", events(&chunks))
}

async fn stream(answer: Answer) -> (Result<ModelReply, ModelError>, Vec<String>) {
    let mock = Mock::start(answer).await;
    let pieces = Pieces::default();
    let got = mock.provider().complete(&request("a/b", "hi"), Some(&pieces)).await;
    (got, pieces.take())
}

#[tokio::test]
async fn text_comes_in_pieces_and_whole() {
    for text in [whole_stream(), whole_stream().replace('\n', "\r\n")] {
        let (got, pieces) = stream(Answer::sse(text)).await;
        let got = got.unwrap();
        assert_eq!(pieces, ["Hé", " 日本 \u{1f600}"]);
        assert_eq!(got.text.as_deref(), Some("Hé 日本 \u{1f600}"));
        assert_eq!(got.tokens, Tokens::new(3, 4));
        assert_eq!(decimal_text(&got.cost.unwrap()), "0.0007");
        assert_eq!(got.model, "m-1");
    }
}

#[tokio::test]
async fn a_stream_may_be_cut_at_every_byte() {
    let text = whole_stream();
    let mut answer = Answer::sse("");
    answer.pieces = text.as_bytes().chunks(1).map(<[u8]>::to_vec).collect();
    let (got, pieces) = stream(answer).await;
    assert_eq!(got.unwrap().text.as_deref(), Some("Hé 日本 \u{1f600}"));
    assert_eq!(pieces.len(), 2);
}

#[tokio::test]
async fn tool_calls_are_put_together_by_index() {
    let call = |index: u32, id: Value, name: Value, arguments: &str| json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let chunks = [
        delta(json!({"tool_calls": [call(0, json!("c0"), json!("one"), "")]}), None),
        delta(json!({"tool_calls": [call(1, json!("c1"), json!("two"), "{\"b\"")]}), None),
        delta(json!({"tool_calls": [call(0, json!(null), json!(null), "{\"a\":1}")]}), None),
        delta(json!({"tool_calls": [call(1, json!(null), json!(null), ":2}")]}), Some("tool_calls")),
    ];
    let (got, pieces) = stream(Answer::sse(events(&chunks))).await;
    let calls = got.unwrap().tool_calls;
    let seen: Vec<_> = calls.iter().map(|call| (&*call.id, &*call.function.name, &*call.function.arguments)).collect();
    assert_eq!(seen, [("c0", "one", "{\"a\":1}"), ("c1", "two", "{\"b\":2}")]);
    assert!(pieces.is_empty());
}

#[tokio::test]
async fn tool_calls_without_index_are_told_apart_by_id() {
    let call = |id: &str, arguments: &str| json!({"id": id, "function": {"name": "f", "arguments": arguments}});
    let chunks = [
        delta(json!({"tool_calls": [call("c0", "{}")]}), None),
        delta(json!({"tool_calls": [call("c1", "{\"a\":")]}), None),
        delta(json!({"tool_calls": [{"function": {"arguments": "1}"}}]}), Some("tool_calls")),
    ];
    let calls = stream(Answer::sse(events(&chunks))).await.0.unwrap().tool_calls;
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1].function.arguments, "{\"a\":1}");
}

#[tokio::test]
async fn either_ending_will_do_but_one_there_must_be() {
    let hello = delta(json!({"content": "hello"}), None);
    let finished = delta(json!({"content": "hello"}), Some("length"));
    for good in [events(&[finished]), format!("{}data: [DONE]", events(std::slice::from_ref(&hello)))] {
        assert_eq!(stream(Answer::sse(good)).await.0.unwrap().text.as_deref(), Some("hello"));
    }
    let error = stream(Answer::sse(events(&[hello]))).await.0.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::ReplyInvalid);
    assert!(error.kind.is_retryable());
}

#[tokio::test]
async fn errors_and_refusals_inside_a_stream() {
    let begun = delta(json!({"content": "be"}), None);
    let cases = [
        (json!({"error": {"message": "overloaded", "code": 503}}), ModelErrorKind::Server),
        (json!({"error": {"message": "slow", "code": "rate_limit_exceeded"}}), ModelErrorKind::RateLimited),
        (json!({"error": "plain"}), ModelErrorKind::Server),
        (delta(json!({"refusal": "I cannot"}), Some("stop")), ModelErrorKind::Declined),
        (delta(json!({}), Some("content_filter")), ModelErrorKind::Filtered),
    ];
    for (chunk, kind) in cases {
        let (got, pieces) = stream(Answer::sse(events(&[begun.clone(), chunk]))).await;
        assert_eq!(got.unwrap_err().kind, kind);
        assert_eq!(pieces, ["be"]);
    }
}

#[tokio::test]
async fn megabyte_events_are_read() {
    let long = "x".repeat(2_000_000);
    let (got, _) = stream(Answer::sse(events(&[delta(json!({"content": long}), Some("stop"))]))).await;
    assert_eq!(got.unwrap().text.unwrap().len(), 2_000_000);
}

#[tokio::test]
async fn connections_are_used_again() {
    let mock = Mock::start(Answer::sse(whole_stream())).await;
    let provider = mock.provider();
    for _ in 0..5 {
        provider.complete(&request("a/b", "hi"), Some(&Pieces::default())).await.unwrap();
    }
    assert_eq!(mock.asked.lock().len(), 5);
    assert_eq!(mock.connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}
