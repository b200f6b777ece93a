//! Errors: their kinds by status and by what happened here, and everything they carry.

use std::{error::Error as _, time::Duration};

use noukai::{ErrorKind, Noukai};
use noukai_mock::{KEY, Reply, Server};
use serde_json::json;

use crate::support::{builder, flow};

#[tokio::test]
async fn the_status_makes_the_kind() {
    use ErrorKind as K;
    let cases = [
        (400, K::FlowExecution),
        (401, K::Authentication),
        (402, K::InsufficientCredits),
        (403, K::PermissionDenied),
        (404, K::FlowNotFound),
        (408, K::FlowExecution),
        (409, K::FlowExecution),
        (413, K::FlowExecution),
        (422, K::FlowExecution),
        (429, K::RateLimit),
        (500, K::FlowExecution),
        (502, K::FlowExecution),
        (503, K::FlowExecution),
        (504, K::FlowExecution),
    ];
    for (status, kind) in cases {
        let server = Server::start(move |_| Reply::error(status, "SOME_CODE"));
        let client = builder(&server).max_retries(0).build().expect("a client");
        let flow = client.flow("acme/demo/hello").expect("a flow");
        let of_call = flow.execute().await.expect_err("an error");
        let of_stream = flow.events().stream().all().await.expect_err("an error");
        let of_job = flow.execute_async().await.expect_err("an error");
        let of_trace = flow.run("r-1").trace().await.expect_err("an error");
        for error in [of_call, of_stream, of_job, of_trace] {
            assert_eq!(
                (error.kind(), error.status(), error.code()),
                (kind, Some(status), Some("SOME_CODE")),
                "{status}"
            );
            assert_eq!(error.request_id(), Some("req-1"));
        }
    }
}

#[tokio::test]
async fn an_error_carries_what_the_server_said() {
    let body = json!({"detail": {"code": "ALREADY_RESUMED", "message": "too late", "executionId": "r-7",
        "errors": [{"loc": ["body"], "msg": "x"}]}});
    let reply = Reply::json(409, &body).header("x-request-id", "req-9").header("retry-after", "2.5");
    let server = Server::script([reply]);
    let error = flow(&server).execute().await.expect_err("an error");
    assert_eq!((error.execution_id(), error.request_id()), (Some("r-7"), Some("req-9")));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(2_500)));
    assert_eq!(error.body().map(str::to_owned), Some(body.to_string()));
    assert_eq!(error.to_string(), "too late (ALREADY_RESUMED, HTTP 409, request req-9)");
    assert!(format!("{error:?}").contains("ALREADY_RESUMED"));
}

#[tokio::test]
async fn other_shapes_of_errors_are_read_too() {
    let server = Server::script([
        Reply::json(400, &json!({"detail": "only a text"})),
        Reply::json(400, &json!({"oops": true})),
        Reply::new(418, "text/html; charset=utf-8", "<h1>teapot</h1>"),
        Reply::new(400, "", ""),
    ]);
    let flow = flow(&server);
    let mut said = Vec::new();
    for _ in 0..4 {
        said.push(flow.execute().await.expect_err("an error").to_string());
    }
    assert_eq!(said[0], "only a text (HTTP 400)");
    assert!(said[1].contains(r#"application/json: {"oops":true}"#), "{}", said[1]);
    assert!(said[2].contains("text/html; charset=utf-8: <h1>teapot</h1>"), "{}", said[2]);
    assert!(said[3].contains("empty"), "{}", said[3]);
}

#[tokio::test]
async fn nobody_there_is_a_connection_error_with_its_source() {
    // A port that was free a moment ago.
    let server = Server::demo();
    let url = server.url();
    drop(server);
    let client = Noukai::builder().base_url(&url).api_key(KEY).max_retries(0).build().expect("a client");
    let flow = client.flow("acme/demo/hello").expect("a flow");
    let error = flow.execute().await.expect_err("nobody is there");
    assert_eq!((error.kind(), error.status()), (ErrorKind::Connection, None));
    assert!(error.to_string().starts_with(&format!("{url} could not be reached")), "{error}");
    assert!(error.source().is_some());
    assert_eq!(flow.events().stream().all().await.expect_err("nobody").kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn plain_http_where_tls_is_expected_is_a_connection_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}/api/v1", listener.local_addr().expect("an address"));
    let answering = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").expect("it is sent");
    });
    let client = Noukai::builder().base_url(url).api_key(KEY).max_retries(0).build().expect("a client");
    let error = client.flow("acme/demo/hello").expect("a flow").execute().await.expect_err("no TLS there");
    assert_eq!(error.kind(), ErrorKind::Connection);
    answering.join().expect("it answered");
}
