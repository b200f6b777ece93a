//! What runs did: lists, summaries, traces. A run is found below its flow or by its id alone.

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;

use crate::{
    app::{App, RunQuery, StepTraceReply},
    http::{
        error::ApiError,
        extract::{Authed, PathOf},
        query::Args,
        reply, sse,
    },
};

/// A run, of the named flow where there is a name.
#[derive(Deserialize)]
pub(in crate::http) struct RunPath {
    flow: Option<String>,
    execution_id: String,
}

/// A step of a run.
#[derive(Deserialize)]
pub(in crate::http) struct StepPath {
    flow: Option<String>,
    execution_id: String,
    step_id: String,
}

/// `GET /flow-runs`: newest first.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Authed(caller): Authed,
    args: Args,
) -> Result<Response, ApiError> {
    let text = |name| args.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let query = RunQuery {
        flow_id: text("flow_id"),
        status: text("status"),
        poison: args.flag("poison")?,
        limit: args.limit()?,
        cursor: text("cursor"),
    };
    reply::ok(&app.flow_runs(&caller, query).await?)
}

/// `GET .../runs/{executionId}`: the run without its steps.
pub(in crate::http) async fn summary(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(RunPath { flow, execution_id }): PathOf<RunPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.flow_run(&caller, flow.as_deref(), &execution_id).await?)
}

/// `GET .../trace`: the run with the latest attempt of each step.
pub(in crate::http) async fn trace(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(RunPath { flow, execution_id }): PathOf<RunPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.trace(&caller, flow.as_deref(), &execution_id).await?)
}

/// `GET .../steps/{stepId}/trace`: one attempt, or all of them.
pub(in crate::http) async fn step_trace(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(StepPath { flow, execution_id, step_id }): PathOf<StepPath>,
    args: Args,
) -> Result<Response, ApiError> {
    let (attempt, loop_index) = (args.attempt()?, args.number("loop_index")?);
    let loop_index = loop_index.or(args.number("loopIndex")?);
    match app.step_trace(&caller, flow.as_deref(), &execution_id, &step_id, attempt, loop_index).await? {
        StepTraceReply::One(one) => reply::ok(&one),
        StepTraceReply::All(all) => reply::ok(&all),
    }
}

/// `GET .../trace/stream`: stored events after `Last-Event-ID`, then live ones, until the run ends.
pub(in crate::http) async fn follow(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(RunPath { flow, execution_id }): PathOf<RunPath>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = sse::resume_after(&headers)?;
    Ok(sse::response(sse::frames(app.follow(&caller, flow.as_deref(), &execution_id, after).await?)))
}
