//! The published spelling, by example.

use serde_json::json;

use super::*;

fn flow() -> Document {
    let text = r#"
schema: 1
slug: demo
steps:
  - id: classify
    name: Classify mail
    notes: first of all
    timeout_ms: 9
    llm:
      model: a/b
      system: "You know {{ topic }}"
      prompt: "Label {{ message }} and {{ message }}"
      config: {temperature: 0}
      tools_enabled: true
      output: {label: string}
  - id: choose
    branch:
      on: "{{ label }}"
      cases: {bug: [{id: fix, code: {language: python, input: {n: {type: integer, default: 1}}, source: return 1}}]}
      else: [{id: both, parallel: [{id: each, loop: {over: items, steps: [{id: end, passthrough: {}}]}}]}]
"#;
    crate::parse(text, crate::Format::Yaml).unwrap()
}

#[test]
fn blocks_have_their_published_fields() {
    let blocks = serde_json::to_value(blocks(&flow())).unwrap();
    assert_eq!(
        blocks,
        json!([
            {"step_id": "classify", "name": "Classify mail", "processor_type": "llm", "model": "a/b",
             "prompt": "Label {{ message }} and {{ message }}", "input_schema": [{"name": "message"}, {"name": "topic"}],
             "output_schema": {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"],
                "additionalProperties": false},
             "config": {"temperature": 0}, "notes": "first of all",
             "processor_config": {"tools_enabled": true, "system": "You know {{ topic }}", "timeout_ms": 9}},
            {"step_id": "fix", "name": "fix", "processor_type": "code", "parent_id": "choose", "prompt": "return 1",
             "input_schema": [{"name": "n", "type": "integer", "default": 1}], "config": {},
             "processor_config": {"language": "python"}},
            {"step_id": "end", "name": "end", "processor_type": "passthrough", "parent_id": "each", "input_schema": [],
             "config": {}, "processor_config": {}},
        ])
    );
    assert_eq!(block(&flow(), "fix").unwrap().prompt.as_deref(), Some("return 1"));
    assert_eq!(block(&flow(), "both").unwrap_err().code, RefusalCode::WrongKind);
    assert_eq!(block(&flow(), "fux").unwrap_err().code, RefusalCode::StepNotFound);
}

#[test]
fn the_structure_has_every_node() {
    assert_eq!(
        serde_json::to_value(structure(&flow())).unwrap(),
        json!([
            {"step_id": "classify", "name": "Classify mail", "node_type": "block", "processor_type": "llm"},
            {"step_id": "choose", "name": "choose", "node_type": "branch", "on": "{{ label }}", "cases": [
                {"case": "bug", "children": [{"step_id": "fix", "name": "fix", "node_type": "block", "processor_type": "code"}]},
                {"case": null, "children": [{"step_id": "both", "name": "both", "node_type": "container", "container_type": "v",
                    "children": [{"step_id": "each", "name": "each", "node_type": "loop", "array_field": "items",
                        "children": [{"step_id": "end", "name": "end", "node_type": "block",
                            "processor_type": "passthrough"}]}]}]},
            ]},
        ])
    );
    assert!(structure(&json!([])).is_empty());
    let odd = structure(&json!({"steps": [{}, 7, {"id": "a", "llm": {}, "sequence": [{"id": "b", "code": {}}]}]}));
    assert_eq!(odd.iter().map(|node| node.node_type).collect::<Vec<_>>(), [NodeType::Unknown; 3]);
    assert_eq!(odd[2].children.as_ref().unwrap()[0].step_id, "b");
}

#[test]
fn lists_of_fields_are_schemas_and_back() {
    let fields = vec![
        json!({"name": "label", "type": "string"}),
        json!({"name": "n", "type": "integer", "description": "how many"}),
        json!({"name": "note", "type": "string", "required": false}),
    ];
    let schema = schema_of_fields(&fields).unwrap();
    assert_eq!(
        schema,
        json!({"label": "string", "n": {"type": "integer", "description": "how many"}, "note": {"type": "string", "required": false}})
    );
    assert_eq!(fields_of_schema(&schema), fields);
    assert_eq!(schema_of_fields(&[json!({"name": "a"}), json!("b")]).unwrap(), json!({"a": "string", "b": "string"}));
    assert_eq!(fields_of_schema(&json!(["a", "b"])), [json!({"name": "a"}), json!({"name": "b"})]);
    for (bad, word) in [(json!([{"type": "string"}]), "no name"), (json!([1]), "no name"), (json!(["a", "a"]), "twice")]
    {
        assert!(schema_of_fields(bad.as_array().unwrap()).unwrap_err().contains(word), "{bad}");
    }
}
