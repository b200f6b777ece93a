//! More than there is room for: places in the queue, bounds that hold under concurrency, what is refused and how.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::common::{Reply, TestServer};

/// One worker, and a flow that keeps it busy until the server ends.
async fn with_busy_worker(change: impl FnOnce(&mut noukai_api::Limits)) -> TestServer {
    let server = TestServer::with(|config| {
        config.workers = 1;
        config.grace = std::time::Duration::ZERO;
        change(&mut config.limits);
    })
    .await;
    let step = json!({"id": "stuck", "llm": {"prompt": "x", "config": {"latency_ms": 60_000}}});
    let flow = json!({"schema": 1, "slug": "stuck", "input": {"message": "string"}, "steps": [step]});
    server.server.app().put_flow(&server.project, &flow).await.expect("a flow");
    let first = submit(&server, "stuck").await.ok();
    while poll(&server, "stuck", &first).await["status"] != "running" {
        tokio::task::yield_now().await;
    }
    server
}

async fn submit(server: &TestServer, flow: &str) -> Reply {
    server.post(&format!("/seq/acme/demo/{flow}/jobs"), &json!({"message": "x"})).send().await
}

async fn poll(server: &TestServer, flow: &str, job: &Value) -> Value {
    let id = job["executionId"].as_str().expect("an id");
    server.get(&format!("/seq/acme/demo/{flow}/jobs/{id}")).send().await.ok()
}

fn refused_with_time(reply: &Reply, status: u16, code: &str) {
    reply.refused(status, code);
    let seconds = reply.header("retry-after").and_then(|text| text.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= 1), "{:?}", reply.headers);
}

#[tokio::test]
async fn a_waiting_job_knows_its_place() {
    let server = with_busy_worker(|_| {}).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(submit(&server, "echo").await.ok());
    }
    for (before, job) in waiting.iter().enumerate() {
        let queue = &poll(&server, "echo", job).await["queue"];
        assert_eq!((&queue["position"], &queue["depth"]), (&json!(before + 1), &json!(3)));
        assert!(queue["waitedMs"].is_u64(), "{queue}");
    }
    let queue = server.get("/queue").send().await.ok();
    assert_eq!(
        (&queue["depth"], &queue["running"], &queue["delayed"], &queue["limit"]),
        (&json!(3), &json!(1), &json!(0), &json!(100_000))
    );
    let id = waiting[1]["executionId"].as_str().expect("an id");
    let cancelled = server.delete(&format!("/seq/acme/demo/echo/jobs/{id}")).send().await.ok();
    assert_eq!((&cancelled["status"], &cancelled["queue"]), (&json!("cancelled"), &Value::Null));
    assert_eq!(poll(&server, "echo", &waiting[2]).await["queue"]["position"], 2);
}

#[tokio::test]
async fn a_full_queue_refuses_however_many_come_at_once() {
    let server = with_busy_worker(|limits| limits.queued_jobs = 5).await;
    let replies = join_all((0..60).map(|_| submit(&server, "echo"))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 202);
    assert_eq!(taken.len(), 5);
    refused.iter().for_each(|reply| refused_with_time(reply, 429, "RATE_LIMITED"));
    assert_eq!(server.get("/queue").send().await.ok()["depth"], 5);
    assert_eq!(server.runs().await, 6, "nothing is left of those that were refused");
}

#[tokio::test]
async fn the_server_has_a_bound_of_its_own() {
    let server = with_busy_worker(|limits| limits.server_queued_jobs = 4).await;
    let replies = join_all((0..30).map(|_| submit(&server, "echo"))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 202);
    assert_eq!(taken.len(), 4);
    refused.iter().for_each(|reply| refused_with_time(reply, 503, "OVERLOADED"));
}

#[tokio::test]
async fn so_many_run_at_once_and_the_rest_come_back_later() {
    for (project, all, status, code) in [(3, 100, 429, "RATE_LIMITED"), (100, 3, 503, "OVERLOADED")] {
        let server = TestServer::with(|config| {
            config.limits.concurrent_runs = project;
            config.limits.server_concurrent_runs = all;
        })
        .await;
        let run = || server.post("/seq/acme/demo/slow/execute", &json!({"message": "x"})).send();
        let replies = join_all((0..12).map(|_| run())).await;
        let (done, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!(done.len(), 3);
        refused.iter().for_each(|reply| refused_with_time(reply, status, code));
        run().await.ok();
    }
}

#[tokio::test]
async fn one_project_does_not_starve_another() {
    let server = with_busy_worker(|_| {}).await;
    let (_, key) = server.other_project("acme", "other").await;
    for _ in 0..50 {
        submit(&server, "slow").await.ok();
    }
    let theirs = server.bare(reqwest::Method::POST, "/seq/acme/other/echo/jobs");
    let theirs =
        theirs.header("authorization", format!("Bearer {key}")).json(&json!({"message": "x"})).send().await.ok();
    let stuck = server.get("/flow-runs?status=running").send().await.ok()["flowRuns"][0]["id"].clone();
    let stuck = stuck.as_str().expect("an id");
    server.delete(&format!("/seq/acme/demo/stuck/jobs/{stuck}")).send().await.ok();
    let id = theirs["executionId"].as_str().expect("an id");
    let path = format!("/seq/acme/other/echo/jobs/{id}?wait=60");
    let poll = server.bare(reqwest::Method::GET, &path).header("authorization", format!("Bearer {key}"));
    assert_eq!(poll.send().await.ok()["status"], "completed");
    let left = server.get("/queue").send().await.ok();
    assert!(left["depth"].as_u64().is_some_and(|depth| depth >= 40), "{left}");
}
