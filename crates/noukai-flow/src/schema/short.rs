//! The short form `{message: string, tone: {type: string, default: plain}}`, spelled out as JSON Schema.

use serde_json::{Map, Value, json};

use super::validator::SchemaError;
use crate::{models::model_name, nearest::did_you_mean};

/// The types a short form may name.
pub(crate) const TYPES: &[&str] = &["string", "number", "integer", "boolean", "array", "object"];

/// Keys that tell a JSON Schema from a short form with a field called `type`.
const KEYWORDS: &[&str] = &["properties", "items", "allOf", "anyOf", "oneOf", "$ref", "additionalProperties"];

/// The JSON Schema that `document` is or stands for; `closed`: whether a short form allows no other fields.
pub(crate) fn json_schema(document: &Value, closed: bool) -> Result<Value, SchemaError> {
    let Some(fields) = document.as_object() else {
        return Err(SchemaError::new("", "is not an object; write fields (`label: string`) or a JSON Schema"));
    };
    if let Some(name) = model_name(document).filter(|_| closed) {
        let message = format!("there is no object model `{name}` in the project; make it, or say a schema");
        return Err(SchemaError::new("model", message));
    }
    if !is_json_schema(fields) {
        return spell_out(fields, closed);
    }
    match fields.get("type") {
        None => Ok(document.clone()),
        Some(Value::String(name)) if name == "object" => Ok(document.clone()),
        Some(_) => Err(SchemaError::new("type", "has to be `object`; put other values into a field of one")),
    }
}

fn is_json_schema(fields: &Map<String, Value>) -> bool {
    let typed = fields.get("type").is_some_and(|name| name.is_string() || name.is_array());
    fields.contains_key("$schema") || (typed && KEYWORDS.iter().any(|keyword| fields.contains_key(*keyword)))
}

fn spell_out(fields: &Map<String, Value>, closed: bool) -> Result<Value, SchemaError> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, field) in fields {
        let (schema, is_required) = spell_field(name, field)?;
        properties.insert(name.clone(), schema);
        if is_required {
            required.push(Value::from(name.as_str()));
        }
    }
    let mut schema = json!({"type": "object", "properties": properties, "required": required});
    if closed {
        schema["additionalProperties"] = Value::Bool(false);
    }
    Ok(schema)
}

/// A field's schema, and whether it has to be there: unless it says `required: false` or has a default.
fn spell_field(name: &str, field: &Value) -> Result<(Value, bool), SchemaError> {
    match field {
        Value::String(kind) if TYPES.contains(&kind.as_str()) => Ok((json!({"type": kind}), true)),
        Value::String(kind) => {
            let meant = did_you_mean(kind, TYPES.iter().copied());
            Err(SchemaError::new(name, format!("`{kind}` is no type; there are {}{meant}", TYPES.join(", "))))
        }
        Value::Object(schema) => {
            let mut schema = schema.clone();
            let required = match schema.get("required") {
                Some(Value::Bool(required)) => Some(*required),
                _ => None,
            };
            if required.is_some() {
                schema.shift_remove("required");
            }
            let is_required = required.unwrap_or(!schema.contains_key("default"));
            Ok((Value::Object(schema), is_required))
        }
        _ => Err(SchemaError::new(name, "is neither a type, such as `string`, nor a schema, such as `{type: string}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_spelled_out() {
        let short = json!({"message": "string", "tone": {"type": "string", "default": "plain"}, "n": {"type": "integer", "required": false}});
        let expected = json!({
            "type": "object",
            "properties": {"message": {"type": "string"}, "tone": {"type": "string", "default": "plain"}, "n": {"type": "integer"}},
            "required": ["message"],
        });
        assert_eq!(json_schema(&short, false), Ok(expected));
        assert_eq!(json_schema(&json!({}), true).unwrap()["additionalProperties"], json!(false));
    }

    #[test]
    fn json_schemas_are_taken_as_they_are() {
        for schema in [
            json!({"type": "object", "properties": {"a": {}}}),
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "properties": {}}),
            json!({"type": "object", "additionalProperties": true}),
        ] {
            assert_eq!(json_schema(&schema, true).as_ref(), Ok(&schema));
        }
        assert_eq!(
            json_schema(&json!({"type": "string"}), true).unwrap()["properties"],
            json!({"type": {"type": "string"}})
        );
    }

    #[test]
    fn faults_say_where() {
        for (schema, path) in [
            (json!([]), ""),
            (json!("string"), ""),
            (json!({"a": "strnig"}), "a"),
            (json!({"a": 1}), "a"),
            (json!({"type": "array", "items": {}}), "type"),
            (json!({"type": ["object", "null"], "properties": {}}), "type"),
        ] {
            assert_eq!(json_schema(&schema, true).unwrap_err().path, path, "{schema}");
        }
    }
}
