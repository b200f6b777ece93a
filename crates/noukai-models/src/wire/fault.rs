//! What went wrong with a call, before it is cleaned and named for the caller. Decides the kind of an error; prints
//! nothing.

use std::time::Duration;

use noukai_engine::ModelErrorKind;
use serde_json::{Value, value::RawValue};

use crate::egress::CallError;

/// Error objects in replies longer than this, in bytes, are not read.
const LONGEST_ERROR: usize = 64 * 1024;

/// A failed call.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: ModelErrorKind,
    /// As the provider said it: still to be cleaned and cut.
    pub(crate) message: String,
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<Duration>,
}

impl Fault {
    pub(crate) fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, retry_after: None }
    }

    /// Not what the format promises.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ModelErrorKind::ReplyInvalid, message)
    }

    /// Not the JSON the format promises.
    pub(crate) fn not_json(data: &[u8], error: &serde_json::Error) -> Self {
        let start = data.trim_ascii_start();
        if start.is_empty() {
            Self::invalid("the provider's reply is empty")
        } else if start.starts_with(b"<") {
            Self::invalid("the provider answered with HTML in place of JSON; check its base URL")
        } else {
            Self::invalid(format!("the provider's reply is not what its format promises: {error}"))
        }
    }

    /// No connection, or it broke.
    pub(crate) fn broken(error: CallError) -> Self {
        let message = match error {
            CallError::TimedOut => "the provider did not answer in time".to_owned(),
            CallError::Connect(why) => format!("cannot connect to the provider: {why}"),
            CallError::Broken(why) => format!("the connection to the provider broke: {why}"),
        };
        Self::new(ModelErrorKind::Unreachable, message)
    }

    /// The model did not begin to answer in its time.
    pub(crate) fn no_first_token() -> Self {
        Self::new(ModelErrorKind::Unreachable, "the model did not begin to answer in time")
    }

    /// A request that has no form on the wire.
    pub(crate) fn unwritable(error: &serde_json::Error) -> Self {
        Self::new(ModelErrorKind::Refused, format!("the request cannot be written as JSON: {error}"))
    }

    /// An error answer, by its status.
    pub(crate) fn status(status: u16, said: &Said) -> Self {
        let kind = said.kind(status);
        let mut message = match kind {
            ModelErrorKind::KeyRejected => format!("the provider refused the API key ({status})"),
            ModelErrorKind::NotAvailable => format!("the provider does not serve the model ({status})"),
            ModelErrorKind::RateLimited => format!("the provider's rate limit is reached ({status})"),
            ModelErrorKind::Server => format!("the provider failed ({status})"),
            ModelErrorKind::ReplyInvalid => format!("the model's reply was malformed ({status})"),
            ModelErrorKind::Filtered => format!("the provider's content filter stopped the call ({status})"),
            _ if (300..400).contains(&status) => {
                format!("the provider redirects elsewhere ({status}), which is not followed; check its base URL")
            }
            _ => format!("the provider refused the request ({status})"),
        };
        if let Some(said) = &said.message {
            message = format!("{message}: {said}");
        }
        Self { kind, message, status: Some(status), retry_after: said.retry_after }
    }

    /// An error object in a reply that began well.
    pub(crate) fn in_reply(error: &RawValue) -> Self {
        let said = Said::in_reply(error.get());
        if let Some(status) = said.status {
            return Self::status(status, &said);
        }
        let kind = said.kind(500);
        let message = said.message.unwrap_or_default();
        Self::new(kind, format!("the provider reports an error: {message}"))
    }
}

/// What an error body says, in the shapes of all vendors.
#[derive(Debug, Default)]
pub(crate) struct Said {
    message: Option<String>,
    /// An HTTP status the body itself names.
    status: Option<u16>,
    /// Names of the fault: OpenAI's `code` and `type`, Google's `status` and `reason`.
    names: Vec<String>,
    moderated: bool,
    retry_after: Option<Duration>,
}

impl Said {
    /// Reads an error body: an object under `error`, an object, a list of one (Google's streams), or text.
    pub(crate) fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => {
                let value = value.get(0).unwrap_or(&value);
                Self::of(value.get("error").filter(|error| !error.is_null()).unwrap_or(value))
            }
            Err(_) => Self { message: plain_text(body), ..Self::default() },
        }
    }

    /// Reads an error object inside a reply, unless it is too long to say anything.
    fn in_reply(error: &str) -> Self {
        if error.len() > LONGEST_ERROR {
            return Self::default();
        }
        serde_json::from_str(error).map_or_else(|_| Self::default(), |error| Self::of(&error))
    }

    /// Reads an error object.
    fn of(error: &Value) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let named = ["message", "detail", "error", "Message"].iter().find_map(|key| text(error.get(key)));
        let code = error.get("code");
        let number = code.and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()));
        let metadata = error.get("metadata");
        let details = error.get("details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let reasons = details.iter().map(|detail| detail.get("reason"));
        let names = [code, error.get("type"), error.get("status")].into_iter().chain(reasons).filter_map(text);
        Self {
            message: named.or_else(|| text(Some(error))),
            status: number.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code)),
            names: names.collect(),
            moderated: metadata
                .is_some_and(|data| data.get("flagged_input").is_some() || data.get("reasons").is_some()),
            retry_after: details.iter().find_map(|detail| seconds(detail.get("retryDelay")?.as_str()?)),
        }
    }

    fn kind(&self, status: u16) -> ModelErrorKind {
        match status {
            400..500 if self.is_any(&FILTERED) => ModelErrorKind::Filtered,
            400 if self.is_any(&["tool_use_failed", "json_validate_failed"]) => ModelErrorKind::ReplyInvalid,
            400 | 404 if self.names_no_model() => ModelErrorKind::NotAvailable,
            400 if self.is_any(&["API_KEY_INVALID"]) => ModelErrorKind::KeyRejected,
            403 if self.moderated => ModelErrorKind::Filtered,
            401 | 403 => ModelErrorKind::KeyRejected,
            404 => ModelErrorKind::NotAvailable,
            429 => ModelErrorKind::RateLimited,
            408 | 409 => ModelErrorKind::Server,
            500.. => self.server_kind(),
            _ => ModelErrorKind::Refused,
        }
    }

    /// Streams name no status, only a code.
    fn server_kind(&self) -> ModelErrorKind {
        match () {
            () if self.is_any(&["rate_limit_exceeded", "rate_limit_error"]) => ModelErrorKind::RateLimited,
            () if self.is_any(&FILTERED) => ModelErrorKind::Filtered,
            () if self.is_any(&["model_not_found", "not_found_error"]) => ModelErrorKind::NotAvailable,
            () if self.is_any(&["invalid_request_error"]) => ModelErrorKind::Refused,
            () if self.is_any(&["authentication_error", "permission_error"]) => ModelErrorKind::KeyRejected,
            () => ModelErrorKind::Server,
        }
    }

    fn is_any(&self, names: &[&str]) -> bool {
        self.names.iter().any(|name| names.contains(&name.as_str()))
    }

    fn names_no_model(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        self.names.iter().any(|name| name.contains("model_not_found")) || message.contains("not a valid model")
    }
}

/// Names that vendors have for a content filter's work.
const FILTERED: [&str; 4] =
    ["content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation", "data_inspection_failed"];

/// Google's form of a duration, such as `34.07s`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// An error page as text; HTML says nothing to a person here.
fn plain_text(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body).trim().to_owned();
    (!text.is_empty() && !text.starts_with('<')).then_some(text)
}
