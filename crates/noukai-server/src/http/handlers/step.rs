//! `POST .../step`: one step, or all that remain, as a stream of events.

use axum::{extract::State, response::Response};
use noukai_api::StepRequest;

use crate::{
    app::{App, RunOptions},
    http::{error::ApiError, flow_request::FlowRequest, idempotency},
};

/// An error before the first event is an ordinary error reply.
pub(in crate::http) async fn step(
    State(app): State<App>,
    FlowRequest { caller, address, options, once, body }: FlowRequest<StepRequest>,
) -> Result<Response, ApiError> {
    let work = {
        let (app, caller) = (app.clone(), caller.clone());
        move |run| async move { app.step(&caller, &address, body, RunOptions { run, ..options }).await }
    };
    idempotency::events(&app, &caller, once, work).await
}
