//! Calls that meet, and callers that leave: no run is left behind `running`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{TestServer, flows, kinds};

/// A quick step, then one that takes long enough for other calls to come meanwhile.
async fn with_slow_second_step() -> TestServer {
    let server = TestServer::start().await;
    let flow = json!({
        "schema": 1,
        "slug": "quick-slow",
        "input": {"message": "string"},
        "steps": [
            {"id": "quick", "llm": {"prompt": "{{ initial.message }}"}},
            {"id": "slow", "llm": {"prompt": "{{ previous_output }}", "config": {"latency_ms": 1_000}}},
        ],
    });
    server.server.app().put_flow(&server.project, &flow).await.expect("a flow");
    server
}

async fn status_of(server: &TestServer, id: &str) -> Value {
    server.get(&format!("/flow-runs/{id}/trace")).send().await.ok()["flowRun"]["status"].clone()
}

#[tokio::test]
async fn of_equal_step_calls_at_once_one_goes_on_and_the_run_with_it() {
    let server = with_slow_second_step().await;
    let path = "/seq/acme/demo/quick-slow/step";
    let first = server.step("quick-slow", json!({"message": "x"})).await;
    let id = first[0].data["executionId"].as_str().expect("an id");
    let output = &first.iter().find(|event| event.kind == "step_completed").expect("a step").data["output"];
    let second = json!({"executionId": id, "stepIndex": 1, "accumulatedOutputs": {"quick": output}});

    let replies = futures::future::join_all((0..6).map(|_| server.post(path, &second).send())).await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status.is_success());
    assert_eq!((won.len(), lost.len()), (1, 5));
    assert_eq!(kinds(&won[0].events()).last(), Some(&"flow_completed"));
    for reply in lost {
        assert_eq!(reply.refused(409, "CONFLICT")["executionId"], id);
    }
    assert_eq!(status_of(&server, id).await, "completed");

    let back = json!({"executionId": id, "stepIndex": 0});
    assert_eq!(kinds(&server.step("quick-slow", back).await).last(), Some(&"step_paused"));
    assert_eq!(server.runs().await, 1);
}

#[tokio::test]
async fn a_run_is_done_though_its_caller_hung_up() {
    let server = with_slow_second_step().await;
    let gone = tokio::spawn(server.post("/seq/acme/demo/quick-slow/execute", &json!({"message": "x"})).open());
    let id = only_run(&server).await;
    gone.abort();
    assert!(gone.await.is_err_and(|error| error.is_cancelled()), "the caller was to leave before the reply");

    let seen = server.get(&format!("/flow-runs/{id}/trace/stream")).send().await.events();
    assert_eq!(kinds(&seen).last(), Some(&"flow_completed"));
    assert_eq!(status_of(&server, &id).await, "completed");
}

#[tokio::test]
async fn a_resumed_run_is_done_though_its_caller_hung_up() {
    let server = TestServer::start().await;
    let paused = server.execute("tools", json!({"message": "x", "tools": flows::tools(1)})).await;
    let id = paused["executionId"].as_str().expect("an id");
    let resume = server.post("/seq/acme/demo/tools/execute", &flows::answer(&paused));
    let gone = tokio::spawn(resume.open());
    while status_of(&server, id).await == "paused" {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    gone.abort();
    let seen = server.get(&format!("/flow-runs/{id}/trace/stream")).send().await.events();
    assert_eq!(kinds(&seen).last(), Some(&"flow_completed"));
    assert_eq!(status_of(&server, id).await, "completed");
}

/// The id of the project's only run, once there is one.
async fn only_run(server: &TestServer) -> String {
    loop {
        let list = server.get("/flow-runs").send().await.ok();
        if let Some(id) = list["flowRuns"][0]["id"].as_str() {
            return id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
