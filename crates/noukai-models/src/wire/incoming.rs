//! A response as it arrives: counts its bytes, stops at the limit, gathers or hands on. Understands no content.

use bytes::Bytes;
use hyper::{StatusCode, header::CONTENT_TYPE};

use super::{Fault, Said, retry_after::retry_after};
use crate::egress::Answer;

/// Enough of an error body to read its message.
const ERROR_BYTES: usize = 64 * 1024;
const FIRST_CAPACITY: usize = 1024 * 1024;

/// A response with a limit.
pub(crate) struct Incoming {
    answer: Answer,
    is_json: bool,
    limit: usize,
    left: usize,
}

impl Incoming {
    pub(crate) fn new(mut answer: Answer, limit: usize) -> Result<Self, Fault> {
        let kind = answer.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let is_json = kind.get(..16).is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/json"));
        answer.forget_headers();
        let incoming = Self { answer, is_json, limit, left: limit };
        let announced = incoming.answer.content_length().unwrap_or(0);
        if announced > limit as u64 { Err(incoming.too_long()) } else { Ok(incoming) }
    }

    pub(crate) const fn is_json(&self) -> bool {
        self.is_json
    }

    /// The next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let chunk = self.answer.chunk().await.map_err(Fault::broken)?;
        let length = chunk.as_ref().map_or(0, Bytes::len);
        self.left = self.left.checked_sub(length).ok_or_else(|| self.too_long())?;
        Ok(chunk)
    }

    /// All of it.
    pub(crate) async fn all(&mut self) -> Result<Vec<u8>, Fault> {
        let announced = self.answer.content_length().unwrap_or(0);
        let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0).min(FIRST_CAPACITY));
        while let Some(chunk) = self.next().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn too_long(&self) -> Fault {
        Fault::invalid(format!("the provider's reply is longer than {} bytes", self.limit))
    }
}

/// What an error response says.
pub(crate) async fn refusal(mut answer: Answer) -> Fault {
    let status: StatusCode = answer.status();
    let wait = retry_after(answer.headers());
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > ERROR_BYTES {
            body.truncate(ERROR_BYTES);
            break;
        }
    }
    let mut fault = Fault::status(status.as_u16(), &Said::read(&body));
    fault.retry_after = wait.or(fault.retry_after);
    fault
}
