//! What goes over the wire.

use noukai_engine::{Image, Message, Model, ToolCall, ToolCallFunction, ToolChoice, ToolChoiceMode};
use serde_json::{Value, json};

use super::{
    Pieces,
    mock::{Answer, CANARY, Mock},
    output, request, tool,
};
use crate::{
    Catalogue, Egress, Provider, ProviderConfig, Secret,
    openai::{Body, Dialect},
    wire::Outgoing,
};

fn body(request: &noukai_engine::ModelRequest, host: &str, stream: bool) -> Value {
    serde_json::to_value(Body::new(&outgoing(request, stream), &Dialect::of("mock", host))).unwrap()
}

fn outgoing(request: &noukai_engine::ModelRequest, stream: bool) -> Outgoing<'_> {
    Outgoing { request, model: &request.model, max_output: None, stream }
}

#[test]
fn a_plain_request_is_plain() {
    let body = body(&request("openai/gpt-4o-mini", "hi"), "localhost", false);
    assert_eq!(body, json!({"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}));
}

#[test]
fn every_kind_of_turn_has_its_shape() {
    let mut request = request("a/b", "");
    let call = ToolCall {
        id: "call_1".to_owned(),
        kind: "function".to_owned(),
        function: ToolCallFunction { name: "look".to_owned(), arguments: "{}".to_owned() },
    };
    let image = Image { url: "https://example.com/a.png".to_owned(), mime_type: "image/png".to_owned() };
    request.messages = vec![
        Message::System { text: "be brief".to_owned() },
        Message::User { text: "see".to_owned(), images: vec![image.clone()] },
        Message::User { text: String::new(), images: vec![image] },
        Message::Assistant { text: None, tool_calls: vec![call], carried: None },
        Message::Tool { call_id: "call_1".to_owned(), name: Some("look".to_owned()), content: "seen".to_owned() },
        Message::Assistant { text: Some("done".to_owned()), tool_calls: vec![], carried: None },
        Message::Assistant { text: None, tool_calls: vec![], carried: None },
    ];
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    assert_eq!(
        body(&request, "localhost", false)["messages"],
        json!([
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "see"}, image]},
            {"role": "user", "content": [image]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
            {"role": "assistant", "content": "done"},
            {"role": "assistant", "content": ""},
        ])
    );
}

#[test]
fn config_passes_but_cannot_take_over() {
    let mut request = request("a/b", "hi");
    let config = json!({
        "temperature": 0.2, "max_tokens": 5, "provider": {"order": ["x"]}, "latency_ms": 9, "model": "evil",
        "messages": [], "stream": true, "stream_options": 1, "tools": 1, "tool_choice": 1, "response_format": 1,
        "usage": 1, "functions": 1, "function_call": 1,
    });
    request.config = config.as_object().unwrap().clone();
    assert_eq!(
        body(&request, "localhost", false),
        json!({
            "model": "a/b", "messages": [{"role": "user", "content": "hi"}],
            "temperature": 0.2, "max_tokens": 5, "provider": {"order": ["x"]},
        })
    );
    let text = serde_json::to_string(&Body::new(&outgoing(&request, true), &Dialect::of("mock", "localhost"))).unwrap();
    assert_eq!(text.matches("\"stream\"").count(), 1);
}

#[test]
fn hosts_differ_in_little() {
    let request = request("openai/gpt-4o", "hi");
    let openrouter = body(&request, "openrouter.ai", true);
    assert_eq!(openrouter["model"], "openai/gpt-4o");
    assert_eq!(openrouter["usage"], json!({"include": true}));
    assert_eq!(openrouter["stream_options"], json!({"include_usage": true}));
    let openai = body(&request, "api.openai.com", false);
    assert_eq!(openai.get("usage"), None);
    for host in ["notopenrouter.ai", "openrouter.ai.evil.example", "evilapi.openai.com.example"] {
        assert_eq!(body(&request, host, false).get("usage"), None, "{host}");
    }
}

#[test]
fn tools_and_their_choice() {
    let mut request = request("a/b", "hi");
    request.tool_choice = Some(ToolChoice::Mode(ToolChoiceMode::Required));
    assert_eq!(body(&request, "localhost", false).get("tool_choice"), None);
    request.tools = vec![tool("look", json!({"type": "object"}))];
    let body = body(&request, "localhost", false);
    assert_eq!(body["tool_choice"], "required");
    assert_eq!(body["tools"][0]["function"]["name"], "look");
}

#[test]
fn schemas_are_strict_where_they_can_be() {
    let mut request = request("a/b", "hi");
    let mut format = |schema: Value| {
        request.output = output(schema);
        body(&request, "localhost", false)["response_format"].take()
    };
    let closable = json!({
        "type": "object",
        "properties": {"properties": {"type": "array", "items": {"$ref": "#/$defs/row"}}},
        "required": ["properties"],
        "$defs": {"row": {"type": "object", "properties": {"id": {"type": ["string", "null"]}}, "required": ["id"]}},
    });
    let sent = format(closable);
    assert_eq!(sent["type"], "json_schema");
    assert_eq!(sent["json_schema"]["name"], "out");
    assert_eq!(sent["json_schema"]["strict"], true);
    assert_eq!(sent["json_schema"]["schema"]["additionalProperties"], false);
    assert_eq!(sent["json_schema"]["schema"]["$defs"]["row"]["additionalProperties"], false);
    assert_eq!(sent["json_schema"]["schema"]["properties"].get("additionalProperties"), None);

    let closed = json!({"type": "object", "properties": {}, "required": [], "additionalProperties": false});
    assert_eq!(format(closed.clone())["json_schema"], json!({"name": "out", "strict": true, "schema": closed}));

    for loose in [
        json!({"type": "object", "properties": {"a": {"type": "string"}}}),
        json!({"type": "object", "properties": {}, "additionalProperties": true}),
        json!({"type": "object"}),
        json!({"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}, "required": ["a"]}),
        json!({"type": "object", "properties": {"a": {}}, "required": ["a"]}),
        json!({"anyOf": [{"type": "object", "properties": {}}]}),
    ] {
        assert_eq!(format(loose.clone())["json_schema"], json!({"name": "out", "strict": false, "schema": loose}));
    }
}

#[tokio::test]
async fn the_key_goes_in_one_header_to_the_right_path() {
    let reply = json!({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]});
    let mock = Mock::start(Answer::json(reply)).await;
    mock.provider().complete(&request("a/b", "hi"), Some(&Pieces::default())).await.unwrap();
    let asked = mock.last();
    assert_eq!(asked.path, "/v1/chat/completions");
    assert_eq!(asked.body["stream"], true);
    assert_eq!(asked.body["stream_options"], json!({"include_usage": true}));
    assert_eq!(asked.headers["authorization"], format!("Bearer {CANARY}"));
    assert_eq!(asked.headers["content-type"], "application/json");
    assert!(asked.headers["user-agent"].to_str().unwrap().starts_with("noukai/"));
    assert_eq!(asked.headers.get("accept-encoding"), None);

    let mut config = mock.config();
    config.keys.clear();
    config.base_url.push('/');
    super::mock::provider(config).complete(&request("a/b", "hi"), None).await.unwrap();
    assert_eq!(mock.last().headers.get("authorization"), None);
    assert_eq!(mock.last().path, "/v1/chat/completions");
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let new = |url: &str, key: &str| {
        let config = ProviderConfig::for_all(url, Secret::new(key));
        Provider::new(config, Egress::new().unwrap(), Catalogue::built_in().into())
    };
    for url in ["", "openrouter.ai", "ftp://a/v1", "https://user:pw@a/v1", "https://a/v1?x=1", "https://a/v1#x"] {
        assert!(new(url, "key").is_err(), "{url}");
    }
    let error = new("https://a/v1", "canary\nkey").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
    for (url, name) in [
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.openai.com/v1", "openai"),
        ("https://models.example/v1", "models.example"),
    ] {
        assert_eq!(ProviderConfig::for_all(url, Secret::default()).name, name);
    }
}
