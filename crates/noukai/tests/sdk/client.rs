//! The client itself: the environment, the pool, the headers, the key.

use std::process::Command;

use noukai::{ErrorKind, Noukai};
use noukai_mock::{KEY, Server};
use serde_json::json;

use crate::support::{builder, completed, flow};

/// What the test below starts again, with another environment.
#[test]
fn a_client_of_the_environment() {
    let Ok(expected) = std::env::var("EXPECTED_BASE_URL") else { return };
    match Noukai::new() {
        Ok(client) => assert_eq!(client.base_url(), expected),
        Err(error) => assert!(error.to_string().contains(&expected), "{error}"),
    }
}

#[test]
fn new_reads_key_server_and_environment() {
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("NOUKAI_API_KEY", KEY)], "http://localhost:8080/api/v1"),
        (&[("NOUKAI_API_KEY", KEY), ("NOUKAI_ENV", "dev")], "http://localhost:8080/api/v1"),
        (&[("NOUKAI_API_KEY", KEY), ("NOUKAI_BASE_URL", "https://a.example/v1/")], "https://a.example/v1"),
        (&[("NOUKAI_API_KEY", KEY), ("NOUKAI_ENV", "moon")], "`dev` and `development`"),
        (&[], "NOUKAI_API_KEY"),
    ];
    for (environment, expected) in cases {
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        child.args(["--exact", "client::a_client_of_the_environment"]);
        for name in ["NOUKAI_API_KEY", "NOUKAI_ENV", "NOUKAI_BASE_URL"] {
            child.env_remove(name);
        }
        child.env("EXPECTED_BASE_URL", expected).envs(environment.iter().copied());
        let output = child.output().expect("the test runs");
        assert!(output.status.success(), "{environment:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[tokio::test]
async fn construction_sends_nothing_and_calls_share_a_connection() {
    let server = Server::script([completed(&json!("done"))]);
    let flow = flow(&server);
    assert_eq!(server.connections(), 0);
    for _ in 0..5 {
        flow.clone().execute().message("hi").await.expect("a reply");
    }
    assert_eq!((server.connections(), server.requests().len()), (1, 5));
}

#[tokio::test]
async fn every_request_names_key_client_and_trace() {
    let server = Server::demo();
    let flow = flow(&server);
    let done = flow.execute().message("hi").await.expect("a reply");
    flow.steps().message("hi").stream().all().await.expect("steps");
    flow.run(done.execution_id()).live_trace().all().await.expect("events");
    flow.execute_async().message("hi").await.expect("a job").wait().await.expect("an end");
    let requests = server.requests();
    assert_eq!(requests.len(), 5);
    for request in &requests {
        assert_eq!(request.header("authorization"), format!("Bearer {KEY}"));
        assert!(request.header("user-agent").starts_with("noukai-rust/"));
        assert_eq!(request.header("traceparent").len(), 55, "{}", request.path);
        assert!(!format!("{}?{}", request.path, request.query).contains("nk_"), "no key in a URL");
    }
}

#[tokio::test]
async fn a_loopback_server_is_asked_without_a_proxy_and_redirects_are_not_followed() {
    let server = Server::start(|_| {
        noukai_mock::Reply::new(307, "text/html", "elsewhere").header("location", "http://127.0.0.1:1/steal")
    });
    let error = flow(&server).execute().message("hi").await.expect_err("a redirect");
    assert_eq!((error.kind(), error.status()), (ErrorKind::FlowExecution, Some(307)));
    assert!(error.to_string().contains("http://127.0.0.1:1/steal"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_key_shows_nowhere() {
    use std::sync::{Arc, Mutex};
    // The server echoes the key in its error; the caller misplaces another one in the message.
    let server = Server::start(|request| {
        let echoed = format!("bad header {}", request.header("authorization"));
        noukai_mock::Reply::json(400, &json!({"detail": {"code": "BAD_REQUEST", "message": echoed}}))
    });
    let seen = Arc::new(Mutex::new(String::new()));
    let log = seen.clone();
    let client = builder(&server).on_log(move |event| log.lock().expect("a log").push_str(&format!("{event:?}")));
    let client = client.build().expect("a client");
    let flow = client.flow("acme/demo/hello").expect("a flow");
    let error = flow.execute().message("hi").await.expect_err("a refusal");
    let everything =
        format!("{client:?} {flow:?} {error} {error:?} {:?} {}", error.body(), seen.lock().expect("a log"));
    assert!(!everything.contains(&KEY[9..]), "{everything}");
    assert!(everything.contains("nk_***"), "{everything}");
}

#[tokio::test]
async fn on_log_is_told_of_contents_only_where_that_is_wanted() {
    use std::sync::{Arc, Mutex};
    for wanted in [false, true] {
        let server = Server::script([completed(&json!("the answer"))]);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let client = builder(&server).log_payloads(wanted).on_log(move |event| {
            log.lock().expect("a log").push((event.phase, event.status, event.payload.map(str::to_owned)));
        });
        let client = client.build().expect("a client");
        client.flow("acme/demo/hello").expect("a flow").execute().message("the question").await.expect("a reply");
        let seen = seen.lock().expect("a log").clone();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1].1, Some(200));
        let contents = seen.iter().filter_map(|event| event.2.clone()).collect::<String>();
        assert_eq!(contents.contains("the question") && contents.contains("the answer"), wanted, "{contents}");
    }
}

#[test]
fn futures_and_streams_are_send() {
    fn is_send<T: Send>(_: T) {}
    fn is_share<T: Send + Sync + Clone + 'static>(value: T) -> T {
        value
    }
    let client = is_share(Noukai::builder().api_key(KEY).build().expect("a client"));
    let flow = is_share(client.flow("acme/demo/hello").expect("a flow"));
    is_send(flow.execute().tool_handler(async |_| Vec::new()).into_future());
    is_send(flow.execute_async().into_future());
    is_send(flow.steps().stream());
    is_send(flow.events().tool_handler(async |_| Vec::new()).stream());
    is_send(flow.run("r-1").live_trace());
    is_send(flow.run("r-1").step_trace("s").into_future());
    is_send(flow.job("r-1").wait().into_future());
    is_send(client.replay("x"));
    is_send(client.session());
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    is_error::<noukai::Error>();
}
