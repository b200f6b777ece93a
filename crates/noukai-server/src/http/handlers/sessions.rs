//! Sessions: all runs tagged with one id.

use axum::{extract::State, response::Response};
use serde::Deserialize;

use crate::{
    app::App,
    http::{
        error::ApiError,
        extract::{Authed, PathOf},
        reply,
    },
};

/// A session.
#[derive(Deserialize)]
pub(in crate::http) struct SessionPath {
    session_id: String,
}

/// `GET /seq/sessions/{sessionId}`.
pub(in crate::http) async fn session(
    State(app): State<App>,
    Authed(caller): Authed,
    PathOf(SessionPath { session_id }): PathOf<SessionPath>,
) -> Result<Response, ApiError> {
    reply::ok(&app.session(&caller, &session_id).await?)
}
