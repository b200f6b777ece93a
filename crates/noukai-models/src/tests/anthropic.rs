//! Anthropic's Messages API, as it is documented.

use std::sync::Arc;

use noukai_engine::{
    Carried, Image, Message, Model, ModelError, ModelErrorKind, ModelReply, ModelRequest, TokenDetails, Tokens,
    ToolChoice, ToolChoiceMode,
};
use serde_json::{Value, json};

use super::{
    Pieces, call, forced,
    mock::{Answer, CANARY, Mock, models},
    output, request, tool, user,
};
use crate::{Models, ProviderConfig, Secret, decimal_text};

const MODEL: &str = "anthropic/claude-sonnet-4.5";

fn provider(mock: &Mock) -> Models {
    models(vec![ProviderConfig::named("anthropic", Some(mock.url.clone()), vec![Secret::new(CANARY)]).unwrap()])
}

fn message(content: Value, stop_reason: &str) -> Value {
    json!({
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": content, "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {"input_tokens": 10, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 1000, "output_tokens": 5,
            "service_tier": "standard"},
    })
}

async fn ask(answer: Answer, request: &ModelRequest) -> (Result<ModelReply, ModelError>, Value) {
    let mock = Mock::start(answer).await;
    let got = provider(&mock).complete(request, None).await;
    (got, mock.last().body)
}

async fn sent(request: &ModelRequest) -> Value {
    ask(Answer::json(message(json!([]), "end_turn")), request).await.1
}

#[tokio::test]
async fn text_and_system() {
    let mut request = request(MODEL, "hi");
    request.messages.insert(0, Message::System { text: "be brief".to_owned() });
    let mock = Mock::start(Answer::json(message(json!([{"type": "text", "text": "Hé"}]), "end_turn"))).await;
    let got = provider(&mock).complete(&request, None).await.unwrap();
    let asked = mock.last();
    assert_eq!(asked.path, "/v1/messages");
    assert_eq!(asked.headers["x-api-key"], CANARY);
    assert_eq!(asked.headers["anthropic-version"], "2023-06-01");
    assert_eq!(asked.headers.get("authorization"), None);
    assert_eq!(
        asked.body,
        json!({"model": "claude-sonnet-4-5", "max_tokens": 64000, "system": "be brief",
            "messages": [{"role": "user", "content": "hi"}]})
    );
    assert_eq!(got.text.as_deref(), Some("Hé"));
    assert_eq!(got.model, "claude-sonnet-4-5-20250929");
    assert_eq!(got.provider.as_deref(), Some("anthropic"));
}

#[tokio::test]
async fn usage_with_the_cache() {
    let got = ask(Answer::json(message(json!([]), "end_turn")), &request(MODEL, "hi")).await.0.unwrap();
    assert_eq!(got.tokens, Tokens::new(1210, 5));
    assert_eq!(got.details, TokenDetails { cached: 1000, cache_written: 200, reasoning: 0 });
    // 10 x 3 + 1000 x 0.30 + 200 x 3.75 + 5 x 15, in millionths.
    assert_eq!(decimal_text(&got.cost.unwrap()), "0.001155");
}

#[tokio::test]
async fn a_cached_prompt() {
    let cache = json!({"type": "ephemeral", "ttl": "1h"});
    let mut request = request(MODEL, "hi");
    request.messages.insert(0, Message::System { text: "be brief".to_owned() });
    request.config.insert("cache_control".to_owned(), cache.clone());
    let body = sent(&request).await;
    let part = |text: &str| json!([{"type": "text", "text": text, "cache_control": cache}]);
    assert_eq!((&body["system"], body.get("cache_control")), (&part("be brief"), None));
    assert_eq!(body["messages"], json!([{"role": "user", "content": "hi"}]), "one turn alone never comes again");
    request.messages.push(Message::Assistant { text: Some("ho".to_owned()), tool_calls: Vec::new(), carried: None });
    request.messages.push(super::user("more"));
    let body = sent(&request).await;
    assert_eq!((&body["messages"][0]["content"], &body["messages"][2]["content"]), (&json!("hi"), &part("more")));
}

