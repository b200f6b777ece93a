//! Masks secrets and personal data in contents before they are stored (capture mode `redacted`).
//!
//! Values under telling names are masked whole; in other text, what looks like a secret or a personal datum is.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

const MASK: &str = "[redacted]";

/// Names whose values are masked whole, compared without case, `-` and `_`.
const TELLING_NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "clientsecret",
    "token",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "apikey",
    "authorization",
    "cookie",
    "setcookie",
    "privatekey",
    "ssn",
    "socialsecuritynumber",
    "creditcard",
    "cardnumber",
    "cvv",
    "cvc",
    "iban",
    "pin",
];

/// What secrets and personal data look like in running text. Order matters: longer shapes first.
const SHAPES: &str = concat!(
    r"(?:-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----)",
    r"|(?:\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
    r"|(?i:\bbearer\s+[A-Za-z0-9._~+/=-]{8,})",
    r"|(?:\b(?:sk|pk|rk|nk|ghp|gho|ghs|xox[abpr]|AKIA|ASIA|AIza)[-_A-Za-z0-9]{12,})",
    r"|(?:[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})",
    r"|(?:\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b)",
    r"|(?:\b\d{3}-\d{2}-\d{4}\b)",
    r"|(?:\b(?:\d[ -]?){12,18}\d\b)",
    r"|(?:\+\d[\d ()/-]{7,16}\d)",
    r"|(?:\b(?:\d{1,3}\.){3}\d{1,3}\b)",
);

static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(SHAPES).ok());

/// A copy with secrets and personal data masked; its shape is kept.
pub(crate) fn redact(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(redact_text(text)),
        Value::Array(items) => Value::Array(items.iter().map(redact).collect()),
        Value::Object(fields) => Value::Object(fields.iter().map(redact_field).collect::<Map<_, _>>()),
        other => other.clone(),
    }
}

fn redact_field((name, value): (&String, &Value)) -> (String, Value) {
    let masked = if is_telling(name) && !value.is_null() { Value::String(MASK.to_owned()) } else { redact(value) };
    (redact_text(name), masked)
}

fn is_telling(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect();
    TELLING_NAMES.contains(&plain.as_str())
}

fn redact_text(text: &str) -> String {
    // Without its pattern nothing may pass: better no trace than a leak.
    PATTERN.as_ref().map_or_else(|| MASK.to_owned(), |pattern| pattern.replace_all(text, MASK).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_and_personal_data_are_masked() {
        for text in [
            "mail ada@example.org now",
            "key sk-abcdefghijklmnopqrstuvwx",
            "Authorization: Bearer abc.def.ghi-123",
            "call +49 30 1234567",
            "card 4111 1111 1111 1111",
            "from 192.168.17.4",
            "ssn 123-45-6789",
            "token eyJhbGciOiJI.eyJzdWIiOiIx.c2ln",
        ] {
            let masked = redact_text(text);
            assert!(masked.contains(MASK), "{text} -> {masked}");
            assert!(text.split(' ').next().is_some_and(|first| masked.starts_with(first)), "{text} -> {masked}");
        }
    }

    #[test]
    fn ordinary_text_and_shape_stay() {
        let value = json!({"label": "bug", "count": 3, "list": ["urgent", null, true], "year": "2026"});
        assert_eq!(redact(&value), value);
    }

    #[test]
    fn telling_names_mask_whatever_they_hold() {
        let value = json!({"api_key": {"a": 1}, "Client-Secret": "x", "token": null, "tokens": 5});
        let expected = json!({"api_key": MASK, "Client-Secret": MASK, "token": null, "tokens": 5});
        assert_eq!(redact(&value), expected);
    }
}
