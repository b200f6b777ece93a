//! Durations, tokens, costs and short texts as people read them.

use noukai_api::Tokens;
use serde_json::Value;

/// `12 ms`, `1.24 s`, `2 min 03 s`.
pub fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10),
        _ => format!("{} min {:02} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// `34 tokens`; a dash where no model was asked.
pub fn tokens(tokens: Option<Tokens>) -> String {
    match tokens {
        Some(Tokens { total: 1, .. }) => "1 token".to_owned(),
        Some(tokens) => format!("{} tokens", tokens.total),
        None => "-".to_owned(),
    }
}

/// `$0.0012`; a dash where the price is unknown. Takes a decimal string as the wire has it.
pub fn cost(usd: Option<&str>) -> String {
    let Some(usd) = usd else { return "-".to_owned() };
    let short = if usd.contains('.') { usd.trim_end_matches('0').trim_end_matches('.') } else { usd };
    format!("${short}")
}

/// Duration, tokens and cost in columns.
pub fn facts(duration_ms: u64, used: Option<Tokens>, usd: Option<&str>) -> String {
    format!("{:>9} {:>12} {:>9}", duration(duration_ms), tokens(used), cost(usd))
}

/// `1 step`, `2 steps`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// At most `width` characters, with an ellipsis where something is missing, and on one line.
pub fn clip(text: &str, width: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= width {
        return flat;
    }
    flat.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A result for one line: the text of `{"message": text}`, else JSON.
pub fn result_line(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.len() == 1 => match fields.get("message") {
            Some(Value::String(text)) => text.clone(),
            _ => value.to_string(),
        },
        Value::String(text) => text.clone(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_keep_three_digits_or_so() {
        let shown: Vec<String> = [0, 999, 1_000, 1_239, 59_999, 60_000, 123_456].map(duration).into();
        assert_eq!(shown, ["0 ms", "999 ms", "1.00 s", "1.23 s", "59.99 s", "1 min 00 s", "2 min 03 s"]);
    }

    #[test]
    fn costs_lose_their_trailing_zeros() {
        let shown = [Some("0"), Some("0.000000"), Some("0.001200"), Some("10"), None].map(cost);
        assert_eq!(shown, ["$0", "$0", "$0.0012", "$10", "-"]);
    }

    #[test]
    fn texts_are_clipped_to_characters_not_bytes() {
        assert_eq!(clip("ä\n  b", 3), "ä b");
        assert_eq!(clip("äöüß", 3), "äö…");
        assert_eq!(result_line(&json!({"message": "hi"})), "hi");
        assert_eq!(result_line(&json!({"a": 1})), r#"{"a":1}"#);
    }
}
