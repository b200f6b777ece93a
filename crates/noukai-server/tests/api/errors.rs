//! The error table, row by row, and the order of checks. A refusal leaves nothing behind.

use noukai_models::{ProviderConfig, Secret};
use noukai_server::Server;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{TestServer, flows};

const MISSING: &str = "01985f3e-0000-7c3b-9f4e-2b8d5a1c7e90";

fn attachment(field: &str, value: Value) -> Value {
    let mut attachment = json!({"url": "https://example.com/cat.png", "mimeType": "image/png"});
    attachment[field] = value;
    json!({"message": "x", "attachments": [attachment]})
}

fn with_tools(tools: Value) -> Value {
    json!({"message": "x", "tools": tools})
}

/// Requests that are refused before there is a run: path below the project, body, status, code.
fn refused_at_once() -> Vec<(&'static str, Value, u16, &'static str)> {
    let message = || json!({"message": "x"});
    let turn = |role: &str| json!({"messages": [{"role": role, "content": "x"}]});
    let mut twice = flows::tools(1);
    twice.as_array_mut().expect("tools").extend(flows::tools(1).as_array().cloned().unwrap_or_default());
    vec![
        ("echo/v/execute", message(), 400, "INVALID_VERSION"),
        ("echo/vx/execute", message(), 400, "INVALID_VERSION"),
        ("echo/v-1/step", message(), 400, "INVALID_VERSION"),
        ("echo/v1.0/jobs", message(), 400, "INVALID_VERSION"),
        ("echo/v99999999999/execute", message(), 400, "INVALID_VERSION"),
        ("echo/latest/execute", message(), 400, "INVALID_VERSION"),
        ("echo/execute?version=main", message(), 400, "INVALID_VERSION"),
        ("echo/execute", json!({"message": "x", "parameters": {"attachments": []}}), 400, "PARAMETER_NAME_RESERVED"),
        ("text-only/execute", attachment("filename", json!("cat.png")), 400, "MODEL_MIME_INCOMPATIBLE"),
        ("echo/execute", attachment("url", json!("http://example.com/cat.png")), 400, "ATTACHMENT_INVALID"),
        ("echo/execute", attachment("url", json!("file:///etc/passwd")), 400, "ATTACHMENT_INVALID"),
        (
            "echo/execute",
            attachment("url", json!(format!("https://e.com/{}", "x".repeat(2048)))),
            400,
            "ATTACHMENT_INVALID",
        ),
        ("echo/execute", attachment("mimeType", json!("image/svg+xml")), 400, "ATTACHMENT_INVALID"),
        ("echo/execute", attachment("kind", json!("file")), 400, "ATTACHMENT_INVALID"),
        ("echo/execute", attachment("filename", json!("../cat.png")), 400, "ATTACHMENT_INVALID"),
        ("echo/jobs", attachment("filename", json!("x".repeat(256))), 400, "ATTACHMENT_INVALID"),
        ("echo/execute", turn("system"), 400, "MESSAGES_ROLE_INVALID"),
        ("echo/jobs", turn(""), 400, "MESSAGES_ROLE_INVALID"),
        ("echo/execute", with_tools(flows::tools(1)), 400, "TOOLS_NOT_ENABLED"),
        ("echo/step", with_tools(flows::tools(1)), 400, "TOOLS_NOT_ENABLED"),
        ("tools/execute", with_tools(twice), 400, "TOOLS_INVALID"),
        ("tools/execute", with_tools(json!([{"type": "retrieval"}])), 400, "TOOLS_INVALID"),
        ("tools/execute", with_tools(json!([flows::tool("no spaces")])), 400, "TOOL_NAME_INVALID"),
        ("tools/step", with_tools(json!([flows::tool("")])), 400, "TOOL_NAME_INVALID"),
        ("tools/jobs", with_tools(flows::tools(1)), 400, "TOOLS_REQUIRE_SYNC_EXECUTE"),
        ("two-step/step", json!({"message": "x", "stepIndex": 1}), 400, "INVALID_FIRST_CALL"),
        ("no-flow/execute", message(), 404, "FLOW_NOT_FOUND"),
        ("no-flow/step", message(), 404, "FLOW_NOT_FOUND"),
        ("no-flow/v3/jobs", message(), 404, "FLOW_NOT_FOUND"),
        ("echo/v7/execute", message(), 404, "VERSION_NOT_FOUND"),
        ("echo/execute?version=7", message(), 404, "VERSION_NOT_FOUND"),
        ("echo/step", json!({"executionId": MISSING, "stepIndex": 0}), 404, "RUN_NOT_FOUND"),
        ("echo/execute", json!({"message": 3}), 422, "VALIDATION_ERROR"),
        ("echo/execute", json!([{"message": "x"}]), 422, "VALIDATION_ERROR"),
        ("echo/execute", json!({"messages": [{"content": "x"}]}), 422, "VALIDATION_ERROR"),
        (
            "echo/execute",
            json!({"message": "x", "blockOverrides": {"nobody": {"prompt": "x"}}}),
            422,
            "VALIDATION_ERROR",
        ),
        ("echo/step", json!({"message": "x", "stepIndex": -1}), 422, "VALIDATION_ERROR"),
        ("echo/step?deltas=perhaps", message(), 422, "VALIDATION_ERROR"),
        ("echo/execute", json!({"parameters": {"message": 3}}), 422, "VALIDATION_ERROR"),
        ("echo/execute", json!({}), 422, "MISSING_MESSAGE"),
        ("echo/step", json!({"parameters": {"tone": "calm"}}), 422, "MISSING_MESSAGE"),
        ("echo/jobs", json!({}), 422, "MISSING_MESSAGE"),
        ("broken/execute", message(), 500, "INVALID_TREE"),
        ("broken/step", message(), 500, "INVALID_TREE"),
        ("empty/jobs", message(), 500, "NO_STEPS"),
    ]
}

