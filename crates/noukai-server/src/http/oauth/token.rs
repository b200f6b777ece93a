//! `POST /oauth/token` and `POST /oauth/revoke`.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header::PRAGMA},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Base, form::Form, reply::OauthError};
use crate::app::{App, CodeExchange, GrantError, GrantFault, RefreshExchange, Tokens, scope_text};

/// Exchanges a code or a refresh token.
pub(super) async fn token(State(app): State<App>, base: Base, form: Form) -> Result<Response, OauthError> {
    let tokens = match form.one("grant_type").as_deref() {
        Some("authorization_code") => {
            let request = CodeExchange {
                client_id: needed(&form, "client_id")?,
                code: needed(&form, "code")?,
                redirect_uri: form.one("redirect_uri"),
                verifier: needed(&form, "code_verifier")?,
                resources: form.all("resource"),
            };
            app.exchange_code(request, &base.resources()).await?
        }
        Some("refresh_token") => {
            let (client_id, refresh_token) = (needed(&form, "client_id")?, needed(&form, "refresh_token")?);
            app.exchange_refresh(RefreshExchange { client_id, refresh_token }).await?
        }
        _ => {
            let why = "grant_type must be authorization_code or refresh_token";
            return Err(GrantError::new(GrantFault::UnsupportedGrantType, why).into());
        }
    };
    Ok(shown(&tokens))
}

/// Gives a token back (RFC 7009). Says the same whether there was one.
pub(super) async fn revoke(State(app): State<App>, form: Form) -> Result<Response, OauthError> {
    app.revoke_token(&needed(&form, "client_id")?, &needed(&form, "token")?).await?;
    Ok(Json(json!({})).into_response())
}

fn needed(form: &Form, name: &str) -> Result<String, GrantError> {
    form.one(name).ok_or_else(|| GrantError::new(GrantFault::InvalidRequest, format!("{name} is missing")))
}

fn shown(tokens: &Tokens) -> Response {
    let body = json!({
        "access_token": tokens.access,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh,
        "scope": scope_text(&tokens.scopes),
    });
    let mut response = Json(body).into_response();
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
