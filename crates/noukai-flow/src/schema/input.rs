//! What a run takes, and how its inputs become `initial`.

use std::sync::LazyLock;

use noukai_api::FieldError;
use serde_json::{Map, Value, json};

use super::{
    short,
    validator::{Compiled, Fault, SchemaError},
};

/// What a run takes. The default, for a flow that does not say: a required text `message`, and whatever else is sent.
/// Cloning is cheap.
#[derive(Debug, Clone)]
pub struct InputSchema(Compiled);

/// Why inputs were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputError {
    /// No message was sent, and not all required inputs either: the names of the missing ones.
    MissingMessage(Vec<String>),
    /// Inputs that do not fit the schema; locations begin with `["body", "parameters"]`.
    Invalid(Vec<FieldError>),
}

impl InputSchema {
    /// Compiles a JSON Schema (`type: object`) or a short form, which allows other fields.
    ///
    /// # Errors
    /// A schema that is neither, or does not compile.
    pub fn compile(document: &Value) -> Result<Self, SchemaError> {
        Compiled::new(short::json_schema(document, false)?).map(Self)
    }

    /// The run's `initial`: `{message, ...parameters}` with defaults filled in. `message` wins over a parameter of that
    /// name.
    ///
    /// # Errors
    /// See [`InputError`].
    pub fn initial(
        &self,
        message: Option<&str>,
        parameters: &Map<String, Value>,
    ) -> Result<Map<String, Value>, InputError> {
        let mut inputs = self.fill(message, parameters);
        let missing: Vec<String> =
            self.required().filter(|name| !inputs.contains_key(*name)).map(str::to_owned).collect();
        if message.is_none() && !missing.is_empty() {
            return Err(InputError::MissingMessage(missing));
        }
        // A caller may always send a message, even to a flow that has no use for it.
        let unasked = !self.takes("message");
        let aside = if unasked && message.is_some() { inputs.shift_remove("message") } else { None };
        let inputs = Value::Object(inputs);
        let faults = self.0.faults(&inputs);
        if !faults.is_empty() {
            return Err(InputError::Invalid(faults.into_iter().map(field_error).collect()));
        }
        Ok(with_message(inputs, aside))
    }

    /// As JSON Schema.
    pub fn json(&self) -> &Value {
        self.0.json()
    }

    /// The names of the declared inputs, in order.
    pub fn fields(&self) -> &[String] {
        self.0.fields()
    }

    /// Whether only the declared inputs may be sent (and `message`).
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn fill(&self, message: Option<&str>, parameters: &Map<String, Value>) -> Map<String, Value> {
        let mut inputs = Map::with_capacity(parameters.len() + 1);
        inputs.extend(message.map(|message| ("message".to_owned(), message.into())));
        for (name, value) in parameters {
            if name != "message" || message.is_none() {
                inputs.insert(name.clone(), value.clone());
            }
        }
        for (name, default) in self.defaults() {
            inputs.entry(name).or_insert_with(|| default.clone());
        }
        inputs
    }

    fn defaults(&self) -> impl Iterator<Item = (&String, &Value)> {
        let properties = self.json().get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().filter_map(|(name, schema)| Some((name, schema.get("default")?)))
    }

