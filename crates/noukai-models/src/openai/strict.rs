//! Whether a reply schema meets the rules of strict structured output, and that schema on the wire. A schema that
//! meets them but for unsaid `additionalProperties` is sent with `false` there; any other is sent as given, not
//! strict, for strict providers refuse what they cannot promise.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

/// What strict mode knows of schemas.
const KEYWORDS: [&str; 25] = [
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "definitions",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "multipleOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "examples",
    "$id",
];

/// A reply schema, closed where it can be strict.
pub(super) struct Schema<'a> {
    schema: &'a Value,
    strict: bool,
}

impl<'a> Schema<'a> {
    pub(super) fn new(schema: &'a Value) -> Self {
        let root = schema.get("type").is_some_and(|kind| kind == "object") && schema.get("anyOf").is_none();
        Self { schema, strict: root && fits(schema) }
    }

    pub(super) const fn is_strict(&self) -> bool {
        self.strict
    }
}

impl Serialize for Schema<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.strict { Closed(self.schema).serialize(serializer) } else { self.schema.serialize(serializer) }
    }
}

fn fits(schema: &Value) -> bool {
    let Value::Object(map) = schema else { return false };
    let typed = ["type", "$ref", "anyOf", "enum", "const"].iter().any(|keyword| map.contains_key(*keyword));
    typed && map.keys().all(|key| KEYWORDS.contains(&key.as_str())) && object_fits(map) && children_fit(map)
}

/// Objects list all they may hold, and require it.
fn object_fits(map: &Map<String, Value>) -> bool {
    if !says_object(map) {
        return true;
    }
    let Some(properties) = map.get("properties").and_then(Value::as_object) else { return false };
    let required = map.get("required").and_then(Value::as_array);
    let is_required = |name: &String| required.is_some_and(|names| names.iter().any(|required| required == name));
    let closed = map.get("additionalProperties").is_none_or(|more| more == &Value::Bool(false));
    closed && properties.keys().all(is_required)
}

fn says_object(map: &Map<String, Value>) -> bool {
    let named =
        |kind: &Value| kind == "object" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|k| k == "object"));
    map.contains_key("properties") || map.get("type").is_some_and(named)
}

fn children_fit(map: &Map<String, Value>) -> bool {
    map.iter().all(|(key, value)| match Role::of(key, value) {
        Role::Schema => fits(value),
        Role::Schemas => value.as_array().is_some_and(|list| list.iter().all(fits)),
        Role::Named => value.as_object().is_some_and(|named| named.values().all(fits)),
        Role::Plain => true,
    })
}

/// What a keyword's value holds.
enum Role {
    Schema,
    Schemas,
    Named,
    Plain,
}

impl Role {
    fn of(key: &str, value: &Value) -> Self {
        match key {
            "items" if !value.is_boolean() => Self::Schema,
            "anyOf" => Self::Schemas,
            "properties" | "$defs" | "definitions" => Self::Named,
            _ => Self::Plain,
        }
    }
}

/// A schema whose objects are closed.
struct Closed<'a>(&'a Value);

impl Serialize for Closed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(map) = self.0 else { return self.0.serialize(serializer) };
        let mut out = serializer.serialize_map(None)?;
        for (key, value) in map {
            match (Role::of(key, value), value) {
                (Role::Schema, _) => out.serialize_entry(key, &Closed(value))?,
                (Role::Schemas, Value::Array(list)) => {
                    out.serialize_entry(key, &list.iter().map(Closed).collect::<Vec<_>>())?;
                }
                (Role::Named, Value::Object(named)) => out.serialize_entry(key, &ClosedMap(named))?,
                _ => out.serialize_entry(key, value)?,
            }
        }
        if says_object(map) && !map.contains_key("additionalProperties") {
            out.serialize_entry("additionalProperties", &false)?;
        }
        out.end()
    }
}

struct ClosedMap<'a>(&'a Map<String, Value>);

impl Serialize for ClosedMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, schema)| (name, Closed(schema))))
    }
}
