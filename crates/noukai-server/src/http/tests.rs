//! The mapping from codes to statuses, row by row as the contract has it; what a panic looks like from outside, and a ledger
//! that takes nothing.

use axum::{
    Router,
    body::Body,
    http::{Method, Request},
    middleware::from_fn,
    routing::get,
};
use http_body_util::BodyExt;
use noukai_api::{
    ErrorCode::{self, *},
    Scope,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{error::status, layers};
use crate::{Config, KeyRequest, Overrides, app::App};

const TABLE: &[(u16, &[ErrorCode])] = &[
    (
        400,
        &[
            BadRequest,
            InvalidVersion,
            ParameterNameReserved,
            ModelMimeIncompatible,
            AttachmentInvalid,
            MessagesRoleInvalid,
            ToolsNotEnabled,
            ToolsInvalid,
            ToolNameInvalid,
            ToolsInNonSequentialStep,
            ToolsRequireSyncExecute,
            PausedStepInvalid,
            ExecutionIdInvalid,
            ToolResultsMismatch,
            InvalidStepIndex,
            InvalidFirstCall,
            SessionIdInvalid,
        ],
    ),
    (401, &[Unauthenticated]),
    (402, &[InsufficientCredits, CreditsExhausted]),
    (403, &[Forbidden]),
    (
        404,
        &[
            FlowNotFound,
            VersionNotFound,
            RunNotFound,
            StepNotFound,
            JobNotFound,
            SessionNotFound,
            KeyNotFound,
            TestCaseNotFound,
            TestRunNotFound,
            OrganizationNotFound,
            MemberNotFound,
            InvitationNotFound,
            ProjectNotFound,
            OperationNotFound,
            CheckpointNotFound,
            ObjectModelNotFound,
            BudgetNotFound,
            NotFound,
        ],
    ),
    (405, &[MethodNotAllowed]),
    (409, &[StaleTree, ToolIterationLimit, AlreadyResumed, Conflict, TestsFailed, RunNotRecorded]),
    (413, &[PayloadTooLarge, MessagesTooLarge]),
    (422, &[ValidationError, MissingMessage, IdempotencyKeyReused, OperationRefused]),
    (429, &[RateLimited]),
    (500, &[InternalError, InvalidTree, NoSteps]),
    (502, &[ByokKeyRejected]),
    (503, &[BillingUnavailable, MasterKeyUnavailable, Overloaded]),
];

#[test]
fn codes_have_the_statuses_of_the_contract() {
    for (expected, codes) in TABLE {
        for code in *codes {
            assert_eq!(status(*code).as_u16(), *expected, "{code}");
        }
    }
    let listed = |code: &ErrorCode| TABLE.iter().any(|(_, codes)| codes.contains(code));
    for code in ErrorCode::ALL.iter().filter(|code| !listed(code)) {
        assert_eq!(status(*code).as_u16(), 500, "{code} is why a step fails, and no reply of its own");
    }
}

async fn broken() {
    panic!("canary");
}

#[tokio::test]
async fn a_panic_is_an_internal_error_with_a_request_id() {
    let router = Router::new().route("/", get(broken));
    let router = router.layer(from_fn(layers::all));
    let request = Request::get("/").header("x-request-id", "mine").body(Body::empty()).expect("a request");
    let reply = router.oneshot(request).await.expect("a reply");
    assert_eq!((reply.status().as_u16(), &reply.headers()["x-request-id"]), (500, &"mine".parse().expect("a value")));
    let body = reply.into_body().collect().await.expect("a body").to_bytes();
    let body: noukai_api::ErrorBody = serde_json::from_slice(&body).expect("our shape");
    assert_eq!(body.detail.code, InternalError);
    assert!(!body.detail.message.contains("canary"));
}

/// An app, a flow `work` of two blocks, the first of which takes a while, and a key.
async fn app(dir: &std::path::Path) -> (App, String) {
    let mut config =
        Config::load(None, Overrides { data: Some(dir.to_owned()), ..Overrides::default() }).expect("it is there");
    config.code.enabled = false;
    let app = App::open(&config).await.expect("it is there");
    let project = app.ensure_project("acme", "demo").await.expect("it is there");
    let slow = json!({"id": "a", "llm": {"prompt": "x", "config": {"latency_ms": 500}}});
    let steps = json!([slow, {"id": "b", "llm": {"prompt": "y"}}]);
    let flow = json!({"schema": 1, "slug": "work", "input": {"message": "string"}, "steps": steps});
    app.put_flow(&project, &flow).await.expect("it is there");
    let key = KeyRequest {
        name: "test".to_owned(),
        environment: "test".to_owned(),
        scopes: Scope::ALL.to_vec(),
        expires_at: None,
        created_by: "test".to_owned(),
    };
    let key = app.issue_key(&project, key).await.unwrap().key;
    (app, key)
}

/// Asks at a path below the prefix; status and body.
async fn ask(app: &App, key: &str, method: Method, path: &str) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(Body::from(r#"{"message": "x"}"#))
        .expect("a request");
    let reply = super::router(app.clone(), Router::new()).oneshot(request).await.expect("a reply");
    let status = reply.status().as_u16();
    let body = reply.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

const WORK: &str = "/seq/acme/demo/work";

#[tokio::test]
async fn every_door_is_closed_while_the_ledger_takes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (app, key) = app(dir.path()).await;
    app.set_ledger_down(true);
    for door in ["execute", "step", "jobs"] {
        let (status, body) = ask(&app, &key, Method::POST, &format!("{WORK}/{door}")).await;
        assert_eq!((status, &body["detail"]["code"]), (503, &json!("BILLING_UNAVAILABLE")), "{door}");
        let message = body["detail"]["message"].as_str().expect("a message");
        assert!(message.contains("usage cannot be recorded"), "{message}");
    }
    app.set_ledger_down(false);
    let (status, body) = ask(&app, &key, Method::POST, &format!("{WORK}/execute")).await;
    assert_eq!((status, &body["status"]), (200, &json!("completed")));
    app.close().await;
}

#[tokio::test]
async fn a_run_ends_before_a_call_that_could_not_be_written_down() {
    let dir = tempfile::tempdir().expect("a directory");
    let (app, key) = app(dir.path()).await;
    let running = tokio::spawn({
        let (app, key) = (app.clone(), key.clone());
        async move { ask(&app, &key, Method::POST, &format!("{WORK}/execute")).await }
    });
    while ask(&app, &key, Method::GET, "/flow-runs").await.1["flowRuns"] == json!([]) {
        tokio::task::yield_now().await;
    }
    app.set_ledger_down(true);
    let (status, body) = running.await.expect("a reply");
    let error = &body["result"]["error"];
    assert_eq!((status, &error["code"], &error["stepId"]), (200, &json!("BILLING_UNAVAILABLE"), &json!("b")));
    app.close().await;
}
