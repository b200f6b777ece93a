//! The guard before every route that is not public: who calls, whether the path is theirs, whether they call too often.
//! Decides nothing itself; each answer is the app's.

use axum::{
    extract::{FromRequestParts, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
    middleware::Next,
    response::Response,
};
use noukai_api::ErrorCode;

use super::error::ApiError;
use crate::app::{App, AppError, Caller};

/// Lets a request pass with its [`Caller`], or answers 401, 403 or 429, in this order.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let caller = app.authenticate(credential(&parts.headers)).await?;
    check_address(&caller, &mut parts).await?;
    app.check_rate(&caller).await?;
    parts.extensions.insert(caller);
    Ok(next.run(Request::from_parts(parts, body)).await)
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
