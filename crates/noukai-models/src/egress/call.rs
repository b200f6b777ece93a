//! One outgoing call: the request as it is put together, the answer as it arrives, the time both may take.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, StatusCode,
    body::{Body, Incoming},
    header::{HeaderName, HeaderValue},
};
use tokio::time::{Instant, timeout_at};

use super::{Client, root_cause};

/// A request on its way together.
pub(crate) struct Call {
    client: Client,
    request: Request<Full<Bytes>>,
    deadline: Instant,
}

impl Call {
    pub(super) fn new(client: Client, request: Request<Full<Bytes>>, timeout: Duration) -> Self {
        Self { client, request, deadline: Instant::now() + timeout }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.request.headers_mut().insert(name, value);
        self
    }

    pub(crate) fn body(mut self, body: Vec<u8>) -> Self {
        *self.request.body_mut() = Full::from(body);
        self
    }

    /// Sends it, and waits for the answer's head.
    pub(crate) async fn send(self) -> Result<Answer, CallError> {
        let Self { client, request, deadline } = self;
        let response = within(deadline, client.request(request)).await?;
        let response = response.map_err(|error| match error.is_connect() {
            true => CallError::Connect(root_cause(&error)),
            false => CallError::Broken(root_cause(&error)),
        })?;
        let (head, body) = response.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body, deadline })
    }
}

/// An answer whose body is still on its way.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    deadline: Instant,
}

impl Answer {
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Lets go of the headers. They are parts of the buffer they were read into, which is kept for as long as they are, and
    /// another is taken for the body: a stream may go on for long.
    pub(crate) fn forget_headers(&mut self) {
        self.headers = HeaderMap::new();
    }

    /// What the answer says its body has.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next bytes of the body; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        while let Some(frame) = within(self.deadline, self.body.frame()).await? {
            let frame = frame.map_err(|error| CallError::Broken(root_cause(&error)))?;
            // What is no data are trailers, which nobody here reads.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// Why a call came to nothing. Texts are the innermost reasons and hold no URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// The call's time was up.
    #[error("the call took too long")]
    TimedOut,
    /// No connection.
    #[error("{0}")]
    Connect(String),
    /// The connection broke.
    #[error("{0}")]
    Broken(String),
}

async fn within<T>(deadline: Instant, work: impl Future<Output = T>) -> Result<T, CallError> {
    timeout_at(deadline, work).await.map_err(|_| CallError::TimedOut)
}
