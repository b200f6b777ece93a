//! What any value must look like: JSON Schema alone, without the short form.

use serde_json::Value;

use super::validator::{Compiled, SchemaError};

/// A JSON Schema for any value. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct ValueSchema(Compiled);

impl ValueSchema {
    /// Compiles a JSON Schema.
    ///
    /// # Errors
    /// What is no JSON Schema, or one that cannot be bounded.
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        if !schema.is_object() && !schema.is_boolean() {
            return Err(SchemaError::new("", "is no JSON Schema: write an object such as {type: object}"));
        }
        Compiled::new(schema.clone()).map(Self)
    }

    /// What is wrong with `value`: the dotted path of each fault, and what it is in words that do not quote the value.
    pub fn faults(&self, value: &Value) -> Vec<(String, String)> {
        self.0.faults(value).into_iter().map(|fault| (fault.path.join("."), fault.message)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_type_may_be_asked_for() {
        let schema = ValueSchema::compile(&json!({"type": "array", "items": {"type": "integer"}})).unwrap();
        assert_eq!(schema.faults(&json!([1, 2])), []);
        let faults = schema.faults(&json!([1, "SECRET"]));
        assert_eq!(faults, [("1".to_owned(), "the value is not of type \"integer\"".to_owned())]);
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for schema in [json!("string"), json!(null), json!([]), json!({"type": "strnig"}), json!({"$ref": "#"})] {
            assert!(ValueSchema::compile(&schema).is_err(), "{schema}");
        }
    }
}
