//! The server as its own authorisation server: metadata, registration, consent page, tokens. Owns the addresses, the
//! forms and the protocol's own error shape; what is granted to whom, the app decides.
//!
//! These routes are public: a program that has nothing yet begins here. They are described by their own metadata (RFC
//! 8414, RFC 9728), not by the OpenAPI document.

mod base;
mod consent;
mod form;
mod metadata;
mod page;
mod register;
mod reply;
mod token;

use axum::{
    Router,
    routing::{get, post},
};

pub(super) use base::{Base, challenge};

use super::PREFIX;
use crate::app::App;

/// Where the MCP server lives below [`PREFIX`].
pub(crate) const MCP: &str = "/mcp";

/// Routes below [`PREFIX`].
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/oauth/register", post(register::register))
        .route("/oauth/authorize", get(consent::authorize))
        .route("/oauth/sign-in", post(consent::sign_in))
        .route("/oauth/consent", post(consent::decide))
        .route("/oauth/token", post(token::token))
        .route("/oauth/revoke", post(token::revoke))
}

/// Routes at the root, where the protocols look for them.
pub(super) fn well_known() -> Router<App> {
    Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata::server))
        .route("/.well-known/oauth-protected-resource", get(metadata::mcp))
        .route(&format!("/.well-known/oauth-protected-resource{PREFIX}{MCP}"), get(metadata::mcp))
        .route(&format!("/.well-known/oauth-protected-resource{PREFIX}"), get(metadata::api))
}
