//! Code blocks over HTTP, in real worker processes: what callers, traces and authors see of them.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::TestServer;

/// What a user wrote; no trace without contents may show it.
const CANARY: &str = "canary-4f1c9a7e";

async fn server() -> TestServer {
    TestServer::with(|config| config.code.enabled = true).await
}

fn code(id: &str, source: &str) -> Value {
    json!({"id": id, "code": {"source": source}})
}

async fn put(server: &TestServer, slug: &str, capture: &str, steps: Value) -> noukai_server::PutFlow {
    let document = json!({"schema": 1, "slug": slug, "trace_capture": capture, "steps": steps});
    server.server.app().put_flow(&server.project, &document).await.expect("a draft")
}

/// Runs the flow; its reply, and everything that its traces and its stored events show.
async fn run(server: &TestServer, slug: &str, body: Value) -> (Value, Value, String) {
    let reply = server.execute(slug, body).await;
    let id = reply["executionId"].as_str().expect("an id").to_owned();
    let trace = server.get(&format!("/flow-runs/{id}/trace")).send().await.ok();
    let events = server.get(&format!("/flow-runs/{id}/trace/stream")).send().await.text;
    let runs = server.get("/flow-runs?limit=100").send().await.text;
    let shown = format!("{trace} {events} {runs}");
    (reply, trace, shown)
}

#[tokio::test]
async fn both_languages_run_and_their_print_is_in_the_trace() {
    let server = server().await;
    let steps = json!([
        {"id": "ask", "llm": {"prompt": "x", "output": {"label": {"type": "string", "enum": ["bug"]}, "n": "integer"}}},
        {"id": "py", "code": {"input": ["label", "n"], "output": {"text": "string", "n": "integer"},
            "source": "print('label', label)\nreturn {'text': f'{label}:{n}:' + initial['message'], 'n': n + 1}"}},
        {"id": "js", "code": {"language": "javascript", "input": ["text", "n", "ask"],
            "source": "console.log('n', n);\nreturn {line: `${text}/${n}`, ask};"}},
    ]);
    assert_eq!(put(&server, "shape", "full", steps).await.problems, []);
    let (reply, trace, _) = run(&server, "shape", json!({"message": "hi"})).await;
    assert_eq!(reply["result"], json!({"line": "bug:0:hi/1", "ask": {"label": "bug", "n": 0}}));
    let printed = trace["steps"].as_array().expect("steps").iter().map(|step| step["printed"].clone());
    assert_eq!(printed.collect::<Vec<_>>(), [json!(null), json!("label bug\n"), json!("n 1\n")]);
}

#[tokio::test]
async fn an_error_names_line_and_way_in_reply_and_trace() {
    let server = server().await;
    let source = "def inner(x):\n    return 1 / x\nprint('before')\nreturn {'y': inner(0)}";
    put(&server, "fails", "full", json!([code("shape", source)])).await;
    let (reply, trace, _) = run(&server, "fails", json!({"message": "hi"})).await;
    let error = &reply["result"]["error"];
    assert_eq!((&reply["status"], &error["code"]), (&json!("failed"), &json!("CODE_ERROR")));
    assert_eq!((&error["line"], &error["stepId"]), (&json!(2), &json!("shape")));
    let message = error["message"].as_str().expect("a message");
    assert!(message.starts_with("line 2: ZeroDivisionError"), "{message}");
    let traceback = error["traceback"].as_str().expect("a traceback");
    assert!(traceback.contains("line 4") && traceback.contains("inner"), "{traceback}");
    let step = &trace["steps"][0];
    assert_eq!((&step["errorContext"], &step["printed"]), (error, &json!("before\n")));
}

