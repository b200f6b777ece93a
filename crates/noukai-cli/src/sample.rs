//! Inputs that a flow accepts, made up from its input schema, for the lines that a user pastes.

use serde_json::{Map, Value, json};

const MESSAGE: &str = "Hello, Noukai!";

/// What a first call sends: the message where the flow takes one, and the other required inputs.
#[derive(Debug, Default, PartialEq)]
pub struct Inputs {
    pub message: Option<String>,
    pub parameters: Map<String, Value>,
}

impl Inputs {
    /// Inputs for a JSON Schema of type object.
    pub fn of(schema: &Value) -> Self {
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let required: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
        let mut inputs = Self::default();
        for (name, schema) in &properties {
            if name == "message" {
                inputs.message = Some(value(schema).as_str().unwrap_or(MESSAGE).to_owned());
            } else if required.contains(&name.as_str()) {
                inputs.parameters.insert(name.clone(), value(schema));
            }
        }
        if properties.is_empty() {
            inputs.message = Some(MESSAGE.to_owned());
        }
        inputs
    }

    /// The body of an execute call.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        if let Some(message) = &self.message {
            body.insert("message".to_owned(), json!(message));
        }
        if !self.parameters.is_empty() {
            body.insert("parameters".to_owned(), json!(self.parameters));
        }
        Value::Object(body)
    }
}

/// A small value of a schema. Not every keyword is looked at: it is a start for a person.
fn value(schema: &Value) -> Value {
    let given = ["const", "default"].iter().find_map(|key| schema.get(key));
    let listed = ["examples", "enum"].iter().find_map(|key| schema.get(key)?.get(0));
    if let Some(value) = given.or(listed) {
        return value.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind.unwrap_or("string") {
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(true),
        "array" => json!([value(&schema["items"])]),
        "object" => json!(Inputs::of(schema).all()),
        "null" => Value::Null,
        _ => json!(MESSAGE),
    }
}

impl Inputs {
    fn all(self) -> Map<String, Value> {
        let message = self.message.map(|message| ("message".to_owned(), json!(message)));
        message.into_iter().chain(self.parameters).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_inputs_are_there_and_optional_ones_are_not() {
        let schema = json!({"type": "object", "required": ["message", "tone", "count", "tags"], "properties": {
            "message": {"type": "string"},
            "tone": {"enum": ["plain", "warm"]},
            "count": {"type": "integer", "minimum": 3},
            "tags": {"type": "array", "items": {"type": "string", "default": "a"}},
            "left_out": {"type": "string"},
        }});
        let expected = json!({"message": MESSAGE, "parameters": {"tone": "plain", "count": 3, "tags": ["a"]}});
        assert_eq!(Inputs::of(&schema).body(), expected);
    }

    #[test]
    fn a_flow_without_a_message_gets_none() {
        let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "boolean"}}});
        assert_eq!(Inputs::of(&schema).body(), json!({"parameters": {"n": true}}));
        assert_eq!(Inputs::of(&json!({"type": "object"})).body(), json!({"message": MESSAGE}));
    }
}
