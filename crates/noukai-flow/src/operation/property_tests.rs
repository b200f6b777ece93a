//! What holds for any documents and any operations.

use proptest::{prelude::*, sample::Index};
use serde_json::{Map, Value, json};

use super::*;
use crate::{Format, parse};

/// A tree without ids.
#[derive(Debug, Clone)]
enum Shape {
    Leaf { kind: u8, fields: u8 },
    Row { parallel: bool, named: bool, children: Vec<Shape> },
    Loop { fields: u8, children: Vec<Shape> },
    Branch { cases: Vec<(u8, Vec<Shape>)>, otherwise: Option<Vec<Shape>> },
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = (0..3_u8, any::<u8>()).prop_map(|(kind, fields)| Shape::Leaf { kind, fields });
    leaf.prop_recursive(4, 24, 4, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (any::<bool>(), any::<bool>(), list()).prop_map(|(parallel, named, children)| Shape::Row {
                parallel,
                named,
                children
            }),
            (any::<u8>(), list()).prop_map(|(fields, children)| Shape::Loop { fields, children }),
            (prop::collection::vec((0..3_u8, list()), 0..3), prop::option::of(list()))
                .prop_map(|(cases, otherwise)| Shape::Branch { cases, otherwise }),
        ]
    })
}

/// Ids of a small pool, so that two documents share some.
const POOL: usize = 24;

pub(crate) fn document() -> impl Strategy<Value = Value> {
    let ids = Just((0..POOL).collect::<Vec<usize>>()).prop_shuffle();
    (prop::collection::vec(shape(), 0..5), ids, any::<u8>()).prop_map(|(shapes, mut ids, top)| {
        let steps: Vec<Value> = shapes.iter().filter_map(|shape| node(shape, &mut ids)).collect();
        let mut document = json!({"schema": 1, "slug": "demo", "steps": steps});
        for (bit, key, value) in [
            (1, "name", json!("Demo")),
            (2, "description", json!(if top & 4 > 0 { "one" } else { "two" })),
            (8, "input", json!({"message": "string"})),
            (16, "kind", json!("chat")),
            (32, "unknown", json!([1, null])),
        ] {
            if top & bit > 0 {
                document[key] = value;
            }
        }
        document
    })
}

fn nodes_of(shapes: &[Shape], ids: &mut Vec<usize>) -> Vec<Value> {
    shapes.iter().filter_map(|shape| node(shape, ids)).collect()
}

/// `None` once the pool is used up.
fn node(shape: &Shape, ids: &mut Vec<usize>) -> Option<Value> {
    let id = format!("s{}", ids.pop()?);
    let mut node = json!({"id": id});
    match shape {
        Shape::Leaf { kind, fields } => leaf(&mut node, *kind, *fields),
        Shape::Row { parallel, named, children } => {
            node[if *parallel { "parallel" } else { "sequence" }] = nodes_of(children, ids).into();
            if *named {
                node["name"] = json!("Row");
            }
        }
        Shape::Loop { fields, children } => {
            node["loop"] = json!({"over": if fields & 1 > 0 { "items" } else { "rows" }});
            if fields & 2 > 0 {
                node["loop"]["concurrency"] = json!(fields >> 4);
            }
            if fields & 4 > 0 || !children.is_empty() {
                node["loop"]["steps"] = nodes_of(children, ids).into();
            }
        }
        Shape::Branch { cases, otherwise } => {
            let cases: Map<String, Value> =
                cases.iter().map(|(case, children)| (format!("case {case}"), nodes_of(children, ids).into())).collect();
            node["branch"] = json!({"on": "{{ label }}", "cases": cases});
            if let Some(children) = otherwise {
                node["branch"]["else"] = nodes_of(children, ids).into();
            }
        }
    }
    Some(node)
}

fn leaf(node: &mut Value, kind: u8, fields: u8) {
    let text = format!("say {}", fields & 3);
    match kind {
        0 => {
            node["llm"] = json!({"prompt": text});
            if fields & 4 > 0 {
                node["llm"]["config"] = json!({"temperature": fields >> 6, "seed": null});
            }
            if fields & 8 > 0 {
                node["llm"]["model"] = json!("a/b");
            }
            if fields & 16 > 0 {
                node["llm"]["output"] = json!({"label": "string"});
            }
        }
        1 => {
            node["code"] = json!({"source": text});
            if fields & 4 > 0 {
                node["code"]["input"] = if fields & 8 > 0 { json!(["a"]) } else { json!({"a": "string"}) };
            }
        }
        _ => node["passthrough"] = if fields & 1 > 0 { json!({}) } else { Value::Null },
    }
    if fields & 32 > 0 {
        node["name"] = json!(if fields & 64 > 0 { "" } else { "Leaf" });
    }
    if fields & 128 > 0 {
        node["retry"] = json!({"max_attempts": fields & 7});
    }
}

