//! From text to a document: YAML or JSON, within bounds. Knows nothing of flows.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::{Problem, ProblemCode};

/// A document as it was written, spelled as JSON; not yet checked.
pub type Document = Value;

/// How a document is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2; aliases and merge keys are expanded, within bounds.
    Yaml,
    /// JSON.
    Json,
}

/// Bytes of text that are looked at.
pub(crate) const MAX_BYTES: usize = 1_000_000;
/// Levels of nesting in YAML: four for each branch, so that a dozen fit into each other. The parser recurses, and an
/// unoptimised build needs some 20 kB of stack a level, of the 2 MB a thread has. JSON has serde's own limit of 128.
pub(crate) const MAX_DEPTH: usize = 64;
/// Values in a document, those that aliases repeat included.
pub(crate) const MAX_NODES: usize = 100_000;

/// Reads a document.
///
/// # Errors
/// One problem that names line and column: no YAML or JSON, a key that stands twice, more than 1 MB, too deep, or
/// aliases that grow too large.
pub fn parse(text: &str, format: Format) -> Result<Document, Vec<Problem>> {
    if text.len() > MAX_BYTES {
        let message = format!("the document has {} bytes; at most {MAX_BYTES} are taken", text.len());
        return Err(vec![Problem::error("", ProblemCode::TooLarge, message)]);
    }
    match format {
        Format::Yaml => parse_yaml(text),
        Format::Json => parse_json(text),
    }
    .map_err(|message| vec![Problem::error("", ProblemCode::SyntaxError, message)])
}

fn parse_json(text: &str) -> Result<Value, String> {
    serde_json::from_str::<Strict>(text).map(|document| document.0).map_err(|error| error.to_string())
}

fn parse_yaml(text: &str) -> Result<Value, String> {
    serde_saphyr::from_str_with_options::<Strict>(text, yaml_options()).map(|document| document.0).map_err(|error| {
        let message = error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter);
        match error.location() {
            Some(at) if !message.contains("line ") => format!("{message} at line {} column {}", at.line(), at.column()),
            _ => message,
        }
    })
}

/// The bounds of the parser.
pub(crate) fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
            max_nodes: MAX_NODES,
            max_events: 3 * MAX_NODES,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: MAX_NODES,
            max_recorded_anchor_bytes: 4 * MAX_BYTES,
            max_total_scalar_bytes: 4 * MAX_BYTES,
            max_merge_keys: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    }
}

/// A JSON value in which no key stands twice; `serde_json::Value` would silently keep the last.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("infinity and NaN are no JSON numbers"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` stands twice")));
            }
            let Strict(value) = map.next_value()?;
            fields.insert(key, value);
        }
        Ok(fields.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(text: &str, format: Format) -> String {
        parse(text, format).unwrap_err().remove(0).message
    }

    #[test]
    fn both_spellings_give_the_same_document() {
        let yaml = parse("a: 1\nb: [x, true, null, 1.5]\nc: {d: \"no\"}\ntrue: yes\n", Format::Yaml).unwrap();
        let json = parse(r#"{"a":1,"b":["x",true,null,1.5],"c":{"d":"no"},"true":"yes"}"#, Format::Json).unwrap();
        assert_eq!(yaml, json);
        assert_eq!(yaml, json!({"a": 1, "b": ["x", true, null, 1.5], "c": {"d": "no"}, "true": "yes"}));
    }

    #[test]
    fn faults_name_line_and_column() {
        for (text, format, word) in [
            ("a: [1, 2\nb: 3\n", Format::Yaml, "line"),
            ("a: 1\nb: 2\na: 3\n", Format::Yaml, "line 3"),
            ("a: 1\n b: 2\n", Format::Yaml, "line"),
            ("a: *gone\n", Format::Yaml, "line 1"),
            ("a: .inf\n", Format::Yaml, "line 1"),
            ("a: 1\n---\nb: 2\n", Format::Yaml, "line"),
            ("{\"a\": 1,\n \"a\": 2}", Format::Json, "line 2 column"),
            ("{\"a\": 1,}", Format::Json, "line 1 column"),
            ("", Format::Json, "line 1 column"),
        ] {
            let message = fault(text, format);
            assert!(message.contains(word), "{text:?}: {message}");
        }
    }

    #[test]
    fn alias_bombs_and_depth_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let previous = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [previous.as_str(); 9].join(", ")));
        }
        assert!(parse(&bomb, Format::Yaml).is_err());
        assert!(parse(&"[".repeat(100_000), Format::Yaml).is_err());
        assert!(parse(&"[".repeat(100_000), Format::Json).is_err());
        assert!(parse(&format!("{}1{}", "[".repeat(200), "]".repeat(200)), Format::Yaml).is_err());
        assert!(parse(&format!("{}1{}", "{a: ".repeat(5000), "}".repeat(5000)), Format::Yaml).is_err());
        let stairs: String = (0..500).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(parse(&stairs, Format::Yaml).is_err());
    }

    #[test]
    fn too_much_text_is_refused() {
        let problems = parse(&"#".repeat(MAX_BYTES + 1), Format::Yaml).unwrap_err();
        assert_eq!(problems[0].code, ProblemCode::TooLarge);
    }
}
