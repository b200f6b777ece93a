//! Versions and the production version.

use axum::{extract::State, http::StatusCode, response::Response};
use noukai_api::{DeprecateVersion, PublishVersion, SetProduction};
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

/// A version of a flow.
#[derive(Deserialize)]
pub(in crate::http) struct VersionPath {
    flow_id: String,
    number: u32,
}

/// Two versions of a flow.
#[derive(Deserialize)]
pub(in crate::http) struct DiffPath {
    flow_id: String,
    number: u32,
    other: u32,
}

/// `GET /flows/{flow_id}/versions`.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(path): PathOf<FlowPath>,
    args: Args,
) -> Result<Response, ApiError> {
    let author = Author::from(&caller);
    reply::ok(&app.list_versions(&author, path.id(), args.limit()?, args.text("cursor")).await?)
}

/// `POST /flows/{flow_id}/versions`.
pub(in crate::http) async fn publish(
    State(app): State<App>,
    PathOf(path): PathOf<FlowPath>,
    mut edit: Edit<PublishVersion>,
) -> Result<Response, ApiError> {
    edit.body.revision = edit.revision(edit.body.revision)?;
    edit.answer(&app, move |app, author, body| async move {
        reply::json(StatusCode::CREATED, &app.publish_version(&author, path.id(), body).await?)
    })
    .await
}

/// `GET /flows/{flow_id}/versions/{number}`.
pub(in crate::http) async fn get(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(VersionPath { flow_id, number }): PathOf<VersionPath>,
) -> Result<Response, ApiError> {
    let found = app.version(&Author::from(&caller), &flow_id, number).await?;
    Ok(revision::tagged(reply::ok(&found)?, found.version.revision))
}

/// `PATCH /flows/{flow_id}/versions/{number}`.
pub(in crate::http) async fn deprecate(
    State(app): State<App>,
    PathOf(VersionPath { flow_id, number }): PathOf<VersionPath>,
    edit: Edit<DeprecateVersion>,
) -> Result<Response, ApiError> {
    let on = edit.revision(None)?;
    let marked = app.deprecate_version(&edit.author, &flow_id, number, on, edit.body).await?;
    Ok(revision::tagged(reply::ok(&marked)?, marked.revision))
}

/// `GET /flows/{flow_id}/versions/{number}/diff/{other}`.
pub(in crate::http) async fn diff(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(DiffPath { flow_id, number, other }): PathOf<DiffPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.diff_versions(&Author::from(&caller), &flow_id, number, other).await?)
}

/// `GET /flows/{flow_id}/production`.
pub(in crate::http) async fn production(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(path): PathOf<FlowPath>,
) -> Result<Response, ApiError> {
    let production = app.production(&Author::from(&caller), path.id()).await?;
    Ok(revision::tagged(reply::ok(&production)?, production.version.unwrap_or_default().into()))
}

/// `PUT /flows/{flow_id}/production`.
pub(in crate::http) async fn set_production(
    State(app): State<App>,
    PathOf(path): PathOf<FlowPath>,
    edit: Edit<SetProduction>,
) -> Result<Response, ApiError> {
    // No flow has as many versions as that.
    let instead_of = edit.revision(None)?.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let production = app.set_production(&edit.author, path.id(), instead_of, edit.body).await?;
    Ok(revision::tagged(reply::ok(&production)?, production.version.unwrap_or_default().into()))
}
