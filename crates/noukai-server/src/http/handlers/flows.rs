//! Flows and their drafts.

use axum::{extract::State, http::StatusCode, response::Response};
use noukai_api::{ApplyOperations, CreateFlow, UndoOperation, UpdateFlow};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    app::{App, Author, FlowQuery, LogQuery},
    http::{
        edit::{Edit, Nothing},
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

impl FlowPath {
    /// The flow.
    pub fn id(&self) -> &str {
        &self.flow_id
    }
}

/// A line of a flow's log.
#[derive(Deserialize)]
pub(in crate::http) struct OperationPath {
    flow_id: String,
    seq: u64,
}

/// `GET /flows`.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Authed(caller): Authed,
    args: Args,
) -> Result<Response, ApiError> {
    let text = |name| args.text(name).map(str::to_owned);
    let (project_id, slug, cursor) = (text("project_id"), text("slug"), text("cursor"));
    let query = FlowQuery { project_id, slug, text: text("q"), limit: args.limit()?, cursor };
    reply::ok(&app.list_flows(&Author::from(&caller), query).await?)
}

/// `POST /flows`.
pub(in crate::http) async fn create(State(app): State<App>, edit: Edit<CreateFlow>) -> Result<Response, ApiError> {
    edit.answer(&app, |app, author, body| async move {
        reply::json(StatusCode::CREATED, &app.create_flow(&author, body).await?)
    })
    .await
}

/// `GET /flows/{flow_id}`.
pub(in crate::http) async fn get(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
) -> Result<Response, ApiError> {
    let draft = app.flow_draft(&Author::from(&caller), &flow_id).await?;
    Ok(revision::tagged(reply::ok(&draft)?, draft.flow.revision))
}

/// `PATCH /flows/{flow_id}`.
pub(in crate::http) async fn update(
    State(app): State<App>,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
    edit: Edit<UpdateFlow>,
) -> Result<Response, ApiError> {
    let on = edit.revision(None)?;
    let change = app.update_flow(&edit.author, &flow_id, on, edit.body).await?;
    Ok(revision::tagged(reply::ok(&change)?, change.flow.revision))
}

/// `DELETE /flows/{flow_id}`.
pub(in crate::http) async fn delete(
    State(app): State<App>,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
    edit: Edit<Nothing>,
) -> Result<Response, ApiError> {
    let on = edit.revision(None)?;
    reply::ok(&app.delete_flow(&edit.author, &flow_id, on).await?)
}

/// `GET /flows/{flow_id}/document`: the document alone, as a file would have it.
pub(in crate::http) async fn document(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
) -> Result<Response, ApiError> {
    let draft = app.flow_draft(&Author::from(&caller), &flow_id).await?;
    Ok(revision::tagged(reply::ok(&draft.document)?, draft.flow.revision))
}

/// `PUT /flows/{flow_id}/document`: by the operations that lead there.
pub(in crate::http) async fn put_document(
    State(app): State<App>,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
    edit: Edit<serde_json::Map<String, Value>>,
) -> Result<Response, ApiError> {
    let on = edit.revision(None)?;
    let document = Value::Object(edit.body);
    let change = app.replace_document(&edit.author, &flow_id, on, &document).await?;
    Ok(revision::tagged(reply::ok(&change)?, change.flow.revision))
}

/// `GET /flows/{flow_id}/problems`.
pub(in crate::http) async fn problems(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.draft_problems(&Author::from(&caller), &flow_id).await?)
}

/// `GET /flows/{flow_id}/operations`.
pub(in crate::http) async fn log(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
    args: Args,
) -> Result<Response, ApiError> {
    let text = |name| args.text(name).map(str::to_owned);
    let offset = args.number("offset")?.unwrap_or_default();
    let (step_id, op, cursor) = (text("step_id"), text("op"), text("cursor"));
    let query = LogQuery { step_id, op, limit: args.limit()?, cursor, offset };
    reply::ok(&app.operation_log(&Author::from(&caller), &flow_id, &query).await?)
}

/// `POST /flows/{flow_id}/operations`.
pub(in crate::http) async fn apply(
    State(app): State<App>,
    PathOf(FlowPath { flow_id }): PathOf<FlowPath>,
    edit: Edit<ApplyOperations>,
) -> Result<Response, ApiError> {
    let on = edit.revision(edit.body.revision)?;
    edit.answer(&app, move |app, author, body| async move {
        let operations = App::read_operations(body.operations)?;
        reply::json(StatusCode::OK, &app.apply_operations(&author, &flow_id, on, &operations).await?)
    })
    .await
}

/// `POST /flows/{flow_id}/operations/{seq}/undo`.
pub(in crate::http) async fn undo(
    State(app): State<App>,
    PathOf(OperationPath { flow_id, seq }): PathOf<OperationPath>,
    edit: Edit<UndoOperation>,
) -> Result<Response, ApiError> {
    let on = edit.revision(edit.body.revision)?;
    edit.answer(&app, move |app, author, _| async move {
        reply::json(StatusCode::OK, &app.undo(&author, &flow_id, seq, on).await?)
    })
    .await
}