/// A document with something in it that no document has.
pub(crate) fn broken() -> impl Strategy<Value = Value> {
    (document(), any::<Index>(), 0..8_u8).prop_map(|(mut document, at, fault)| {
        let sites: Vec<String> = nodes::ids(&document).into_iter().map(str::to_owned).collect();
        let id = (!sites.is_empty()).then(|| at.get(&sites).clone());
        let Some(node) = id.and_then(|id| nodes::node_mut(&mut document, &id).ok()) else { return document };
        match fault {
            0 => drop(node.shift_remove("id")),
            1 => drop(node.insert("id".into(), "s1".into())),
            2 => drop(node.insert("id".into(), 7.into())),
            3 => drop(node.insert("sequence".into(), json!([{"id": "extra", "llm": {}}]))),
            4 => drop(node.insert("parallel".into(), json!("no list"))),
            5 => drop(node.insert("branch".into(), json!({"cases": []}))),
            6 => document["steps"] = json!({"no": "list"}),
            _ => drop(document.as_object_mut().map(|fields| fields.shift_remove("steps"))),
        }
        document
    })
}

fn any_document() -> impl Strategy<Value = Value> {
    prop_oneof![6 => document(), 3 => broken(), 1 => Just(json!([])), 1 => Just(Value::Null)]
}

fn step() -> impl Strategy<Value = String> {
    prop_oneof![9 => (0..POOL).prop_map(|number| format!("s{number}")), 1 => Just("gone".to_owned())]
}

fn place() -> impl Strategy<Value = Place> {
    (prop::option::of(step()), prop::option::weighted(0.2, Just("case 1".to_owned())), prop::option::of(0..5_usize))
        .prop_map(|(parent_id, case, index)| Place { parent_id, case, index })
}

fn direction() -> impl Strategy<Value = Option<Direction>> {
    use Direction::{Above, Below, Left, Right};
    prop::option::of(prop::sample::select(vec![Left, Right, Above, Below]))
}

fn building() -> impl Strategy<Value = Operation> {
    let kind = || prop::sample::select(ProcessorType::ALL.to_vec());
    let ids = || prop::collection::vec(step(), 0..4);
    let container = || prop::sample::select(vec![ContainerType::H, ContainerType::V]);
    prop_oneof![
        (kind(), prop::option::of(Just("x".to_owned())), prop::option::of(step()), direction()).prop_map(
            |(processor_type, prompt, target_id, direction)| {
                let name = "New block".to_owned();
                Operation::AddBlock(AddBlock { name, processor_type, prompt, target_id, direction, step_id: None })
            }
        ),
        step().prop_map(|step_id| Operation::RemoveBlock(OfStep { step_id })),
        (step(), step(), direction()).prop_map(|(step_id, target_id, direction)| {
            Operation::MoveBlock(MoveBlock { step_id, target_id, direction })
        }),
        (step(), prop::option::of(step()), direction()).prop_map(|(step_id, target_id, direction)| {
            Operation::DuplicateBlock(DuplicateBlock { step_id, name: None, target_id, direction })
        }),
        (step(), kind()).prop_map(|(step_id, processor_type)| {
            Operation::ConvertBlock(ConvertBlock { step_id, processor_type })
        }),
        (ids(), container()).prop_map(|(node_ids, container_type)| {
            Operation::WrapInContainer(WrapInContainer { node_ids, container_type })
        }),
        ids().prop_map(|node_ids| Operation::WrapInLoop(WrapInLoop { node_ids, array_field: "items".into() })),
        ids().prop_map(|node_ids| {
            Operation::WrapInBranch(WrapInBranch { node_ids, on: "{{ x }}".into(), case: "y".into() })
        }),
        step().prop_map(|step_id| Operation::UnwrapNode(OfStep { step_id })),
    ]
}

