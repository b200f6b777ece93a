//! Error answers and broken connections.

use std::time::Duration;

use noukai_engine::{Model, ModelError, ModelErrorKind};
use serde_json::json;

use super::{
    Pieces,
    mock::{Answer, CANARY, Mock, config, provider, raw},
    request,
};

async fn error(answer: Answer) -> ModelError {
    let mock = Mock::start(answer).await;
    mock.provider().complete(&request("a/b", "hi"), None).await.unwrap_err()
}

#[tokio::test]
async fn each_status_has_its_kind() {
    use ModelErrorKind::{Filtered, KeyRejected, NotAvailable, RateLimited, Refused, Server};
    let body = |code: &str| json!({"error": {"message": "said so", "type": "some_error", "code": code}});
    for (status, code, kind) in [
        (400, "bad", Refused),
        (400, "model_not_found", NotAvailable),
        (400, "content_filter", Filtered),
        (401, "invalid_api_key", KeyRejected),
        (402, "credits", Refused),
        (403, "", KeyRejected),
        (404, "model_not_found", NotAvailable),
        (404, "", NotAvailable),
        (408, "", Server),
        (409, "", Server),
        (413, "", Refused),
        (422, "", Refused),
        (429, "insufficient_quota", RateLimited),
        (500, "", Server),
        (502, "", Server),
        (503, "", Server),
        (529, "", Server),
    ] {
        let error = error(Answer::of(status, "application/json", body(code))).await;
        assert_eq!(error.kind, kind, "{status} {code}");
        assert_eq!(error.status, Some(status));
        assert_eq!(error.provider.as_deref(), Some("mock"));
        assert!(error.message.contains("said so"), "{}", error.message);
    }
}

#[tokio::test]
async fn error_bodies_come_in_many_shapes() {
    for (body, expected) in [
        (json!({"error": "text"}).to_string(), "the provider failed (500): text"),
        (json!({"message": "top"}).to_string(), "the provider failed (500): top"),
        (json!({"detail": "fast"}).to_string(), "the provider failed (500): fast"),
        ("just text".to_owned(), "the provider failed (500): just text"),
        ("<html>no</html>".to_owned(), "the provider failed (500)"),
        (String::new(), "the provider failed (500)"),
        ("[1, 2]".to_owned(), "the provider failed (500)"),
    ] {
        assert_eq!(error(Answer::of(500, "text/plain", body)).await.message, expected);
    }
    let openrouter = json!({"error": {"message": "x/y is not a valid model ID", "code": 400}});
    assert_eq!(error(Answer::of(400, "application/json", openrouter)).await.kind, ModelErrorKind::NotAvailable);
    let flagged = json!({"error": {"message": "flagged", "code": 403, "metadata": {"reasons": ["x"]}}});
    assert_eq!(error(Answer::of(403, "application/json", flagged)).await.kind, ModelErrorKind::Filtered);
}

#[tokio::test]
async fn waits_are_passed_on() {
    let limited = || Answer::of(429, "application/json", "{}");
    let wait = |answer: Answer| async { error(answer).await.retry_after };
    assert_eq!(wait(limited().with("retry-after", "12")).await, Some(Duration::from_secs(12)));
    assert_eq!(wait(limited().with("retry-after-ms", "1500")).await, Some(Duration::from_millis(1500)));
    assert_eq!(wait(limited().with("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")).await, Some(Duration::ZERO));
    assert_eq!(wait(limited()).await, None);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Mock::start(Answer::json("{}")).await;
    for status in [301, 302, 307, 308] {
        let error = error(Answer::of(status, "text/plain", "").with("location", &elsewhere.url)).await;
        assert_eq!(error.kind, ModelErrorKind::Refused);
        assert!(error.message.contains("redirects"));
    }
    assert!(elsewhere.asked.lock().is_empty());
}

#[tokio::test]
async fn connections_that_fail_or_break_are_unreachable() {
    let refused = "http://127.0.0.1:1/v1".to_owned();
    let closed = raw(Some(b"")).await;
    let garbage = raw(Some(b"SSH-2.0-OpenSSH_9.6\r\n")).await;
    let short =
        raw(Some(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"cho")).await;
    let chunked =
        raw(Some(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata"))
            .await;
    for url in [refused, closed, garbage, short, chunked] {
        let error = provider(config(&url)).complete(&request("a/b", "hi"), Some(&Pieces::default())).await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Unreachable, "{error:?}");
        assert!(!error.message.contains("http://"), "{error:?}");
    }
}

#[tokio::test]
async fn silence_ends_in_time() {
    let mut config = config(&raw(None).await);
    config.timeout = Duration::from_millis(50);
    let error = provider(config).complete(&request("a/b", "hi"), None).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Unreachable);
    assert_eq!(error.message, "the provider did not answer in time");
}

#[tokio::test]
async fn no_error_shows_the_key() {
    let said = format!("Incorrect API key: {CANARY}, or {}; Bearer {CANARY}; sk-or-v1-0123456789", &CANARY[5..20]);
    let object = json!({"error": {"message": said}}).to_string();
    let in_choice = json!({"choices": [{"message": {"refusal": said, "content": null}}]}).to_string();
    let wrong_type = json!({"choices": said}).to_string();
    let mut seen = Vec::new();
    for status in [200, 302, 400, 401, 404, 429, 500] {
        for body in [&object, &in_choice, &wrong_type, &said] {
            let mock = Mock::start(Answer::of(status, "application/json", body)).await;
            let provider = mock.provider();
            let error = provider.complete(&request("a/b", "hi"), None).await.unwrap_err();
            seen.push(format!("{error:?} {provider:?} {:?}", mock.config()));
        }
    }
    let stream = Mock::start(Answer::sse(format!("data: {object}\n\n"))).await;
    let error = stream.provider().complete(&request("a/b", "hi"), Some(&Pieces::default())).await.unwrap_err();
    seen.push(format!("{error:?}"));
    for text in seen {
        for piece in [CANARY, &CANARY[5..20], "0123456789"] {
            assert!(!text.contains(piece), "{text}");
        }
        assert!(text.len() < 2_000);
    }
}
