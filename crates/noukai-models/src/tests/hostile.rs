//! Replies no honest provider sends. Each is an error of a known kind, in bounded memory.

use noukai_engine::{Model, ModelError, ModelErrorKind};
use serde_json::json;

use super::{
    Pieces,
    mock::{Answer, Mock, provider},
    request,
};

async fn error(answer: Answer, stream: bool, limit: usize) -> ModelError {
    let mock = Mock::start(answer).await;
    let mut config = mock.config();
    config.max_reply_bytes = limit;
    let pieces = Pieces::default();
    let sink: Option<&dyn noukai_engine::DeltaSink> = if stream { Some(&pieces) } else { None };
    provider(config).complete(&request("a/b", "hi"), sink).await.unwrap_err()
}

fn broken_bodies() -> Vec<String> {
    let deep = format!("{{\"choices\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let many = format!("{{\"choices\": [{}{{}}]}}", "{},".repeat(300_000));
    let calls = format!(
        r#"{{"choices": [{{"message": {{"tool_calls": [{}{{}}]}}, "delta": {{"tool_calls": [{}{{}}]}}}}]}}"#,
        r#"{"function":{"name":"f"}},"#.repeat(1_000),
        "{\"index\":0},".repeat(1_000)
    );
    let mut bodies: Vec<String> = [
        r#"{"choices": [{"message": {"content": "\ud800"}, "delta": {"content": "\ud800"}}]}"#,
        r#"{"choices": [{"message": {"content": NaN}, "delta": {"content": NaN}}]}"#,
        r#"{"choices": [], "choices": []}"#,
        r#"{"choices": [{"message": {"content": "a", "content": "b"}, "delta": {"content": "a", "content": "b"}}]}"#,
        r#"{"choices": [{"message": {"content": 7}, "delta": {"content": 7}}]}"#,
        r#"{"choices": {"message": 1}}"#,
        r#"{"choices": [{"message": "text", "delta": "text"}]}"#,
        r#"{"usage": {"prompt_tokens": -1}, "choices": [{"message": {"content": "x"}}]}"#,
        r#"{"choices": [{"mess"#,
        "[]]",
        "7",
        "null",
        "not json",
        "<!doctype html><html></html>",
    ]
    .map(str::to_owned)
    .into();
    bodies.extend([deep, many, calls]);
    bodies
}

#[tokio::test]
async fn broken_replies_are_invalid() {
    let mut bodies = broken_bodies();
    bodies.extend(["", "{}", r#"{"choices": null}"#, r#"{"choices": []}"#, r#"{"choices": [{}]}"#].map(str::to_owned));
    bodies.push(
        json!({"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}}]}).to_string(),
    );
    bodies.push(json!({"choices": [{"message": {"tool_calls": [{"function": {"name": ""}}]}}]}).to_string());
    for body in bodies {
        let start: String = body.chars().take(60).collect();
        let error = error(Answer::json(body), false, 16_000_000).await;
        assert_eq!(error.kind, ModelErrorKind::ReplyInvalid, "{start}");
        assert!(error.message.chars().count() <= 301, "{start}");
    }
}

#[tokio::test]
async fn broken_streams_are_invalid() {
    for body in broken_bodies() {
        let start: String = body.chars().take(60).collect();
        let error = error(Answer::sse(format!("data: {body}\n\n")), true, 16_000_000).await;
        assert_eq!(error.kind, ModelErrorKind::ReplyInvalid, "{start}");
    }
    for body in ["", "\n\n\n", "data\n\n", "<html>\n\n</html>", ": only comments\n\n", "event: ping\n\n"] {
        assert_eq!(error(Answer::sse(body), true, 1_000).await.kind, ModelErrorKind::ReplyInvalid, "{body}");
    }
}

#[tokio::test]
async fn endless_replies_are_cut() {
    let chunk = json!({"choices": [{"delta": {"content": "and on "}}]});
    for piece in
        [format!("data: {chunk}\n\n"), ": ping\n\n".to_owned(), "data: endless line".to_owned(), " ".repeat(999)]
    {
        for stream in [true, false] {
            let mut answer = Answer::sse(&piece);
            answer.endless = true;
            let error = error(answer, stream, 100_000).await;
            assert_eq!(error.kind, ModelErrorKind::ReplyInvalid);
            assert_eq!(error.message, "the provider's reply is longer than 100000 bytes");
        }
    }
}

#[tokio::test]
async fn endless_error_bodies_are_cut() {
    let mut answer = Answer::of(500, "text/plain", "no ".repeat(1_000));
    answer.endless = true;
    let error = error(answer, false, 100).await;
    assert_eq!(error.kind, ModelErrorKind::Server);
    assert!(error.message.chars().count() <= 301);
}

#[tokio::test]
async fn an_announced_length_over_the_limit_is_not_read() {
    let answer = Answer::json("{}").with("content-length", "2");
    assert_eq!(error(answer, false, 1).await.kind, ModelErrorKind::ReplyInvalid);
}

#[tokio::test]
async fn compressed_replies_are_not_unpacked() {
    let mut answer = Answer::json("").with("content-encoding", "gzip");
    answer.pieces = vec![vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]];
    assert_eq!(error(answer, false, 1_000).await.kind, ModelErrorKind::ReplyInvalid);
}

#[tokio::test]
async fn absurd_counts_are_cut() {
    let body = format!(
        r#"{{"model": "{}", "choices": [{{"message": {{"content": "x"}}}}], "usage": {{"prompt_tokens": {max}, "completion_tokens": {max}}}}}"#,
        "m".repeat(100_000),
        max = u64::MAX
    );
    let mock = Mock::start(Answer::json(body)).await;
    let reply = mock.provider().complete(&request("openai/gpt-4o", "hi"), None).await.unwrap();
    assert_eq!(reply.tokens.prompt, 1_000_000_000_000);
    assert!(reply.model.len() <= 100);
}
