//! The built-in model.

use std::{collections::BTreeSet, time::Duration};

use noukai_engine::{
    Image, Message, Model, ModelErrorKind, ModelReply, ModelRequest, ToolCall, ToolChoice, ToolChoiceFunction,
    ToolChoiceMode,
};
use serde_json::{Value, json};

use super::{Pieces, output, request, tool, user};
use crate::{ECHO_MODEL, Echo, decimal_text};

async fn echo(request: &ModelRequest) -> ModelReply {
    Echo.complete(request, None).await.unwrap()
}

fn result(content: &str) -> Message {
    Message::Tool { call_id: "call_1".to_owned(), name: None, content: content.to_owned() }
}

fn named(name: &str) -> Option<ToolChoice> {
    let function = ToolChoiceFunction { name: name.to_owned() };
    Some(ToolChoice::Function { kind: "function".to_owned(), function })
}

fn with_tools(text: &str) -> ModelRequest {
    let mut request = request(ECHO_MODEL, text);
    let city = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    request.tools = vec![tool("weather", city), tool("clock", Value::Null)];
    request
}

fn called(reply: &ModelReply) -> Option<(&str, &str)> {
    reply.tool_calls.first().map(|ToolCall { function, .. }| (&*function.name, &*function.arguments))
}

#[tokio::test]
async fn it_answers_with_the_last_user_text() {
    let mut request = request(ECHO_MODEL, "first");
    request.messages.insert(0, Message::System { text: "system".to_owned() });
    request.messages.push(Message::Assistant { text: Some("between".to_owned()), tool_calls: vec![], carried: None });
    let url = "https://example.com/a.gif".to_owned();
    let images = vec![Image { url, mime_type: "image/gif".to_owned() }];
    request.messages.push(Message::User { text: "last words".to_owned(), images });
    let reply = echo(&request).await;
    assert_eq!(reply.text.as_deref(), Some("last words"));
    assert_eq!(reply.model, ECHO_MODEL);
    assert_eq!(decimal_text(&reply.cost.unwrap()), "0");
    assert_eq!((reply.tokens.prompt, reply.tokens.completion, reply.tokens.total), (7, 3, 10));
}

#[tokio::test]
async fn nothing_said_is_nothing_answered() {
    let reply = echo(&request(ECHO_MODEL, "")).await;
    assert_eq!(reply.text.as_deref(), Some(""));
    assert_eq!((reply.tokens.prompt, reply.tokens.completion), (1, 1));
}

#[tokio::test]
async fn a_schema_gets_a_value_filled_from_the_prompt() {
    let mut request = request(ECHO_MODEL, "a cat");
    request.output = output(json!({
        "type": "object",
        "properties": {"label": {"type": "string"}, "score": {"type": "number"}, "tags": {"type": "array", "items": {"type": "string"}}},
        "required": ["label", "tags"],
    }));
    assert_eq!(echo(&request).await.text.as_deref(), Some(r#"{"label":"a cat","tags":["a cat"]}"#));
    request.messages.push(result("a dog"));
    assert_eq!(echo(&request).await.text.as_deref(), Some(r#"{"label":"a dog","tags":["a dog"]}"#));
}

#[tokio::test]
async fn it_calls_the_first_tool_until_it_has_answered() {
    let mut request = with_tools("Paris");
    let reply = echo(&request).await;
    assert_eq!(reply.text, None);
    assert_eq!(called(&reply), Some(("weather", r#"{"city":"Paris"}"#)));
    request.messages.push(Message::Assistant { text: None, tool_calls: reply.tool_calls, carried: None });
    request.messages.push(result("sunny"));
    let reply = echo(&request).await;
    assert!(reply.tool_calls.is_empty());
    assert_eq!(reply.text.as_deref(), Some("sunny"));
    request.messages.push(user("And Rome?"));
    assert_eq!(called(&echo(&request).await), Some(("weather", r#"{"city":"And Rome?"}"#)));
}

#[tokio::test]
async fn the_tool_choice_is_obeyed() {
    let mut request = with_tools("Paris");
    request.tool_choice = Some(ToolChoice::Mode(ToolChoiceMode::None));
    assert_eq!(echo(&request).await.text.as_deref(), Some("Paris"));
    request.tool_choice = named("clock");
    assert_eq!(called(&echo(&request).await), Some(("clock", "{}")));
    request.messages.push(result("noon"));
    assert_eq!(echo(&request).await.text.as_deref(), Some("noon"));
    request.tool_choice = Some(ToolChoice::Mode(ToolChoiceMode::Required));
    assert_eq!(called(&echo(&request).await).unwrap().0, "weather");
    request.tool_choice = Some(ToolChoice::Mode(ToolChoiceMode::Auto));
    assert_eq!(echo(&request).await.text.as_deref(), Some("noon"));
    request.tool_choice = named("missing");
    assert_eq!(Echo.complete(&request, None).await.unwrap_err().kind, ModelErrorKind::Refused);
}

#[tokio::test]
async fn call_ids_are_unique() {
    let request = with_tools("Paris");
    let mut ids = BTreeSet::new();
    for _ in 0..100 {
        let id = echo(&request).await.tool_calls.remove(0).id;
        assert!(id.starts_with("call_"));
        assert!(ids.insert(id));
    }
}

#[tokio::test]
async fn text_streams_in_a_few_words() {
    let pieces = Pieces::default();
    let text = "one two  three four\nfive";
    Echo.complete(&request(ECHO_MODEL, text), Some(&pieces)).await.unwrap();
    let pieces = pieces.take();
    assert_eq!(pieces, ["one two  three ", "four\nfive"]);
}

#[tokio::test(start_paused = true)]
async fn latency_is_as_configured_and_bounded() {
    let mut request = request(ECHO_MODEL, "hi");
    for (latency, expected) in [(json!(250), 250), (json!(null), 0), (json!(1e300), 600_000)] {
        request.config.insert("latency_ms".to_owned(), latency);
        let start = tokio::time::Instant::now();
        echo(&request).await;
        assert_eq!(start.elapsed().as_millis(), Duration::from_millis(expected).as_millis());
    }
    for wrong in [json!("250"), json!(-1)] {
        request.config.insert("latency_ms".to_owned(), wrong);
        assert_eq!(Echo.complete(&request, None).await.unwrap_err().kind, ModelErrorKind::Refused);
    }
}

#[tokio::test]
async fn it_has_one_name() {
    for name in ["noukai/other", "noukai/", "noukai/echo2"] {
        assert!(Echo.describe(name).available.is_err());
        let error = Echo.complete(&request(name, "hi"), None).await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::NotAvailable);
        assert!(error.message.contains(ECHO_MODEL));
    }
}
