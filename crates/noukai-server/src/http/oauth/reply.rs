//! Replies in the protocol's own shapes: JSON with `error` and `error_description`, and redirects.

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{LOCATION, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use serde_json::json;
use url::Url;

use super::Base;
use crate::app::{GrantError, GrantFault};

/// A [`GrantError`] on its way to a program.
#[derive(Debug)]
pub(super) struct OauthError(GrantError);

impl From<GrantError> for OauthError {
    fn from(error: GrantError) -> Self {
        Self(error)
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        log(&self.0);
        let status = status(self.0.fault);
        let body = json!({"error": self.0.fault.as_str(), "error_description": self.0.description});
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
        }
        response
    }
}

/// Faults of ours, once.
pub(super) fn log(error: &GrantError) {
    if let Some(context) = error.context.as_deref() {
        tracing::error!(fault = error.fault.as_str(), context, "nothing could be granted");
    }
}

pub(super) const fn status(fault: GrantFault) -> StatusCode {
    match fault {
        GrantFault::AccessDenied => StatusCode::FORBIDDEN,
        GrantFault::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        GrantFault::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// Sends the browser back to the client, with what became of its wish, and from whom (RFC 9207).
pub(super) fn back(base: &Base, redirect_uri: &str, state: Option<&str>, what: &[(&str, &str)]) -> Option<Response> {
    let mut url = Url::parse(redirect_uri).ok()?;
    {
        let mut pairs = url.query_pairs_mut();
        pairs.extend_pairs(what);
        if let Some(state) = state {
            pairs.append_pair("state", state);
        }
        pairs.append_pair("iss", base.as_str());
    }
    let location = HeaderValue::from_str(url.as_str()).ok()?;
    // 303: whatever the method was, the browser comes with a GET and sends no form on.
    Some((StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response())
}
