//! The HTTP transport: which route leads to which use case, and what a request passes on its way there.
//!
//! Owns routing, layers, wire errors, server-sent events and the OpenAPI document. Knows no flow, no run and no SQL:
//! a handler translates, makes one call into `app`, and translates back. A protection belongs in a layer, where a new
//! route cannot miss it, not in a handler.

mod auth;
mod body;
mod drain;
mod edit;
mod error;
mod extract;
mod flow_request;
mod handlers;
mod idempotency;
mod layers;
mod oauth;
mod openapi;
mod query;
mod reply;
mod revision;
mod routes;
mod serve;
mod sse;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
pub use openapi::document;
pub use serve::serve;

use crate::app::App;

/// Where the API lives. How the server is, it says at the root, too.
pub(crate) const PREFIX: &str = "/api/v1";

/// Every route behind every layer. `mcp`: routes of the other transport.
///
/// A layer wraps what stands above it, so a request meets them from the bottom up.
pub fn router(app: App, mcp: Router<App>) -> Router {
    let guarded = routes::guarded()
        // Another transport, behind the same guard.
        .merge(mcp)
        // Inside the guard: without a key, nobody learns which addresses exist.
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        // Who calls, whether the path is theirs, whether they call too often. Before path, query or body are looked at.
        .layer(from_fn_with_state(app.clone(), auth::guard));
    let public = routes::public().merge(oauth::routes()).method_not_allowed_fallback(error::method_not_allowed);
    let at_root = routes::at_root().merge(oauth::well_known()).method_not_allowed_fallback(error::method_not_allowed);
    Router::new()
        .nest(PREFIX, public.merge(guarded))
        .merge(at_root)
        .fallback(error::not_found)
        // Around everything: request id, panic net, unread bodies, private replies.
        .layer(from_fn(layers::all))
        .with_state(app)
}

/// How a server is that has no API.
pub fn health_router(app: App) -> Router {
    let health = routes::health().method_not_allowed_fallback(error::method_not_allowed);
    Router::new()
        .nest(PREFIX, health.clone())
        .merge(health)
        .fallback(error::not_found)
        .layer(from_fn(layers::all))
        .with_state(app)
}

#[cfg(test)]
mod tests;
