//! What a block must give.

use std::sync::Arc;

use serde_json::Value;

use super::{
    short,
    validator::{Compiled, SchemaError},
};

/// What an output must look like: always an object. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct OutputSchema(Compiled);

impl OutputSchema {
    /// Compiles a JSON Schema (`type: object`) or a short form, whose fields are all required and the only ones.
    ///
    /// # Errors
    /// A schema that is neither, or does not compile.
    pub fn compile(document: &Value) -> Result<Self, SchemaError> {
        Compiled::new(short::json_schema(document, true)?).map(Self)
    }

    /// As JSON Schema.
    pub fn json(&self) -> &Arc<Value> {
        self.0.json()
    }

    /// What is wrong with `value`, each with its path (`items.0.label: ...`); empty: it fits. Does not quote the value.
    pub fn validate(&self, value: &Value) -> Vec<String> {
        self.0.faults(value).into_iter().map(|fault| fault.to_string()).collect()
    }

    /// The names of the fields, in order.
    pub fn fields(&self) -> &[String] {
        self.0.fields()
    }

    /// Whether only the named fields may be there.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn outputs_are_validated_without_being_quoted() {
        let short = json!({"label": {"type": "string", "enum": ["bug", "other"]}, "urgent": "boolean", "tags": {"type": "array", "items": {"type": "string"}}});
        let schema = OutputSchema::compile(&short).unwrap();
        assert_eq!(schema.fields(), ["label", "urgent", "tags"]);
        assert!(schema.is_closed());
        assert!(schema.validate(&json!({"label": "bug", "urgent": true, "tags": ["a"]})).is_empty());
        let problems = schema.validate(&json!({"label": "SECRET", "urgent": "SECRET", "tags": ["a", 77]}));
        insta::assert_snapshot!(problems.join("\n"), @r#"
        label: the value is not one of "bug" or "other"
        urgent: the value is not of type "boolean"
        tags.1: the value is not of type "string"
        "#);
        let problems = schema.validate(&json!({"label": "bug", "extra": "SECRET"}));
        insta::assert_snapshot!(problems.join("\n"), @r"
        urgent: is required
        tags: is required
        Additional properties are not allowed ('extra' was unexpected)
        ");
        assert_eq!(schema.validate(&json!("SECRET")).len(), 1);
    }

    /// A chain of definitions of which each needs the next one twice.
    fn doubling(length: usize) -> Value {
        let next = |at: usize| json!({"$ref": format!("#/$defs/d{}", at + 1)});
        let mut defs: serde_json::Map<_, _> =
            (0..length).map(|at| (format!("d{at}"), json!({"allOf": [next(at), next(at)]}))).collect();
        defs.insert(format!("d{length}"), json!({}));
        json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs})
    }

    fn chain(length: usize) -> Value {
        let next = |at: usize| json!({"$ref": format!("#/$defs/d{}", (at + 1) % length)});
        let defs: serde_json::Map<_, _> = (0..length).map(|at| (format!("d{at}"), next(at))).collect();
        json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs})
    }

    #[test]
    fn what_does_not_compile_is_refused() {
        for schema in [
            json!({"type": "object", "properties": {"a": {"type": "strnig"}}}),
            json!({"a": {"type": "strnig"}}),
            json!({"a": {"type": "string", "pattern": "("}}),
            json!({"a": {"$ref": "https://example.com/schema.json"}}),
            json!({"a": {"$ref": "file:///etc/passwd"}}),
            json!({"a": {"$ref": "#/nowhere"}}),
            json!({"type": "object", "properties": {}, "allOf": [{"$ref": "#"}]}),
            json!({"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}),
            json!({"a": {"$anchor": "x", "$ref": "#x"}}),
            json!({"a": {"$dynamicAnchor": "x", "$dynamicRef": "#x"}}),
            json!({"a": {"$ref": "#/properties/%61"}}),
            json!({"a": {"$id": "https://example.com/", "$ref": "#"}}),
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "id": "x", "allOf": [{"$ref": "#"}]}),
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "a": {"dependentSchemas": {"b": {"$ref": "#/a"}}}}),
            doubling(40),
            chain(100_000),
            json!({"a": {"type": "string", "pattern": "(((a{1000}){1000}){1000})"}}),
        ] {
            assert!(OutputSchema::compile(&schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn recursive_schemas_are_fine() {
        let tree = json!({"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}});
        let schema = OutputSchema::compile(&tree).unwrap();
        assert!(schema.validate(&json!({"children": [{"children": []}]})).is_empty());
        assert_eq!(schema.validate(&json!({"children": [{"children": [1]}]})).len(), 1);
    }

    #[test]
    fn hostile_patterns_take_linear_time() {
        let schema = OutputSchema::compile(&json!({"a": {"type": "string", "pattern": "^(a+)+$"}})).unwrap();
        assert_eq!(schema.validate(&json!({"a": format!("{}!", "a".repeat(100_000))})).len(), 1);
    }
}
