//! `Idempotency-Key`: one run however often it is asked for.

use futures::StreamExt;
use serde_json::{Value, json};

use crate::common::{Reply, Request, TestServer, flows};

fn keyed(server: &TestServer, path: &str, key: &str, body: &Value) -> Request {
    server.post(&format!("/seq/acme/demo/{path}"), body).header("idempotency-key", key)
}

fn id(reply: &Reply) -> String {
    reply.ok()["executionId"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn the_same_key_and_body_gives_the_first_reply_again() {
    let server = TestServer::start().await;
    let body = json!({"message": "x"});
    for path in ["echo/execute", "echo/v0/execute", "echo/jobs", "two-step/step"] {
        let before = server.runs().await;
        let first = keyed(&server, path, "k-1", &body).send().await;
        let again = keyed(&server, path, "k-1", &body).send().await;
        assert!(first.status.is_success(), "{path}: {first:?}");
        assert_eq!((first.status, &first.text), (again.status, &again.text), "{path}");
        for header in ["content-type", "cache-control", "x-accel-buffering"] {
            assert_eq!(first.header(header), again.header(header), "{path}");
        }
        assert_ne!(first.header("x-request-id"), again.header("x-request-id"));
        assert_eq!(server.runs().await, before + 1, "{path}");
    }
}

#[tokio::test]
async fn requests_at_the_same_time_share_one_run() {
    let server = TestServer::start().await;
    for path in ["slow/execute", "slow/jobs"] {
        let before = server.runs().await;
        let body = json!({"message": "x"});
        let all = (0..10).map(|_| keyed(&server, path, "k-1", &body).send());
        let replies = futures::future::join_all(all).await;
        let first = id(&replies[0]);
        assert!(replies.iter().all(|reply| id(reply) == first), "{path}");
        assert_eq!(server.runs().await, before + 1, "{path}");
    }
    let before = server.runs().await;
    let steps = (0..5).map(|_| keyed(&server, "slow/step", "k-1", &json!({"message": "x"})).send());
    let streams = futures::future::join_all(steps.collect::<Vec<_>>()).await;
    assert!(streams.iter().all(|stream| stream.events() == streams[0].events()));
    assert_eq!(server.runs().await, before + 1);
}

#[tokio::test]
async fn another_body_is_refused() {
    let server = TestServer::start().await;
    keyed(&server, "echo/execute", "k-1", &json!({"message": "x"})).send().await.ok();
    let other = keyed(&server, "echo/execute", "k-1", &json!({"message": "y"})).send().await;
    other.refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(server.runs().await, 1);
}

#[tokio::test]
async fn keys_belong_to_a_project_and_a_route() {
    let server = TestServer::start().await;
    let (_, other_key) = server.other_project("acme", "other").await;
    let body = json!({"message": "x"});
    let mut ids = Vec::new();
    for path in ["echo/execute", "echo/v0/execute", "echo/execute?version=0", "echo/jobs", "two-step/execute"] {
        ids.push(id(&keyed(&server, path, "k-1", &body).send().await));
    }
    let foreign = server.bare(reqwest::Method::POST, "/seq/acme/other/echo/execute").json(&body);
    let foreign = foreign.header("idempotency-key", "k-1").header("authorization", format!("Bearer {other_key}"));
    ids.push(id(&foreign.send().await));
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[tokio::test]
async fn a_refusal_gives_the_key_back() {
    let server = TestServer::start().await;
    for (path, refused) in [
        ("echo/execute", json!({})),
        ("echo/jobs", json!({"message": "x", "tools": flows::tools(1)})),
        ("two-step/step", json!({"message": "x", "stepIndex": 1})),
    ] {
        let reply = keyed(&server, path, "k-1", &refused).send().await;
        assert!(reply.status.is_client_error(), "{path}: {reply:?}");
        let again = keyed(&server, path, "k-1", &refused).send().await;
        assert_eq!(reply.text, again.text);
        let mended = keyed(&server, path, "k-1", &json!({"message": "x"})).send().await;
        assert!(mended.status.is_success(), "{path}: {mended:?}");
    }
}

#[tokio::test]
async fn a_mended_answer_to_a_pause_goes_through_under_the_same_key() {
    let server = TestServer::start().await;
    let paused = server.execute("tools", json!({"message": "x", "tools": flows::tools(1)})).await;
    let good = flows::answer(&paused);
    let send = |body: &Value| keyed(&server, "tools/execute", "k-1", body).send();

    let mut no_results = good.clone();
    no_results["toolCallMessages"] = paused["toolCallMessages"].clone();
    send(&no_results).await.refused(400, "TOOL_RESULTS_MISMATCH");
    let mut wrong_step = good.clone();
    wrong_step["pausedAtStep"] = json!("report");
    send(&wrong_step).await.refused(400, "PAUSED_STEP_INVALID");

    let first = send(&good).await;
    assert_eq!(first.ok()["status"], "completed");
    assert_eq!(first.text, send(&good).await.text);
    send(&no_results).await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(server.runs().await, 1);
}

#[tokio::test]
async fn a_failed_run_and_an_error_of_a_run_are_kept() {
    let server = TestServer::start().await;
    let paused =
        server.execute("tools-once", json!({"message": "x", "tools": flows::tools(1), "toolChoice": "required"}));
    let mut answer = flows::answer(&paused.await);
    answer["toolChoice"] = json!("required");
    let first = keyed(&server, "tools-once/execute", "k-1", &answer).send().await;
    first.refused(409, "TOOL_ITERATION_LIMIT");
    let again = keyed(&server, "tools-once/execute", "k-1", &answer).send().await;
    assert_eq!(first.text, again.text);
    let failing = json!({"parameters": {"message": "x", "items": 3}});
    let first = keyed(&server, "loop/execute", "k-2", &failing).send().await;
    assert_eq!(first.ok()["status"], "failed");
    assert_eq!(first.text, keyed(&server, "loop/execute", "k-2", &failing).send().await.text);
}

#[tokio::test]
async fn a_client_that_goes_away_finds_its_reply_later() {
    let server = TestServer::start().await;
    let body = json!({"message": "x"});
    // A step stream that is dropped after its first bytes.
    let mut gone = keyed(&server, "slow/step", "k-1", &body).open().await.bytes_stream();
    let begun = gone.next().await.expect("a part").expect("bytes");
    drop(gone);
    let whole = keyed(&server, "slow/step", "k-1", &body).send().await;
    assert!(whole.text.as_bytes().starts_with(&begun));
    assert_eq!(whole.events().last().expect("events").kind, "flow_completed");
    assert_eq!(server.runs().await, 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_reply_finds_it_later() {
    let server = TestServer::start().await;
    let body = json!({"message": "x"});
    let gone = tokio::spawn(keyed(&server, "slow/execute", "k-1", &body).open());
    while server.runs().await == 0 {}
    gone.abort();
    let reply = keyed(&server, "slow/execute", "k-1", &body).send().await;
    assert_eq!(reply.ok()["status"], "completed");
    assert_eq!(server.runs().await, 1);
}
