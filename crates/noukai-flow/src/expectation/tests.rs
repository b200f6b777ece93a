//! Each kind of expectation, held and not, and what is said where it is not.

use noukai_api::Expectation;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn expectation(json: Value) -> Expectation {
    serde_json::from_value(json).unwrap()
}

/// One line per difference.
fn said(expected: Value, result: Value) -> Vec<String> {
    match evaluate(&expectation(expected), &result) {
        Verdict::Holds => Vec::new(),
        Verdict::Differs(differences) => differences.iter().map(line).collect(),
        Verdict::AskModel(part) => vec![format!("ask: {part}")],
    }
}

fn line(difference: &Difference) -> String {
    let Difference { at, message, expected, got } = difference;
    let part =
        |name: &str, text: &Option<String>| text.as_ref().map(|text| format!(" [{name} {text}]")).unwrap_or_default();
    format!("{at}: {message}{}{}", part("expected", expected), part("got", got))
}

#[test]
fn equal_values_are_equal_whatever_the_order_of_their_fields() {
    let result = json!({"label": "bug", "score": 1.0, "tags": ["a", "b"]});
    let same = json!({"kind": "equals", "value": {"tags": ["a", "b"], "score": 1, "label": "bug"}});
    assert_eq!(said(same, result.clone()), Vec::<String>::new());
    assert_eq!(said(json!({"kind": "equals", "value": 1, "at": "score"}), result), Vec::<String>::new());
}

#[test]
fn differences_are_told_with_their_place() {
    let result = json!({"label": "bug", "urgent": "yes", "tags": ["a", "x", "c"], "extra": 1});
    let value = json!({"label": "billing", "urgent": true, "tags": ["a", "b"], "reason": null});
    insta::assert_snapshot!(said(json!({"kind": "equals", "value": value}), result).join("\n"), @r#"
    label: is another value [expected "billing"] [got "bug"]
    urgent: is a text, not a boolean [expected true] [got "yes"]
    tags.1: is another value [expected "b"] [got "x"]
    tags: has another number of items [expected 2 items] [got 3 items]
    reason: is missing [expected null]
    extra: is not expected [got 1]
    "#);
}

#[test]
fn numbers_are_compared_as_numbers_and_exactly() {
    let equals = |value: Value, result: Value| said(json!({"kind": "equals", "value": value}), result).is_empty();
    assert!(equals(json!(2), json!(2.0)));
    assert!(!equals(json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64)));
    assert!(!equals(json!(0.1), json!(0.2)));
    assert!(!equals(json!("1"), json!(1)));
}

