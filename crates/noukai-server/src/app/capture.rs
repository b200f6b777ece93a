//! What a trace keeps of contents. Nothing is stored before it has been through here.

use noukai_api::CaptureMode;
use noukai_engine::json_size;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::redact::redact;

/// A captured input or output.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The value, where it is kept.
    #[serde(default, rename = "c", skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
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
        self.value.as_ref().filter(|_| !self.truncated && !self.masked)
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
    pub fn content(&self, value: &Value) -> Content {
        let bytes = json_size(value);
        let masked = self.mode == CaptureMode::Redacted;
        let kept = match self.mode {
            CaptureMode::MetadataOnly | CaptureMode::Off => return Content { bytes, ..Content::default() },
            CaptureMode::Full => value.clone(),
            CaptureMode::Redacted => redact(value),
        };
        if bytes > self.limit {
            return Content { value: Some(self.cut(&kept)), bytes, truncated: true, masked };
        }
        Content { value: Some(kept), bytes, truncated: false, masked }
    }

    /// A text as it may be stored; nothing where contents are not kept or it is too long.
    pub fn text(&self, text: &str) -> Option<Value> {
        self.content(&Value::String(text.to_owned())).value.filter(Value::is_string)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(mode: CaptureMode) -> Capture {
        Capture { mode, limit: 16 }
    }

    #[test]
    fn contents_are_kept_cut_or_only_measured() {
        let value = json!({"text": "0123456789"});
        let metadata = capture(CaptureMode::MetadataOnly).content(&value);
        assert_eq!((metadata.value, metadata.bytes, metadata.truncated), (None, 21, false));
        let full = capture(CaptureMode::Full).content(&value);
        assert_eq!(full.value, Some(json!({"__truncated__": "{\"text\":\"0123456"})));
        assert!(full.truncated);
        let whole = Capture::WHOLE.content(&value);
        assert_eq!((whole.value, whole.truncated), (Some(value), false));
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        let cut = Capture { mode: CaptureMode::Full, limit: 10 }.content(&json!({"t": "ääääää"}));
        assert_eq!(cut.value, Some(json!({"__truncated__": "{\"t\":\"ää"})));
    }
}
