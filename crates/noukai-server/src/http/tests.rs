//! The mapping from codes to statuses, row by row as the contract has it; and what a panic looks like from outside.

use axum::{Router, body::Body, http::Request, middleware::from_fn, routing::get};
use http_body_util::BodyExt;
use noukai_api::ErrorCode::{self, *};
use tower::ServiceExt;

use super::{error::status, layers};

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
