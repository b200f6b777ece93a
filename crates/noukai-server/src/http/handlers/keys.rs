//! API keys. Who may manage them, the app decides.

use axum::{extract::State, http::StatusCode, response::Response};
use noukai_api::CreateKey;
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

/// A key.
#[derive(Deserialize)]
pub(in crate::http) struct KeyPath {
    key_id: String,
}

/// `POST /keys`: the only reply that shows the secret.
pub(in crate::http) async fn create(
    State(app): State<App>,
    Authed(caller): Authed,
    Json(body): Json<CreateKey>,
) -> Result<Response, ApiError> {
    reply::with_status(StatusCode::CREATED, &app.create_key(&caller, body).await?)
}

/// `GET /keys`.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Authed(caller): Authed,
    args: Args,
) -> Result<Response, ApiError> {
    let project_id = args.text("projectId").or_else(|| args.text("project_id"));
    reply::ok(&app.keys(&caller, project_id, &args.page()?).await?)
}

/// `DELETE /keys/{key_id}`.
pub(in crate::http) async fn revoke(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(KeyPath { key_id }): PathOf<KeyPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.revoke_key(&caller, &key_id).await?)
}

/// `GET /keys/verify`: what the caller's own key is good for.
pub(in crate::http) async fn verify(State(app): State<App>, Authed(caller): Authed) -> Result<Response, ApiError> {
    reply::ok(&app.verify(&caller))
}
