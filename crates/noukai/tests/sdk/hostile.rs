//! Servers that answer what no server should: the error says what came, and memory stays bounded.

use std::time::Duration;

use noukai::{ErrorKind, Flow};
use noukai_mock::{Piece, Reply, Server};

use crate::support::{builder, flow};

const HTML: &str = "<!doctype html><title>Log in</title>";

/// A flow that gives up soon, and reads little.
fn impatient(server: &Server) -> Flow {
    let client = builder(server).max_retries(0).max_reply_bytes(10_000).timeout(Duration::from_millis(200));
    client.build().expect("a client").flow("acme/demo/hello").expect("a flow")
}

#[tokio::test]
async fn html_is_told_to_be_html() {
    let server = Server::script([Reply::new(200, "text/html", HTML)]);
    let flow = flow(&server);
    let of_call = flow.execute().await.expect_err("HTML");
    let of_stream = flow.events().stream().all().await.expect_err("HTML");
    let of_job = flow.job("r-1").poll().await.expect_err("HTML");
    let of_trace = flow.run("r-1").live_trace().all().await.expect_err("HTML");
    for error in [of_call, of_stream, of_job, of_trace] {
        assert_eq!((error.kind(), error.status()), (ErrorKind::Decode, Some(200)));
        assert!(error.to_string().contains("text/html: <!doctype html>"), "{error}");
        assert_eq!(error.body(), Some(HTML));
    }
}

#[tokio::test]
async fn truncated_json_is_shown() {
    let server = Server::script([Reply::new(200, "application/json", r#"{"status": "completed", "resu"#)]);
    let error = flow(&server).execute().await.expect_err("half of it");
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains(r#"{"status": "completed", "resu"#), "{error}");
    assert!(error.to_string().contains("EOF"), "{error}");
}

#[tokio::test]
async fn json_of_another_shape_is_shown() {
    for body in ["[]", "null", "7", "{}", r#"{"status": 1}"#] {
        let server = Server::script([Reply::new(200, "application/json", body)]);
        let error = flow(&server).execute().await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains(body), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_content_type_is_told_in_both_directions() {
    let server = Server::script([Reply::new(200, "application/json", "{}")]);
    let error = flow(&server).events().stream().all().await.expect_err("no stream");
    assert!(error.to_string().contains("no event stream but application/json: {}"), "{error}");
    let server = Server::script([Reply::new(200, "text/event-stream", "data: {}\n\n")]);
    let error = flow(&server).execute().await.expect_err("a stream");
    assert!(error.to_string().contains("no JSON but text/event-stream"), "{error}");
}

#[tokio::test]
async fn a_reply_without_end_is_refused_at_its_bound() {
    for (status, kind) in [(200, "application/json"), (500, "text/plain"), (200, "text/html")] {
        let endless = Reply::new(status, kind, "").pieces([Piece::Endless(b"[1,2,3,4,5,6,7,8,9],".repeat(50))]);
        let server = Server::script([endless]);
        let error = impatient(&server).execute().await.expect_err("no end");
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("larger than 10000 bytes"), "{error}");
        assert!(error.to_string().contains("[1,2,3"), "{error}");
    }
}

#[tokio::test]
async fn an_event_without_end_is_refused_at_its_bound() {
    for endless in [b"x".repeat(500), b"data: xxxxxxxxxxxxxxxx\n".to_vec(), b": only a comment, so far".to_vec()] {
        let server = Server::script([Reply::stream([Piece::Endless(endless)])]);
        let error = impatient(&server).events().stream().all().await.expect_err("no end");
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("more than 10000 bytes"), "{error}");
    }
}

#[tokio::test]
async fn a_silent_server_runs_into_the_timeout() {
    let head = Reply::new(200, "application/json", "");
    let server = Server::script([head.pieces([Piece::Bytes(b"{\"status\":".to_vec()), Piece::Silence])]);
    let error = impatient(&server).execute().await.expect_err("silence");
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn an_event_that_is_no_json_is_shown() {
    let server = Server::script([Reply::stream([Piece::Bytes(b"event: run_started\ndata: <html>\n\n".to_vec())])]);
    let error = flow(&server).events().stream().all().await.expect_err("no JSON");
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("run_started") && error.to_string().contains("<html>"), "{error}");
    assert_eq!(server.requests().len(), 1, "asking again would not help");
}

#[tokio::test]
async fn headers_that_are_no_text_are_survived() {
    let server = Server::script([Reply::error(503, "OVERLOADED").header("retry-after", "soon \u{fffd}")]);
    let error = impatient(&server).execute().await.expect_err("an error");
    assert_eq!((error.status(), error.retry_after()), (Some(503), None));
}