#[tokio::test]
async fn what_is_refused_at_once_leaves_no_run() {
    let server = TestServer::start().await;
    for (path, body, status, code) in refused_at_once() {
        let path = format!("/seq/acme/demo/{path}");
        let reply = server.post(&path, &body).send().await;
        let code_sent = reply.json()["detail"]["code"].clone();
        assert_eq!((reply.status.as_u16(), code_sent), (status, json!(code)), "{path} {body}: {}", reply.text);
        assert_eq!(server.runs().await, 0, "{path} {body}");
    }
}

#[tokio::test]
async fn tools_in_a_container_are_refused() {
    let server = TestServer::start().await;
    let reply = server.post("/seq/acme/demo/tools-in-loop/execute", &with_tools(flows::tools(1))).send().await;
    let code = reply.json()["detail"]["code"].clone();
    // Whether the document itself is refused or the request: it never runs.
    assert!(["TOOLS_IN_NON_SEQUENTIAL_STEP", "INVALID_TREE"].contains(&code.as_str().unwrap_or_default()), "{reply:?}");
    assert_eq!(server.runs().await, 0);
}

#[tokio::test]
async fn bodies_and_headers_that_are_none_are_refused() {
    let server = TestServer::start().await;
    let execute = || server.request(Method::POST, "/seq/acme/demo/echo/execute");
    for body in ["{", "nonsense", "{\"message\": \"x\"} trailing", "{\"message\": \"\\ud800\"}", "{\"message\": NaN}"] {
        execute().body(body).send().await.refused(400, "BAD_REQUEST");
    }
    execute().body(b"{\"message\": \"\xff\"}".to_vec()).send().await.refused(400, "BAD_REQUEST");
    for id in ["x".repeat(201), "a\tb".to_owned()] {
        let reply = execute().json(&json!({"message": "x"})).header("x-session-id", id).send().await;
        reply.refused(400, "SESSION_ID_INVALID");
    }
    for key in ["", "a b", &"k".repeat(256)] {
        let reply = execute().json(&json!({"message": "x"})).header("idempotency-key", key).send().await;
        reply.refused(400, "BAD_REQUEST");
    }
    assert_eq!(server.runs().await, 0);
}

