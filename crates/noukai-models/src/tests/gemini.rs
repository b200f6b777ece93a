//! Google's `generateContent`, as it is documented.

use std::sync::Arc;

use noukai_engine::{
    Image, Message, Model, ModelError, ModelErrorKind, ModelReply, ModelRequest, TokenDetails, Tokens, ToolChoice,
    ToolChoiceMode,
};
use serde_json::{Value, json};

use super::{
    Pieces, call, forced,
    mock::{Answer, CANARY, Mock, models},
    output, request, tool,
};
use crate::{Models, ProviderConfig, Secret, decimal_text};

const MODEL: &str = "google/gemini-2.5-flash";

fn provider(mock: &Mock) -> Models {
    models(vec![ProviderConfig::named("gemini", Some(mock.url.clone()), vec![Secret::new(CANARY)]).unwrap()])
}

fn reply(parts: Value, finish: &str) -> Value {
    json!({
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish, "index": 0, "safetyRatings": []}],
        "usageMetadata": {"promptTokenCount": 1000, "cachedContentTokenCount": 400, "candidatesTokenCount": 10,
            "thoughtsTokenCount": 5, "totalTokenCount": 1015, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1000}]},
        "modelVersion": "gemini-2.5-flash", "responseId": "r1",
    })
}

async fn ask(answer: Answer, request: &ModelRequest) -> (Result<ModelReply, ModelError>, Value) {
    let mock = Mock::start(answer).await;
    let got = provider(&mock).complete(request, None).await;
    (got, mock.last().body)
}

async fn sent(request: &ModelRequest) -> Value {
    ask(Answer::json(reply(json!([{"text": "x"}]), "STOP")), request).await.1
}

#[tokio::test]
async fn text_and_system() {
    let mut request = request(MODEL, "hi");
    request.messages.insert(0, Message::System { text: "be brief".to_owned() });
    let parts = json!([{"text": "hm", "thought": true}, {"text": "Hé"}, {"text": "!"}]);
    let mock = Mock::start(Answer::json(reply(parts, "STOP"))).await;
    let got = provider(&mock).complete(&request, None).await.unwrap();
    let asked = mock.last();
    assert_eq!((asked.path.as_str(), asked.query), ("/v1/models/gemini-2.5-flash:generateContent", None));
    assert_eq!(asked.headers["x-goog-api-key"], CANARY);
    assert_eq!(asked.headers.get("authorization"), None);
    assert_eq!(
        asked.body,
        json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "systemInstruction": {"parts": [{"text": "be brief"}]}})
    );
    assert_eq!((got.text.as_deref(), got.model.as_str()), (Some("Hé!"), "gemini-2.5-flash"));
}

#[tokio::test]
async fn usage_with_the_cache_and_thoughts() {
    let got = ask(Answer::json(reply(json!([{"text": "x"}]), "STOP")), &request(MODEL, "hi")).await.0.unwrap();
    assert_eq!(got.tokens, Tokens::new(1000, 15));
    assert_eq!(got.details, TokenDetails { cached: 400, cache_written: 0, reasoning: 5 });
    // 600 x 0.30 + 400 x 0.03 + 15 x 2.50, in millionths.
    assert_eq!(decimal_text(&got.cost.unwrap()), "0.0002295");
}

#[tokio::test]
async fn a_cached_prompt() {
    let mut request = request(MODEL, "hi");
    request.config.insert("cache_control".to_owned(), json!({"type": "ephemeral"}));
    assert!(!sent(&request).await.to_string().contains("ephemeral"), "it caches by itself");
}

#[tokio::test]
async fn images_by_url() {
    let mut request = request(MODEL, "");
    let image = Image { url: "https://example.com/a.png".to_owned(), mime_type: "image/png".to_owned() };
    request.messages = vec![Message::User { text: "see".to_owned(), images: vec![image] }];
    assert_eq!(
        sent(&request).await["contents"][0]["parts"],
        json!([{"text": "see"}, {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}}])
    );
}

