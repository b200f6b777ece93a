//! Jobs: queued, polled, waited for, cancelled.

use std::time::Duration;

use noukai::{ErrorKind, RunStatus};
use noukai_mock::{Reply, Server};
use serde_json::json;

use crate::support::{builder, flow};

fn accepted() -> Reply {
    Reply::json(202, &json!({"executionId": "r-1", "status": "started", "flowId": "f-1", "blockCount": 1}))
}

fn status(status: &str) -> Reply {
    let mut body = json!({"executionId": "r-1", "status": status});
    match status {
        "completed" => body["result"] = json!("done"),
        "failed" => body["error"] = json!("no luck"),
        _ => {}
    }
    Reply::json(200, &body)
}

#[tokio::test]
async fn a_job_is_queued_with_its_options() {
    let server = Server::script([accepted()]);
    let call =
        flow(&server).execute_async().message("hi").parameters(json!({"a": 1})).trace(true).version("production");
    let job = call.session_id("s-1").await.expect("a job");
    assert_eq!((job.execution_id(), job.flow_id()), ("r-1", Some("f-1")));
    let request = server.requests().remove(0);
    assert_eq!(request.path, "/api/v1/seq/acme/demo/hello/jobs");
    assert_eq!((&request.json()["message"], &request.json()["trace"]), (&json!("hi"), &json!(true)));
    assert_eq!((request.json().get("tools"), request.header("x-session-id")), (None, "s-1"));
    assert_eq!(request.header("idempotency-key").len(), 36);
}

#[tokio::test]
async fn a_poll_tells_and_does_not_wait() {
    let server = Server::script([status("running")]);
    let poll = flow(&server).job("r-1").poll().await.expect("a status");
    assert_eq!((poll.status, poll.result, poll.error), (RunStatus::Running, None, None));
    let request = server.requests().remove(0);
    assert_eq!((request.path.as_str(), request.query.as_str()), ("/api/v1/seq/acme/demo/hello/jobs/r-1", ""));
}

#[tokio::test]
async fn waiting_asks_the_server_to_wait() {
    let server = Server::script([status("completed")]);
    let done = flow(&server).job("r-1").wait().await.expect("an end");
    assert_eq!(done.output::<String>().expect("a text"), "done");
    assert_eq!(server.requests()[0].query, "wait=30.000");
    // Never longer than a request may take, nor than the caller waits.
    let client = builder(&server).timeout(Duration::from_secs(10)).build().expect("a client");
    let job = client.flow("acme/demo/hello").expect("a flow").job("r-1");
    job.wait().await.expect("an end");
    job.wait().timeout(Duration::from_secs(2)).await.expect("an end");
    let waits: Vec<String> = server.requests()[1..].iter().map(|request| request.query.clone()).collect();
    assert_eq!(waits, ["wait=5.000", "wait=2.000"]);
}

#[tokio::test]
async fn a_server_that_does_not_wait_is_polled_with_pauses() {
    let server = Server::script([status("pending"), status("running"), status("running"), status("completed")]);
    let wait = flow(&server).job("r-1").wait().interval(Duration::from_millis(5));
    assert_eq!(wait.await.expect("an end").status, RunStatus::Completed);
    assert_eq!(server.requests().len(), 4);
    // It pauses for the interval: with a long one, there is no second poll.
    let server = Server::script([status("running")]);
    let wait = flow(&server).job("r-1").wait().interval(Duration::from_secs(3_600)).timeout(Duration::from_millis(50));
    assert_eq!(wait.await.expect_err("too slow").kind(), ErrorKind::Timeout);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn waiting_ends_at_its_timeout_and_the_job_goes_on() {
    let server = Server::script([status("running")]);
    let wait = flow(&server).job("r-1").wait().interval(Duration::from_millis(5)).timeout(Duration::from_millis(30));
    let error = wait.await.expect_err("too slow");
    assert_eq!((error.kind(), error.execution_id()), (ErrorKind::Timeout, Some("r-1")));
    assert!(server.requests().iter().all(|request| request.method == "GET"), "nothing is cancelled");
    for wait in [
        flow(&server).job("r-1").wait().interval(Duration::ZERO),
        flow(&server).job("r").wait().timeout(Duration::ZERO),
    ] {
        assert_eq!(wait.await.expect_err("zero").kind(), ErrorKind::InvalidValue);
    }
}

#[tokio::test]
async fn waiting_outlives_a_server_that_is_away_for_a_moment() {
    let away = || Reply::error(503, "OVERLOADED").header("retry-after", "0");
    let server = Server::script([away(), away(), away(), away(), status("completed")]);
    let wait = flow(&server).job("r-1").wait().interval(Duration::from_millis(5));
    assert_eq!(wait.await.expect("an end").status, RunStatus::Completed);
    let server = Server::script([Reply::error(404, "JOB_NOT_FOUND")]);
    let error = flow(&server).job("r-1").wait().await.expect_err("no such job");
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::FlowNotFound, 1));
    assert_eq!(error.execution_id(), Some("r-1"));
}

#[tokio::test]
async fn how_a_job_ended_is_a_value() {
    let server = Server::script([status("failed"), status("cancelled"), status("completed")]);
    let job = flow(&server).job("r-1");
    let failed = job.wait().await.expect("a value");
    assert_eq!(failed.error.as_deref(), Some("no luck"));
    let error = failed.into_result().expect_err("it failed");
    assert_eq!((error.kind(), error.execution_id()), (ErrorKind::FlowExecution, Some("r-1")));
    assert!(error.to_string().contains("no luck"), "{error}");
    assert_eq!(job.wait().await.expect("a value").status, RunStatus::Cancelled);
    assert!(job.wait().await.expect("a value").into_result().is_ok());
}

#[tokio::test]
async fn a_job_is_cancelled_by_its_id() {
    let server = Server::script([status("cancelled")]);
    assert_eq!(flow(&server).job("a/b?c").cancel().await.expect_err("no id").kind(), ErrorKind::InvalidValue);
    assert_eq!(flow(&server).job("r 1").cancel().await.expect("a status").status, RunStatus::Cancelled);
    let request = server.requests().remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("DELETE", "/api/v1/seq/acme/demo/hello/jobs/r%201"));
}
