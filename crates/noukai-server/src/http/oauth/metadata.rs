//! What programs read to find their way: RFC 8414 of the authorisation server, RFC 9728 of what it guards.

use axum::response::Response;
use serde_json::{Value, json};

use super::{Base, MCP};
use crate::http::{error::ApiError, reply};

const SCOPES: [&str; 3] = ["execute", "author", "admin"];

/// `GET /.well-known/oauth-authorization-server`.
pub(super) async fn server(base: Base) -> Result<Response, ApiError> {
    reply::ok(&json!({
        "issuer": base.as_str(),
        "authorization_endpoint": base.api("/oauth/authorize"),
        "token_endpoint": base.api("/oauth/token"),
        "registration_endpoint": base.api("/oauth/register"),
        "revocation_endpoint": base.api("/oauth/revoke"),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

/// The MCP server as a protected resource.
pub(super) async fn mcp(base: Base) -> Result<Response, ApiError> {
    reply::ok(&resource(&base, &base.api(MCP), "Noukai MCP server"))
}

/// The API as a protected resource.
pub(super) async fn api(base: Base) -> Result<Response, ApiError> {
    reply::ok(&resource(&base, &base.api(""), "Noukai API"))
}

fn resource(base: &Base, address: &str, name: &str) -> Value {
    json!({
        "resource": address,
        "resource_name": name,
        "authorization_servers": [base.as_str()],
        "scopes_supported": SCOPES,
        "bearer_methods_supported": ["header"],
    })
}