#[tokio::test]
async fn settings_have_its_names() {
    let mut request = request(MODEL, "hi");
    let config = json!({
        "max_tokens": 9, "temperature": 0.5, "top_p": 0.1, "stop": ["A", "B"], "seed": 3, "presence_penalty": 1, "n": 2,
        "generationConfig": {"temperature": 1}, "thinkingConfig": {"thinkingBudget": 0}, "contents": [],
        "safetySettings": [{"category": "X", "threshold": "Y"}],
    });
    request.config = config.as_object().unwrap().clone();
    let body = sent(&request).await;
    assert_eq!(
        body["generationConfig"],
        json!({"temperature": 1, "maxOutputTokens": 9, "topP": 0.1, "seed": 3, "presencePenalty": 1,
            "stopSequences": ["A", "B"], "thinkingConfig": {"thinkingBudget": 0}})
    );
    assert_eq!(body["safetySettings"], json!([{"category": "X", "threshold": "Y"}]));
    assert_eq!(body["contents"].as_array().unwrap().len(), 1);
    assert_eq!(body.as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn tools_parallel_calls_and_ids() {
    let parts = json!([
        {"functionCall": {"name": "look", "args": {"at": "a"}}, "thoughtSignature": "sig-a"},
        {"functionCall": {"id": "own", "name": "hear", "args": {}}},
    ]);
    let mut request = request(MODEL, "hi");
    request.tools = vec![tool("look", json!({"type": "object"})), tool("hear", json!({"type": "object"}))];
    let (got, body) = ask(Answer::json(reply(parts, "STOP")), &request).await;
    assert_eq!(
        body["tools"],
        json!([{"functionDeclarations": [
            {"name": "look", "parametersJsonSchema": {"type": "object"}},
            {"name": "hear", "parametersJsonSchema": {"type": "object"}}]}])
    );
    let got = got.unwrap();
    let [look, hear] = got.tool_calls.as_slice() else { panic!("{got:?}") };
    assert!(look.id.starts_with("call_"), "a call without an id gets one");
    assert_eq!((hear.id.as_str(), look.function.arguments.as_str()), ("own", r#"{"at":"a"}"#));
    assert_eq!(got.carried.as_ref().unwrap().data, Arc::new(json!(["sig-a", null])));

    let id = look.id.clone();
    request.messages.push(Message::Assistant { text: None, tool_calls: got.tool_calls, carried: got.carried });
    for (id, content) in [(id.as_str(), r#"{"seen": 1}"#), ("own", "silence")] {
        request.messages.push(Message::Tool { call_id: id.to_owned(), name: None, content: content.to_owned() });
    }
    assert_eq!(
        sent(&request).await["contents"].as_array().unwrap()[1..],
        [
            json!({"role": "model", "parts": [
                {"functionCall": {"id": id, "name": "look", "args": {"at": "a"}}, "thoughtSignature": "sig-a"},
                {"functionCall": {"id": "own", "name": "hear", "args": {}}}]}),
            json!({"role": "user", "parts": [
                {"functionResponse": {"id": id, "name": "look", "response": {"seen": 1}}},
                {"functionResponse": {"id": "own", "name": "hear", "response": {"result": "silence"}}}]}),
        ]
    );
}

#[tokio::test]
async fn forced_choices() {
    let mut request = request(MODEL, "hi");
    request.tools = vec![tool("look", json!({"type": "object"}))];
    request.messages.push(Message::Assistant { text: None, tool_calls: vec![call("c", "look", "[1]")], carried: None });
    for (choice, expected) in [
        (ToolChoice::Mode(ToolChoiceMode::Auto), json!({"mode": "AUTO"})),
        (ToolChoice::Mode(ToolChoiceMode::None), json!({"mode": "NONE"})),
        (ToolChoice::Mode(ToolChoiceMode::Required), json!({"mode": "ANY"})),
        (forced("look"), json!({"mode": "ANY", "allowedFunctionNames": ["look"]})),
    ] {
        request.tool_choice = Some(choice);
        let body = sent(&request).await;
        assert_eq!(body["toolConfig"]["functionCallingConfig"], expected);
        assert_eq!(body["contents"][1]["parts"][0]["functionCall"]["args"], json!({}), "arguments are objects");
    }
}

#[tokio::test]
async fn structured_natively() {
    let mut request = request(MODEL, "hi");
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}});
    request.output = output(schema.clone());
    let config = sent(&request).await["generationConfig"].clone();
    assert_eq!(config, json!({"responseMimeType": "application/json", "responseJsonSchema": schema}));
}

#[tokio::test]
async fn structured_by_tool() {
    let mut request = request(MODEL, "hi");
    request.output = output(json!({"type": "object"}));
    request.output.as_mut().unwrap().by_tool = true;
    let parts = json!([{"functionCall": {"name": "out", "args": {"n": 1}}, "thoughtSignature": "s"}]);
    let (got, body) = ask(Answer::json(reply(parts, "STOP")), &request).await;
    assert_eq!(body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"], json!(["out"]));
    let got = got.unwrap();
    assert_eq!((got.text.as_deref(), got.tool_calls.len(), got.carried), (Some(r#"{"n":1}"#), 0, None));
}

#[tokio::test]
async fn reasons_to_stop() {
    use ModelErrorKind::{Filtered, ReplyInvalid};
    let of = |reason: &'static str| async move {
        ask(Answer::json(reply(json!([{"text": "x"}]), reason)), &request(MODEL, "hi")).await.0
    };
    assert!(of("MAX_TOKENS").await.unwrap().truncated);
    for (reason, kind) in [
        ("SAFETY", Filtered),
        ("RECITATION", Filtered),
        ("PROHIBITED_CONTENT", Filtered),
        ("BLOCKLIST", Filtered),
        ("SPII", Filtered),
        ("MALFORMED_FUNCTION_CALL", ReplyInvalid),
        ("OTHER", ReplyInvalid),
    ] {
        assert_eq!(of(reason).await.unwrap_err().kind, kind, "{reason}");
    }
    let blocked =
        json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 1}});
    let error = ask(Answer::json(blocked), &request(MODEL, "hi")).await.0.unwrap_err();
    assert_eq!(error.kind, Filtered);
    assert_eq!(error.message, "the provider's content filter stopped the call (PROHIBITED_CONTENT)");
}

#[tokio::test]
async fn errors_and_rate_limits() {
    use ModelErrorKind::{KeyRejected, NotAvailable, RateLimited, Refused, Server};
    let bad_key = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]);
    let wait = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]);
    for (code, status, details, kind) in [
        (400, "INVALID_ARGUMENT", json!([]), Refused),
        (400, "INVALID_ARGUMENT", bad_key, KeyRejected),
        (403, "PERMISSION_DENIED", json!([]), KeyRejected),
        (404, "NOT_FOUND", json!([]), NotAvailable),
        (429, "RESOURCE_EXHAUSTED", wait, RateLimited),
        (500, "INTERNAL", json!([]), Server),
        (503, "UNAVAILABLE", json!([]), Server),
        (504, "DEADLINE_EXCEEDED", json!([]), Server),
    ] {
        let body = json!({"error": {"code": code, "message": "said so", "status": status, "details": details}});
        // Streams wrap it in a list.
        for body in [body.clone(), json!([body])] {
            let error = ask(Answer::of(code, "application/json", body), &request(MODEL, "hi")).await.0.unwrap_err();
            assert_eq!((error.kind, error.status), (kind, Some(code)), "{status}");
            assert!(error.message.ends_with("said so"), "{}", error.message);
            assert_eq!(error.retry_after.map(|wait| wait.as_millis()), (code == 429).then_some(34_500));
        }
    }
}

