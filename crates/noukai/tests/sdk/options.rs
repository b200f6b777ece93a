//! Every option: what it sends, and what it refuses before anything is sent.

use std::time::Duration;

use noukai::{Attachment, CancelToken, ErrorKind, Execute, Message, Result, Tool, ToolChoice, Version};
use noukai_mock::{Reply, Request, Server};
use serde_json::json;

use crate::support::{builder, completed, flow, stream, two_calls};

/// What one call sends.
async fn sent(make: impl FnOnce(Execute) -> Execute) -> Request {
    let server = Server::script([completed(&json!("done"))]);
    make(flow(&server).execute()).await.expect("a reply");
    server.requests().remove(0)
}

#[tokio::test]
async fn message_is_sent_even_when_empty() {
    assert_eq!(sent(|call| call.message("hi")).await.json()["message"], "hi");
    assert_eq!(sent(|call| call.message("")).await.json()["message"], "");
    assert_eq!(sent(|call| call).await.json().get("message"), None);
}

#[tokio::test]
async fn messages_are_turns_of_any_shape() {
    let typed = sent(|call| call.messages([Message::assistant("Hi"), Message::user("Ada")])).await.json();
    let plain = json!([{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Ada"}]);
    assert_eq!(typed["messages"], plain);
    let json = sent(|call| call.messages(plain.as_array().expect("a list").clone())).await.json();
    assert_eq!(json["messages"], plain);
    // An empty list is none, beside a message too.
    let both = sent(|call| call.message("hi").messages(Vec::<Message>::new())).await.json();
    assert_eq!((both.get("messages"), &both["message"]), (None, &json!("hi")));
}

#[tokio::test]
async fn parameters_are_anything_that_serialises_to_an_object() {
    #[derive(serde::Serialize)]
    struct Inputs {
        tone: &'static str,
        count: u32,
    }
    let body = sent(|call| call.parameters(Inputs { tone: "warm", count: 2 })).await.json();
    assert_eq!(body["parameters"], json!({"tone": "warm", "count": 2}));
    assert_eq!(sent(|call| call).await.json()["parameters"], json!({}));
}

#[tokio::test]
async fn overrides_attachments_and_trace_are_sent() {
    let image = Attachment { filename: Some("cat.png".to_owned()), ..Attachment::new("https://a.b/c", "image/png") };
    let make = |call: Execute| {
        call.block_overrides(json!({"greet": {"prompt": "x"}})).attachments([image]).trace(true).message("hi")
    };
    let body = sent(make).await.json();
    assert_eq!(body["blockOverrides"], json!({"greet": {"prompt": "x"}}));
    assert_eq!(body["attachments"][0], json!({"url": "https://a.b/c", "mimeType": "image/png", "filename": "cat.png"}));
    assert_eq!(body["trace"], true);
    assert_eq!(sent(|call| call).await.json()["trace"], false);
}

#[tokio::test]
async fn tools_and_their_choice_are_sent_in_openai_format() {
    let tools = [Tool::new("now").description("The time").parameters(json!({"type": "object"})).strict(true)];
    let body = sent(|call| call.tools(tools).tool_choice(ToolChoice::function("now"))).await.json();
    let function = json!({"name": "now", "description": "The time", "parameters": {"type": "object"}, "strict": true});
    assert_eq!(body["tools"], json!([{"type": "function", "function": function}]));
    assert_eq!(body["toolChoice"], json!({"type": "function", "function": {"name": "now"}}));
    for (choice, text) in [(ToolChoice::Auto, "auto"), (ToolChoice::None, "none"), (ToolChoice::Required, "required")] {
        assert_eq!(sent(|call| call.tool_choice(choice)).await.json()["toolChoice"], text);
    }
    let none = sent(|call| call).await.json();
    assert_eq!((none.get("tools"), none.get("toolChoice")), (None, None));
}

#[tokio::test]
async fn the_version_is_a_segment_and_the_draft_by_default_for_every_call() {
    for (version, segment) in [("draft", "/v0"), ("production", ""), ("3", "/v3")] {
        let request = sent(|call| call.version(version)).await;
        assert_eq!(request.path, format!("/api/v1/seq/acme/demo/hello{segment}/execute"));
    }
    assert_eq!(sent(|call| call.version(7)).await.path, "/api/v1/seq/acme/demo/hello/v7/execute");
    assert_eq!(sent(|call| call.version(Version::Production)).await.path, "/api/v1/seq/acme/demo/hello/execute");
    let server = Server::demo();
    let flow = flow(&server);
    flow.execute().message("hi").await.expect("a reply");
    flow.steps().message("hi").stream().all().await.expect("steps");
    flow.events().message("hi").stream().all().await.expect("events");
    flow.execute_async().message("hi").await.expect("a job");
    let paths: Vec<String> = server.requests().iter().map(|request| request.path.clone()).collect();
    let base = "/api/v1/seq/acme/demo/hello/v0";
    assert_eq!(paths, ["execute", "step", "step", "jobs"].map(|last| format!("{base}/{last}")));
}

#[tokio::test]
async fn a_call_has_a_session_and_a_key_of_its_own() {
    let server = Server::script([completed(&json!("done"))]);
    let client = builder(&server).session_id("of the client").build().expect("a client");
    let flow = client.flow("acme/demo/hello").expect("a flow");
    flow.execute().await.expect("a reply");
    let done = flow.execute().session_id(" of the call ").idempotency_key("k-1").await.expect("a reply");
    assert_eq!(done.completed().expect("an end").session_id.as_deref(), Some("of the call"));
    let requests = server.requests();
    assert_eq!(requests[0].header("x-session-id"), "of the client");
    assert_eq!(requests[1].header("x-session-id"), "of the call");
    assert_eq!(requests[0].header("idempotency-key").len(), 36);
    assert_eq!(requests[1].header("idempotency-key"), "k-1");
}

#[tokio::test]
async fn stream_options_are_sent() {
    let [first, second] = two_calls();
    let whole = [&first[..5], &second[..]].concat();
    let server = Server::script([stream(1, &whole)]);
    let call = flow(&server).events().message("hi").deltas(true).run_remaining(true);
    call.input_overrides(json!({"first": "other"})).stream().all().await.expect("events");
    let request = server.requests().remove(0);
    assert_eq!(request.query, "deltas=true");
    assert_eq!(request.json()["runRemaining"], true);
    assert_eq!(request.json()["inputOverrides"], json!({"first": "other"}));
}

/// A way to call, an option of it that is not valid, and what the error must name.
type Case = (&'static str, Box<dyn FnOnce(Execute) -> Execute>, &'static str);

fn cases() -> Vec<Case> {
    fn case(name: &'static str, make: impl FnOnce(Execute) -> Execute + 'static, named: &'static str) -> Case {
        (name, Box::new(make), named)
    }
    fn image(url: &str) -> Attachment {
        Attachment::new(url, "image/png")
    }
    let tool = |name: &str| Tool::new(name);
    let (twice, many) = ([tool("a"), tool("a")], (0..65).map(|n| Tool::new(format!("t{n}"))).collect::<Vec<_>>());
    let named = |filename: &str| Attachment { filename: Some(filename.to_owned()), ..image("https://a.b/c") };
    let (slash, long) = (named("a/b"), named(&"x".repeat(256)));
    vec![
        case("version text", |c| c.version("main"), "`draft`, `production`"),
        case("version dev", |c| c.version("dev"), "`draft`, `production`"),
        case("version -1", |c| c.version("-1"), "`draft`, `production`"),
        case("version number", |c| c.version(-1), "`draft`, `production`"),
        case("version 0", |c| c.version(Version::Number(0)), "`draft`, `production`"),
        case("both", |c| c.message("a").messages([Message::user("b")]), "not both"),
        case("role", |c| c.messages([json!({"role": "system", "content": "x"})]), "`user`, `assistant` and `tool`"),
        case("no role", |c| c.messages([json!({"content": "x"})]), "`messages[0]`"),
        case("no turn", |c| c.messages(["text"]), "`messages[0]`"),
        case("parameters list", |c| c.parameters([1, 2]), "`parameters` must be an object"),
        case("parameters value", |c| c.parameters("x"), "`parameters` must be an object"),
        case("reserved", |c| c.parameters(json!({"attachments": []})), "`attachments`"),
        case("overrides", |c| c.block_overrides(json!([])), "`block_overrides` must be an object"),
        case("override", |c| c.block_overrides(json!({"a": "b"})), "{field: value}"),
        case("http", |c| c.attachments([image("http://a.b/c")]), "`https://`"),
        case("no url", |c| c.attachments([image("cat.png")]), "`https://`"),
        case("long url", |c| c.attachments([image(&format!("https://a.b/{}", "x".repeat(2048)))]), "2048"),
        case("11 images", |c| c.attachments(vec![image("https://a.b/c"); 11]), "at most 10"),
        case("mime", |c| c.attachments([Attachment::new("https://a.b/c", "image/tiff")]), "image/jpeg, image/png"),
        case("slash", move |c| c.attachments([slash]), "`filename`"),
        case("long name", move |c| c.attachments([long]), "255"),
        case("no tool", |c| c.tools([json!({"name": "x"})]), "\"type\": \"function\""),
        case("tool name", |c| c.tools([Tool::new("a b")]), "letters, digits"),
        case("empty name", |c| c.tools([Tool::new("")]), "letters, digits"),
        case("two tools", move |c| c.tools(twice), "`a`"),
        case("65 tools", move |c| c.tools(many), "at most 64"),
        case("choice", |c| c.tools([Tool::new("a")]).tool_choice(ToolChoice::function("b")), "tools: a"),
        case("timeout", |c| c.timeout(Duration::ZERO), "`timeout`"),
        case("session", |c| c.session_id("s".repeat(201)), "200"),
        case("empty session", |c| c.session_id(" "), "`session_id`"),
        case("control", |c| c.session_id("a\nb"), "control"),
        case("key", |c| c.idempotency_key("a b"), "`idempotency_key`"),
        case("empty key", |c| c.idempotency_key(""), "`idempotency_key`"),
        case("long key", |c| c.idempotency_key("k".repeat(256)), "255"),
    ]
}

#[tokio::test]
async fn every_invalid_option_fails_before_a_request_and_names_the_valid_ones() {
    let server = Server::demo();
    for (name, make, named) in cases() {
        let error = make(flow(&server).execute()).await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidValue, "{name}: {error}");
        assert!(error.to_string().contains(named), "{name}: {error}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn streams_and_jobs_check_the_same_before_a_request() {
    let server = Server::demo();
    let flow = flow(&server);
    let kind = |result: Result<()>| result.map_err(|error| error.kind()).err();
    let steps = flow.steps().version("main").stream().all().await.map(drop);
    let events = flow.events().input_overrides(json!(1)).stream().all().await.map(drop);
    let job = flow.execute_async().version("dev").await.map(drop);
    let unanswered = flow.steps().tools([Tool::new("a")]).stream().all().await.map(drop);
    for result in [steps, events, job, unanswered] {
        assert_eq!(kind(result), Some(ErrorKind::InvalidValue));
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_timeout_ends_a_call() {
    let server = Server::start(|_| Reply::new(200, "application/json", "").pieces([noukai_mock::Piece::Silence]));
    let error = flow(&server).execute().timeout(Duration::from_millis(50)).await.expect_err("too slow");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("0.05 s"), "{error}");
    let client = builder(&server).timeout(Duration::from_millis(50)).build().expect("a client");
    let error = client.flow("acme/demo/hello").expect("a flow").execute().await.expect_err("too slow");
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_token_ends_a_call_a_stream_and_a_whole_client() {
    let server = Server::start(|_| Reply::stream([noukai_mock::Piece::Silence]));
    let (token, all) = (CancelToken::new(), CancelToken::new());
    let client = builder(&server).cancel(&all).build().expect("a client");
    let flow = client.flow("acme/demo/hello").expect("a flow");
    let asked = || server.requests().len();
    let (call, _) = tokio::join!(flow.execute().cancel(&token).into_future(), cancelled_after(&token, asked, 1));
    assert_eq!(call.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    let mut events = flow.events().stream();
    let (event, _) = tokio::join!(events.next(), cancelled_after(&all, asked, 2));
    assert_eq!(event.expect("an item").expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert!(events.next().await.is_none());
    assert_eq!(flow.execute().await.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert_eq!(asked(), 2);
}

/// Cancels once the server was asked so often.
async fn cancelled_after(token: &CancelToken, asked: impl Fn() -> usize, count: usize) {
    while asked() < count {
        tokio::task::yield_now().await;
    }
    token.cancel();
}

#[tokio::test]
async fn dropping_a_call_or_a_stream_closes_its_connection() {
    let closed = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let server = Server::start(|_| Reply::stream([noukai_mock::Piece::Silence]));
    server.on_close({
        let closed = closed.clone();
        move || {
            closed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let flow = flow(&server);
    let call = tokio::spawn(flow.execute().into_future());
    let mut events = flow.events().stream();
    let reading = tokio::spawn(async move { events.next().await.is_some() });
    while server.requests().len() < 2 {
        tokio::task::yield_now().await;
    }
    call.abort();
    reading.abort();
    while closed.load(std::sync::atomic::Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn jobs_take_no_tools() {
    // A job cannot pause: the builder has no such methods. The compiler is the check; the list is the snapshot's.
    let listed = include_str!("public_api.txt");
    let of_jobs: Vec<&str> = listed.lines().filter(|line| line.contains("ExecuteAsync::")).collect();
    assert!(!of_jobs.is_empty());
    assert!(!of_jobs.iter().any(|line| line.contains("tool")), "{of_jobs:?}");
}

#[tokio::test]
async fn defaults_are_those_of_the_contract() {
    let body = sent(|call| call).await.json();
    let expected = json!({"parameters": {}, "attachments": [], "blockOverrides": {}, "trace": false,
        "iterationsUsed": 0, "accumulatedOutputs": {}});
    assert_eq!(body, expected);
}
