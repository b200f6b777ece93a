//! What crosses between a flow and a block, and how.

use noukai_engine::CodeErrorKind;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::common::*;

async fn through(block: &Block, value: Value) -> Value {
    let sandbox = sandbox();
    sandbox.call(&block.with(json!({}), [value])).await.unwrap().output["x"].clone()
}

#[tokio::test]
async fn numbers_stay_what_they_are() {
    let (python, javascript) = (python(&["x"], "return {'x': x}"), javascript(&["x"], "return {x}"));
    let numbers = json!([
        0,
        -1,
        1.5,
        -2.5e-300,
        1e300,
        9_007_199_254_740_991_i64,
        9_007_199_254_740_993_i64,
        i64::MIN,
        i64::MAX,
        u64::MAX
    ]);
    assert_eq!(through(&python, numbers.clone()).await, numbers);
    assert_eq!(through(&javascript, numbers.clone()).await, numbers);
    assert_eq!(through(&python, json!([1.0, -0.0])).await.to_string(), "[1.0,-0.0]");
    assert_eq!(through(&javascript, json!([1.0, -0.0, 1e21])).await.to_string(), "[1,0,1e+21]");
}

#[tokio::test]
async fn ids_can_be_told_apart_in_javascript() {
    let block = javascript(&["x"], "return {x: {kind: typeof x, next: x + 1n, text: String(x)}}");
    let expected = json!({"kind": "bigint", "next": 9_007_199_254_740_994_i64, "text": "9007199254740993"});
    assert_eq!(through(&block, json!(9_007_199_254_740_993_i64)).await, expected);
}

#[tokio::test]
async fn text_of_any_kind_passes() {
    let text = "zero \0, tab \t, quote \", \u{7f}, ß, \u{2028}, 𝄞, \u{fffd}, \u{10ffff}";
    for block in [python(&["x"], "return {'x': x}"), javascript(&["x"], "return {x}")] {
        assert_eq!(through(&block, json!({ text: text })).await, json!({ text: text }));
    }
    let halved = javascript(&["x"], "return {x: {[x.slice(0, 1)]: x.slice(1)}}");
    assert_eq!(through(&halved, json!("𝄞")).await, json!({"\u{fffd}": "\u{fffd}"}));
}

#[tokio::test]
async fn keys_that_a_language_knows_are_keys_like_others() {
    let object = json!({"__proto__": {"a": 1}, "constructor": 2, "__class__": 3, "toString": null, "": 4, "1": 5});
    for block in [python(&["x"], "return {'x': x}"), javascript(&["x"], "return {x}")] {
        assert_eq!(through(&block, object.clone()).await, object);
        let large = json!({"__proto__": {"a": u64::MAX}, "b": 1});
        assert_eq!(through(&block, large.clone()).await, large);
    }
}

#[tokio::test]
async fn javascript_leaves_out_what_has_no_value() {
    let body = "return {x: [{a: undefined, b: null, [Symbol('c')]: 1}, [undefined, , null], Object.create(null)]}";
    assert_eq!(through(&javascript(&["x"], body), json!(0)).await, json!([{"b": null}, [null, null, null], {}]));
}

#[tokio::test]
async fn what_is_refused_is_refused_with_its_place_and_what_to_do() {
    let cases = [
        (
            python(&[], "return {'a': {'b': [1, {2}]}}"),
            "the output's `a`.b[1] is a set; return plain data: sorted(...) or list(...)",
        ),
        (python(&[], "return {'a': {1: 2}}"), "the output's `a` has a key that is an int, not text; use str(...)"),
        (python(&[], "return [1]"), "the block returned a list; return a dict with the output's fields"),
        (
            javascript(&[], "return {a: {b: [1, NaN]}}"),
            "the output's `a`.b[1] is not a number (NaN), which JSON has no number for; return null or text",
        ),
        (
            javascript(&[], "return {d: new Date(0)}"),
            "the output's `d` is an object of a class; return plain data: a date's toISOString()",
        ),
        (javascript(&[], "return [1]"), "the block returned an array; return an object with the output's fields"),
    ];
    let sandbox = sandbox();
    for (block, message) in cases {
        let error = sandbox.call(&block.with(json!({}), [])).await.unwrap_err();
        assert_eq!((error.kind, &*error.message), (CodeErrorKind::OutputInvalid, message));
    }
}

/// Any JSON that the server lets in.
fn any_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![any::<String>(), "[a-z_]{0,12}", Just("__proto__".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        any::<f64>().prop_filter_map("no number", |number| serde_json::Number::from_f64(number).map(Value::Number)),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::vec((text.clone(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Equal as JavaScript sees it: a number without a fraction is an integer there.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

#[test]
fn any_value_comes_back_as_it_went_in() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sandbox = sandbox();
    let blocks = [python(&["x"], "return {'x': x, 'i': initial}"), javascript(&["x"], "return {x, i: initial}")];
    let mut runner = TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    let check = |(value, extra): (Value, Value)| {
        for (index, block) in blocks.iter().enumerate() {
            let call = block.with(json!({ "e": extra }), [value.clone()]);
            let output = Value::Object(runtime.block_on(sandbox.call(&call)).unwrap().output);
            let expected = json!({"x": value, "i": {"e": extra}});
            let fits = if index == 0 { output == expected } else { same(&output, &expected) };
            prop_assert!(fits, "{output} is not {expected}");
        }
        Ok(())
    };
    runner.run(&(any_value(), any_value()), check).unwrap();
}
