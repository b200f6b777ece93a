//! Test cases of a flow, test runs, and what must pass before a version is published.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use noukai_api::{CreateTestCase, Gate, StartTestRun, UpdateTestCase};
use serde::Deserialize;

use crate::{
    app::{App, junit},
    http::{
        body::Json,
        error::ApiError,
        extract::{Authed, PathOf},
        query::Args,
        reply, revision,
    },
};

/// A flow.
#[derive(Deserialize)]
pub(in crate::http) struct FlowPath {
    flow_id: String,
}

/// A test case of a flow.
#[derive(Deserialize)]
pub(in crate::http) struct CasePath {
    flow_id: String,
    case: String,
}

/// A test run.
#[derive(Deserialize)]
pub(in crate::http) struct TestRunPath {
    test_run_id: String,
}

/// `GET /flows/{flow_id}/test-cases`.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
    args: Args,
) -> Result<Response, ApiError> {
    reply::ok(&app.test_cases(&caller, &flow_id, &args.page()?).await?)
}

/// `POST /flows/{flow_id}/test-cases`.
pub(in crate::http) async fn create(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
    Json(body): Json<CreateTestCase>,
) -> Result<Response, ApiError> {
    reply::with_status(StatusCode::CREATED, &app.create_test_case(&caller, &flow_id, body).await?)
}

/// `GET /flows/{flow_id}/test-cases/{case}`: with its cassette.
pub(in crate::http) async fn get(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(CasePath { flow_id, case }): PathOf<CasePath>,
) -> Result<Response, ApiError> {
    let found = app.test_case(&caller, &flow_id, &case).await?;
    Ok(revision::tagged(reply::ok(&found)?, found.revision))
}

/// `PATCH /flows/{flow_id}/test-cases/{case}`: what is sent is changed.
pub(in crate::http) async fn update(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(CasePath { flow_id, case }): PathOf<CasePath>,
    headers: HeaderMap,
    Json(mut body): Json<UpdateTestCase>,
) -> Result<Response, ApiError> {
    body.on_revision = revision::asked(&headers, body.on_revision)?;
    let changed = app.update_test_case(&caller, &flow_id, &case, body).await?;
    Ok(revision::tagged(reply::ok(&changed)?, changed.revision))
}

/// `DELETE /flows/{flow_id}/test-cases/{case}`.
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(CasePath { flow_id, case }): PathOf<CasePath>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let on = revision::asked(&headers, None)?;
    reply::ok(&app.delete_test_case(&caller, &flow_id, &case, on).await?)
}

/// `POST /flows/{flow_id}/test-cases/{case}/runs`: runs this one.
pub(in crate::http) async fn run_one(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(CasePath { flow_id, case }): PathOf<CasePath>,
    args: Args,
    Json(body): Json<StartTestRun>,
) -> Result<Response, ApiError> {
    let request = StartTestRun { cases: Some(vec![case]), ..body };
    let run = app.start_test_run(&caller, &flow_id, request, args.wait()?).await?;
    reply::with_status(StatusCode::ACCEPTED, &run)
}

/// `POST /flows/{flow_id}/test-runs`: runs all, or those that are named.
pub(in crate::http) async fn run(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
    args: Args,
    Json(body): Json<StartTestRun>,
) -> Result<Response, ApiError> {
    let run = app.start_test_run(&caller, &flow_id, body, args.wait()?).await?;
    reply::with_status(StatusCode::ACCEPTED, &run)
}

/// `GET /flows/{flow_id}/test-runs`: newest first.
pub(in crate::http) async fn list_runs(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
    args: Args,
) -> Result<Response, ApiError> {
    reply::ok(&app.test_runs(&caller, &flow_id, &args.page()?).await?)
}

/// `GET /test-runs/{test_run_id}`: with its results.
pub(in crate::http) async fn get_run(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(TestRunPath { test_run_id }): PathOf<TestRunPath>,
    args: Args,
) -> Result<Response, ApiError> {
    reply::ok(&app.test_run(&caller, &test_run_id, args.wait()?).await?)
}

/// `GET /test-runs/{test_run_id}/trace`: with the traces of its runs.
pub(in crate::http) async fn trace(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(TestRunPath { test_run_id }): PathOf<TestRunPath>,
    args: Args,
) -> Result<Response, ApiError> {
    reply::ok(&app.test_run_trace(&caller, &test_run_id, &args.page()?).await?)
}

/// `GET /test-runs/{test_run_id}/junit`: for build servers.
pub(in crate::http) async fn report(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(TestRunPath { test_run_id }): PathOf<TestRunPath>,
    args: Args,
) -> Result<Response, ApiError> {
    let run = app.test_run(&caller, &test_run_id, args.wait()?).await?;
    let content_type = HeaderValue::from_static(reply::XML);
    Ok(([(CONTENT_TYPE, content_type)], junit(&run)).into_response())
}

/// `GET /flows/{flow_id}/publish-gate`.
pub(in crate::http) async fn gate(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
) -> Result<Response, ApiError> {
    let (gate, revision) = app.publish_gate(&caller, &flow_id).await?;
    Ok(revision::tagged(reply::ok(&gate)?, revision))
}

/// `PUT /flows/{flow_id}/publish-gate`.
pub(in crate::http) async fn set_gate(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
    headers: HeaderMap,
    Json(gate): Json<Gate>,
) -> Result<Response, ApiError> {
    let on = revision::asked(&headers, None)?;
    let revision = app.set_publish_gate(&caller, &flow_id, on, &gate).await?;
    Ok(revision::tagged(reply::ok(&gate)?, revision))
}
