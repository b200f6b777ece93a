//! `POST .../execute`: a run to its end, or to a pause for tools.

use axum::{extract::State, http::StatusCode, response::Response};
use noukai_api::ExecuteRequest;

use crate::{
    app::{App, AppError, ExecuteOutcome, Reply, RunOptions},
    http::{error::ApiError, flow_request::FlowRequest, idempotency, reply},
};

/// Both outcomes, and a run that failed, are 200; `status` tells them apart.
pub(in crate::http) async fn execute(
    State(app): State<App>,
    FlowRequest { caller, address, options, once, body }: FlowRequest<ExecuteRequest>,
) -> Result<Response, ApiError> {
    let work = {
        let (app, caller) = (app.clone(), caller.clone());
        move |run| async move { told(app.execute(&caller, &address, body, RunOptions { run, ..options }).await?) }
    };
    let again = |app: App, ran| async move { told(app.executed_again(ran).await?) };
    idempotency::reply(&app, &caller, once, work, again).await
}

fn told(outcome: ExecuteOutcome) -> Result<Reply, AppError> {
    match outcome {
        ExecuteOutcome::Done(done) => reply::json(StatusCode::OK, &done),
        ExecuteOutcome::Paused(paused) => reply::json(StatusCode::OK, &paused),
    }
}
