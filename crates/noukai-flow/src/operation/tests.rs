//! Each operation by example: what it makes of a document, and what it refuses.

use serde_json::{Value, json};

use super::*;

/// A flow with one of everything.
fn flow() -> Value {
    let text = r#"
schema: 1
slug: demo
input: {message: string, items: {type: array}}
steps:
  - {id: classify, llm: {prompt: "Label {{ message }}", output: {label: string, tags: {type: array}}}}
  - id: both
    parallel:
      - {id: reply, llm: {prompt: reply}}
      - {id: summary, llm: {prompt: sum}}
  - id: choose
    branch:
      on: "{{ label }}"
      cases: {bug: [{id: fix, code: {source: return 1}}], other: []}
  - id: each
    loop: {over: items, steps: [{id: one, llm: {prompt: one}}]}
  - {id: last, passthrough: {}}
"#;
    crate::parse(text, crate::Format::Yaml).unwrap()
}

fn operation(value: Value) -> Operation {
    serde_json::from_value(value).unwrap()
}

fn applied(value: Value) -> Applied {
    apply(&flow(), &operation(value.clone()), &Bounds::default()).unwrap_or_else(|refusal| panic!("{value}: {refusal}"))
}

fn refused(value: Value) -> Refusal {
    apply(&flow(), &operation(value), &Bounds::default()).unwrap_err()
}

/// The tree in one line: `a [b c] (d e) loop{f} branch{bug:g else:h}`.
fn tree(document: &Value) -> String {
    list(document["steps"].as_array().unwrap())
}

fn list(nodes: &[Value]) -> String {
    nodes.iter().map(node).collect::<Vec<_>>().join(" ")
}

fn node(node: &Value) -> String {
    let id = node["id"].as_str().unwrap();
    let children = |value: &Value| value.as_array().map(|nodes| list(nodes)).unwrap_or_default();
    match nodes::kind(node) {
        Some("sequence") => format!("[{}]", children(&node["sequence"])),
        Some("parallel") => format!("({})", children(&node["parallel"])),
        Some("loop") => format!("{id}{{{}}}", children(&node["loop"]["steps"])),
        Some("branch") => {
            let cases = node["branch"]["cases"].as_object().unwrap();
            let cases: Vec<String> = cases.iter().map(|(case, nodes)| format!("{case}:{}", children(nodes))).collect();
            let otherwise = node["branch"].get("else").map(|nodes| format!(" else:{}", children(nodes)));
            format!("{id}{{{}{}}}", cases.join(" "), otherwise.unwrap_or_default())
        }
        _ => id.to_owned(),
    }
}

#[test]
fn blocks_come_beside_their_target() {
    let add = |target: Value, direction: Value| {
        let applied = applied(json!({"op": "add_block", "name": "New One", "processor_type": "llm", "prompt": "x",
            "target_id": target, "direction": direction}));
        assert_eq!(applied.created, [Some("new-one".to_owned())]);
        tree(&applied.document)
    };
    for (target, direction, expected) in [
        (json!(null), json!(null), "classify (reply summary) choose{bug:fix other:} each{one} last new-one"),
        (json!(null), json!("left"), "new-one classify (reply summary) choose{bug:fix other:} each{one} last"),
        (json!("classify"), json!("left"), "new-one classify (reply summary) choose{bug:fix other:} each{one} last"),
        (json!("classify"), json!(null), "classify new-one (reply summary) choose{bug:fix other:} each{one} last"),
        (json!("classify"), json!("below"), "(classify new-one) (reply summary) choose{bug:fix other:} each{one} last"),
        (json!("reply"), json!("above"), "classify (new-one reply summary) choose{bug:fix other:} each{one} last"),
        (json!("reply"), json!("right"), "classify ([reply new-one] summary) choose{bug:fix other:} each{one} last"),
        (json!("both"), json!("below"), "classify (reply summary new-one) choose{bug:fix other:} each{one} last"),
        (json!("both"), json!("left"), "classify new-one (reply summary) choose{bug:fix other:} each{one} last"),
        (json!("fix"), json!("right"), "classify (reply summary) choose{bug:fix new-one other:} each{one} last"),
        (json!("one"), json!("above"), "classify (reply summary) choose{bug:fix other:} each{(new-one one)} last"),
    ] {
        assert_eq!(add(target.clone(), direction.clone()), expected, "{target} {direction}");
    }
}