#[test]
fn a_subset_may_have_more_around_it() {
    let result = json!({"label": "bug", "items": [{"id": 1, "n": "x"}, {"id": 2}, {"id": 3, "n": "z"}]});
    let subset = |value: Value| said(json!({"kind": "subset", "value": value}), result.clone());
    assert_eq!(subset(json!({})), Vec::<String>::new());
    assert_eq!(subset(json!({"items": [{"id": 1}, {"n": "z"}]})), Vec::<String>::new());
    insta::assert_snapshot!(subset(json!({"label": "other", "more": 1, "items": [{"n": "z"}, {"id": 1}]})).join("\n"), @r#"
    label: is another value [expected "other"] [got "bug"]
    more: is missing [expected 1]
    items: no item after number 2 fits [expected {"id":1}] [got [{"id":1,"n":"x"},{"id":2},{"id":3,"n":"z"}]]
    "#);
    assert_eq!(
        subset(json!({"items": [{"id": 1}, {"id": 2}, {"id": 4}]})),
        ["items.2.id: is another value [expected 4] [got 3]"]
    );
    assert_eq!(subset(json!({"items": [{"id": 9}]})).len(), 1);
}

#[test]
fn texts_are_looked_for_in_what_a_result_says() {
    let contains = |text: &str, result: Value| said(json!({"kind": "contains", "text": text}), result);
    assert_eq!(contains("refund", json!({"message": "Your refund is on its way"})), Vec::<String>::new());
    assert_eq!(contains("\"b\":2", json!({"a": 1, "b": 2})), Vec::<String>::new());
    assert_eq!(contains("", json!(null)), Vec::<String>::new());
    assert_eq!(
        contains("REFUND", json!("refund")),
        ["the text does not contain the expected one [expected \"REFUND\"] [got \"refund\"]"]
            .map(|line| format!(": {line}"))
    );
    let careless = json!({"kind": "contains", "text": "STRASSE", "ignore_case": true});
    assert_eq!(said(careless, json!("Strasse 1")), Vec::<String>::new());
}

#[test]
fn schemas_say_which_part_does_not_fit() {
    let schema = json!({"type": "object", "required": ["label"], "properties": {"n": {"type": "integer"}}});
    let fits = |at: Option<&str>, result: Value| said(json!({"kind": "schema", "schema": schema, "at": at}), result);
    assert_eq!(fits(None, json!({"label": "x", "n": 1})), Vec::<String>::new());
    insta::assert_snapshot!(fits(Some("inner"), json!({"inner": {"n": "one"}})).join("\n"), @r#"
    inner.label: is required
    inner.n: the value is not of type "integer" [got "one"]
    "#);
    let wrong = said(json!({"kind": "schema", "schema": {"type": "strnig"}}), json!(1));
    assert!(wrong[0].contains("is no valid JSON Schema"), "{wrong:?}");
}

#[test]
fn a_path_that_leads_nowhere_says_what_there_is() {
    let result = json!({"items": [{"id": 1}], "empty": {}});
    let at = |path: &str| said(json!({"kind": "equals", "value": 1, "at": path}), result.clone()).join("\n");
    assert_eq!(at("items.0.id"), "");
    insta::assert_snapshot!([at("itmes"), at("items.1"), at("items.0.id.x"), at("empty.a"), at("items..0")].join("\n"), @r#"
    : there is no `itmes` here; there is items, empty [expected `itmes`] [got {"items":[{"id":1}],"empty":{}}]
    items: there is no `1` here; the list has 1 items, counted from 0 [expected `items.1`] [got [{"id":1}]]
    items.0.id: there is no `x` here; it is a number [expected `items.0.id.x`] [got 1]
    empty: there is no `a` here; the object is empty [expected `empty.a`] [got {}]
    items: there is no `` here; the list has 1 items, counted from 0 [expected `items..0`] [got [{"id":1}]]
    "#);
}

#[test]
fn a_rubric_is_for_a_model() {
    let rubric = json!({"kind": "rubric", "rubric": "polite", "at": "message"});
    assert_eq!(said(rubric, json!({"message": "Hello"})), ["ask: \"Hello\""]);
}

#[test]
fn what_is_told_is_bounded() {
    let long = json!({"kind": "equals", "value": "x".repeat(100_000)});
    let [one] = said(long, json!("y".repeat(100_000))).try_into().unwrap();
    assert!(one.len() < 600, "{}", one.len());
    let many: Value = (0..1_000).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>().into();
    assert_eq!(said(json!({"kind": "equals", "value": many}), json!({})).len(), 20);
}

#[test]
fn unknown_words_in_an_expectation_are_refused() {
    for wrong in [
        json!({"kind": "equal", "value": 1}),
        json!({"kind": "equals"}),
        json!({"kind": "equals", "value": 1, "att": "x"}),
        json!({"kind": "contains", "value": "x"}),
        json!({}),
    ] {
        assert!(serde_json::from_value::<Expectation>(wrong.clone()).is_err(), "{wrong}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_equals_and_covers_itself_and_only_itself(one in any_json(), other in any_json()) {
        for kind in ["equals", "subset"] {
            let differences = said(json!({"kind": kind, "value": one}), one.clone());
            prop_assert_eq!(differences, Vec::<String>::new());
        }
        let equal = said(json!({"kind": "equals", "value": one}), other.clone()).is_empty();
        prop_assert_eq!(equal, one == other);
    }
}