#[tokio::test]
async fn images_by_url() {
    let mut request = request(MODEL, "");
    let image = Image { url: "https://example.com/a.png".to_owned(), mime_type: "image/png".to_owned() };
    request.messages = vec![Message::User { text: "see".to_owned(), images: vec![image] }];
    assert_eq!(
        sent(&request).await["messages"][0]["content"],
        json!([{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}, {"type": "text", "text": "see"}])
    );
}

#[tokio::test]
async fn settings_have_its_names() {
    let mut request = request(MODEL, "hi");
    let config = json!({
        "max_tokens": 9, "temperature": 0.5, "stop": "END", "frequency_penalty": 1, "seed": 3, "n": 2, "model": "evil",
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "low"}, "system": "evil",
        "metadata": {"user_id": "u"},
    });
    request.config = config.as_object().unwrap().clone();
    assert_eq!(
        sent(&request).await,
        json!({
            "model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9,
            "temperature": 0.5, "stop_sequences": ["END"], "output_config": {"effort": "low"},
            "thinking": {"type": "enabled", "budget_tokens": 1024}, "metadata": {"user_id": "u"},
        })
    );
}

#[tokio::test]
async fn tools_parallel_calls_and_ids() {
    let thoughts = json!({"type": "thinking", "thinking": "hm", "signature": "sig"});
    let content = json!([
        thoughts,
        {"type": "text", "text": "Looking."},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "a"}},
        {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}},
    ]);
    let mut request = request(MODEL, "hi");
    request.tools = vec![tool("look", json!({"type": "object"}))];
    let (got, body) = ask(Answer::json(message(content, "tool_use")), &request).await;
    assert_eq!(body["tools"], json!([{"name": "look", "input_schema": {"type": "object"}}]));
    assert_eq!(body.get("tool_choice"), None);
    let got = got.unwrap();
    let calls: Vec<_> = got.tool_calls.iter().map(|call| (&*call.id, &*call.function.arguments)).collect();
    assert_eq!(calls, [("toolu_1", r#"{"at": "a"}"#.replace(": ", ":").as_str()), ("toolu_2", "{}")]);

    request.messages.push(Message::Assistant { text: got.text, tool_calls: got.tool_calls, carried: got.carried });
    for (id, content) in [("toolu_1", "seen"), ("toolu_2", "not seen")] {
        request.messages.push(Message::Tool { call_id: id.to_owned(), name: None, content: content.to_owned() });
    }
    assert_eq!(
        sent(&request).await["messages"].as_array().unwrap()[1..],
        [
            json!({"role": "assistant", "content": [
                thoughts, {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "a"}},
                {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}}]}),
            json!({"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "not seen"}]}),
        ]
    );
}

#[tokio::test]
async fn turns_of_other_vendors_are_fit_to_be_sent() {
    let mut request = request(MODEL, "hi");
    let carried = Some(Carried { dialect: "gemini".to_owned(), data: Arc::new(json!(["sig"])) });
    request.messages.push(Message::Assistant { text: None, tool_calls: vec![call("call:1", "look", "{}")], carried });
    request.messages.push(Message::Tool { call_id: "call:1".to_owned(), name: None, content: "seen".to_owned() });
    request.messages.push(Message::Assistant { text: Some(String::new()), tool_calls: vec![], carried: None });
    request.messages.push(user("and?"));
    let messages = sent(&request).await["messages"].clone();
    assert_eq!(messages[1]["content"], json!([{"type": "tool_use", "id": "call_1", "name": "look", "input": {}}]));
    assert_eq!(messages[2]["content"][0]["tool_use_id"], "call_1");
    assert_eq!(messages.as_array().unwrap().len(), 4, "a turn without content is left out");
}

#[tokio::test]
async fn forced_choices() {
    let mut request = request(MODEL, "hi");
    request.tools = vec![tool("look", json!({"type": "object"}))];
    for (choice, expected) in [
        (ToolChoice::Mode(ToolChoiceMode::Auto), json!({"type": "auto"})),
        (ToolChoice::Mode(ToolChoiceMode::None), json!({"type": "none"})),
        (ToolChoice::Mode(ToolChoiceMode::Required), json!({"type": "any"})),
        (forced("look"), json!({"type": "tool", "name": "look"})),
    ] {
        request.tool_choice = Some(choice);
        assert_eq!(sent(&request).await["tool_choice"], expected);
    }
    request.config.insert("parallel_tool_calls".to_owned(), json!(false));
    assert_eq!(sent(&request).await["tool_choice"]["disable_parallel_tool_use"], true);
}

#[tokio::test]
async fn structured_natively() {
    let mut request = request(MODEL, "hi");
    request.output =
        output(json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}));
    let format = sent(&request).await["output_config"]["format"].clone();
    assert_eq!(
        format,
        json!({"type": "json_schema", "schema": {
            "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false}})
    );
}

#[tokio::test]
async fn structured_by_tool() {
    let schema = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    let content =
        json!([{"type": "text", "text": "Here:"}, {"type": "tool_use", "id": "t", "name": "out", "input": {"n": 1}}]);
    let mut request = request(MODEL, "hi");
    request.output = output(schema.clone());
    let (got, body) = ask(Answer::json(message(content, "tool_use")), &request).await;
    assert_eq!(body["tools"][0]["input_schema"], schema);
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "out"}));
    assert_eq!(body.get("output_config"), None);
    let got = got.unwrap();
    assert_eq!((got.text.as_deref(), got.tool_calls.len()), (Some(r#"{"n":1}"#), 0));
}

#[tokio::test]
async fn reasons_to_stop() {
    let of = |reason: &'static str| async move {
        let content = json!([{"type": "text", "text": "I will not."}]);
        ask(Answer::json(message(content, reason)), &request(MODEL, "hi")).await.0
    };
    assert!(of("max_tokens").await.unwrap().truncated);
    assert!(!of("end_turn").await.unwrap().truncated);
    assert!(!of("stop_sequence").await.unwrap().truncated);
    let refused = of("refusal").await.unwrap_err();
    assert_eq!(refused.kind, ModelErrorKind::Declined);
    assert_eq!(refused.message, "the model declined to answer: I will not.");
}

#[tokio::test]
async fn errors_and_rate_limits() {
    use ModelErrorKind::{KeyRejected, NotAvailable, RateLimited, Refused, Server};
    for (status, name, kind) in [
        (400, "invalid_request_error", Refused),
        (401, "authentication_error", KeyRejected),
        (403, "permission_error", KeyRejected),
        (404, "not_found_error", NotAvailable),
        (413, "request_too_large", Refused),
        (429, "rate_limit_error", RateLimited),
        (500, "api_error", Server),
        (529, "overloaded_error", Server),
    ] {
        let body = json!({"type": "error", "error": {"type": name, "message": "said so"}, "request_id": "req_1"});
        let answer = Answer::of(status, "application/json", body).with("retry-after", "7");
        let error = ask(answer, &request(MODEL, "hi")).await.0.unwrap_err();
        assert_eq!((error.kind, error.status), (kind, Some(status)), "{name}");
        assert!(error.message.ends_with("said so"), "{}", error.message);
        assert_eq!(error.retry_after.unwrap().as_secs(), 7);
    }
}

fn events(list: &[Value]) -> String {
    list.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).collect()
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "content": [],
        "model": "claude-sonnet-4-5", "stop_reason": null, "usage": {"input_tokens": 25, "cache_read_input_tokens": 5,
        "output_tokens": 1}}})
}

