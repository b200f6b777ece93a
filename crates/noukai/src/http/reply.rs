//! Replies: read within bounds, told apart, turned into values or errors that say what came.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use reqwest::{
    Response,
    header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, ErrorKind, Result};

/// Characters of a strange reply that an error shows.
const SHOWN: usize = 200;

/// What a reply says of itself.
pub struct Facts {
    pub status: u16,
    headers: HeaderMap,
}

impl Facts {
    /// Takes the headers, which nobody else needs.
    pub fn of(response: &mut Response) -> Self {
        Self { status: response.status().as_u16(), headers: std::mem::take(response.headers_mut()) }
    }

    pub fn request_id(&self) -> Option<String> {
        self.text("x-request-id").map(Cow::into_owned)
    }

    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        Some(String::from_utf8_lossy(self.headers.get(name)?.as_bytes()))
    }

    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.text(RETRY_AFTER.as_str())?.trim().parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    fn content_type(&self) -> Cow<'_, str> {
        self.text(CONTENT_TYPE.as_str()).unwrap_or_default()
    }

    const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Whether it is a reply with a stream of events.
    pub fn is_event_stream(&self) -> bool {
        const KIND: &str = "text/event-stream";
        self.is_success() && self.content_type().get(..KIND.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(KIND))
    }

    fn is_json(&self) -> bool {
        let kind = self.content_type();
        kind == "application/json" || kind.to_ascii_lowercase().contains("json")
    }

    fn came(&self, body: &[u8]) -> String {
        let kind = self.content_type();
        let kind = if kind.is_empty() { "no content type" } else { kind.as_ref() };
        let text = String::from_utf8_lossy(body);
        let shown: String = text.chars().take(SHOWN).collect();
        let more = if text.chars().nth(SHOWN).is_some() { "..." } else { "" };
        if shown.is_empty() { format!("{kind}, empty") } else { format!("{kind}: {shown}{more}") }
    }
}

/// The whole body, unless it is too large. Most come in one piece, which is not copied.
pub async fn read(mut response: Response, most: usize, facts: &Facts) -> Result<Bytes> {
    let (mut first, mut rest) = (Bytes::new(), Vec::new());
    loop {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| broken("the server", error).with_request_id(facts.request_id()))?;
        let body: &[u8] = if rest.is_empty() { &first } else { &rest };
        match chunk {
            None if rest.is_empty() => return Ok(first),
            None => return Ok(rest.into()),
            Some(chunk) if body.len() + chunk.len() > most => {
                let message = format!("the reply is larger than {most} bytes; it began {}", facts.came(body));
                return Err(of_reply(ErrorKind::Decode, message, facts));
            }
            Some(chunk) if body.is_empty() => first = chunk,
            Some(chunk) => {
                if rest.is_empty() {
                    rest.extend_from_slice(&first);
                }
                rest.extend_from_slice(&chunk);
            }
        }
    }
}

/// An error for a reply that is no success.
pub fn checked(body: &[u8], facts: &Facts) -> Result<()> {
    if facts.is_success() { Ok(()) } else { Err(refusal(body, facts)) }
}

/// A successful reply as a value.
pub fn decoded<T: DeserializeOwned>(body: &[u8], facts: &Facts) -> Result<T> {
    if !facts.is_json() {
        let message = format!("the server answered no JSON but {}", facts.came(body));
        return Err(of_reply(ErrorKind::Decode, message, facts).with_body(&String::from_utf8_lossy(body)));
    }
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the server's JSON cannot be understood ({error}); it answered {}", facts.came(body));
        of_reply(ErrorKind::Decode, message, facts).with_body(&String::from_utf8_lossy(body)).with_source(error)
    })
}

/// An error for a reply that should have been a stream of events.
pub fn no_stream(body: &[u8], facts: &Facts) -> Error {
    if !facts.is_success() {
        return refusal(body, facts);
    }
    let message = format!("the server answered no event stream but {}", facts.came(body));
    of_reply(ErrorKind::Decode, message, facts).with_body(&String::from_utf8_lossy(body))
}

/// `{"detail": {"code", "message", "errors"?, "executionId"?}}`, or whatever else came.
fn refusal(body: &[u8], facts: &Facts) -> Error {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let detail = json.as_ref().and_then(|json| json.get("detail"));
    let field = |name: &str| detail.and_then(|detail| detail.get(name)).and_then(Value::as_str);
    let said = field("message").or_else(|| detail.and_then(Value::as_str)).filter(|said| !said.is_empty());
    let message = match (said, facts.text(LOCATION.as_str())) {
        (Some(said), _) => said.to_owned(),
        (None, Some(to)) => format!("the server sends on to {to}; set that as the base URL if you trust it"),
        (None, None) => format!("the server answered {}", facts.came(body)),
    };
    of_reply(ErrorKind::of_status(facts.status), message, facts)
        .with_code(field("code"))
        .with_execution_id(field("executionId"))
        .with_retry_after(facts.retry_after())
        .with_body(&String::from_utf8_lossy(body))
}

fn of_reply(kind: ErrorKind, message: String, facts: &Facts) -> Error {
    Error::new(kind, message).with_status(facts.status).with_request_id(facts.request_id())
}

/// No reply, or one that broke off.
pub fn broken(server: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let (kind, what) = match () {
        () if error.is_timeout() => (ErrorKind::Timeout, "took too long"),
        () if error.is_builder() => (ErrorKind::InvalidValue, "cannot be asked this"),
        () if error.is_connect() => (ErrorKind::Connection, "could not be reached"),
        () => (ErrorKind::Connection, "broke the connection off"),
    };
    Error::new(kind, format!("{server} {what}: {cause}")).with_source(error)
}