#[tokio::test]
async fn without_contents_a_trace_has_neither_print_nor_what_an_exception_says() {
    let server = server().await;
    let raises = "print(initial['message'])\nraise ValueError('bad: ' + initial['message'])";
    let each = json!({"id": "each", "loop": {"over": "initial.items", "on_item_error": "continue", "steps": [code("one", raises)]}});
    let body = json!({"message": format!("{CANARY} ada@example.org"), "parameters": {"items": [1]}});
    for (mode, kept) in [("metadata_only", false), ("off", false), ("redacted", true)] {
        put(&server, "raises", mode, json!([code("shape", raises)])).await;
        let (reply, trace, shown) = run(&server, "raises", body.clone()).await;
        let message = reply["result"]["error"]["message"].as_str().expect("a message");
        assert!(message.contains("ada@example.org"), "the caller is told all: {message}");
        assert!(!shown.contains("ada@example.org"), "{mode}: {shown}");
        assert_eq!(shown.contains(CANARY), kept, "{mode}: {shown}");
        let error = &trace["steps"][0]["errorContext"];
        assert_eq!((&error["code"], &error["line"]), (&json!("CODE_ERROR"), &json!(2)), "{mode}");
        assert!(error["message"].as_str().expect("a message").starts_with("line 2: ValueError"), "{mode}: {error}");

        put(&server, "raises", mode, json!([each.clone(), {"id": "last", "passthrough": {}}])).await;
        let (reply, _, shown) = run(&server, "raises", body.clone()).await;
        let item = &reply["result"]["results"][0]["error"];
        assert!(item["message"].as_str().expect("a message").contains("ada@example.org"), "{item}");
        assert_eq!((shown.contains("ada@example.org"), shown.contains(CANARY)), (false, kept), "{mode}: {shown}");
    }
}

/// A job that goes on after its worker forgot it gives the whole error of a failed item, however little is shown of it.
#[tokio::test]
async fn a_failed_items_error_survives_where_contents_are_not_kept() {
    let server = server().await;
    let each = json!({"id": "each", "loop": {"over": "initial.items", "on_item_error": "continue",
        "steps": [code("one", "raise ValueError(initial['message'])")]}});
    put(
        &server,
        "raises",
        "metadata_only",
        json!([each, {"id": "ask", "llm": {"prompt": "x", "tools_enabled": true}},
        {"id": "last", "code": {"input": ["each"], "source": "return {'each': each}"}}]),
    )
    .await;
    let tools = crate::common::flows::tools(1);
    let body = json!({"message": CANARY, "parameters": {"items": [1]}, "tools": tools});
    let paused = server.execute("raises", body).await;
    assert_eq!(paused["status"], "tool_calls_required");
    let done = server.execute("raises", crate::common::flows::answer(&paused)).await;
    let message = done["result"]["each"]["results"][0]["error"]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains(CANARY), "{message}");
}

#[tokio::test]
async fn a_source_with_faults_is_a_draft_that_cannot_run_or_be_published() {
    let server = server().await;
    let javascript = json!({"id": "b", "code": {"language": "javascript", "source": "return {"}});
    let put = put(&server, "faulty", "full", json!([code("a", "x = 1\nreturn eval('x')"), javascript])).await;
    let found: Vec<_> = put.problems.iter().map(|problem| (problem.path.as_str(), problem.code.as_str())).collect();
    assert_eq!(found, [("steps[0].code.source", "CODE_INVALID"), ("steps[1].code.source", "CODE_INVALID")]);
    assert!(put.problems[0].message.contains("line 2, column 8"), "{}", put.problems[0].message);
    assert!(put.problems[0].message.contains("eval"), "{}", put.problems[0].message);
    let refused = server.post("/seq/acme/demo/faulty/execute", &json!({"message": "x"})).send().await;
    let detail = refused.refused(500, "INVALID_TREE");
    assert_eq!(detail["errors"][0]["loc"], json!(["document", "steps[0].code.source"]));
    let published = server.server.app().publish(&server.project, "faulty", "", "test").await.expect_err("refused");
    assert_eq!(published.code.as_str(), "VALIDATION_ERROR");
    assert_eq!(server.runs().await, 0);
}