#[test]
fn ids_are_made_of_names_and_stay_unique() {
    let created = |name: &str| {
        applied(json!({"op": "add_block", "name": name, "processor_type": "code"})).created[0].clone().unwrap()
    };
    for (name, id) in [("Last", "last-2"), ("Übersetze das!", "bersetze-das"), ("日本", "step"), ("a_B c", "a_b-c")]
    {
        assert_eq!(created(name), id, "{name}");
    }
    assert!(created(&"long ".repeat(40)).len() <= 64);
    let given = applied(json!({"op": "add_block", "name": "X", "processor_type": "passthrough", "step_id": "My_1"}));
    assert_eq!(given.document["steps"][5], json!({"id": "My_1", "name": "X", "passthrough": {}}));
}

#[test]
fn removing_and_moving_leave_no_empty_container() {
    let one = |value: Value| tree(&applied(value).document);
    assert_eq!(
        one(json!({"op": "remove_block", "step_id": "reply"})),
        "classify (summary) choose{bug:fix other:} each{one} last"
    );
    assert_eq!(
        one(json!({"op": "remove_block", "step_id": "one"})),
        "classify (reply summary) choose{bug:fix other:} each{} last"
    );
    let moves = [
        json!({"op": "move_block", "step_id": "reply", "target_id": "last"}),
        json!({"op": "move_block", "step_id": "summary", "target_id": "reply", "direction": "left"}),
    ];
    let operations: Vec<Operation> = moves.into_iter().map(operation).collect();
    let applied = apply_all(&flow(), &operations, &Bounds::default()).unwrap();
    assert_eq!(tree(&applied.document), "classify choose{bug:fix other:} each{one} last summary reply");
    assert_eq!(applied.summary, "move `reply` after `last`; move `summary` before `reply`");
}

#[test]
fn wrapping_and_unwrapping() {
    let one = |value: Value| tree(&applied(value).document);
    for (value, expected) in [
        (
            json!({"op": "wrap_in_container", "node_ids": ["both", "classify"], "container_type": "v"}),
            "(classify (reply summary)) choose{bug:fix other:} each{one} last",
        ),
        (
            json!({"op": "wrap_in_container", "node_ids": ["summary"], "container_type": "h"}),
            "classify (reply [summary]) choose{bug:fix other:} each{one} last",
        ),
        (
            json!({"op": "wrap_in_loop", "node_ids": ["both", "choose"], "array_field": "tags"}),
            "classify loop{(reply summary) choose{bug:fix other:}} each{one} last",
        ),
        (
            json!({"op": "wrap_in_branch", "node_ids": ["last"], "on": "{{ x }}", "case": "yes"}),
            "classify (reply summary) choose{bug:fix other:} each{one} branch{yes:last}",
        ),
        (
            json!({"op": "unwrap_node", "step_id": "both"}),
            "classify reply summary choose{bug:fix other:} each{one} last",
        ),
        (json!({"op": "unwrap_node", "step_id": "choose"}), "classify (reply summary) fix each{one} last"),
        (json!({"op": "unwrap_node", "step_id": "each"}), "classify (reply summary) choose{bug:fix other:} one last"),
        (
            json!({"op": "update_container", "step_id": "both", "container_type": "h"}),
            "classify [reply summary] choose{bug:fix other:} each{one} last",
        ),
        (
            json!({"op": "update_branch", "step_id": "choose", "add_cases": ["new"], "remove_cases": ["other"]}),
            "classify (reply summary) choose{bug:fix new:} each{one} last",
        ),
        (
            json!({"op": "insert_node", "to": {"parent_id": "choose"}, "node": {"id": "n", "llm": {}}}),
            "classify (reply summary) choose{bug:fix other: else:n} each{one} last",
        ),
        (
            json!({"op": "move_node", "step_id": "one", "to": {"parent_id": "choose", "case": "other", "index": 9}}),
            "classify (reply summary) choose{bug:fix other:one} each{} last",
        ),
    ] {
        assert_eq!(one(value.clone()), expected, "{value}");
    }
}

