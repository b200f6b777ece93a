//! The end of a server: what outlasts its grace is ended or given back, and every stream has its terminator.

use std::time::Duration;

use noukai_server::{DatabaseConfig, Server};
use serde_json::{Value, json};

use crate::common::{TestServer, kinds};

async fn with_stuck_second_step(kept: Option<(std::path::PathBuf, DatabaseConfig)>) -> TestServer {
    let server = TestServer::with(|config| {
        config.grace = Duration::from_millis(200);
        if let Some(kept) = kept {
            (config.data, config.database) = kept;
        }
    })
    .await;
    let flow = json!({
        "schema": 1,
        "slug": "stuck",
        "input": {"message": "string"},
        "steps": [
            {"id": "quick", "llm": {"prompt": "{{ initial.message }}"}},
            {"id": "stuck", "llm": {"prompt": "{{ previous_output }}", "config": {"latency_ms": 60_000}}},
        ],
    });
    server.server.app().put_flow(&server.project, &flow).await.expect("a flow");
    server
}

/// Waits until so many runs are in their second step; their ids by trigger.
async fn all_stuck(server: &TestServer, runs: usize) -> Value {
    loop {
        let list = server.get("/flow-runs").send().await.ok();
        let mut stuck = serde_json::Map::new();
        for run in list["flowRuns"].as_array().expect("a list") {
            let id = run["id"].as_str().expect("an id");
            let trace = server.get(&format!("/flow-runs/{id}/trace")).send().await.ok();
            if trace["steps"][1]["status"] == "running" {
                stuck.insert(run["triggerType"].as_str().expect("a trigger").to_owned(), json!(id));
            }
        }
        if stuck.len() == runs {
            return Value::Object(stuck);
        }
    }
}

#[tokio::test]
async fn a_stopping_server_ends_its_runs_and_gives_its_jobs_back() {
    let server = with_stuck_second_step(None).await;
    let body = json!({"message": "x", "runRemaining": true});
    let executed = tokio::spawn(server.post("/seq/acme/demo/stuck/execute", &body).send());
    let stepped = tokio::spawn(server.post("/seq/acme/demo/stuck/step", &body).send());
    server.post("/seq/acme/demo/stuck/jobs", &body).send().await;
    let runs = all_stuck(&server, 3).await;
    let TestServer { server, dir, database, .. } = server;
    Server::shutdown(server).await;

    let reply = executed.await.expect("a reply").ok();
    assert_eq!(reply["status"], "failed");
    assert_eq!(reply["result"]["error"]["code"], "INTERRUPTED");
    assert_eq!(reply["result"]["error"]["stepId"], "stuck");
    let events = stepped.await.expect("a reply").events();
    assert_eq!(kinds(&events).last(), Some(&"step_error"));
    assert_eq!(kinds(&events).iter().filter(|kind| **kind == "step_error").count(), 1);

    let server = with_stuck_second_step(Some((dir.path().to_owned(), database))).await;
    for trigger in ["execute", "step"] {
        let id = runs[trigger].as_str().expect("an id");
        let seen = server.get(&format!("/flow-runs/{id}/trace/stream")).send().await.events();
        assert_eq!(kinds(&seen)[seen.len() - 2..], ["step_error", "flow_completed"], "{trigger}");
        assert_eq!(seen[seen.len() - 1].data["summary"]["failedAtStep"], "stuck");
    }
    let job = runs["job"].as_str().expect("an id");
    all_stuck(&server, 1).await;
    let trace = server.get(&format!("/flow-runs/{job}/trace")).send().await.ok();
    let attempts: Vec<_> = ["quick", "stuck"].into_iter().zip([1, 2]).collect();
    for (index, (step, attempt)) in attempts.into_iter().enumerate() {
        assert_eq!(
            (&trace["steps"][index]["stepId"], &trace["steps"][index]["attempt"]),
            (&json!(step), &json!(attempt))
        );
    }
    let cancelled = server.delete(&format!("/seq/acme/demo/stuck/jobs/{job}")).send().await.ok();
    assert_eq!(cancelled["status"], "cancelled");
}
