//! The content hash of a document. Must not depend on key order, spelling (YAML or JSON) or whitespace.

use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// SHA-256 of the document's canonical JSON (no whitespace, object keys sorted by code point), 64 lower-case hex digits.
pub fn document_hash(document: &Value) -> String {
    let mut text = String::new();
    write_canonical(document, &mut text);
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            write_list(out, ('{', '}'), entries, |(key, value), out| {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            });
        }
        Value::Array(items) => write_list(out, ('[', ']'), items, write_canonical),
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn write_list<T>(
    out: &mut String,
    (open, close): (char, char),
    items: impl IntoIterator<Item = T>,
    write_item: impl Fn(T, &mut String),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_item(item, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn key_order_does_not_matter_and_content_does() {
        let hash = document_hash(&json!({"b": [1, {"y": 2, "x": "\""}], "a": null}));
        assert_eq!(hash, document_hash(&json!({"a": null, "b": [1, {"x": "\"", "y": 2}]})));
        assert_ne!(hash, document_hash(&json!({"a": null, "b": [{"x": "\"", "y": 2}, 1]})));
        assert_eq!(hash.len(), 64);
    }

    #[test]
    fn the_hash_is_that_of_the_canonical_text() {
        let hash = document_hash(&json!({}));
        assert_eq!(hash, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    }
}
