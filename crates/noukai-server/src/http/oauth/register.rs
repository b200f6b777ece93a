//! `POST /oauth/register` (RFC 7591).

use axum::{
    Json,
    body::to_bytes,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::reply::OauthError;
use crate::app::{App, Client, GrantError, GrantFault, Registration};

/// Longest description of a client.
const MOST_BYTES: usize = 32 * 1024;

/// What counts of what a client says of itself; everything else is passed over.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
}

/// Registers a client. It gets no secret: whoever runs on people's machines could keep none.
pub(super) async fn register(State(app): State<App>, request: Request) -> Result<Response, OauthError> {
    let wrong = |why: String| GrantError::new(GrantFault::InvalidClientMetadata, why);
    let bytes = to_bytes(request.into_body(), MOST_BYTES).await;
    let bytes = bytes.map_err(|_| wrong("the body is too long or broke off".to_owned()))?;
    let metadata: Metadata = serde_json::from_slice(&bytes)
        .map_err(|_| wrong("the body must be a JSON object of client metadata".to_owned()))?;
    check(&metadata)?;
    let registration = Registration { name: metadata.client_name, redirect_uris: metadata.redirect_uris };
    let client = app.register_client(registration).await?;
    Ok((StatusCode::CREATED, Json(shown(&client))).into_response())
}

fn check(metadata: &Metadata) -> Result<(), GrantError> {
    let has =
        |list: &Option<Vec<String>>, wanted: &str| list.as_ref().is_none_or(|all| all.iter().any(|one| one == wanted));
    if has(&metadata.grant_types, "authorization_code") && has(&metadata.response_types, "code") {
        return Ok(());
    }
    let why = "grant_types must have authorization_code and response_types code; there is nothing else here";
    Err(GrantError::new(GrantFault::InvalidClientMetadata, why))
}

fn shown(client: &Client) -> serde_json::Value {
    json!({
        "client_id": client.id,
        "client_id_issued_at": client.issued_at.unix_timestamp(),
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    })
}
