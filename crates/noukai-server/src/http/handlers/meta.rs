//! The server about itself: health, readiness, limits, the OpenAPI document, the schema of flows.

use std::sync::LazyLock;

use axum::{extract::State, response::Response};
use serde_json::{Value, json};

use crate::{
    app::App,
    http::{error::ApiError, openapi, reply},
};

static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi::document);
static FLOW_SCHEMA: LazyLock<Value> = LazyLock::new(noukai_flow::document_schema);

/// `GET /health`: the process is up. Touches nothing.
pub(in crate::http) async fn health() -> Result<Response, ApiError> {
    reply::ok(&json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

/// `GET /ready`: the store is reachable and its schema is current.
pub(in crate::http) async fn ready(State(app): State<App>) -> Result<Response, ApiError> {
    app.ready().await?;
    reply::ok(&json!({"status": "ready"}))
}

/// `GET /limits`: the limits in force.
pub(in crate::http) async fn limits(State(app): State<App>) -> Result<Response, ApiError> {
    reply::ok(app.limits())
}

/// `GET /openapi.json`.
pub(in crate::http) async fn openapi() -> Result<Response, ApiError> {
    reply::ok(&*DOCUMENT)
}

/// `GET /schemas/flow.json`: for editors.
pub(in crate::http) async fn flow_schema() -> Result<Response, ApiError> {
    reply::ok(&*FLOW_SCHEMA)
}