#[test]
fn a_copy_has_ids_of_its_own() {
    let applied = applied(json!({"op": "duplicate_block", "step_id": "both", "name": "Twin"}));
    assert_eq!(applied.created, [Some("both-copy".to_owned())]);
    let twin = &applied.document["steps"][2];
    assert_eq!(twin["name"], "Twin");
    assert_eq!(nodes::ids_below(twin), ["both-copy", "reply-copy", "summary-copy"]);
    assert_eq!(applied.touched.steps, ["both-copy", "reply-copy", "summary-copy"]);
    assert_eq!(applied.content_changed, ["reply-copy", "summary-copy"]);
}

#[test]
fn fields_of_blocks_are_set_and_taken_away() {
    let block = |value: Value, id: &str| nodes::find(&applied(value).document, id).unwrap().0.clone();
    for (value, id, expected) in [
        (
            json!({"op": "update_block_draft", "step_id": "reply", "content": "new"}),
            "reply",
            json!({"id": "reply", "llm": {"prompt": "new"}}),
        ),
        (
            json!({"op": "update_block_draft", "step_id": "fix", "content": "return 2"}),
            "fix",
            json!({"id": "fix", "code": {"source": "return 2"}}),
        ),
        (
            json!({"op": "update_block_output_schema", "step_id": "reply", "content": [{"name": "text", "type": "string"},
                {"name": "n", "type": "integer", "description": "how many"}]}),
            "reply",
            json!({"id": "reply", "llm": {"prompt": "reply",
                "output": {"text": "string", "n": {"type": "integer", "description": "how many"}}}}),
        ),
        (
            json!({"op": "update_block_input_schema", "step_id": "fix", "content": ["a", "b"]}),
            "fix",
            json!({"id": "fix", "code": {"source": "return 1", "input": ["a", "b"]}}),
        ),
        (
            json!({"op": "update_block_config", "step_id": "reply", "config": {"temperature": 0, "seed": null},
                "processor_config": {"tools_enabled": true, "timeout_ms": 5, "retry": null}}),
            "reply",
            json!({"id": "reply", "timeout_ms": 5,
                "llm": {"prompt": "reply", "tools_enabled": true, "config": {"temperature": 0}}}),
        ),
        (
            json!({"op": "update_block_model", "step_id": "reply", "model": "a/b", "fallback_models": ["c/d"]}),
            "reply",
            json!({"id": "reply", "llm": {"prompt": "reply", "model": "a/b", "fallback_models": ["c/d"]}}),
        ),
        (
            json!({"op": "update_block", "step_id": "classify", "name": "Sort", "content": "p", "output_schema": null,
                "notes": "why"}),
            "classify",
            json!({"id": "classify", "name": "Sort", "notes": "why", "llm": {"prompt": "p"}}),
        ),
        (
            json!({"op": "update_block_name", "step_id": "both", "name": "Both"}),
            "both",
            json!({"id": "both", "name": "Both", "parallel": flow()["steps"][1]["parallel"]}),
        ),
        (
            json!({"op": "update_loop", "step_id": "each", "array_field": "classify.tags", "concurrency": 4,
                "on_item_error": "continue"}),
            "each",
            json!({"id": "each", "loop": {"over": "classify.tags", "concurrency": 4, "on_item_error": "continue",
                "steps": [{"id": "one", "llm": {"prompt": "one"}}]}}),
        ),
        (
            json!({"op": "convert_block", "step_id": "classify", "processor_type": "code"}),
            "classify",
            json!({"id": "classify", "code": {"output": {"label": "string", "tags": {"type": "array"}}}}),
        ),
    ] {
        assert_eq!(block(value.clone(), id), expected, "{value}");
    }
}

#[test]
fn the_top_of_the_document_changes_too() {
    let document = applied(json!({"op": "update_flow", "name": "N", "description": "d", "kind": "chat"})).document;
    assert_eq!([&document["name"], &document["description"], &document["kind"]], ["N", "d", "chat"]);
    let input = applied(json!({"op": "update_flow_input_schema", "content": [{"name": "tone", "type": "string"}]}));
    assert_eq!(input.document["input"], json!({"tone": "string"}));
    assert_eq!(input.touched.flow, ["input"]);
    assert!(applied(json!({"op": "update_flow_input_schema", "content": null})).document.get("input").is_none());
}

