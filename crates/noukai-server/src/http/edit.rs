//! A request that changes something: who makes it, on which revision, whether it is to be done once, and its body.

use std::future::Future;

use axum::{
    RequestPartsExt,
    extract::{FromRequest, Request},
    http::HeaderMap,
    response::Response,
};
use serde::de::DeserializeOwned;

use super::{
    body,
    error::ApiError,
    extract::Authed,
    flow_request,
    idempotency::{self, Once},
    revision,
};
use crate::app::{App, AppError, Author, Caller, Reply};

/// A request that changes something.
pub(super) struct Edit<T> {
    pub author: Author,
    pub body: T,
    caller: Caller,
    headers: HeaderMap,
    once: Option<Once>,
}

impl<T: DeserializeOwned> FromRequest<App> for Edit<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let Authed(caller) = parts.extract().await?;
        let bytes = body::read(body, app.limits()).await?;
        let once = flow_request::once(&parts, &bytes)?;
        let body = body::parse(&bytes, app.limits())?;
        Ok(Self { author: Author::from(&caller), body, caller, headers: parts.headers, once })
    }
}

impl<T> Edit<T> {
    /// The revision that the change is made on, of the header or, where the body has one, of that.
    pub fn revision(&self, body: Option<u64>) -> Result<Option<u64>, AppError> {
        revision::asked(&self.headers, body)
    }

    /// Does the work, once where the caller asks for that.
    pub async fn answer<W, F>(self, app: &App, work: F) -> Result<Response, ApiError>
    where
        F: FnOnce(App, Author, T) -> W,
        W: Future<Output = Result<Reply, AppError>> + Send + 'static,
    {
        let Self { author, body, caller, once, .. } = self;
        let work = work(app.clone(), author, body);
        let again = |_, _| async { Err(AppError::internal("a change of a flow stands for a run")) };
        idempotency::reply(app, &caller, once, |_| work, again).await
    }
}

/// A request without a body, or whose body says nothing.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Nothing {}
