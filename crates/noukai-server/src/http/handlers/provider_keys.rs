//! Keys for model providers. Who may manage them, the app decides.

use axum::{extract::State, http::StatusCode, response::Response};
use noukai_api::{CreateProviderKey, ReplaceProviderKey};
use serde::Deserialize;

use crate::{
    app::App,
    http::{
        body::Json,
        error::ApiError,
        extract::{Authed, PathOf},
        query::Args,
        reply,
    },
};

/// A provider key.
#[derive(Deserialize)]
pub(in crate::http) struct ProviderKeyPath {
    provider_key_id: String,
}

/// `POST /provider-keys`.
pub(in crate::http) async fn create(
    State(app): State<App>,
    Authed(caller): Authed,
    Json(body): Json<CreateProviderKey>,
) -> Result<Response, ApiError> {
    let owner = app.key_owner(&caller, body.project_id.as_deref()).await?;
    reply::with_status(StatusCode::CREATED, &app.add_provider_key(owner, body, &caller.key_id).await?)
}

/// `GET /provider-keys`.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Authed(caller): Authed,
    args: Args,
) -> Result<Response, ApiError> {
    let project_id = args.text("projectId").or_else(|| args.text("project_id"));
    let owner = app.key_owner(&caller, project_id).await?;
    reply::ok(&app.provider_keys(owner).await?)
}

/// `POST /provider-keys/{provider_key_id}/replace`.
pub(in crate::http) async fn replace(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(ProviderKeyPath { provider_key_id }): PathOf<ProviderKeyPath>,
    Json(body): Json<ReplaceProviderKey>,
) -> Result<Response, ApiError> {
    let owner = app.organisation_of(&caller)?;
    reply::ok(&app.replace_provider_key(owner, &provider_key_id, body).await?)
}

/// `POST /provider-keys/{provider_key_id}/test`: whether the provider takes it.
pub(in crate::http) async fn test(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(ProviderKeyPath { provider_key_id }): PathOf<ProviderKeyPath>,
) -> Result<Response, ApiError> {
    let owner = app.organisation_of(&caller)?;
    reply::ok(&app.test_provider_key(owner, &provider_key_id).await?)
}

/// `DELETE /provider-keys/{provider_key_id}`.
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(ProviderKeyPath { provider_key_id }): PathOf<ProviderKeyPath>,
) -> Result<Response, ApiError> {
    let owner = app.organisation_of(&caller)?;
    reply::ok(&app.remove_provider_key(owner, &provider_key_id).await?)
}