#[test]
fn refusals_say_what_to_do() {
    for (value, code, word) in [
        (json!({"op": "remove_block", "step_id": "clasify"}), RefusalCode::StepNotFound, "did you mean `classify`?"),
        (
            json!({"op": "move_block", "step_id": "both", "target_id": "reply"}),
            RefusalCode::IntoItself,
            "move `reply` out",
        ),
        (json!({"op": "move_block", "step_id": "both", "target_id": "both"}), RefusalCode::IntoItself, "another step"),
        (json!({"op": "move_node", "step_id": "each", "to": {"parent_id": "each"}}), RefusalCode::IntoItself, "itself"),
        (
            json!({"op": "move_node", "step_id": "last", "to": {"parent_id": "reply"}}),
            RefusalCode::WrongKind,
            "holds no steps",
        ),
        (
            json!({"op": "move_node", "step_id": "last", "to": {"parent_id": "choose", "case": "buug"}}),
            RefusalCode::InvalidValue,
            "did you mean `bug`?",
        ),
        (
            json!({"op": "wrap_in_loop", "node_ids": ["both"], "array_field": "tagz"}),
            RefusalCode::UnknownField,
            "did you mean `tags`?",
        ),
        (
            json!({"op": "wrap_in_loop", "node_ids": ["classify"], "array_field": "itemz"}),
            RefusalCode::UnknownField,
            "update_flow_input_schema",
        ),
        (
            json!({"op": "wrap_in_loop", "node_ids": ["last"], "array_field": "items"}),
            RefusalCode::UnknownField,
            "write `initial.items`",
        ),
        (
            json!({"op": "wrap_in_loop", "node_ids": ["both"], "array_field": "label"}),
            RefusalCode::InvalidValue,
            "type string",
        ),
        (
            json!({"op": "update_loop", "step_id": "each", "array_field": "{{ x }}"}),
            RefusalCode::InvalidValue,
            "no path",
        ),
        (
            json!({"op": "wrap_in_loop", "node_ids": [], "array_field": "tags"}),
            RefusalCode::InvalidValue,
            "at least one",
        ),
        (
            json!({"op": "wrap_in_container", "node_ids": ["classify", "choose"], "container_type": "h"}),
            RefusalCode::NotSideBySide,
            "between `classify` and `choose`",
        ),
        (
            json!({"op": "wrap_in_container", "node_ids": ["classify", "reply"], "container_type": "h"}),
            RefusalCode::NotSideBySide,
            "same container",
        ),
        (
            json!({"op": "wrap_in_container", "node_ids": ["last", "last"], "container_type": "h"}),
            RefusalCode::NotSideBySide,
            "twice",
        ),
        (json!({"op": "unwrap_node", "step_id": "last"}), RefusalCode::WrongKind, "only containers"),
        (json!({"op": "update_block_draft", "step_id": "each", "content": "x"}), RefusalCode::WrongKind, "not a block"),
        (
            json!({"op": "update_block_draft", "step_id": "last", "content": "x"}),
            RefusalCode::WrongKind,
            "convert_block",
        ),
        (
            json!({"op": "update_block_model", "step_id": "fix", "model": "a/b"}),
            RefusalCode::WrongKind,
            "calls no model",
        ),
        (
            json!({"op": "update_block_input_schema", "step_id": "reply", "content": ["a"]}),
            RefusalCode::WrongKind,
            "update_block_draft",
        ),
        (
            json!({"op": "update_block_config", "step_id": "reply", "processor_config": {"tool_enabled": true}}),
            RefusalCode::InvalidValue,
            "did you mean `tools_enabled`?",
        ),
        (
            json!({"op": "update_branch", "step_id": "choose", "remove_cases": ["bug"]}),
            RefusalCode::NotEmpty,
            "move or remove",
        ),
        (
            json!({"op": "update_container", "step_id": "each", "name": "x"}),
            RefusalCode::WrongKind,
            "sequence and parallel",
        ),
        (json!({"op": "add_block", "name": " ", "processor_type": "llm"}), RefusalCode::InvalidValue, "is empty"),
        (
            json!({"op": "add_block", "name": "x", "processor_type": "llm", "direction": "above"}),
            RefusalCode::InvalidValue,
            "target_id",
        ),
        (
            json!({"op": "add_block", "name": "x", "processor_type": "llm", "step_id": "last"}),
            RefusalCode::DuplicateId,
            "another id",
        ),
        (
            json!({"op": "insert_node", "to": {}, "node": {"id": "new", "sequence": [{"id": "last"}]}}),
            RefusalCode::DuplicateId,
            "`last`",
        ),
        (json!({"op": "set_field", "step_id": "last", "path": ["id"], "value": "x"}), RefusalCode::InvalidValue, "id"),
        (json!({"op": "clear_field", "path": ["nam"]}), RefusalCode::InvalidValue, "nothing to take away"),
    ] {
        let refusal = refused(value.clone());
        assert_eq!(refusal.code, code, "{value}: {refusal}");
        assert!(refusal.message.contains(word), "{value}: {refusal}");
    }
}

