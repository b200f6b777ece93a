//! Bounds what references can do: they stay in the schema, end, and do not multiply.
//!
//! The validator follows references while it validates. One that leads back to itself without going into a value would
//! exhaust the stack; a chain of pairs (`allOf: [b, b]`, `b`: `allOf: [c, c]`, ...) would take for ever.

use std::collections::HashMap;

use serde_json::Value;

/// Keywords whose schemas apply to the same value as the schema they stand in.
const IN_PLACE: &[&str] = &["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
/// Ways to refer that are not pointers; no flow needs them.
const REFUSED: &[&str] = &["$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor", "$recursiveAnchor"];
/// Refused for the same reason; its value is a map.
const REFUSED_MAP: &str = "dependentSchemas";
/// Places referred to.
const MAX_TARGETS: usize = 128;
/// Schemas that one value may have to meet at once, those behind references counted each time.
const MAX_WEIGHT: u64 = 2_000;

/// Checks every reference of `schema`; the error says what to do.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    Walk { root: schema, weights: HashMap::new() }.all(schema, true)
}

struct Walk<'a> {
    root: &'a Value,
    /// What each reference stands for; `None` while it is being found out.
    weights: HashMap<&'a str, Option<u64>>,
}

impl<'a> Walk<'a> {
    fn all(&mut self, value: &'a Value, is_root: bool) -> Result<(), String> {
        match value {
            Value::Object(fields) => {
                let refused = REFUSED.iter().chain((!is_root).then_some(&"$id"));
                if let Some(key) = refused.into_iter().find(|key| fields.get(**key).is_some_and(Value::is_string)) {
                    return Err(format!("`{key}` is not supported; refer with `$ref: \"#/$defs/...\"`"));
                }
                if fields.get(REFUSED_MAP).is_some_and(|map| map.to_string().contains("$ref")) {
                    return Err(format!("`{REFUSED_MAP}` with references is not supported"));
                }
                self.schema(value)?;
                fields.values().try_for_each(|value| self.all(value, false))
            }
            Value::Array(items) => items.iter().try_for_each(|value| self.all(value, false)),
            _ => Ok(()),
        }
    }

    /// How many schemas a value that meets `schema` has to meet.
    fn schema(&mut self, schema: &'a Value) -> Result<u64, String> {
        let Some(fields) = schema.as_object() else { return Ok(1) };
        let mut weight = 1_u64;
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            weight = weight.saturating_add(self.reference(reference)?);
        }
        for part in IN_PLACE.iter().filter_map(|key| fields.get(*key)).flat_map(parts) {
            weight = weight.saturating_add(self.schema(part)?);
        }
        if weight > MAX_WEIGHT { Err("its references multiply; simplify it".to_owned()) } else { Ok(weight) }
    }

    fn reference(&mut self, reference: &'a str) -> Result<u64, String> {
        match self.weights.get(reference) {
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => return Err(format!("`$ref: {reference:?}` leads back to itself")),
            None if self.weights.len() == MAX_TARGETS => {
                return Err(format!("it refers to more than {MAX_TARGETS} places"));
            }
            None => {}
        }
        let pointer = reference.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let Some(target) = pointer.and_then(|pointer| self.root.pointer(pointer)) else {
            return Err(format!("`$ref: {reference:?}` leads to nothing in this schema; write `#/$defs/...`"));
        };
        self.weights.insert(reference, None);
        let weight = self.schema(target)?;
        self.weights.insert(reference, Some(weight));
        Ok(weight)
    }
}

/// The schemas under a keyword: a list, or one.
fn parts(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}
