//! The guard before every route that is not public: who calls, whether the path is theirs, whether they call too often.
//! Decides nothing itself; each answer is the app's.

use axum::{
    extract::{FromRequestParts, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use noukai_api::ErrorCode;

use super::{error::ApiError, oauth};
use crate::app::{App, AppError, Audience, Caller};

/// Lets a request pass with its [`Caller`], or answers 401, 403 or 429, in this order.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let door = door(parts.uri.path());
    let caller = match app.authenticate_for(door, credential(&parts.headers)).await {
        Ok(caller) => caller,
        Err(error) => return Ok(refused(&app, door, &parts, error)),
    };
    check_address(&caller, &mut parts).await?;
    app.check_rate(&caller).await?;
    parts.extensions.insert(caller);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Which door a path below the API is.
fn door(path: &str) -> Audience {
    if path.strip_suffix('/').unwrap_or(path) == oauth::MCP { Audience::Mcp } else { Audience::Api }
}

/// A 401; at the MCP server it says where a program gets a credential.
fn refused(app: &App, door: Audience, parts: &Parts, error: AppError) -> Response {
    let mut response = ApiError::from(error).into_response();
    if door == Audience::Mcp
        && response.status() == StatusCode::UNAUTHORIZED
        && let Some(challenge) = oauth::challenge(app, &parts.headers, &parts.uri)
    {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The one `Authorization` header. Two of them are none: a proxy and we might each believe another one.
fn credential(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// 403 from the key and the path alone, so that it tells nobody what exists.
async fn check_address(caller: &Caller, parts: &mut Parts) -> Result<(), AppError> {
    let params = match RawPathParams::from_request_parts(parts, &()).await {
        Ok(params) => params,
        Err(RawPathParamsRejection::InvalidUtf8InPathParam(_)) => {
            return Err(AppError::new(ErrorCode::BadRequest, "the path is not UTF-8"));
        }
        // No route, so no parameters.
        Err(_) => return Ok(()),
    };
    let named = |wanted| params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    match (named("org"), named("project")) {
        (Some(org), Some(project)) => caller.check_address(org, project),
        _ => Ok(()),
    }
}
