//! How a refusal looks on the wire: the one mapping from error codes to statuses, the headers that go with them, and
//! the one place that logs what the caller is not told. Makes no errors of its own but "no such route".

use std::time::Duration;

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use noukai_api::{ErrorBody, ErrorCode, ErrorDetail};

use super::reply;
use crate::app::{AppError, Reply};

/// An [`AppError`] on its way out.
#[derive(Debug)]
pub(crate) struct ApiError(AppError);

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        Self(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        log(&self.0);
        let status = status(self.0.code);
        let wait = self.0.retry_after;
        let mut response = reply::into_response(to_reply(&self.0));
        if let Some(wait) = wait.or_else(|| default_wait(status)) {
            response.headers_mut().insert(RETRY_AFTER, whole_seconds(wait).into());
        }
        response
    }
}

/// The error as it is stored for a repeated request.
pub(super) fn to_reply(error: &AppError) -> Reply {
    let detail = ErrorDetail {
        code: error.code,
        message: error.message.clone(),
        errors: error.errors.clone(),
        execution_id: error.execution_id.clone(),
        revision: error.revision.map(|revision| u64::from(revision.get())),
    };
    let body = serde_json::to_string(&ErrorBody { detail }).unwrap_or_default();
    Reply { status: status(error.code).as_u16(), content_type: reply::JSON.to_owned(), body }
}

/// Headers that a status brings along, whatever the reply.
pub(super) fn add_status_headers(response: &mut Response) {
    let status = response.status();
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer error="invalid_token""#));
    }
    if let Some(wait) = default_wait(status) {
        headers.insert(RETRY_AFTER, whole_seconds(wait).into());
    }
}

/// Answer for a path that is no route.
pub(super) async fn not_found() -> ApiError {
    AppError::new(ErrorCode::NotFound, "no such route; GET /api/v1/openapi.json lists them all").into()
}

/// Answer for a route that has no such method.
pub(super) async fn method_not_allowed() -> ApiError {
    AppError::new(ErrorCode::MethodNotAllowed, "the route has no such method; the `Allow` header lists those it has")
        .into()
}

fn default_wait(status: StatusCode) -> Option<Duration> {
    let temporary = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    temporary.then_some(Duration::from_secs(1))
}

/// Rounded up: a caller told to come back too early is refused again.
fn whole_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.max(1)
}

/// Faults of ours, once, in the request's span. Refusals are the caller's business and in the access log.
fn log(error: &AppError) {
    if status(error.code).is_server_error() {
        let context = error.context.as_deref().unwrap_or_default();
        let execution_id = error.execution_id.as_deref().unwrap_or_default();
        tracing::error!(code = error.code.as_str(), context, execution_id, "request failed");
    }
}

/// The contract's table, section 3.
pub(super) const fn status(code: ErrorCode) -> StatusCode {
    use ErrorCode as E;
    match code {
        E::BadRequest
        | E::InvalidVersion
        | E::ParameterNameReserved
        | E::ModelMimeIncompatible
        | E::AttachmentInvalid
        | E::MessagesRoleInvalid
        | E::ToolsNotEnabled
        | E::ToolsInvalid
        | E::ToolNameInvalid
        | E::ToolsInNonSequentialStep
        | E::ToolsRequireSyncExecute
        | E::PausedStepInvalid
        | E::ExecutionIdInvalid
        | E::ToolResultsMismatch
        | E::InvalidStepIndex
        | E::InvalidFirstCall
        | E::SessionIdInvalid => StatusCode::BAD_REQUEST,
        E::Unauthenticated => StatusCode::UNAUTHORIZED,
        E::InsufficientCredits | E::CreditsExhausted => StatusCode::PAYMENT_REQUIRED,
        E::Forbidden => StatusCode::FORBIDDEN,
        E::NotFound
        | E::FlowNotFound
        | E::VersionNotFound
        | E::RunNotFound
        | E::StepNotFound
        | E::JobNotFound
        | E::SessionNotFound
        | E::KeyNotFound
        | E::TestCaseNotFound
        | E::TestRunNotFound
        | E::OrganizationNotFound
        | E::MemberNotFound
        | E::InvitationNotFound
        | E::ProjectNotFound
        | E::OperationNotFound
        | E::CheckpointNotFound
        | E::ObjectModelNotFound
        | E::BudgetNotFound => StatusCode::NOT_FOUND,
        E::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        E::StaleTree | E::ToolIterationLimit | E::AlreadyResumed | E::Conflict | E::TestsFailed | E::RunNotRecorded => {
            StatusCode::CONFLICT
        }
        E::PayloadTooLarge | E::MessagesTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        E::ValidationError | E::MissingMessage | E::IdempotencyKeyReused | E::OperationRefused => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        E::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        E::ByokKeyRejected => StatusCode::BAD_GATEWAY,
        E::BillingUnavailable | E::MasterKeyUnavailable | E::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        E::InternalError | E::InvalidTree | E::NoSteps => StatusCode::INTERNAL_SERVER_ERROR,
        // Why a step or a run failed: these belong in a 200. One that gets here is a fault of ours.
        E::ModelNotAvailable
        | E::ModelError
        | E::ModelUnreachable
        | E::ModelRateLimited
        | E::ModelRefusal
        | E::ModelContentFiltered
        | E::ModelReplyInvalid
        | E::OutputSchemaMismatch
        | E::TemplateError
        | E::LoopInputInvalid
        | E::CodeInputInvalid
        | E::CodeError
        | E::CodeTimeout
        | E::CodeMemory
        | E::CodeCrashed
        | E::CodeOutputInvalid
        | E::CodeUnavailable
        | E::LimitExceeded
        | E::StepTimeout
        | E::RunTimeout
        | E::Cancelled
        | E::Interrupted
        | E::Expired => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
