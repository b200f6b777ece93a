//! What tools take and give as JSON Schema, taken from the types themselves, so that it cannot say anything else.

use rmcp::model::JsonObject;
use schemars::{
    JsonSchema,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Value, json};

/// What a tool takes.
pub(super) fn input<T: JsonSchema>() -> JsonObject {
    schema::<T>(Contract::Deserialize)
}

/// What a tool gives.
pub(super) fn output<T: JsonSchema>() -> JsonObject {
    schema::<T>(Contract::Serialize)
}

/// What an operation takes besides the flow that it changes; only those arguments that are the tool's.
pub(super) fn operation<T: JsonSchema>(arguments: &[&str]) -> JsonObject {
    let mut schema = input::<T>();
    let mut properties = JsonObject::new();
    properties.insert("flow_id".to_owned(), json!({"type": "string", "description": "The flow."}));
    if let Some(Value::Object(own)) = schema.remove("properties") {
        properties.extend(own.into_iter().filter(|(name, _)| arguments.contains(&name.as_str())));
    }
    let required = schema.remove("required").and_then(|names| names.as_array().cloned()).unwrap_or_default();
    let required: Vec<Value> = std::iter::once("flow_id".into()).chain(required).collect();
    schema.insert("properties".to_owned(), properties.into());
    schema.insert("required".to_owned(), required.into());
    schema
}

fn schema<T: JsonSchema>(contract: Contract) -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.contract = contract;
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut schema = match schema.to_value() {
        Value::Object(schema) => schema,
        _ => JsonObject::new(),
    };
    schema.remove("title");
    schema.insert("type".to_owned(), "object".into());
    schema.values_mut().for_each(drop_widths);
    schema
}

/// `uint32` and the like are no formats that clients know; some complain of each.
fn drop_widths(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if matches!(object.get("type").and_then(Value::as_str), Some("integer" | "number"))
                || object.get("type").is_some_and(Value::is_array)
            {
                object.remove("format");
            }
            object.values_mut().for_each(drop_widths);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_widths),
        _ => {}
    }
}
