//! Saved contents of steps.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use noukai_api::{CreateCheckpoint, UndoOperation};
use serde::Deserialize;

use super::flows::FlowPath;
use crate::{
    app::{App, Author},
    http::{
        edit::Edit,
        error::ApiError,
        extract::{Authed, PathOf},
        query::Args,
        reply, revision,
    },
};

/// A checkpoint of a flow.
#[derive(Deserialize)]
pub(in crate::http) struct CheckpointPath {
    flow_id: String,
    checkpoint_id: String,
}

/// `GET /flows/{flow_id}/checkpoints`.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(path): PathOf<FlowPath>,
    args: Args,
) -> Result<Response, ApiError> {
    let (author, step) = (Author::from(&caller), args.text("step_id"));
    reply::ok(&app.list_checkpoints(&author, path.id(), step, args.limit()?, args.text("cursor")).await?)
}

/// `POST /flows/{flow_id}/checkpoints`.
pub(in crate::http) async fn create(
    State(app): State<App>,
    PathOf(path): PathOf<FlowPath>,
    edit: Edit<CreateCheckpoint>,
) -> Result<Response, ApiError> {
    let on = edit.revision(None)?;
    edit.answer(&app, move |app, author, body| async move {
        reply::json(StatusCode::CREATED, &app.create_checkpoint(&author, path.id(), on, body).await?)
    })
    .await
}

/// `GET /flows/{flow_id}/checkpoints/{checkpoint_id}`.
pub(in crate::http) async fn get(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(CheckpointPath { flow_id, checkpoint_id }): PathOf<CheckpointPath>,
) -> Result<Response, ApiError> {
    let found = app.checkpoint(&Author::from(&caller), &flow_id, &checkpoint_id).await?;
    Ok(revision::tagged(reply::ok(&found)?, found.revision))
}

/// `DELETE /flows/{flow_id}/checkpoints/{checkpoint_id}`.
pub(in crate::http) async fn delete(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(CheckpointPath { flow_id, checkpoint_id }): PathOf<CheckpointPath>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let on = revision::asked(&headers, None)?;
    reply::ok(&app.delete_checkpoint(&Author::from(&caller), &flow_id, &checkpoint_id, on).await?)
}

/// `POST /flows/{flow_id}/checkpoints/{checkpoint_id}/restore`.
pub(in crate::http) async fn restore(
    State(app): State<App>,
    PathOf(CheckpointPath { flow_id, checkpoint_id }): PathOf<CheckpointPath>,
    edit: Edit<UndoOperation>,
) -> Result<Response, ApiError> {
    let on = edit.revision(edit.body.revision)?;
    edit.answer(&app, move |app, author, _| async move {
        reply::json(StatusCode::OK, &app.restore_checkpoint(&author, &flow_id, &checkpoint_id, on).await?)
    })
    .await
}