#[tokio::test]
async fn faults_name_their_place() {
    let server = TestServer::start().await;
    let body = json!({"message": "x", "attachments": [{"url": "https://example.com/x.png"}]});
    let detail = server.post("/seq/acme/demo/echo/execute", &body).send().await.refused(422, "VALIDATION_ERROR");
    assert_eq!(detail["errors"][0]["loc"], json!(["body", "attachments", "0", "mimeType"]));
    let detail = server.get("/flow-runs?limit=101").send().await.refused(422, "VALIDATION_ERROR");
    assert_eq!(detail["errors"][0]["loc"], json!(["query", "limit"]));
}

#[tokio::test]
async fn queries_that_are_none_are_refused() {
    let server = TestServer::start().await;
    let run = server.execute("echo", json!({"message": "x"})).await;
    let step = format!("/flow-runs/{}/steps/answer/trace", run["executionId"].as_str().expect("an id"));
    for path in [
        "/flow-runs?limit=0".to_owned(),
        "/flow-runs?limit=x".to_owned(),
        "/flow-runs?status=perhaps".to_owned(),
        "/flow-runs?cursor=x".to_owned(),
        "/flow-runs?flow_id=x".to_owned(),
        format!("/seq/acme/demo/echo/jobs/{MISSING}?wait=soon"),
        format!("{step}?attempt=0"),
        format!("{step}?loop_index=-1"),
    ] {
        server.get(&path).send().await.refused(422, "VALIDATION_ERROR");
    }
    for path in [format!("{step}?attempt=2"), format!("{step}?loop_index=0"), step.replace("answer", "nobody")] {
        server.get(&path).send().await.refused(404, "STEP_NOT_FOUND");
    }
    server.get(&format!("{step}?loopIndex=0")).send().await.refused(404, "STEP_NOT_FOUND");
    server.get("/flow-runs?unknown=1&limit=1").send().await.ok();
}

#[tokio::test]
async fn checks_come_in_the_order_of_the_contract() {
    let server = TestServer::start().await;
    let too_large = "x".repeat(11 * 1024 * 1024);
    let with_body = |path: &str, body: &str| server.request(Method::POST, path).body(body.to_owned()).send();
    // Version before flow, flow before body, size before syntax.
    with_body("/seq/acme/demo/no-flow/banana/execute", "{").await.refused(400, "INVALID_VERSION");
    with_body("/seq/acme/demo/no-flow/execute", "{").await.refused(404, "FLOW_NOT_FOUND");
    with_body("/seq/acme/demo/no-flow/execute", &too_large).await.refused(404, "FLOW_NOT_FOUND");
    with_body("/seq/acme/demo/echo/execute", &too_large).await.refused(413, "PAYLOAD_TOO_LARGE");
    with_body("/seq/acme/demo/broken/execute", "{").await.refused(400, "BAD_REQUEST");
    with_body("/seq/acme/demo/broken/execute", "{\"message\": 3}").await.refused(422, "VALIDATION_ERROR");
    assert_eq!(server.runs().await, 0);
}

#[tokio::test]
async fn a_pause_is_answered_once_and_as_it_was_asked() {
    let server = TestServer::start().await;
    let path = "/seq/acme/demo/tools/execute";
    let paused = server.execute("tools", with_tools(flows::tools(1))).await;
    assert_eq!(paused["status"], "tool_calls_required");
    let good = flows::answer(&paused);

    let mut wrong_step = good.clone();
    wrong_step["pausedAtStep"] = json!("report");
    server.post(path, &wrong_step).send().await.refused(400, "PAUSED_STEP_INVALID");
    let mut wrong_call = good.clone();
    let turns = wrong_call["toolCallMessages"].as_array_mut().expect("turns");
    turns.last_mut().expect("a turn")["toolCallId"] = json!("call_nobody_made");
    server.post(path, &wrong_call).send().await.refused(400, "TOOL_RESULTS_MISMATCH");
    let mut no_results = good.clone();
    no_results["toolCallMessages"] = paused["toolCallMessages"].clone();
    server.post(path, &no_results).send().await.refused(400, "TOOL_RESULTS_MISMATCH");
    server.post("/seq/acme/demo/echo/execute", &good).send().await.refused(400, "EXECUTION_ID_INVALID");

    assert_eq!(server.post(path, &good).send().await.ok()["status"], "completed");
    server.post(path, &good).send().await.refused(409, "ALREADY_RESUMED");
    assert_eq!(server.runs().await, 1);
}

