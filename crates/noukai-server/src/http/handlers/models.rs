//! Object models.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use noukai_api::{CreateObjectModel, UpdateObjectModel};
use serde::Deserialize;

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

/// An object model.
#[derive(Deserialize)]
pub(in crate::http) struct ModelPath {
    model_id: String,
}

/// `GET /object-models`.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Authed(caller): Authed,
    args: Args,
) -> Result<Response, ApiError> {
    let (author, project) = (Author::from(&caller), args.text("project_id"));
    reply::ok(&app.list_object_models(&author, project, &args.page()?).await?)
}

/// `POST /object-models`.
pub(in crate::http) async fn create(
    State(app): State<App>,
    edit: Edit<CreateObjectModel>,
) -> Result<Response, ApiError> {
    edit.answer(&app, |app, author, body| async move {
        reply::json(StatusCode::CREATED, &app.create_object_model(&author, body).await?)
    })
    .await
}

/// `GET /object-models/{model_id}`.
pub(in crate::http) async fn get(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(ModelPath { model_id }): PathOf<ModelPath>,
) -> Result<Response, ApiError> {
    let found = app.object_model(&Author::from(&caller), &model_id).await?;
    Ok(revision::tagged(reply::ok(&found)?, found.model.revision))
}

/// `PATCH /object-models/{model_id}`.
pub(in crate::http) async fn update(
    State(app): State<App>,
    PathOf(ModelPath { model_id }): PathOf<ModelPath>,
    edit: Edit<UpdateObjectModel>,
) -> Result<Response, ApiError> {
    let on = edit.revision(None)?;
    let changed = app.update_object_model(&edit.author, &model_id, on, edit.body).await?;
    Ok(revision::tagged(reply::ok(&changed)?, changed.model.revision))
}

/// `DELETE /object-models/{model_id}`.
pub(in crate::http) async fn delete(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(ModelPath { model_id }): PathOf<ModelPath>,
    args: Args,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (on, force) = (revision::asked(&headers, None)?, args.flag("force")?);
    reply::ok(&app.delete_object_model(&Author::from(&caller), &model_id, on, force).await?)
}
