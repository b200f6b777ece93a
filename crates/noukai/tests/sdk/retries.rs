//! What is sent again, and that nothing runs twice by it.

use std::time::Duration;

use noukai::{ErrorKind, LogPhase};
use noukai_mock::{Piece, Reply, Request, Server};
use serde_json::json;

use crate::support::{builder, completed, flow, stream, two_calls};

/// An error that asks for no wait.
fn passing(status: u16) -> Reply {
    Reply::error(status, "LATER").header("retry-after", "0")
}

fn keys(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| request.header("idempotency-key")).collect()
}

#[tokio::test]
async fn a_passing_error_is_tried_again_with_the_same_key_and_body() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = Server::script([passing(status), completed(&json!("done"))]);
        flow(&server).execute().message("hi").await.expect("the second try");
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "{status}");
        assert_eq!(requests[0].header("idempotency-key").len(), 36);
        assert_eq!(keys(&requests)[0], keys(&requests)[1]);
        assert_eq!(requests[0].body, requests[1].body);
    }
}

#[tokio::test]
async fn a_final_error_is_not_tried_again() {
    for status in [400, 401, 402, 403, 404, 409, 413, 422, 501] {
        let server = Server::script([passing(status)]);
        assert!(flow(&server).execute().message("hi").await.is_err());
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn retries_are_counted_and_once_by_default() {
    for (retries, requests) in [(0, 1), (1, 2), (3, 4)] {
        let server = Server::script([passing(503)]);
        let client = builder(&server).max_retries(retries).build().expect("a client");
        let error = client.flow("acme/demo/hello").expect("a flow").execute().await.expect_err("for ever");
        assert_eq!((error.status(), server.requests().len()), (Some(503), requests));
    }
    let server = Server::script([passing(503)]);
    assert!(flow(&server).execute().await.is_err());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_broken_connection_is_tried_again_with_the_same_key() {
    let cut = Reply::new(200, "application/json", "").pieces([Piece::Bytes(b"{\"sta".to_vec()), Piece::Cut]);
    let server = Server::script([cut, completed(&json!("done"))]);
    flow(&server).execute().message("hi").await.expect("the second try");
    let requests = server.requests();
    assert_eq!((requests.len(), keys(&requests)[0]), (2, keys(&requests)[1]));
}

#[tokio::test]
async fn the_server_says_when_to_come_back_unless_that_is_too_late() {
    use std::sync::{Arc, Mutex};
    let server = Server::script([Reply::error(429, "RATE_LIMITED").header("retry-after", "3600")]);
    let phases = Arc::new(Mutex::new(Vec::new()));
    let log = phases.clone();
    let client = builder(&server).on_log(move |event| log.lock().expect("a log").push(event.phase)).build();
    let error = client.expect("a client").flow("acme/demo/hello").expect("a flow").execute().await;
    let error = error.expect_err("in an hour");
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimit, Some(Duration::from_secs(3_600))));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(*phases.lock().expect("a log"), [LogPhase::Request, LogPhase::Response, LogPhase::Failure]);
}

#[tokio::test]
async fn reads_and_cancels_are_tried_again_too() {
    let status = Reply::json(200, &json!({"executionId": "r-1", "status": "cancelled"}));
    let server = Server::script([passing(502), status.clone(), passing(502), status]);
    let job = flow(&server).job("r-1");
    job.poll().await.expect("the second try");
    job.cancel().await.expect("the second try");
    assert_eq!(server.requests().len(), 4);
    assert!(keys(&server.requests()).iter().all(|key| key.is_empty()), "they do nothing that could be done twice");
}

#[tokio::test]
async fn a_streams_opening_is_tried_again_with_the_same_key() {
    let [first, second] = two_calls();
    let server = Server::script([passing(503), stream(1, &first), passing(503), stream(7, &second)]);
    let steps = flow(&server).steps().message("hi").stream().all().await.expect("steps");
    assert_eq!(steps.len(), 2);
    let requests = server.requests();
    let keys = keys(&requests);
    assert_eq!((keys[0], keys[2]), (keys[1], keys[3]));
    assert_ne!(keys[0], keys[2], "another call, another key");
}