#[test]
fn arguments_that_do_not_exist_are_refused() {
    for (value, word) in [
        (json!({"op": "add_blok"}), "add_block"),
        (json!({"op": "remove_block", "step_id": "x", "force": true}), "force"),
        (json!({"op": "remove_block"}), "step_id"),
        (json!({"op": "move_node", "step_id": "x", "to": {"parent": "y"}}), "parent_id"),
    ] {
        let error = serde_json::from_value::<Operation>(value).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_list_is_applied_as_a_whole_or_not_at_all() {
    let operations = [
        json!({"op": "add_block", "name": "One", "processor_type": "llm"}),
        json!({"op": "update_block_draft", "step_id": "one-2", "content": "x"}),
        json!({"op": "remove_block", "step_id": "gone"}),
    ]
    .map(operation);
    let refusal = apply_all(&flow(), &operations, &Bounds::default()).unwrap_err();
    assert_eq!((refusal.operation, refusal.code), (2, RefusalCode::StepNotFound));
    let applied = apply_all(&flow(), &operations[..2], &Bounds::default()).unwrap();
    assert_eq!(applied.created, [Some("one-2".to_owned()), None]);
    assert_eq!(apply_all(&applied.document, &applied.inverse, &Bounds::default()).unwrap().document, flow());
}

#[test]
fn what_changes_nothing_is_no_change() {
    let applied = applied(json!({"op": "update_block_draft", "step_id": "reply", "content": "reply"}));
    assert!(!applied.is_change() && applied.touched.is_empty() && applied.content_changed.is_empty());
}

#[test]
fn drafts_that_are_no_flow_can_be_worked_on() {
    let apply = |document: Value, value: Value| apply(&document, &operation(value), &Bounds::default());
    let add = || json!({"op": "add_block", "name": "One", "processor_type": "llm", "prompt": "x"});
    assert_eq!(
        apply(json!({}), add()).unwrap().document,
        json!({"steps": [{"id": "one", "name": "One", "llm": {"prompt": "x"}}]})
    );
    assert_eq!(apply(json!({"steps": "none"}), add()).unwrap_err().code, RefusalCode::Unreadable);
    assert_eq!(apply(json!([]), add()).unwrap_err().code, RefusalCode::Unreadable);
    let twice = json!({"steps": [{"id": "a", "llm": {}}, {"id": "a", "llm": {}}, {"id": "b", "llm": {}}]});
    let of = |id: &str| json!({"op": "update_block_draft", "step_id": id, "content": "x"});
    assert_eq!(apply(twice.clone(), of("a")).unwrap_err().code, RefusalCode::AmbiguousId);
    let b = apply(twice, of("b")).unwrap();
    assert_eq!(b.document["steps"][2]["llm"]["prompt"], "x");
    // The way back names no step, so that anything later keeps it from being undone.
    assert!(b.touched.everything);
    let null = apply(json!({"steps": [{"id": "a", "llm": null}]}), of("a")).unwrap();
    assert_eq!(null.document["steps"][0]["llm"], json!({"prompt": "x"}));
    let empty = apply(json!({"steps": []}), json!({"op": "remove_block", "step_id": "a"})).unwrap_err();
    assert!(empty.message.contains("add_block"), "{empty}");
}

#[test]
fn flows_grow_no_larger_than_their_bounds() {
    let blocks: Vec<Value> =
        (0..500).map(|number| json!({"id": format!("b{number}"), "llm": {"prompt": "x"}})).collect();
    let full = json!({"schema": 1, "slug": "demo", "steps": blocks});
    let add = operation(json!({"op": "add_block", "name": "One more", "processor_type": "llm"}));
    let refusal = apply(&full, &add, &Bounds::default()).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::TooLarge, "{refusal}");
    let edit = operation(json!({"op": "update_block_draft", "step_id": "b499", "content": "y"}));
    assert_eq!(apply(&full, &edit, &Bounds::default()).unwrap().inverse.len(), 1);

    let mut document = json!({"schema": 1, "slug": "demo", "steps": [{"id": "deep", "llm": {"prompt": "x"}}]});
    let wrap = operation(json!({"op": "wrap_in_container", "node_ids": ["deep"], "container_type": "h"}));
    for _ in 0..16 {
        document = apply(&document, &wrap, &Bounds::default()).unwrap().document;
    }
    assert!(crate::check(&document, &Bounds::default()).flow.is_some());
    assert_eq!(apply(&document, &wrap, &Bounds::default()).unwrap_err().code, RefusalCode::TooLarge);
}

#[test]
fn what_could_not_be_read_again_is_refused() {
    let deep = (0..70).fold(json!(1), |value, _| json!([value]));
    let long = json!("x".repeat(1_000_001));
    let many = json!(vec![1; 100_001]);
    for value in [deep, long, many] {
        let refusal = refused(json!({"op": "set_field", "path": ["name"], "value": value}));
        assert_eq!(refusal.code, RefusalCode::TooLarge, "{refusal}");
    }
    // The deepest that is taken can be read in both spellings.
    let mut value = json!(1);
    loop {
        let set = operation(json!({"op": "set_field", "path": ["name"], "value": value}));
        let Ok(applied) = apply(&flow(), &set, &Bounds::default()) else { break };
        for format in [crate::Format::Json, crate::Format::Yaml] {
            assert!(crate::parse(&applied.document.to_string(), format).is_ok());
        }
        value = json!([value]);
    }
}

#[test]
fn later_changes_of_the_same_node_stand_in_the_way_of_undo() {
    let touched = |first: Value, second: Value| {
        let one = applied(first);
        let two = apply(&one.document, &operation(second), &Bounds::default()).unwrap();
        one.touched.met_by(&two.touched)
    };
    let prompt = |id: &str| json!({"op": "update_block_draft", "step_id": id, "content": "other"});
    let other = |id: &str| json!({"op": "update_block_draft", "step_id": id, "content": "another"});
    let add = |target: &str| json!({"op": "add_block", "name": "New", "processor_type": "llm", "target_id": target});
    let wrap = || json!({"op": "wrap_in_loop", "node_ids": ["last"], "array_field": "initial.items"});
    assert_eq!(touched(prompt("reply"), other("reply")).as_deref(), Some("the step `reply`"));
    assert_eq!(touched(prompt("reply"), prompt("summary")), None);
    assert_eq!(touched(wrap(), add("last")).as_deref(), Some("the step `loop`"));
    assert_eq!(touched(add("one"), prompt("one")), None);
    let flow = |key: &str, text: &str| json!({"op": "update_flow", key: text});
    assert_eq!(touched(flow("name", "x"), flow("name", "y")).as_deref(), Some("the flow's `name`"));
    assert_eq!(touched(flow("name", "x"), flow("description", "y")), None);
}

#[test]
fn edit_scripts_are_short_and_name_what_they_do() {
    let from = flow();
    let mut to = flow();
    to["name"] = json!("Demo");
    to["steps"][0]["llm"]["prompt"] = json!("Sort {{ message }}");
    to["steps"][0]["llm"]["config"] = json!({"temperature": 0});
    let last = to["steps"].as_array_mut().unwrap().remove(4);
    to["steps"][3]["loop"]["steps"].as_array_mut().unwrap().push(last);
    to["steps"][1] = json!({"id": "greet", "llm": {"prompt": "Hi"}});
    let script = edit_script(&from, &to);
    let said: Vec<String> = script.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    set name of the flow
    insert the llm `greet` at steps[1]
    move `last` to `each`[1]
    remove `both`
    set content of `classify`
    set llm.config of `classify` to {"temperature":0}
    "#);
}

#[test]
fn large_rewrites_take_the_steps_as_a_whole() {
    let blocks = |numbers: &mut dyn Iterator<Item = usize>| {
        let blocks: Vec<Value> = numbers.map(|number| json!({"id": format!("b{number}"), "llm": {}})).collect();
        json!({"steps": blocks})
    };
    let (from, to) = (blocks(&mut (0..3000)), blocks(&mut (0..3000).rev()));
    let script = edit_script(&from, &to);
    assert_eq!(script.len(), 1);
    assert_eq!(apply_all(&from, &script, &Bounds::default()).unwrap().document, to);
}
