//! `execute`: what its replies become.

use noukai::{ErrorKind, Execution, RunStatus};
use noukai_mock::{Reply, Server};
use serde_json::json;

use crate::support::{completed, flow};

#[tokio::test]
async fn a_completed_run_has_its_fields_and_its_output() {
    #[derive(Debug, serde::Deserialize, PartialEq)]
    struct City {
        name: String,
    }
    let server = Server::script([completed(&json!({"name": "Oslo"}))]);
    let done = flow(&server).execute().message("hi").await.expect("a reply").completed().expect("an end");
    assert_eq!((done.status, done.is_failed()), (RunStatus::Completed, false));
    assert_eq!((done.flow_id.as_str(), done.block_count, done.execution_id.as_str()), ("f-1", 2, "r-1"));
    assert_eq!(done.session_id, None);
    assert_eq!(done.output::<City>().expect("a city"), City { name: "Oslo".to_owned() });
    let error = done.output::<Vec<u8>>().expect_err("no list");
    assert_eq!((error.kind(), error.execution_id()), (ErrorKind::Decode, Some("r-1")));
    assert_eq!(done.into_result().expect("it completed").result, json!({"name": "Oslo"}));
}

#[tokio::test]
async fn a_failed_run_is_a_value_until_it_is_made_an_error() {
    let failed = json!({"code": "MODEL_ERROR", "message": "it said no", "stepId": "greet", "attempt": 2});
    let server = Server::script([Reply::json(
        200,
        &json!({"status": "failed", "result": {"error": failed}, "flowId": "f", "blockCount": 1, "executionId": "r-1"}),
    )]);
    let done = flow(&server).execute().await.expect("a value").completed().expect("an end");
    assert_eq!((done.status, done.is_failed()), (RunStatus::Failed, true));
    assert_eq!(done.result["error"]["stepId"], "greet");
    assert_eq!(done.output::<String>().expect_err("it failed").code(), Some("MODEL_ERROR"));
    let error = done.into_result().expect_err("it failed");
    assert_eq!((error.kind(), error.code()), (ErrorKind::FlowExecution, Some("MODEL_ERROR")));
    assert_eq!((error.execution_id(), error.status()), (Some("r-1"), None));
    assert!(error.to_string().contains("step `greet`: it said no"), "{error}");
}

#[tokio::test]
async fn an_ended_run_is_not_paused_and_a_paused_one_has_not_ended() {
    let server = Server::script([completed(&json!("x")), Reply::json(200, &crate::support::paused(&["c1"]))]);
    let flow = flow(&server);
    let ended = flow.execute().await.expect("a reply");
    assert_eq!(ended.execution_id(), "r-1");
    assert_eq!(ended.paused().expect_err("it ended").kind(), ErrorKind::FlowExecution);
    let paused = flow.execute().await.expect("a reply");
    assert!(matches!(paused, Execution::Paused(_)));
    assert_eq!(paused.completed().expect_err("it waits").code(), Some("TOOL_CALLS_REQUIRED"));
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_an_unknown_status_is_told() {
    let reply = |status: &str| json!({"status": status, "result": 1, "flowId": "f", "blockCount": 1, "executionId": "r-1", "mood": "good"});
    let server = Server::script([Reply::json(200, &reply("completed")), Reply::json(200, &reply("dreaming"))]);
    let flow = flow(&server);
    assert_eq!(flow.execute().await.expect("a reply").completed().expect("an end").result, 1);
    let error = flow.execute().await.expect_err("an unknown status");
    assert_eq!((error.kind(), error.execution_id()), (ErrorKind::Decode, Some("r-1")));
    assert!(error.to_string().contains("dreaming"), "{error}");
}
