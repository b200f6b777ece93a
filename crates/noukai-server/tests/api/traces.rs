//! Jobs, traces, sessions and lists by their routes. Their shapes are checked with every reply.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::TestServer;

const SESSION: &str = "7b1f4c52-6c0e-4a6e-8d1c-0f6f3a2b9c11";

fn id(value: &Value) -> &str {
    value["executionId"].as_str().expect("an id")
}

#[tokio::test]
async fn a_trace_is_complete_with_the_reply_by_both_routes() {
    let server = TestServer::start().await;
    let reply = server.execute("two-step", json!({"message": "x"})).await;
    let id = id(&reply);
    let trace = server.get(&format!("/flow-runs/{id}/trace")).send().await.ok();
    assert_eq!(trace["flowRun"]["status"], "completed");
    assert_eq!(trace["steps"].as_array().expect("steps").len(), 2);
    assert_eq!(trace, server.get(&format!("/seq/acme/demo/two-step/runs/{id}/trace")).send().await.ok());
    let summary = server.get(&format!("/seq/acme/demo/two-step/runs/{id}")).send().await.ok();
    assert_eq!(summary, trace["flowRun"]);
    for (query, step) in
        [("", &trace["steps"][1]), ("?attempt=latest", &trace["steps"][1]), ("?attempt=1", &trace["steps"][1])]
    {
        let one = server.get(&format!("/flow-runs/{id}/steps/second/trace{query}")).send().await.ok();
        assert_eq!(&one, step, "{query}");
    }
    let all =
        server.get(&format!("/seq/acme/demo/two-step/runs/{id}/steps/second/trace?attempt=all")).send().await.ok();
    assert_eq!(all, json!({"stepId": "second", "attempts": [trace["steps"][1]]}));
    // The same run below another flow is no run of it.
    let elsewhere = server.get(&format!("/seq/acme/demo/echo/runs/{id}/trace")).send().await;
    elsewhere.refused(404, "RUN_NOT_FOUND");
}

#[tokio::test]
async fn iterations_are_found_by_their_index() {
    let server = TestServer::start().await;
    let reply = server.execute("loop", json!({"message": "x", "parameters": {"items": ["a", "b"]}})).await;
    let step = format!("/flow-runs/{}/steps/one/trace", id(&reply));
    for name in ["loop_index", "loopIndex"] {
        let one = server.get(&format!("{step}?{name}=1")).send().await.ok();
        assert_eq!(one["loopIndex"], 1);
    }
}

#[tokio::test]
async fn jobs_are_found_at_once_and_waited_for() {
    let server = TestServer::start().await;
    let accepted = server.post("/seq/acme/demo/slow/jobs", &json!({"message": "x"})).send().await;
    assert_eq!((accepted.status.as_u16(), &accepted.json()["status"]), (202, &json!("started")));
    let job = format!("/seq/acme/demo/slow/jobs/{}", id(&accepted.json()));
    let early = server.get(&job).send().await.ok();
    assert!(["pending", "running", "completed"].contains(&early["status"].as_str().expect("a status")));
    let done = server.get(&format!("{job}?wait=3600")).send().await.ok();
    assert_eq!((&done["status"], &done["result"]["message"]), (&json!("completed"), &json!("x")));
    assert_eq!(server.delete(&job).send().await.ok(), done);
    server.get(&job.replace("/slow/", "/echo/")).send().await.refused(404, "JOB_NOT_FOUND");
}

#[tokio::test]
async fn a_job_is_cancelled() {
    let server = TestServer::with(|config| config.workers = 0).await;
    let accepted = server.post("/seq/acme/demo/slow/jobs", &json!({"message": "x"})).send().await.ok();
    let job = format!("/seq/acme/demo/slow/jobs/{}", id(&accepted));
    assert_eq!(server.get(&format!("{job}?wait=0")).send().await.ok()["status"], "pending");
    let cancelled = server.delete(&job).send().await.ok();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(server.get(&job).send().await.ok(), cancelled);
}

#[tokio::test]
async fn sessions_show_their_runs_in_order_and_send_nulls() {
    let server = TestServer::start().await;
    let mut ids = Vec::new();
    for flow in ["echo", "two-step"] {
        let request = server.post(&format!("/seq/acme/demo/{flow}/execute"), &json!({"message": "x"}));
        let reply = request.header("x-session-id", format!("  {SESSION} ")).send().await.ok();
        assert!(reply.get("sessionId").is_none());
        ids.push(id(&reply).to_owned());
    }
    let session = server.get(&format!("/seq/sessions/{SESSION}")).send().await.ok();
    let executions = session["executions"].as_array().expect("executions");
    let shown: Vec<_> = executions.iter().map(|run| id(run).to_owned()).collect();
    assert_eq!((session["sessionId"].as_str(), shown), (Some(SESSION), ids));
    assert_eq!(executions[0].get("errorAtStep"), Some(&Value::Null));
    assert_eq!(executions[1]["slug"], "two-step");
}

#[tokio::test]
async fn lists_go_page_by_page() {
    let server = TestServer::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(id(&server.execute("echo", json!({"message": "x"})).await).to_owned());
    }
    ids.reverse();
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/flow-runs?limit=2&status=completed{cursor}")).send().await.ok();
        let runs = page["flowRuns"].as_array().expect("runs");
        listed.extend(runs.iter().map(|run| run["id"].as_str().expect("an id").to_owned()));
        match page.get("nextCursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn versions_are_chosen_by_path_or_query() {
    let server = TestServer::start().await;
    let app = server.server.app();
    assert_eq!(app.publish(&server.project, "echo", "", "test").await.expect("published"), 1);
    let version_of = async |path: &str| {
        let reply = server.post(&format!("/seq/acme/demo/{path}"), &json!({"message": "x"})).send().await.ok();
        server.get(&format!("/seq/acme/demo/echo/runs/{}", id(&reply))).send().await.ok()["version"].clone()
    };
    for (path, version) in [
        ("echo/v0/execute", 0),
        ("echo/v1/execute", 1),
        ("echo/execute?version=1", 1),
        ("echo/execute?version=0", 0),
        ("echo/v0/execute?version=1", 0),
        ("echo/v1/jobs", 1),
    ] {
        assert_eq!(version_of(path).await, version, "{path}");
    }
}

#[tokio::test]
async fn snake_case_and_unknown_fields_are_taken() {
    let server = TestServer::start().await;
    let body = json!({
        "message": "x",
        "block_overrides": {"answer": {"prompt": "changed"}},
        "tool_choice": null,
        "parameters": null,
        "nobody_knows": {"this": 1},
    });
    assert_eq!(server.execute("echo", body).await["result"]["message"], "changed");
    let empty = server.request(Method::POST, "/seq/acme/demo/echo/execute").send().await;
    empty.refused(422, "MISSING_MESSAGE");
}

#[tokio::test]
async fn a_turn_may_spell_its_calls_both_ways() {
    let server = TestServer::start().await;
    let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    // As a pause gives it, and a caller keeps it in its conversation.
    let messages = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "toolCalls": [call], "tool_calls": [call]},
        {"role": "tool", "content": "done", "toolCallId": "c1", "tool_call_id": "c1"},
        {"role": "user", "content": "y"},
    ]);
    assert_eq!(server.execute("echo", json!({"messages": messages})).await["result"]["message"], "y");
}