#[tokio::test]
async fn of_two_resumes_at_once_one_wins() {
    let server = TestServer::start().await;
    let paused = server.execute("tools", with_tools(flows::tools(1))).await;
    let answer = flows::answer(&paused);
    let resumes = (0..8).map(|_| server.post("/seq/acme/demo/tools/execute", &answer).send());
    let replies = futures::future::join_all(resumes).await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status.is_success());
    assert_eq!((won.len(), lost.len()), (1, 7));
    for reply in lost {
        reply.refused(409, "ALREADY_RESUMED");
    }
}

#[tokio::test]
async fn tools_may_be_called_so_often_and_no_more() {
    let server = TestServer::start().await;
    let mut body = with_tools(flows::tools(1));
    body["toolChoice"] = json!("required");
    let paused = server.execute("tools-once", body).await;
    let mut answer = flows::answer(&paused);
    answer["toolChoice"] = json!("required");
    let reply = server.post("/seq/acme/demo/tools-once/execute", &answer).send().await;
    let detail = reply.refused(409, "TOOL_ITERATION_LIMIT");
    assert_eq!(detail["executionId"], paused["executionId"]);
}

#[tokio::test]
async fn a_cursor_stands_where_a_step_may_begin() {
    let server = TestServer::start().await;
    let events = server.step("two-step", json!({"message": "x"})).await;
    let id = events[0].data["executionId"].clone();
    let path = "/seq/acme/demo/two-step/step";
    let at = |index: u32, outputs: Value| json!({"executionId": id, "stepIndex": index, "accumulatedOutputs": outputs});
    let output = events.iter().find(|event| event.kind == "step_completed").expect("a step").data["output"].clone();

    server.post(path, &at(2, json!({"first": output}))).send().await.refused(400, "INVALID_STEP_INDEX");
    server.post(path, &at(1, json!({}))).send().await.refused(400, "INVALID_STEP_INDEX");
    let other = server.post("/seq/acme/demo/two-step/v1/step", &at(1, json!({"first": output}))).send().await;
    assert!(matches!(other.status.as_u16(), 404 | 409), "{other:?}");
    server.post("/seq/acme/demo/echo/step", &at(0, json!({}))).send().await.refused(404, "RUN_NOT_FOUND");
    let done = server.post(path, &at(1, json!({"first": output}))).send().await.events();
    assert_eq!(done.last().expect("events").kind, "flow_completed");
    assert_eq!(server.runs().await, 1);
}

#[tokio::test]
async fn a_step_call_of_another_version_is_stale() {
    let server = TestServer::start().await;
    let app = server.server.app();
    app.publish(&server.project, "two-step", "", "test").await.expect("version 1");
    let events = server.post("/seq/acme/demo/two-step/v1/step", &json!({"message": "x"})).send().await.events();
    let body = json!({"executionId": events[0].data["executionId"], "stepIndex": 0});
    server.post("/seq/acme/demo/two-step/v0/step", &body).send().await.refused(409, "STALE_TREE");
    assert_eq!(server.runs().await, 1);
}

