//! Extractors for what stands in a path or came with the guard, in our error shape. Reads no body and no query.

use axum::{
    RequestPartsExt,
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use noukai_api::ErrorCode;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::app::{AppError, Caller};

/// The caller that [`super::auth::guard`] let through.
pub(super) struct Authed(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Authed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().cloned();
        Ok(Self(caller.ok_or_else(|| AppError::internal("a public route asks for its caller"))?))
    }
}

/// Named path parameters; those that the type does not name are left out.
pub(super) struct PathOf<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send + 'static> FromRequestParts<S> for PathOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let path = parts.extract::<Path<T>>().await;
        let Path(path) = path.map_err(|error| AppError::new(ErrorCode::BadRequest, error.body_text()))?;
        Ok(Self(path))
    }
}
