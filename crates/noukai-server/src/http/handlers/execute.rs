//! `POST .../execute`: a run to its end, or to a pause for tools.

use axum::{extract::State, http::StatusCode, response::Response};
use noukai_api::ExecuteRequest;

use crate::{
    app::{App, ExecuteOutcome},
    http::{error::ApiError, flow_request::FlowRequest, idempotency, reply},
};

/// Both outcomes, and a run that failed, are 200; `status` tells them apart.
pub(in crate::http) async fn execute(
    State(app): State<App>,
    FlowRequest { caller, address, options, once, body }: FlowRequest<ExecuteRequest>,
) -> Result<Response, ApiError> {
    let work = {
        let (app, caller) = (app.clone(), caller.clone());
        async move {
            match app.execute(&caller, &address, body, options).await? {
                ExecuteOutcome::Done(done) => reply::json(StatusCode::OK, &done),
                ExecuteOutcome::Paused(paused) => reply::json(StatusCode::OK, &paused),
            }
        }
    };
    idempotency::reply(&app, &caller, once, work).await
}
