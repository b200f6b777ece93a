//! Outputs that name an object model of the project (`output: {model: Invoice}`) instead of saying a schema.
//!
//! A document is checked and run with the models filled in; here they are found and filled in. Knows nothing of where
//! models are kept.

use serde_json::{Map, Value};

use crate::{Document, operation::walk, schema::TYPES};

/// The name that an output consists of: `{model: NAME}`, where the name is none of a type, which would make it a field
/// called `model`.
pub(crate) fn model_name(output: &Value) -> Option<&str> {
    let fields = output.as_object().filter(|fields| fields.len() == 1)?;
    fields.get("model")?.as_str().filter(|name| !TYPES.contains(name))
}

/// Whether an object model may be called so: 1 to 64 letters, digits, `_` and `-`, and not as a type.
pub fn is_model_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(plain) && !TYPES.contains(&name)
}

/// The steps whose output is an object model, each with the name of that, in tree order.
pub fn model_references(document: &Document) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut copy = document.clone();
    each_output(&mut copy, &mut |step, output| {
        found.extend(model_name(output).map(|name| (step.to_owned(), name.to_owned())));
    });
    found
}

/// The step of that id as it stands in a document; the first, where there are several.
pub fn find_step<'a>(document: &'a Document, step_id: &str) -> Option<&'a Value> {
    let mut found = None;
    walk(document, &mut |visit| {
        if found.is_none() && visit.node.get("id").and_then(Value::as_str) == Some(step_id) {
            found = Some(visit.node);
        }
    });
    found
}

/// The document with its object models filled in, those that `schema` knows; `None`: there is nothing to fill in.
pub fn resolve_models(document: &Document, schema: impl Fn(&str) -> Option<Value>) -> Option<Document> {
    let mut resolved = document.clone();
    let mut changed = false;
    each_output(&mut resolved, &mut |_, output| {
        if let Some(schema) = model_name(output).and_then(&schema) {
            *output = schema;
            changed = true;
        }
    });
    changed.then_some(resolved)
}

fn each_output(document: &mut Value, visit: &mut impl FnMut(&str, &mut Value)) {
    if let Some(steps) = document.get_mut("steps") {
        in_nodes(steps, visit);
    }
}

fn in_nodes(nodes: &mut Value, visit: &mut impl FnMut(&str, &mut Value)) {
    nodes.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut).for_each(|node| in_node(node, visit));
}

fn in_node(node: &mut Map<String, Value>, visit: &mut impl FnMut(&str, &mut Value)) {
    let id = node.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    for kind in ["llm", "code"] {
        if let Some(output) = node.get_mut(kind).and_then(|block| block.get_mut("output")) {
            visit(&id, output);
        }
    }
    for kind in ["sequence", "parallel"] {
        node.get_mut(kind).into_iter().for_each(|nodes| in_nodes(nodes, visit));
    }
    node.get_mut("loop").and_then(|each| each.get_mut("steps")).into_iter().for_each(|nodes| in_nodes(nodes, visit));
    let Some(branch) = node.get_mut("branch") else { return };
    let cases = branch.get_mut("cases").and_then(Value::as_object_mut);
    cases.into_iter().flat_map(Map::values_mut).for_each(|nodes| in_nodes(nodes, visit));
    branch.get_mut("else").into_iter().for_each(|nodes| in_nodes(nodes, visit));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn everywhere() -> Value {
        let block = |id: &str| json!({"id": id, "llm": {"prompt": "x", "output": {"model": "Invoice"}}});
        json!({"steps": [
            block("a"),
            {"id": "s", "sequence": [block("b")]},
            {"id": "p", "parallel": [block("c"), {"id": "code", "code": {"output": {"model": "Line"}}}]},
            {"id": "l", "loop": {"over": "items", "steps": [block("d")]}},
            {"id": "br", "branch": {"on": "x", "cases": {"y": [block("e")]}, "else": [block("f")]}},
            {"id": "none", "llm": {"prompt": "x", "output": {"model": "string"}}},
            {"id": "two", "llm": {"prompt": "x", "output": {"model": "Invoice", "more": "string"}}},
        ]})
    }

    #[test]
    fn models_are_found_wherever_blocks_may_stand() {
        let found = model_references(&everywhere());
        let steps: Vec<&str> = found.iter().map(|(step, _)| step.as_str()).collect();
        assert_eq!(steps, ["a", "b", "c", "code", "d", "e", "f"]);
        assert_eq!(found[3].1, "Line");
    }

    #[test]
    fn known_models_are_filled_in_and_others_stay() {
        let schema = json!({"type": "object", "properties": {"total": {"type": "number"}}});
        let known = |name: &str| (name == "Invoice").then(|| schema.clone());
        let resolved = resolve_models(&everywhere(), known).unwrap();
        assert_eq!(resolved["steps"][4]["branch"]["else"][0]["llm"]["output"], schema);
        assert_eq!(model_references(&resolved), [("code".to_owned(), "Line".to_owned())]);
        assert_eq!(resolve_models(&everywhere(), |_| None), None);
    }

    #[test]
    fn drafts_with_problems_do_no_harm() {
        for draft in [json!(null), json!({"steps": {}}), json!({"steps": [1, {"llm": 2}, {"branch": []}]})] {
            assert!(model_references(&draft).is_empty());
        }
    }

    #[test]
    fn names_are_plain_and_no_types() {
        assert!(is_model_name("Invoice_2-b"));
        for bad in ["", "string", "object", "a b", "ä", &"x".repeat(65)] {
            assert!(!is_model_name(bad), "{bad}");
        }
    }
}
