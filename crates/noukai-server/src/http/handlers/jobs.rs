//! Jobs: submit, poll, cancel, retry, and their queue.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use noukai_api::{ExecuteRequest, JobStatus, RunStatus};
use serde::Deserialize;

use crate::{
    app::{App, AppError, Ran, Reply, RetryFrom, RetryOptions, RetryVersion, RunOptions},
    http::{
        body,
        error::ApiError,
        extract::{Authed, PathOf},
        flow_request::{self, FlowRequest},
        idempotency,
        query::Args,
        reply,
    },
};

/// Sent by the published clients with every request.
const CLIENT_HEADER: &str = "x-noukai-api-version";

/// A job of a flow.
#[derive(Deserialize)]
pub(in crate::http) struct JobPath {
    flow: String,
    execution_id: String,
}

/// `POST .../jobs`: 202 once the job would survive a crash.
pub(in crate::http) async fn submit(
    State(app): State<App>,
    FlowRequest { caller, address, options, once, body }: FlowRequest<ExecuteRequest>,
) -> Result<Response, ApiError> {
    let work = {
        let (app, caller) = (app.clone(), caller.clone());
        move |run| async move {
            let options = RunOptions { run, ..options };
            reply::json(StatusCode::ACCEPTED, &app.enqueue(&caller, &address, body, options).await?)
        }
    };
    idempotency::reply(&app, &caller, once, work, accepted_again).await
}

/// `GET .../jobs/{executionId}`: where it stands, now or after `?wait` seconds at most.
pub(in crate::http) async fn poll(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(JobPath { flow, execution_id }): PathOf<JobPath>,
    headers: HeaderMap,
    args: Args,
) -> Result<Response, ApiError> {
    let status = app.job(&caller, &flow, &execution_id, args.wait()?).await?;
    reply::ok(&for_client(status, &headers))
}

/// The published clients know no `cancelled`: one of them refuses the whole reply, the other polls on until its own
/// timeout. Both name themselves by a header; they are told `failed`, with the reason in `error`.
fn for_client(mut status: JobStatus, headers: &HeaderMap) -> JobStatus {
    if status.status == RunStatus::Cancelled && headers.contains_key(CLIENT_HEADER) {
        status.status = RunStatus::Failed;
    }
    status
}

/// `DELETE .../jobs/{executionId}`: no effect once it ended.
pub(in crate::http) async fn cancel(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(JobPath { flow, execution_id }): PathOf<JobPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.cancel_job(&caller, &flow, &execution_id).await?)
}

/// `POST .../jobs/{executionId}/retry`: 202 once the new job would survive a crash. There is nothing to say in a body.
pub(in crate::http) async fn retry(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(JobPath { flow, execution_id }): PathOf<JobPath>,
    args: Args,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let once = flow_request::once(&parts, &body::read(body, app.limits()).await?)?;
    let options = RetryOptions {
        from: args.choice("from", &[("failed", RetryFrom::Failed), ("start", RetryFrom::Start)])?,
        version: args.choice("version", &[("same", RetryVersion::Same), ("current", RetryVersion::Current)])?,
        session_id: flow_request::session_id(&parts.headers)?,
        run: None,
    };
    let work = {
        let (app, caller) = (app.clone(), caller.clone());
        move |run| async move {
            let options = RetryOptions { run, ..options };
            let accepted = app.retry_job(&caller, &flow, &execution_id, options).await?;
            reply::json(StatusCode::ACCEPTED, &accepted)
        }
    };
    idempotency::reply(&app, &caller, once, work, accepted_again).await
}

/// The reply to a submit or a retry that was made before.
async fn accepted_again(app: App, ran: Ran) -> Result<Reply, AppError> {
    reply::json(StatusCode::ACCEPTED, &app.accepted_again(ran).await?)
}

/// `GET /queue`: the jobs of the key's project.
pub(in crate::http) async fn queue(State(app): State<App>, Authed(caller): Authed) -> Result<Response, ApiError> {
    reply::ok(&app.queue(&caller).await?)
}
