//! Schemas as ordered lists of fields (`{name, type, description}`), and back.

use serde_json::{Map, Value};

use crate::schema::short;

/// The schema, in the document's short form, that an ordered list of fields stands for.
///
/// # Errors
/// What is wrong, in words: an entry without a name, or two with one name.
pub fn schema_of_fields(fields: &[Value]) -> Result<Value, String> {
    let mut schema = Map::new();
    for (index, field) in fields.iter().enumerate() {
        let (name, field) = match field {
            Value::String(name) => (name.as_str(), Value::from("string")),
            Value::Object(entries) => {
                let name = entries.get("name").and_then(Value::as_str).unwrap_or_default();
                (name, field_of(entries))
            }
            _ => ("", Value::Null),
        };
        if name.is_empty() {
            return Err(format!("field {index} has no name; write `{{\"name\": \"label\", \"type\": \"string\"}}`"));
        }
        if schema.insert(name.to_owned(), field).is_some() {
            return Err(format!("`{name}` stands there twice; name each field once"));
        }
    }
    Ok(schema.into())
}

/// A field without its name; its type alone where there is nothing else.
fn field_of(entries: &Map<String, Value>) -> Value {
    let rest: Map<String, Value> =
        entries.iter().filter(|(key, _)| *key != "name").map(|(key, value)| (key.clone(), value.clone())).collect();
    match (rest.len(), rest.get("type")) {
        (0, _) => Value::from("string"),
        (1, Some(kind @ Value::String(_))) => kind.clone(),
        _ => rest.into(),
    }
}

/// The fields of a schema, in order, each with `name`, `type` and what else is said of it, and `required: false` where it
/// need not be there. A list of names stands for itself.
pub fn fields_of_schema(schema: &Value) -> Vec<Value> {
    if let Some(names) = schema.as_array() {
        return names.iter().filter(|name| name.is_string()).map(|name| serde_json::json!({"name": name})).collect();
    }
    let Ok(schema) = short::json_schema(schema, false) else { return Vec::new() };
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
    let properties = schema.get("properties").and_then(Value::as_object);
    let field = |(name, schema): (&String, &Value)| {
        let mut field = Map::new();
        field.insert("name".to_owned(), name.as_str().into());
        field.extend(schema.as_object().cloned().unwrap_or_default());
        if !is_required(name) && !field.contains_key("default") {
            field.insert("required".to_owned(), false.into());
        }
        Value::Object(field)
    };
    properties.into_iter().flatten().map(field).collect()
}
