//! What a code block takes: its parameters, in order, and how they get their values.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    short,
    validator::{Compiled, SchemaError},
};

/// A code block's parameters: names alone, or a schema that their values must fit. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Parameters {
    names: Arc<[String]>,
    schema: Option<Compiled>,
}

/// Why a code block's parameters cannot be given their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterError {
    /// These are nowhere in scope.
    Missing(Vec<String>),
    /// Values that do not fit the schema, each with its path; does not quote the values.
    Invalid(Vec<String>),
}

impl Parameters {
    /// Parameters that take any value.
    pub fn of_names(names: Vec<String>) -> Self {
        Self { names: names.into(), schema: None }
    }

    /// Compiles a JSON Schema (`type: object`) or a short form; its fields are the parameters, in order.
    ///
    /// # Errors
    /// A schema that is neither, or does not compile.
    pub fn compile(document: &Value) -> Result<Self, SchemaError> {
        let schema = Compiled::new(short::json_schema(document, false)?)?;
        Ok(Self { names: schema.fields().into(), schema: Some(schema) })
    }

    /// The names, in order.
    pub const fn names(&self) -> &Arc<[String]> {
        &self.names
    }

    /// Where the parameter at `index` stands in a document, `path` being where they all do.
    pub(crate) fn place(&self, path: &str, index: usize) -> String {
        match (&self.schema, self.names.get(index)) {
            (Some(_), Some(name)) => format!("{path}.{name}"),
            _ => format!("{path}[{index}]"),
        }
    }

    /// Whether a run without a value for the parameter fails.
    pub fn is_required(&self, name: &str) -> bool {
        let Some(schema) = &self.schema else { return true };
        let required = schema.json().get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|required| required == name)) && self.default(name).is_none()
    }

    /// One value per parameter, in order. One that need not be there has its default, else null.
    ///
    /// # Errors
    /// See [`ParameterError`].
    pub fn arguments(&self, lookup: impl Fn(&str) -> Option<Arc<Value>>) -> Result<Vec<Arc<Value>>, ParameterError> {
        let found: Vec<Option<Arc<Value>>> =
            self.names.iter().map(|name| lookup(name).or_else(|| self.default(name).cloned().map(Arc::new))).collect();
        let missing = self.names.iter().zip(&found).filter(|(name, value)| value.is_none() && self.is_required(name));
        let missing: Vec<String> = missing.map(|(name, _)| name.clone()).collect();
        if !missing.is_empty() {
            return Err(ParameterError::Missing(missing));
        }
        self.validate(&found)?;
        Ok(found.into_iter().map(Option::unwrap_or_default).collect())
    }

    fn validate(&self, found: &[Option<Arc<Value>>]) -> Result<(), ParameterError> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let given = self.names.iter().zip(found).filter_map(|(name, value)| Some((name.clone(), value.as_ref()?)));
        let given: Map<String, Value> = given.map(|(name, value)| (name, value.as_ref().clone())).collect();
        let faults = schema.faults(&Value::Object(given));
        if faults.is_empty() {
            return Ok(());
        }
        Err(ParameterError::Invalid(faults.into_iter().map(|fault| fault.to_string()).collect()))
    }

    fn default(&self, name: &str) -> Option<&Value> {
        self.schema.as_ref()?.json().get("properties")?.get(name)?.get("default")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(parameters: &Parameters, fields: &Value) -> Result<Value, ParameterError> {
        let lookup = |name: &str| fields.get(name).cloned().map(Arc::new);
        parameters.arguments(lookup).map(|values| json!(values))
    }

    #[test]
    fn named_parameters_take_any_value_in_their_order() {
        let parameters = Parameters::of_names(vec!["b".to_owned(), "a".to_owned()]);
        assert_eq!(arguments(&parameters, &json!({"a": 1, "b": null, "c": 3})), Ok(json!([null, 1])));
        let missing = ParameterError::Missing(vec!["b".to_owned()]);
        assert_eq!(arguments(&parameters, &json!({"a": 1})), Err(missing));
    }

    #[test]
    fn a_schema_gives_order_defaults_and_types() {
        let schema = json!({"label": "string", "n": {"type": "integer", "default": 7}, "note": {"type": "string", "required": false}});
        let parameters = Parameters::compile(&schema).unwrap();
        assert_eq!(parameters.names().as_ref(), ["label", "n", "note"]);
        assert_eq!(arguments(&parameters, &json!({"label": "x", "extra": 1})), Ok(json!(["x", 7, null])));
        assert_eq!(arguments(&parameters, &json!({"n": 1})), Err(ParameterError::Missing(vec!["label".to_owned()])));
        let invalid = arguments(&parameters, &json!({"label": "SECRET", "n": "SECRET"})).unwrap_err();
        assert_eq!(invalid, ParameterError::Invalid(vec!["n: the value is not of type \"integer\"".to_owned()]));
        assert!(parameters.is_required("label") && !parameters.is_required("n") && !parameters.is_required("note"));
    }
}