fn changing() -> impl Strategy<Value = Operation> {
    let schema = || {
        prop::sample::select(vec![json!(null), json!({"a": "string"}), json!([{"name": "a"}]), json!(["b"]), json!(3)])
    };
    let path = prop::sample::select(vec![
        vec!["llm", "prompt"],
        vec!["id"],
        vec!["sequence"],
        vec!["loop", "steps"],
        vec!["a", "b"],
        vec!["name"],
        vec![],
    ]);
    let path = path.prop_map(|keys| keys.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let value = prop::sample::select(vec![json!([]), json!([{"id": "s1", "llm": {}}]), json!("text"), json!({"b": 1})]);
    prop_oneof![
        (step(), "[a-c]{0,2}")
            .prop_map(|(step_id, content)| { Operation::UpdateBlockDraft(UpdateBlockDraft { step_id, content }) }),
        (step(), schema()).prop_map(|(step_id, content)| {
            Operation::UpdateBlockOutputSchema(UpdateBlockSchema { step_id, content })
        }),
        (step(), schema()).prop_map(|(step_id, content)| {
            Operation::UpdateBlockInputSchema(UpdateBlockSchema { step_id, content })
        }),
        schema().prop_map(|content| Operation::UpdateFlowInputSchema(UpdateFlowInputSchema { content })),
        (step(), prop::option::of(Just("N".to_owned()))).prop_map(|(step_id, name)| {
            Operation::UpdateContainer(UpdateContainer {
                step_id,
                container_type: Some(ContainerType::V),
                name: Some(name),
            })
        }),
        step().prop_map(|step_id| {
            Operation::UpdateBranch(UpdateBranch {
                step_id,
                add_cases: vec!["case 9".into()],
                remove_cases: vec!["case 1".into()],
                ..UpdateBranch::default()
            })
        }),
        (place(), step(), prop::option::of(step())).prop_map(|(to, id, child)| {
            let children: Vec<Value> = child.into_iter().map(|id| json!({"id": id, "llm": {"prompt": "p"}})).collect();
            Operation::InsertNode(InsertNode { to, node: json!({"id": id, "sequence": children}) })
        }),
        (step(), place()).prop_map(|(step_id, to)| Operation::MoveNode(MoveNode { step_id, to })),
        (step(), step()).prop_map(|(step_id, id)| {
            Operation::ReplaceNode(ReplaceNode { step_id, node: json!({"id": id, "passthrough": {}}) })
        }),
        (prop::option::of(step()), path.clone(), value)
            .prop_map(|(step_id, path, value)| { Operation::SetField(SetField { step_id, path, value }) }),
        (prop::option::of(step()), path)
            .prop_map(|(step_id, path)| { Operation::ClearField(ClearField { step_id, path }) }),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![building(), changing()]
}

fn replaces_all_steps(operation: &Operation) -> bool {
    match operation {
        Operation::ReplaceDocument(_) => true,
        Operation::SetField(set) => set.step_id.is_none() && set.path == ["steps"],
        _ => false,
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_edit_script_gives_exactly_the_target(from in document(), to in document()) {
        let script = edit_script(&from, &to);
        prop_assert!(!script.iter().any(replaces_all_steps), "{script:?}");
        let applied = apply_all(&from, &script, &Bounds::default()).unwrap();
        prop_assert_eq!(&applied.document, &to);
        prop_assert_eq!(applied.is_change(), from != to);
    }

    #[test]
    fn broken_documents_have_edit_scripts_too(from in any_document(), to in any_document()) {
        let applied = apply_all(&from, &edit_script(&from, &to), &Bounds::default()).unwrap();
        prop_assert_eq!(applied.document, to);
    }

    #[test]
    fn the_inverse_gives_exactly_the_origin(origin in any_document(), operations in prop::collection::vec(operation(), 1..4)) {
        let Ok(applied) = apply_all(&origin, &operations, &Bounds::default()) else { return Ok(()) };
        prop_assert_eq!(applied.is_change(), applied.document != origin);
        prop_assert_eq!(applied.touched.is_empty(), applied.document == origin);
        let back = apply_all(&applied.document, &applied.inverse, &Bounds::default()).unwrap();
        prop_assert_eq!(back.document, origin);
    }

    #[test]
    fn what_comes_out_is_a_document_again(origin in any_document(), operation in operation()) {
        let Ok(applied) = apply(&origin, &operation, &Bounds::default()) else { return Ok(()) };
        for format in [Format::Json, Format::Yaml] {
            prop_assert_eq!(&parse(&applied.document.to_string(), format).unwrap(), &applied.document);
        }
        // Ids that told the steps apart still do.
        let doubled = nodes::duplicates(&origin).len();
        prop_assert!(replaces_all_steps(&operation) || nodes::duplicates(&applied.document).len() <= doubled);
    }

    #[test]
    fn operations_are_read_as_they_are_written(operation in operation()) {
        let text = serde_json::to_string(&operation).unwrap();
        prop_assert_eq!(serde_json::from_str::<Operation>(&text).unwrap(), operation.clone());
        let named = format!("\"op\":\"{}\"", operation.name());
        prop_assert!(text.contains(&named), "{}", text);
    }

    /// Two changes, the first undone although the second came after it: the second stays, or the first cannot be undone.
    #[test]
    fn undoing_one_change_leaves_the_others(origin in document(), first in operation(), second in operation()) {
        let Ok(one) = apply(&origin, &first, &Bounds::default()) else { return Ok(()) };
        let Ok(two) = apply(&one.document, &second, &Bounds::default()) else { return Ok(()) };
        if one.touched.met_by(&two.touched).is_some() {
            return Ok(());
        }
        let Ok(undone) = apply_all(&two.document, &one.inverse, &Bounds::default()) else { return Ok(()) };
        let all = |document: &Value| nodes::ids(document).into_iter().map(str::to_owned).collect::<Vec<_>>();
        for id in two.touched.steps.iter().filter(|id| all(&two.document).contains(id)) {
            let shell = |document: &Value| nodes::find(document, id).map(|(node, _)| script::shell(node).into_owned());
            prop_assert_eq!(shell(&undone.document), shell(&two.document), "{}", id);
        }
    }
}
