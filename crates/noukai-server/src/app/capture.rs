//! What a trace keeps of contents. Nothing is stored before it has been through here.

use std::sync::Arc;

use noukai_api::{CaptureMode, ErrorCode, StepError};
use noukai_engine::{Printed, json_size};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::redact::redact;

/// A captured input or output.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The value, where it is kept.
    #[serde(default, rename = "c", skip_serializing_if = "Option::is_none")]
    pub value: Option<Arc<Value>>,
    /// Bytes of the whole value as JSON.
    #[serde(rename = "n")]
    pub bytes: u64,
    /// Whether the value was cut.
    #[serde(default, rename = "t", skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Whether the value went through masking.
    #[serde(default, rename = "m", skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
}

impl Content {
    /// The value, where it is kept as it was.
    pub fn whole(&self) -> Option<&Value> {
        self.value.as_deref().filter(|_| !self.truncated && !self.masked)
    }

    /// What is kept of the value.
    pub fn kept(&self) -> Option<Value> {
        self.value.as_deref().cloned()
    }

    /// The same, for whoever needs nothing else of it.
    pub fn into_kept(self) -> Option<Value> {
        self.value.map(Arc::unwrap_or_clone)
    }
}

/// How contents are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capture {
    pub mode: CaptureMode,
    /// Bytes that are kept whole.
    pub limit: u64,
}

impl Capture {
    /// For the run's own caller: everything, whole.
    pub const WHOLE: Self = Self { mode: CaptureMode::Full, limit: u64::MAX };

    /// A content as it may be stored.
    pub fn content(&self, value: &Arc<Value>) -> Content {
        let bytes = json_size(value);
        let masked = self.mode == CaptureMode::Redacted;
        let kept = match self.mode {
            CaptureMode::MetadataOnly | CaptureMode::Off => return Content { bytes, ..Content::default() },
            CaptureMode::Full => Arc::clone(value),
            CaptureMode::Redacted => Arc::new(redact(value)),
        };
        if bytes > self.limit {
            return Content { value: Some(Arc::new(self.cut(&kept))), bytes, truncated: true, masked };
        }
        Content { value: Some(kept), bytes, truncated: false, masked }
    }

    /// A text as it may be stored; nothing where contents are not kept or it is too long.
    pub fn text(&self, text: &str) -> Option<Arc<Value>> {
        self.content(&Arc::new(Value::String(text.to_owned()))).value.filter(|kept| kept.is_string())
    }

    /// What a function printed, as it may be stored: the beginning, where it is too long.
    pub fn printed(&self, printed: &Printed) -> Content {
        let bytes = printed.text.len() as u64;
        let masked = self.mode == CaptureMode::Redacted;
        let mut text = match self.mode {
            CaptureMode::MetadataOnly | CaptureMode::Off => return Content { bytes, ..Content::default() },
            CaptureMode::Full => printed.text.to_string(),
            CaptureMode::Redacted => masked_text(&printed.text),
        };
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let truncated = printed.truncated || text.len() > limit;
        text.truncate(text.floor_char_boundary(limit));
        Content { value: Some(Arc::new(Value::String(text))), bytes, truncated, masked }
    }

    /// An error as it may be stored. What an exception of a code block says is a content: its author put it together
    /// from whatever the function had at hand. All other messages are ours and quote nothing.
    pub fn error(&self, error: &StepError) -> StepError {
        if error.code != ErrorCode::CodeError {
            return error.clone();
        }
        let (message, traceback) = match self.mode {
            CaptureMode::Full => return error.clone(),
            CaptureMode::Redacted => (masked_text(&error.message), error.traceback.as_deref().map(masked_text)),
            CaptureMode::MetadataOnly | CaptureMode::Off => (without_contents(error), None),
        };
        StepError { message, traceback, ..error.clone() }
    }

    /// The same for the mark of a failed item, `{"error": {...}}`, and whether it is another now.
    pub fn item_error(&self, mark: &Value) -> (Value, bool) {
        let read = mark.get("error").cloned().and_then(|error| serde_json::from_value::<StepError>(error).ok());
        match read.map(|error| (self.error(&error), error)) {
            Some((kept, error)) if kept != error => (json!({ "error": kept }), true),
            _ => (mark.clone(), false),
        }
    }

    /// Too large to keep whole: an object, because readers expect one, that holds the beginning of the JSON text.
    fn cut(&self, value: &Value) -> Value {
        let mut text = value.to_string();
        let mut end = usize::try_from(self.limit).unwrap_or(usize::MAX).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        json!({ "__truncated__": text })
    }
}

fn masked_text(text: &str) -> String {
    match redact(&Value::String(text.to_owned())) {
        Value::String(text) => text,
        _ => String::new(),
    }
}

/// The line and the kind of an exception: `line 3: ValueError`.
fn without_contents(error: &StepError) -> String {
    let place = error.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    let said = error.message.strip_prefix(&place).unwrap_or(&error.message);
    let kind = said.split(':').next().unwrap_or_default();
    let is_name = (1..=64).contains(&kind.len()) && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let kind = if is_name { kind } else { "the function failed" };
    format!("{place}{kind} (what it says is not kept in this capture mode)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(mode: CaptureMode) -> Capture {
        Capture { mode, limit: 16 }
    }

    #[test]
    fn contents_are_kept_cut_or_only_measured() {
        let value = Arc::new(json!({"text": "0123456789"}));
        let metadata = capture(CaptureMode::MetadataOnly).content(&value);
        assert_eq!((metadata.value, metadata.bytes, metadata.truncated), (None, 21, false));
        let full = capture(CaptureMode::Full).content(&value);
        assert_eq!(full.value, Some(Arc::new(json!({"__truncated__": "{\"text\":\"0123456"}))));
        assert!(full.truncated);
        let whole = Capture::WHOLE.content(&value);
        assert_eq!((whole.value, whole.truncated), (Some(value), false));
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        let cut = Capture { mode: CaptureMode::Full, limit: 10 }.content(&Arc::new(json!({"t": "ääääää"})));
        assert_eq!(cut.value, Some(Arc::new(json!({"__truncated__": "{\"t\":\"ää"}))));
    }
}