async fn stream(chunks: &[Value]) -> (Result<ModelReply, ModelError>, Vec<String>) {
    let text: String = chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect();
    let mut answer = Answer::sse("");
    answer.pieces = text.into_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    let mock = Mock::start(answer).await;
    let pieces = Pieces::default();
    let got = provider(&mock).complete(&request(MODEL, "hi"), Some(&pieces)).await;
    let asked = mock.last();
    assert_eq!(asked.path, "/v1/models/gemini-2.5-flash:streamGenerateContent");
    assert_eq!(asked.query.as_deref(), Some("alt=sse"));
    (got, pieces.take())
}

fn chunk(parts: Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}], "modelVersion": "m", "usageMetadata": {"promptTokenCount": 4}})
}

#[tokio::test]
async fn streams() {
    let call = json!([{"functionCall": {"name": "look", "args": {"at": "a"}}, "thoughtSignature": "sig"}]);
    let chunks = [
        chunk(json!([{"text": "thinking", "thought": true}])),
        chunk(json!([{"text": "Hé "}])),
        chunk(json!([{"text": "日本"}])),
        chunk(call),
        reply(json!([{"text": ""}]), "STOP"),
    ];
    let (got, pieces) = stream(&chunks).await;
    let got = got.unwrap();
    assert_eq!(pieces, ["Hé ", "日本"]);
    assert_eq!((got.text.as_deref(), got.tool_calls.len()), (Some("Hé 日本"), 1));
    assert_eq!(got.tokens, Tokens::new(1000, 15));
    assert_eq!(got.carried.unwrap().data, Arc::new(json!(["sig"])));
}

#[tokio::test]
async fn streams_that_break() {
    let begun = chunk(json!([{"text": "be"}]));
    let error = json!({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}});
    for (more, kind) in [
        (vec![error], ModelErrorKind::Server),
        (vec![], ModelErrorKind::ReplyInvalid),
        (vec![reply(json!([]), "SAFETY")], ModelErrorKind::Filtered),
        (vec![json!({"candidates": 7})], ModelErrorKind::ReplyInvalid),
    ] {
        let (got, pieces) = stream(&[&[begun.clone()][..], &more].concat()).await;
        assert_eq!(got.unwrap_err().kind, kind, "{more:?}");
        assert_eq!(pieces, ["be"]);
    }
}

#[tokio::test]
async fn hostile_replies() {
    let parts = format!("[{}{{}}]", "{},".repeat(100_000));
    for body in [
        format!(r#"{{"candidates":[{{"content":{{"parts":{parts}}}}}]}}"#),
        format!(r#"{{"candidates":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000)),
        r#"{"candidates":[{"content":{"parts":[{"text":"\ud800"}]},"finishReason":"STOP"}]}"#.to_owned(),
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":""}}]},"finishReason":"STOP"}]}"#.to_owned(),
        r#"{"candidates":[],"candidates":[]}"#.to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        "<html>".to_owned(),
    ] {
        let error = ask(Answer::json(&body), &request(MODEL, "hi")).await.0.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::ReplyInvalid, "{}", &body[..body.len().min(60)]);
    }
}

#[tokio::test]
async fn a_model_name_stays_in_its_place() {
    let mock = Mock::start(Answer::json(reply(json!([{"text": "x"}]), "STOP"))).await;
    provider(&mock).complete(&request("google/../../evil?key=1#x", "hi"), None).await.unwrap();
    assert_eq!(mock.last().path, "/v1/models/..%2F..%2Fevil%3Fkey%3D1%23x:generateContent");
}