fn block(index: u32, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn more(index: u32, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn end(reason: &str) -> [Value; 2] {
    let delta = json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 15}});
    [delta, json!({"type": "message_stop"})]
}

async fn stream(answer: Answer) -> (Result<ModelReply, ModelError>, Vec<String>) {
    let mock = Mock::start(answer).await;
    let pieces = Pieces::default();
    let got = provider(&mock).complete(&request(MODEL, "hi"), Some(&pieces)).await;
    assert_eq!(mock.last().body["stream"], true);
    (got, pieces.take())
}

fn whole_stream() -> String {
    let mut list = vec![
        start(),
        json!({"type": "ping"}),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        more(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        more(0, json!({"type": "signature_delta", "signature": "sig"})),
        json!({"type": "content_block_stop", "index": 0}),
        block(1, json!({"type": "text", "text": ""})),
        more(1, json!({"type": "text_delta", "text": "Hé "})),
        more(1, json!({"type": "text_delta", "text": "日本"})),
        json!({"type": "content_block_stop", "index": 1}),
        block(2, json!({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}})),
        more(2, json!({"type": "input_json_delta", "partial_json": ""})),
        more(2, json!({"type": "input_json_delta", "partial_json": "{\"at\": "})),
        more(2, json!({"type": "input_json_delta", "partial_json": "\"a\"}"})),
        block(3, json!({"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}})),
    ];
    list.extend(end("tool_use"));
    events(&list)
}

#[tokio::test]
async fn streams() {
    let (got, pieces) = stream(Answer::sse(whole_stream())).await;
    let got = got.unwrap();
    assert_eq!(pieces, ["Hé ", "日本"]);
    assert_eq!(got.text.as_deref(), Some("Hé 日本"));
    assert_eq!((got.tokens, got.details.cached), (Tokens::new(30, 15), 5));
    let calls: Vec<_> = got.tool_calls.iter().map(|call| (&*call.id, &*call.function.arguments)).collect();
    assert_eq!(calls, [("toolu_1", "{\"at\": \"a\"}"), ("toolu_2", "{}")]);
    assert_eq!(
        got.carried.unwrap().data,
        Arc::new(json!([{"type": "thinking", "thinking": "hm", "signature": "sig"}]))
    );
    let mut bytewise = Answer::sse("");
    bytewise.pieces = whole_stream().into_bytes().chunks(1).map(<[u8]>::to_vec).collect();
    assert_eq!(stream(bytewise).await.1, pieces);
}

#[tokio::test]
async fn streams_that_break() {
    let text = [start(), block(0, json!({"type": "text", "text": "be"}))];
    let error = |name: &str| json!({"type": "error", "error": {"type": name, "message": "Overloaded"}});
    for (more, kind) in [
        (vec![error("overloaded_error")], ModelErrorKind::Server),
        (vec![error("rate_limit_error")], ModelErrorKind::RateLimited),
        (vec![error("invalid_request_error")], ModelErrorKind::Refused),
        (vec![], ModelErrorKind::ReplyInvalid),
        (end("refusal").into(), ModelErrorKind::Declined),
        (vec![more(7, json!({"type": "text_delta", "text": "x"}))], ModelErrorKind::ReplyInvalid),
        (vec![json!({"type": "content_block_start", "index": 1})], ModelErrorKind::ReplyInvalid),
    ] {
        let (got, pieces) = stream(Answer::sse(events(&[&text[..], &more].concat()))).await;
        assert_eq!(got.unwrap_err().kind, kind, "{more:?}");
        assert_eq!(pieces, ["be"]);
    }
}

#[tokio::test]
async fn hostile_replies() {
    let many = format!("[{}{{}}]", r#"{"type":"text"},"#.repeat(1_000));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for content in
        [many.as_str(), deep.as_str(), "7", r#"[{"type": 1}]"#, r#"[{"type":"text","text":"\ud800"}]"#, "[NaN]"]
    {
        let body = format!(r#"{{"type":"message","content":{content},"stop_reason":"end_turn"}}"#);
        let error = ask(Answer::json(body), &request(MODEL, "hi")).await.0.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::ReplyInvalid, "{}", &content[..content.len().min(40)]);
    }
    for body in ["{}", "[]", r#"{"type":"message"}"#, r#"{"type":"message","type":"message","content":[]}"#, "<html>"] {
        let error = ask(Answer::json(body), &request(MODEL, "hi")).await.0.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::ReplyInvalid, "{body}");
    }
    let flood: Vec<Value> = (0..1_000).map(|index| block(index, json!({"type": "text", "text": ""}))).collect();
    let (got, _) = stream(Answer::sse(events(&flood))).await;
    assert_eq!(got.unwrap_err().kind, ModelErrorKind::ReplyInvalid);
}
