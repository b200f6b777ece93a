//! Jobs: submit, poll, cancel.

use axum::{extract::State, http::StatusCode, response::Response};
use noukai_api::ExecuteRequest;
use serde::Deserialize;

use crate::{
    app::App,
    http::{
        error::ApiError,
        extract::{Authed, PathOf},
        flow_request::FlowRequest,
        idempotency,
        query::Args,
        reply,
    },
};

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
        async move { reply::json(StatusCode::ACCEPTED, &app.enqueue(&caller, &address, body, options).await?) }
    };
    idempotency::reply(&app, &caller, once, work).await
}

/// `GET .../jobs/{executionId}`: where it stands, now or after `?wait` seconds at most.
pub(in crate::http) async fn poll(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(JobPath { flow, execution_id }): PathOf<JobPath>,
    args: Args,
) -> Result<Response, ApiError> {
    reply::ok(&app.job(&caller, &flow, &execution_id, args.wait()?).await?)
}

/// `DELETE .../jobs/{executionId}`: no effect once it ended.
pub(in crate::http) async fn cancel(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(JobPath { flow, execution_id }): PathOf<JobPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.cancel_job(&caller, &flow, &execution_id).await?)
}
