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
pub(super) struct Fault {
    pub(super) kind: ModelErrorKind,
    /// As the provider said it: still to be cleaned and cut.
    pub(super) message: String,
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<Duration>,
}

impl Fault {
    pub(super) fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, retry_after: None }
    }

    /// Not what the format promises.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ModelErrorKind::ReplyInvalid, message)
    }

    /// Not the JSON the format promises.
    pub(super) fn not_json(data: &[u8], error: &serde_json::Error) -> Self {
        let start = data.trim_ascii_start();
        if start.is_empty() {
            Self::invalid("the provider's reply is empty")
        } else if start.starts_with(b"<") {
            Self::invalid("the provider answered with HTML in place of JSON; check its base URL")
        } else {
            Self::invalid(format!("the provider's reply is not a valid chat completion: {error}"))
        }
    }

    /// No connection, or it broke.
    pub(super) fn broken(error: CallError) -> Self {
        let message = match error {
            CallError::TimedOut => "the provider did not answer in time".to_owned(),
            CallError::Connect(why) => format!("cannot connect to the provider: {why}"),
            CallError::Broken(why) => format!("the connection to the provider broke: {why}"),
        };
        Self::new(ModelErrorKind::Unreachable, message)
    }

    /// An error answer, by its status.
    pub(super) fn status(status: u16, said: &Said) -> Self {
        let kind = said.kind(status);
        let mut message = match kind {
            ModelErrorKind::KeyRejected => format!("the provider refused the API key ({status})"),
            ModelErrorKind::NotAvailable => format!("the provider does not serve the model ({status})"),
            ModelErrorKind::RateLimited => format!("the provider's rate limit is reached ({status})"),
            ModelErrorKind::Server => format!("the provider failed ({status})"),
            _ if (300..400).contains(&status) => {
                format!("the provider redirects elsewhere ({status}), which is not followed; check its base URL")
            }
            _ => format!("the provider refused the request ({status})"),
        };
        if let Some(said) = &said.message {
            message = format!("{message}: {said}");
        }
        Self { kind, message, status: Some(status), retry_after: None }
    }

    /// An error object in a reply that began well.
    pub(super) fn in_reply(error: &RawValue) -> Self {
        let said = Said::in_reply(error.get());
        if let Some(status) = said.status {
            return Self::status(status, &said);
        }
        let kind = said.kind(500);
        let message = said.message.unwrap_or_default();
        Self::new(kind, format!("the provider reports an error: {message}"))
    }
}

/// What an error body says.
#[derive(Debug, Default)]
pub(super) struct Said {
    message: Option<String>,
    /// An HTTP status the body itself names.
    status: Option<u16>,
    code: String,
    moderated: bool,
}

impl Said {
    /// Reads an error body: OpenAI's shape, its common variants, or text.
    pub(super) fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of(value.get("error").filter(|error| !error.is_null()).unwrap_or(&value)),
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
        let named = ["message", "detail", "error"].iter().find_map(|key| text(error.get(key)));
        let code = error.get("code");
        let number = code.and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()));
        let metadata = error.get("metadata");
        Self {
            message: named.or_else(|| text(Some(error))),
            status: number.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code)),
            code: text(code).or_else(|| text(error.get("type"))).unwrap_or_default(),
            moderated: metadata
                .is_some_and(|data| data.get("flagged_input").is_some() || data.get("reasons").is_some()),
        }
    }

    fn kind(&self, status: u16) -> ModelErrorKind {
        match status {
            400 | 404 if self.names_no_model() => ModelErrorKind::NotAvailable,
            403 if self.moderated => ModelErrorKind::Refused,
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
        match self.code.as_str() {
            "rate_limit_exceeded" | "rate_limit_error" => ModelErrorKind::RateLimited,
            "content_filter" | "content_policy_violation" => ModelErrorKind::Refused,
            "model_not_found" => ModelErrorKind::NotAvailable,
            _ => ModelErrorKind::Server,
        }
    }

    fn names_no_model(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        self.code.contains("model_not_found") || message.contains("not a valid model")
    }
}

/// An error page as text; HTML says nothing to a person here.
fn plain_text(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body).trim().to_owned();
    (!text.is_empty() && !text.starts_with('<')).then_some(text)
}
