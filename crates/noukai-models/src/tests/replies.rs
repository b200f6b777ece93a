//! Whole replies, as providers send them.

use noukai_engine::{Model, ModelErrorKind, ModelReply, Tokens};
use serde_json::{Value, json};

use super::{
    Pieces,
    mock::{Answer, Mock},
    request,
};
use crate::decimal_text;

async fn reply(model: &str, body: impl ToString) -> Result<ModelReply, noukai_engine::ModelError> {
    let mock = Mock::start(Answer::json(body)).await;
    mock.provider().complete(&request(model, "hi"), None).await
}

fn completion(message: Value) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 7, "total_tokens": 1007},
        "system_fingerprint": null,
    })
}

#[tokio::test]
async fn text_tokens_cost_and_model() {
    let got = reply("openai/gpt-4o-mini", completion(json!({"role": "assistant", "content": "Hé", "refusal": null})));
    let got = got.await.unwrap();
    assert_eq!(got.text.as_deref(), Some("Hé"));
    assert_eq!(got.tokens, Tokens::new(1000, 7));
    assert_eq!(decimal_text(&got.cost.unwrap()), "0.0001542");
    assert_eq!(got.model, "gpt-4o-mini-2024-07-18");
    let unknown = reply("who/knows", completion(json!({"content": "x"}))).await.unwrap();
    assert_eq!(unknown.cost, None);
}

#[tokio::test]
async fn the_providers_cost_is_taken_to_the_last_digit() {
    for (cost, expected) in [
        ("0.00012345678901234567", Some("0.00012345678901234567")),
        ("1.4e-05", Some("0.000014")),
        ("0", Some("0")),
        ("\"0.5\"", Some("0.5")),
        ("-1", None),
        ("null", None),
        ("{}", None),
    ] {
        let body = format!(
            r#"{{"choices":[{{"message":{{"content":"x"}}}}],"usage":{{"prompt_tokens":1,"completion_tokens":1,"cost":{cost}}}}}"#
        );
        let got = reply("who/knows", body).await.unwrap();
        assert_eq!(got.cost.as_ref().map(decimal_text).as_deref(), expected, "{cost}");
        assert_eq!(got.model, "who/knows");
    }
}

#[tokio::test]
async fn content_parts_are_joined() {
    let parts = json!([{"type": "text", "text": "a"}, {"type": "thinking"}, {"type": "text", "text": "b"}]);
    assert_eq!(reply("a/b", completion(json!({"content": parts}))).await.unwrap().text.as_deref(), Some("ab"));
}

#[tokio::test]
async fn tool_calls_get_ids_and_arguments() {
    let call = |id: Value, arguments: Value| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let message = json!({"content": null, "tool_calls": [
        call(json!("x"), json!("{\"a\":1}")), call(json!("x"), json!("")), call(json!(null), json!(null))]});
    let got = reply("a/b", completion(message)).await.unwrap();
    assert_eq!(got.text, None);
    let arguments: Vec<_> = got.tool_calls.iter().map(|call| call.function.arguments.as_str()).collect();
    assert_eq!(arguments, ["{\"a\":1}", "{}", "{}"]);
    assert_eq!(got.tool_calls[0].id, "x");
    let ids: std::collections::BTreeSet<_> = got.tool_calls.iter().map(|call| &call.id).collect();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn refusals_are_no_answers() {
    let refused = reply("a/b", completion(json!({"content": null, "refusal": "I cannot"}))).await.unwrap_err();
    assert_eq!(refused.kind, ModelErrorKind::Declined);
    assert!(refused.message.contains("I cannot"));
    let mut filtered = completion(json!({"content": ""}));
    filtered["choices"][0]["finish_reason"] = json!("content_filter");
    assert_eq!(reply("a/b", filtered).await.unwrap_err().kind, ModelErrorKind::Filtered);
    let mut cut = completion(json!({"content": "half"}));
    cut["choices"][0]["finish_reason"] = json!("length");
    assert_eq!(reply("a/b", cut).await.unwrap().text.as_deref(), Some("half"));
}

#[tokio::test]
async fn errors_inside_a_good_status_are_errors() {
    let limited = json!({"error": {"message": "slow down", "code": 429}});
    assert_eq!(reply("a/b", limited).await.unwrap_err().kind, ModelErrorKind::RateLimited);
    let failed = json!({"choices": [{"error": {"message": "upstream", "code": 502}, "message": {"content": ""}}]});
    let failed = reply("a/b", failed).await.unwrap_err();
    assert_eq!((failed.kind, failed.status), (ModelErrorKind::Server, Some(502)));
}

#[tokio::test]
async fn a_provider_that_does_not_stream_is_heard_all_the_same() {
    let mock = Mock::start(Answer::json(completion(json!({"content": "whole"})))).await;
    let pieces = Pieces::default();
    let got = mock.provider().complete(&request("a/b", "hi"), Some(&pieces)).await.unwrap();
    assert_eq!(got.text.as_deref(), Some("whole"));
    assert_eq!(pieces.take(), ["whole"]);
}
