//! Masks secrets and personal data in contents before they are stored (capture mode `redacted`).
//!
//! Values under telling names are masked whole; in other text, what looks like a secret or a personal datum is. Text
//! that is JSON itself (the arguments of a tool call, a model's structured reply) is masked as the value it stands for.

use std::{ops::RangeInclusive, sync::LazyLock};

use regex::Regex;
use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};

const MASK: &str = "[redacted]";

/// Digits of a payment card's number.
const CARD_DIGITS: RangeInclusive<usize> = 12..=19;

/// How deep JSON may stand as text within JSON text and still be looked into.
const TEXT_LEVELS: u32 = 4;

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
    redact_value(value, TEXT_LEVELS)
}

/// `levels`: how many levels of JSON text are still looked into.
fn redact_value(value: &Value, levels: u32) -> Value {
    match value {
        Value::String(text) => Value::String(redact_string(text, levels)),
        Value::Array(items) => Value::Array(items.iter().map(|item| redact_value(item, levels)).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| redact_field(name, value, levels)).collect::<Map<_, _>>())
        }
        Value::Number(number) if is_card_like(number) => mask(),
        other => other.clone(),
    }
}

fn redact_field(name: &str, value: &Value, levels: u32) -> (String, Value) {
    let masked = if is_telling(name) && !value.is_null() { mask() } else { redact_value(value, levels) };
    (redact_text(name), masked)
}

/// Written anew where it is JSON, even if nothing seems masked: of a name that stands there twice only the last was seen.
fn redact_string(text: &str, levels: u32) -> String {
    if !text.trim_start().starts_with(['{', '[']) {
        return redact_text(text);
    }
    let within = levels.checked_sub(1);
    let read = within.and_then(|within| Some((serde_json::from_str::<Value>(text).ok()?, within)));
    match read {
        Some((value, within)) => redact_value(&value, within).to_string(),
        // JSON that is too deep to be looked into: nothing of it may pass.
        None if serde_json::from_str::<IgnoredAny>(text).is_ok() => MASK.to_owned(),
        None => redact_text(text),
    }
}

fn mask() -> Value {
    Value::String(MASK.to_owned())
}

/// Whole numbers alone: the digits behind a point are no card's.
fn is_card_like(number: &Number) -> bool {
    let text = number.to_string();
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    CARD_DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
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
    #[test]
    fn json_in_text_is_masked_by_its_names() {
        let arguments = r#"{"user": "ada", "password": "hunter2", "n": [1, {"pin": 1234}]}"#;
        let value = json!({"function": {"name": "login", "arguments": arguments}});
        let masked = redact(&value);
        let text = masked["function"]["arguments"].as_str().expect("text still");
        let read: Value = serde_json::from_str(text).expect("JSON still");
        assert_eq!(read, json!({"user": "ada", "password": MASK, "n": [1, {"pin": MASK}]}));
        assert_eq!(redact(&json!(" [\"a\", {\"ssn\": 1}]")), json!(format!("[\"a\",{{\"ssn\":\"{MASK}\"}}]")));
        // Of a name that stands there twice, neither passes.
        let twice = redact(&json!(r#"{"token": "hunter2", "token": null}"#));
        assert!(!twice.to_string().contains("hunter2"), "{twice}");
    }

    #[test]
    fn text_that_only_begins_like_json_stays_text() {
        for text in ["{{ initial.message }}", "[note] call me", "{", "[1, 2"] {
            assert_eq!(redact(&json!(text)), json!(text));
        }
        assert_eq!(redact(&json!("[mail] ada@example.org")), json!(format!("[mail] {MASK}")));
    }

    #[test]
    fn json_in_json_in_text_passes_at_no_depth() {
        let mut value = json!({"password": "hunter2"});
        for depth in 0..8 {
            assert!(!redact(&value).to_string().contains("hunter2"), "{depth}");
            value = json!({"inner": [value.to_string()]});
        }
        let deep = format!("{}{{\"password\": \"hunter2\"}}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(redact(&json!(deep)), json!(MASK));
    }

    #[test]
    fn the_deepest_that_is_looked_into_fits_the_stack() {
        let nested = |inner: &str| format!("{}{}{}", "[".repeat(120), json!(inner), "]".repeat(120));
        let text = (0..8).fold("card 4111 1111 1111 1111".to_owned(), |text, _| nested(&text));
        assert!(!redact(&json!(text)).to_string().contains("4111"));
    }

    #[test]
    fn numbers_like_those_of_cards_are_masked() {
        let masked =
            redact(&json!([4_111_111_111_111_111_u64, 411_111_111_111_u64, u64::MAX, 1_234_567_890, 0.1 + 0.2]));
        assert_eq!(masked, json!([MASK, MASK, u64::MAX, 1_234_567_890, 0.1 + 0.2]));
    }
}