    fn required(&self) -> impl Iterator<Item = &str> {
        self.json().get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    fn takes(&self, name: &str) -> bool {
        !self.is_closed() || self.fields().iter().any(|field| field == name)
    }
}

impl Default for InputSchema {
    fn default() -> Self {
        static MESSAGE: LazyLock<Compiled> = LazyLock::new(|| {
            let schema =
                json!({"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]});
            #[expect(clippy::expect_used, reason = "a constant schema, compiled in every test")]
            Compiled::new(schema).expect("the schema of a message compiles")
        });
        Self(MESSAGE.clone())
    }
}

fn with_message(inputs: Value, message: Option<Value>) -> Map<String, Value> {
    let Value::Object(mut inputs) = inputs else { return Map::new() };
    if let Some(message) = message {
        inputs.shift_insert(0, "message".to_owned(), message);
    }
    inputs
}

fn field_error(fault: Fault) -> FieldError {
    let loc = ["body", "parameters"].into_iter().map(str::to_owned).chain(fault.path).collect();
    FieldError { loc, msg: fault.message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initial(schema: Value, message: Option<&str>, parameters: Value) -> Result<Value, InputError> {
        let schema = if schema.is_null() { InputSchema::default() } else { InputSchema::compile(&schema).unwrap() };
        schema.initial(message, parameters.as_object().unwrap()).map(Value::Object)
    }

    #[test]
    fn inputs_become_initial() {
        let tone = json!({"message": "string", "tone": {"type": "string", "default": "plain"}});
        let topic = json!({"topic": "string"});
        let closed =
            json!({"type": "object", "properties": {"topic": {"type": "string"}}, "additionalProperties": false});
        for (schema, message, parameters, expected) in [
            (json!(null), Some("hi"), json!({}), json!({"message": "hi"})),
            (json!(null), Some("hi"), json!({"n": 1}), json!({"message": "hi", "n": 1})),
            (json!(null), None, json!({"message": "hi"}), json!({"message": "hi"})),
            (json!(null), Some("hi"), json!({"message": "no"}), json!({"message": "hi"})),
            (tone.clone(), Some("hi"), json!({}), json!({"message": "hi", "tone": "plain"})),
            (tone, None, json!({"message": "hi", "tone": "x"}), json!({"message": "hi", "tone": "x"})),
            (topic.clone(), None, json!({"topic": "t"}), json!({"topic": "t"})),
            (topic, Some("hi"), json!({"topic": "t"}), json!({"message": "hi", "topic": "t"})),
            (closed.clone(), Some("hi"), json!({"topic": "t"}), json!({"message": "hi", "topic": "t"})),
            (closed, None, json!({}), json!({})),
            (json!({}), None, json!({}), json!({})),
        ] {
            assert_eq!(
                initial(schema.clone(), message, parameters.clone()),
                Ok(expected),
                "{schema} {message:?} {parameters}"
            );
        }
    }

    #[test]
    fn missing_inputs_without_a_message_are_named() {
        let both = json!({"message": "string", "topic": "string"});
        for (schema, parameters, missing) in [
            (json!(null), json!({"n": 1}), vec!["message"]),
            (both.clone(), json!({}), vec!["message", "topic"]),
            (both, json!({"message": "hi"}), vec!["topic"]),
        ] {
            let missing = missing.into_iter().map(str::to_owned).collect();
            assert_eq!(initial(schema, None, parameters), Err(InputError::MissingMessage(missing)));
        }
    }

    #[test]
    fn inputs_that_do_not_fit_are_refused() {
        let schema = json!({"message": "string", "n": "integer", "deep": {"type": "object", "properties": {"x": {"type": "string"}}, "required": false}});
        for (message, parameters, loc) in [
            (Some("hi"), json!({}), vec!["body", "parameters", "n"]),
            (Some("hi"), json!({"n": "1"}), vec!["body", "parameters", "n"]),
            (Some("hi"), json!({"n": null}), vec!["body", "parameters", "n"]),
            (Some("hi"), json!({"n": 1, "deep": {"x": 2}}), vec!["body", "parameters", "deep", "x"]),
            (None, json!({"message": 1, "n": 1}), vec!["body", "parameters", "message"]),
        ] {
            let Err(InputError::Invalid(errors)) = initial(schema.clone(), message, parameters.clone()) else {
                panic!("{parameters} fits")
            };
            assert_eq!(errors[0].loc, loc, "{parameters}");
        }
    }

    #[test]
    fn closed_schemas_take_nothing_else() {
        let closed = json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false});
        assert!(matches!(initial(closed, Some("hi"), json!({"b": 1})), Err(InputError::Invalid(_))));
    }
}
