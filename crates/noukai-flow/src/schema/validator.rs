//! A compiled JSON Schema. Offline, with regular expressions that take linear time.

use std::{fmt, sync::Arc};

use jsonschema::{
    Draft, PatternOptions, ValidationError, Validator, error::ValidationErrorKind, paths::LocationSegment,
};
use serde_json::Value;

use super::references;

/// Faults of one value that are reported.
const MAX_FAULTS: usize = 20;
/// Bytes a compiled regular expression may take.
const MAX_PATTERN: usize = 1 << 20;
/// Levels of nesting in a schema.
const MAX_DEPTH: usize = 32;

/// Why a schema was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", if path.is_empty() { message.clone() } else { format!("`{path}` {message}") })]
pub struct SchemaError {
    /// Where in the schema, dotted; empty for the whole.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl SchemaError {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// A schema with what validates by it. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Compiled {
    json: Arc<Value>,
    fields: Arc<[String]>,
    validator: Arc<Validator>,
}

/// A fault of a value.
pub(super) struct Fault {
    /// Keys and indexes that lead to it.
    pub(super) path: Vec<String>,
    /// What is wrong; does not quote the value.
    pub(super) message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.join(".") {
            path if path.is_empty() => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

impl Compiled {
    pub(super) fn new(schema: Value) -> Result<Self, SchemaError> {
        if depth(&schema) > MAX_DEPTH {
            return Err(SchemaError::new("", format!("is nested deeper than {MAX_DEPTH} levels")));
        }
        references::check(&schema).map_err(|message| SchemaError::new("", format!("cannot be used: {message}")))?;
        let validator = options().build(&schema).map_err(|error| fault_of_schema(&error))?;
        let properties = schema.get("properties").and_then(Value::as_object);
        let fields = properties.into_iter().flat_map(|fields| fields.keys().cloned()).collect();
        Ok(Self { json: Arc::new(schema), fields, validator: Arc::new(validator) })
    }

    pub(super) fn json(&self) -> &Arc<Value> {
        &self.json
    }

    pub(super) fn fields(&self) -> &[String] {
        &self.fields
    }

    /// Whether only the named fields may be there.
    pub(super) fn is_closed(&self) -> bool {
        self.json.get("additionalProperties") == Some(&Value::Bool(false))
            && self.json.get("patternProperties").is_none()
    }

    /// What is wrong with `value`; empty: it fits.
    pub(super) fn faults(&self, value: &Value) -> Vec<Fault> {
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        self.validator.iter_errors(value).take(MAX_FAULTS).map(|error| fault(&error)).collect()
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.json)
    }
}

/// One draft for all, whatever a schema calls itself: older ones have ways to refer that are not bounded here.
fn options() -> jsonschema::ValidationOptions<'static> {
    let patterns = PatternOptions::regex().size_limit(MAX_PATTERN);
    jsonschema::options().with_draft(Draft::Draft202012).offline().with_pattern_options(patterns)
}

fn fault(error: &ValidationError<'_>) -> Fault {
    let mut path = segments(error.instance_path());
    if let ValidationErrorKind::Required { property } = error.kind() {
        path.extend(property.as_str().map(str::to_owned));
        return Fault { path, message: "is required".to_owned() };
    }
    // Masked: the message goes into traces that keep no contents.
    Fault { path, message: error.masked_with("the value").to_string() }
}

fn fault_of_schema(error: &ValidationError<'_>) -> SchemaError {
    let mut message = error.to_string();
    if let Some((cut, _)) = message.char_indices().nth(300) {
        message.truncate(cut);
    }
    SchemaError::new(segments(error.instance_path()).join("."), format!("is no valid JSON Schema: {message}"))
}

fn segments(location: &jsonschema::paths::Location) -> Vec<String> {
    let text = |segment: LocationSegment<'_>| match segment {
        LocationSegment::Property(name) => name.to_string(),
        LocationSegment::Index(index) => index.to_string(),
    };
    location.iter().map(text).collect()
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
