//! Replies as status, type and text: what is sent now, and what is kept for a repeated request. Knows no use case.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use serde::Serialize;

use super::error::{self, ApiError};
use crate::app::{AppError, Reply};

/// Type of every reply that is no event stream.
pub(super) const JSON: &str = "application/json";
/// Type of a table for spreadsheets.
pub(super) const CSV: &str = "text/csv; charset=utf-8";

/// Type of reports for build servers.
pub(super) const XML: &str = "application/xml";

/// A wire value as a reply.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Reply, AppError> {
    let body = serde_json::to_string(value).map_err(AppError::internal)?;
    Ok(Reply { status: status.as_u16(), content_type: JSON.to_owned(), body })
}

/// A wire value as a response with status 200.
pub(super) fn ok<T: Serialize>(value: &T) -> Result<Response, ApiError> {
    with_status(StatusCode::OK, value)
}

/// A wire value as a response.
pub(super) fn with_status<T: Serialize>(status: StatusCode, value: &T) -> Result<Response, ApiError> {
    Ok(into_response(json(status, value)?))
}

/// Sends a reply, with the headers its status calls for.
pub(super) fn into_response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(content_type) = HeaderValue::from_str(&reply.content_type) {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    error::add_status_headers(&mut response);
    response
}