#[tokio::test]
async fn a_run_brings_no_code_of_its_own() {
    let server = server().await;
    put(&server, "shape", "full", json!([code("shape", "return {'by': 'author'}")])).await;
    let fields = json!({"source": "return {}", "language": "javascript", "code": {}, "kind": "llm", "prompt": "x",
        "input": ["x"], "processor_type": "llm", "processor_config": {"language": "javascript"}});
    for (name, value) in fields.as_object().expect("fields") {
        for door in ["execute", "step", "jobs"] {
            let body = json!({"message": "x", "blockOverrides": {"shape": {name: value}}});
            let reply = server.post(&format!("/seq/acme/demo/shape/{door}"), &body).send().await;
            reply.refused(422, "VALIDATION_ERROR");
        }
    }
    assert_eq!(server.execute("shape", json!({"message": "x"})).await["result"], json!({"by": "author"}));
}

#[tokio::test]
async fn a_server_that_runs_no_code_says_so() {
    let server = TestServer::with(|config| config.code.enabled = false).await;
    let put = put(&server, "shape", "full", json!([code("shape", "return {}")])).await;
    assert_eq!((put.problems[0].path.as_str(), put.problems[0].code.as_str()), ("steps[0].code", "CODE_NOT_RUNNABLE"));
    let detail = server.post("/seq/acme/demo/shape/execute", &json!({"message": "x"})).send().await;
    let detail = detail.refused(500, "INVALID_TREE");
    assert!(detail["errors"][0]["msg"].as_str().expect("a message").contains("[code]"), "{detail}");
}

/// Nothing to start is no reason to lose a draft; it is a reason to try later.
#[tokio::test]
async fn a_server_that_can_start_no_worker_says_so() {
    let server = TestServer::with(|config| {
        config.code.enabled = true;
        config.code.program = Some("/nonexistent/worker".into());
    })
    .await;
    let put = put(&server, "shape", "full", json!([code("shape", "return {}")])).await;
    assert_eq!(put.problems.len(), 1, "{:?}", put.problems);
    assert!(!put.problems[0].is_error());
    let reply = server.post("/seq/acme/demo/shape/execute", &json!({"message": "x"})).send().await;
    reply.refused(503, "OVERLOADED");
}

/// Each fails with its code, costs one step, and leaves a server that goes on.
#[tokio::test]
async fn hostile_functions_fail_alone() {
    let server = TestServer::with(|config| {
        config.code.enabled = true;
        config.code.workers = Some(2);
        config.code.timeout = Duration::from_millis(400);
        config.code.memory_bytes = 32 << 20;
    })
    .await;
    let cases = [
        ("python", "while True:\n    pass", "CODE_TIMEOUT"),
        ("javascript", "for (;;) {}", "CODE_TIMEOUT"),
        ("python", "x = 'a'\nwhile True:\n    x = x + x", "CODE_MEMORY"),
        ("javascript", "const all = []; for (;;) { all.push(new Array(1000).fill(all.length)); }", "CODE_MEMORY"),
        ("python", "return [1]", "CODE_OUTPUT_INVALID"),
        ("javascript", "return {x: 0 / 0}", "CODE_OUTPUT_INVALID"),
    ];
    put(&server, "fine", "full", json!([code("shape", "return {'ok': (True, None)}")])).await;
    for (language, source, expected) in cases {
        let step = json!({"id": "shape", "code": {"language": language, "source": source}});
        put(&server, "hostile", "full", json!([step])).await;
        let reply = server.execute("hostile", json!({"message": "x"})).await;
        assert_eq!(reply["result"]["error"]["code"], expected, "{language}: {source}: {reply}");
        assert_eq!(server.execute("fine", json!({"message": "x"})).await["result"], json!({"ok": [true, null]}));
    }
    server.request(Method::GET, "/limits").send().await.ok();
}