#[tokio::test]
async fn a_pause_that_nobody_answers_ends_and_says_so() {
    let server = TestServer::start().await;
    let paused = server.execute("tools", with_tools(flows::tools(1))).await;
    let TestServer { server, dir, database, .. } = server;
    Server::shutdown(server).await;
    let server = TestServer::with(|config| {
        (config.data, config.database) = (dir.path().to_owned(), database);
        config.limits.pause_seconds = 0;
    })
    .await;
    let run = paused["executionId"].as_str().expect("an id");
    let seen = server.get(&format!("/flow-runs/{run}/trace/stream")).send().await.events();
    let [.., failed, end] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((failed.kind.as_str(), end.kind.as_str()), ("step_error", "flow_completed"));
    assert_eq!(failed.data["error"]["code"], "EXPIRED");
    let late = server.post("/seq/acme/demo/tools/execute", &flows::answer(&paused)).send().await;
    late.refused(409, "ALREADY_RESUMED");
}

#[tokio::test]
async fn a_project_runs_so_much_at_once_and_no_more() {
    let server = TestServer::with(|config| config.limits.concurrent_runs = 0).await;
    let detail = server.post("/seq/acme/demo/echo/execute", &json!({"message": "x"})).send().await;
    detail.refused(429, "RATE_LIMITED");
    assert_eq!(server.runs().await, 0);
    let server = TestServer::with(|config| config.limits.queued_jobs = 0).await;
    server.post("/seq/acme/demo/echo/jobs", &json!({"message": "x"})).send().await.refused(429, "RATE_LIMITED");
    assert_eq!(server.runs().await, 0);
}

#[tokio::test]
async fn a_key_asks_so_often_and_no_more() {
    let server = TestServer::with(|config| config.limits.requests_per_second = Some(1)).await;
    let asked = futures::future::join_all((0..10).map(|_| server.get("/limits").send())).await;
    let refused: Vec<_> = asked.iter().filter(|reply| reply.status == 429).collect();
    assert!(!refused.is_empty() && refused.len() < 10);
    refused[0].refused(429, "RATE_LIMITED");
    // Who has no key is told so, not to come back later.
    server.bare(Method::GET, "/limits").send().await.refused(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_provider_that_refuses_its_key_is_named_without_the_key() {
    let refusal = axum::Router::new().fallback(|| async {
        let body = axum::Json(json!({"error": {"message": "bad key sk-canary-1234", "code": 401}}));
        (axum::http::StatusCode::UNAUTHORIZED, body)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let provider = tokio::spawn(async move { axum::serve(listener, refusal).await });
    let server = TestServer::with(|config| {
        config.models.providers = vec![ProviderConfig::for_all(base_url, Secret::new("sk-canary-1234"))];
    })
    .await;
    let reply = server.post("/seq/acme/demo/echo/execute", &json!({"message": "x"})).send().await;
    let detail = reply.refused(502, "BYOK_KEY_REJECTED");
    assert!(detail["executionId"].is_string());
    let trace =
        server.get(&format!("/flow-runs/{}/trace", detail["executionId"].as_str().unwrap_or_default())).send().await;
    assert_eq!(trace.ok()["flowRun"]["status"], "failed");
    for text in [&reply.text, &trace.text] {
        assert!(!text.contains("canary"), "{text}");
    }
    provider.abort();
}

#[tokio::test]
async fn what_a_route_does_not_have_is_said_plainly() {
    let server = TestServer::start().await;
    for path in ["/", "/no-route", "/seq", "/seq/acme/demo/echo", "/seq/acme/demo/echo/v1/runs/x", "/keys/verify/x"] {
        server.get(path).send().await.refused(404, "NOT_FOUND");
    }
    for (method, path, allowed) in [
        (Method::GET, "/seq/acme/demo/echo/execute", "POST"),
        (Method::PUT, "/keys", "POST"),
        (Method::PATCH, "/limits", "GET"),
        (Method::POST, "/health", "GET"),
    ] {
        let reply = server.request(method, path).send().await;
        reply.refused(405, "METHOD_NOT_ALLOWED");
        assert!(reply.header("allow").is_some_and(|allow| allow.contains(allowed)), "{path}: {:?}", reply.headers);
    }
}
