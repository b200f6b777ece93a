//! Values for schemas: each fits its schema.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::echo::sample_value as value;

fn check(schema: &Value, filler: &str) -> Value {
    let value = value(schema, filler);
    let validator = jsonschema::validator_for(schema).unwrap();
    assert!(validator.is_valid(&value), "{value} does not fit {schema}");
    value
}

#[test]
fn the_smallest_value() {
    for (schema, expected) in [
        (json!({"type": "string"}), json!("a cat")),
        (json!({"type": "string", "maxLength": 3}), json!("a c")),
        (json!({"type": "string", "minLength": 8}), json!("a cata c")),
        (json!({"type": "string", "pattern": "^[A-Z]{3}-\\d+$"}), json!("AAA-0")),
        (json!({"type": "string", "pattern": "^x+$", "minLength": 4}), json!("xxxx")),
        (json!({"type": "string", "pattern": "^(yes|no)$"}), json!("yes")),
        (json!({"type": "string", "format": "date"}), json!("2000-01-01")),
        (json!({"type": "string", "enum": ["b", "a"]}), json!("b")),
        (json!({"type": ["null", "string"], "enum": [null, "a"]}), json!("a")),
        (json!({"const": {"a": 1}}), json!({"a": 1})),
        (json!({"type": "integer"}), json!(0)),
        (json!({"type": "integer", "minimum": 3}), json!(3)),
        (json!({"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5}), json!(5)),
        (json!({"type": "integer", "maximum": -3}), json!(-3)),
        (json!({"type": "number", "minimum": 0.5, "maximum": 1}), json!(0.5)),
        (json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1}), json!(0.5)),
        (json!({"type": "number", "multipleOf": 0.01, "minimum": 0.105}), json!(0.11)),
        (json!({"type": "boolean"}), json!(false)),
        (json!({"type": "null"}), json!(null)),
        (json!({"type": ["string", "null"]}), json!("a cat")),
        (json!({"type": "array", "items": {"type": "integer"}}), json!([0])),
        (json!({"type": "array", "maxItems": 0}), json!([])),
        (json!({"type": "array", "minItems": 2, "items": {"const": 1}}), json!([1, 1])),
        (json!({"type": "array", "minItems": 3, "uniqueItems": true, "items": {"type": "integer"}}), json!([0, 1, 2])),
        (
            json!({"type": "array", "minItems": 2, "uniqueItems": true, "items": {"type": "string"}}),
            json!(["a cat", "2 a cat"]),
        ),
        (json!({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": false}), json!([1, 2])),
        (json!({"type": "object"}), json!({})),
        (json!({"properties": {"a": {"type": "integer"}, "b": {}}}), json!({"a": 0, "b": "a cat"})),
        (json!({"properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]}), json!({"a": 0})),
        (json!({"type": "object", "required": ["free"]}), json!({"free": "a cat"})),
        (
            json!({"type": "object", "minProperties": 1, "additionalProperties": {"type": "integer"}}),
            json!({"key1": 0}),
        ),
        (json!({"anyOf": [{"type": "null"}, {"type": "integer"}]}), json!(0)),
        (json!({"oneOf": [{"type": "integer", "minimum": 2}, {"type": "string"}]}), json!(2)),
        (json!({"allOf": [{"type": "integer", "minimum": 2}, {"minimum": 4}]}), json!(4)),
        (json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer", "minimum": 1}}}), json!(1)),
        (json!({}), json!("a cat")),
        (json!(true), json!("a cat")),
    ] {
        assert_eq!(check(&schema, "a cat"), expected, "{schema}");
    }
}

#[test]
fn recursive_schemas_end() {
    let tree = json!({
        "$ref": "#/$defs/node",
        "$defs": {"node": {"type": "object", "required": ["name", "children", "next"], "properties": {
            "name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        }}},
    });
    assert_eq!(check(&tree, "x"), json!({"name": "x", "children": [], "next": null}));
    let optional = json!({"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});
    check(&optional, "x");
    for endless in [
        json!({"$ref": "#"}),
        json!({"type": "object", "required": ["a", "b"], "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}}),
    ] {
        value(&endless, "x");
    }
}

#[test]
fn demands_beyond_reason_are_bounded() {
    let mut nested = json!({"type": "string"});
    for _ in 0..6 {
        nested = json!({"type": "array", "minItems": 1_000_000_000, "items": nested});
    }
    for schema in [
        nested,
        json!({"type": "string", "minLength": 1_000_000_000_000_u64}),
        json!({"type": "object", "minProperties": 1_000_000_000}),
        json!({"type": "string", "pattern": "((a{900}){900}){900}"}),
        json!({"type": "string", "pattern": "(((){900}){900}){900}"}),
        json!({"type": "string", "pattern": "(?=x)\\1"}),
        json!({"type": "string", "pattern": "["}),
        json!({"type": "number", "minimum": 1e300}),
        json!({"type": "number", "exclusiveMinimum": 79_228_162_514_264_337_593_543_950_335_u128 as f64}),
        json!({"type": "integer", "minimum": 9e27, "multipleOf": 7e27}),
        json!({"type": "number", "multipleOf": 1e-28, "minimum": 5}),
        json!({"type": "integer", "multipleOf": 1e-28}),
        json!(false),
        json!({"type": "nonsense"}),
        json!({"type": 7, "enum": 3, "required": "a", "properties": [], "items": 1, "$ref": 9, "anyOf": {}}),
        json!({"enum": []}),
        json!({"anyOf": []}),
    ] {
        assert!(value(&schema, &"long ".repeat(100_000)).to_string().len() < 20_000_000);
    }
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0u64..6, 0u64..6)
            .prop_map(|(least, more)| json!({"type": "string", "minLength": least, "maxLength": least + more})),
        (-20i64..20, 0i64..20)
            .prop_map(|(low, more)| json!({"type": "integer", "minimum": low, "maximum": low + more})),
        (-20i64..20, 1i64..20).prop_map(|(low, more)| {
            json!({"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + more})
        }),
        (-20i64..20, 1i64..9)
            .prop_map(|(low, step)| json!({"type": "integer", "exclusiveMinimum": low, "multipleOf": step})),
        Just(json!({"type": ["boolean", "null"]})),
        proptest::collection::vec("[a-z]{0,3}", 1..4).prop_map(|names| json!({"enum": names})),
        "[a-c]{1,3}[0-9]{2}(x|yz)+"
            .prop_map(|pattern| json!({"type": "string", "pattern": format!("^{pattern}[a-f]*$")})),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (inner.clone(), 0u64..4, 0u64..3).prop_map(|(items, least, more)| {
                json!({"type": "array", "items": items, "minItems": least, "maxItems": least + more})
            }),
            (proptest::collection::btree_map("[a-e]", inner.clone(), 0..4), any::<bool>(), any::<bool>()).prop_map(
                |(properties, required, open)| {
                    let names: Vec<_> = properties.keys().take(2).cloned().collect();
                    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": open});
                    if required {
                        schema["required"] = json!(names);
                    }
                    schema
                }
            ),
            proptest::collection::vec(inner.clone(), 1..3).prop_map(|branches| json!({"anyOf": branches})),
            inner.prop_map(|schema| json!({"allOf": [schema]})),
        ]
    })
}

proptest! {
    #[test]
    fn values_fit_their_schemas(schema in schema(), filler in "\\PC{0,12}") {
        check(&schema, &filler);
    }
}
