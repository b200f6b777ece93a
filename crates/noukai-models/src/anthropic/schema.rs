//! A reply schema as Anthropic takes it: every object closed, and without the keywords it does not know. What is left
//! out is checked on the reply all the same.

use serde_json::{Map, Value};

/// Keywords that bound values.
const LEFT_OUT: [&str; 15] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "pattern",
    "examples",
    "default",
];

/// Keywords whose meaning is lost if they are left out.
const NOT_TAKEN: [&str; 10] = [
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "patternProperties",
    "propertyNames",
    "contains",
    "prefixItems",
    "dependentSchemas",
];

/// The schema, if it can be sent.
pub(super) fn closed(schema: &Value) -> Option<Value> {
    let Value::Object(map) = schema else { return None };
    if map.keys().any(|key| NOT_TAKEN.contains(&key.as_str())) {
        return None;
    }
    let is_object = map.contains_key("properties") || map.get("type").is_some_and(|kind| kind == "object");
    let open = map.get("additionalProperties").is_some_and(|more| more != &Value::Bool(false));
    if is_object && (open || !map.contains_key("properties")) {
        return None;
    }
    let mut out = Map::new();
    for (key, value) in map.iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str())) {
        out.insert(key.clone(), keyword(key, value)?);
    }
    if is_object {
        out.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    Some(Value::Object(out))
}

fn keyword(key: &str, value: &Value) -> Option<Value> {
    match (key, value) {
        ("items", _) => closed(value),
        ("anyOf" | "allOf", Value::Array(list)) => {
            list.iter().map(closed).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        ("properties" | "$defs" | "definitions", Value::Object(named)) => {
            let each = named.iter().map(|(name, schema)| Some((name.clone(), closed(schema)?)));
            each.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        _ => Some(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_closed_and_bounds_left_out() {
        let schema = json!({
            "type": "object", "required": ["a"], "minProperties": 1,
            "properties": {"a": {"type": "array", "maxItems": 3, "items": {"$ref": "#/$defs/row"}}},
            "$defs": {"row": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}},
        });
        assert_eq!(
            closed(&schema).unwrap(),
            json!({
                "type": "object", "required": ["a"], "additionalProperties": false,
                "properties": {"a": {"type": "array", "items": {"$ref": "#/$defs/row"}}},
                "$defs": {"row": {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": false}},
            })
        );
        for open in [
            json!({"type": "object"}),
            json!({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}),
            json!({"type": "object", "properties": {"a": {"oneOf": []}}}),
            json!(true),
        ] {
            assert_eq!(closed(&open), None, "{open}");
        }
    }
}
