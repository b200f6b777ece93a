//! A request, and what all requests of one call share.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method,
    header::{HeaderName, HeaderValue},
};
use serde::Serialize;

use super::TraceContext;
use crate::{CancelToken, Error, Result};

const SESSION_ID: HeaderName = HeaderName::from_static("x-session-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What all requests of one call share.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub timeout: Duration,
    pub cancel: Option<CancelToken>,
    pub session_id: Option<String>,
    pub trace: TraceContext,
}

/// One request, ready to be sent any number of times.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub method: Method,
    /// Below the base URL, with the query.
    pub path: String,
    pub body: Option<Bytes>,
    pub idempotency_key: Option<String>,
    pub last_event_id: Option<String>,
}

impl Request {
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: None, idempotency_key: None, last_event_id: None }
    }

    pub fn delete(path: String) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// A request that does something, and does it once: whoever sends it again sends the same key.
    pub fn post(path: String, body: &impl Serialize, idempotency_key: String) -> Result<Self> {
        let body =
            serde_json::to_vec(body).map_err(|error| Error::invalid(format!("the request is no JSON: {error}")))?;
        Ok(Self {
            method: Method::POST,
            body: Some(body.into()),
            idempotency_key: Some(idempotency_key),
            ..Self::get(path)
        })
    }

    pub fn after_event(self, id: Option<String>) -> Self {
        Self { last_event_id: id, ..self }
    }

    /// The headers that differ from request to request.
    pub fn headers(&self, call: &Call) -> Result<Vec<(HeaderName, HeaderValue)>> {
        let session_id = self.body.as_ref().and(call.session_id.as_deref());
        let wanted = [
            (SESSION_ID, session_id),
            (IDEMPOTENCY_KEY, self.idempotency_key.as_deref()),
            (LAST_EVENT_ID, self.last_event_id.as_deref()),
        ];
        wanted
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)))
            .map(|(name, text)| {
                let refused = |_| Error::invalid(format!("the value of `{name}` cannot stand in a header"));
                let value = HeaderValue::from_bytes(text.as_bytes()).map_err(refused)?;
                Ok((name, value))
            })
            .collect()
    }
}
