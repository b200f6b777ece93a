//! Finding leaves, and a run's own values for the published fields of LLM blocks.
//!
//! What is not published cannot be overridden: a block's kind, its code, its place in the tree.

use std::{collections::BTreeMap, sync::Arc};

use noukai_api::FieldError;
use serde_json::{Map, Value};

use crate::{
    Block, CodeBlock, Flow, Leaf, LlmBlock, Node, NodeKind, Template, check,
    nearest::{did_you_mean, list},
};

/// The fields that may be overridden.
const FIELDS: &[&str] = &[
    "prompt",
    "system",
    "system_prompt",
    "systemPrompt",
    "model",
    "fallback_models",
    "config",
    "output",
    "output_schema",
    "outputSchema",
    "input_schema",
    "inputSchema",
    "temperature",
    "max_tokens",
    "maxTokens",
    "top_p",
    "topP",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "latency_ms",
];

impl Flow {
    /// Position of the leaf `step_id` in tree order.
    pub fn leaf_index(&self, step_id: &str) -> Option<usize> {
        self.leaves.iter().position(|leaf| &*leaf.id == step_id)
    }

    /// The leaf at a position in tree order.
    pub fn leaf(&self, index: usize) -> Option<(&Node, &Leaf)> {
        let mut nodes: Vec<&Node> = self.root.iter().collect();
        loop {
            let node = nodes.into_iter().find(|node| node.leaves.contains(&index))?;
            match &node.kind {
                NodeKind::Leaf(leaf) => return Some((node, leaf)),
                kind => nodes = kind.children().collect(),
            }
        }
    }

    /// The flow with a run's overrides: published fields of LLM blocks, by step id. Without any, a plain
    /// clone, which a caller in a hurry saves by looking first.
    ///
    /// # Errors
    /// All that is wrong, with locations `["body", "blockOverrides", step, field]`.
    pub fn with_overrides(&self, overrides: &BTreeMap<String, Map<String, Value>>) -> Result<Self, Vec<FieldError>> {
        let mut flow = self.clone();
        let mut errors = Vec::new();
        for (step, fields) in overrides {
            match flow.llm_block(step) {
                Ok(block) => override_block(Arc::make_mut(block), step, fields, &mut errors),
                Err(message) => errors.push(error(step, None, message)),
            }
        }
        if errors.is_empty() { Ok(flow) } else { Err(errors) }
    }

    /// Every code block with its step's id, in tree order.
    pub fn code_blocks(&self) -> Vec<(&Arc<str>, &Arc<CodeBlock>)> {
        let mut blocks = Vec::new();
        let mut nodes: Vec<&Node> = self.root.iter().rev().collect();
        while let Some(node) = nodes.pop() {
            if let NodeKind::Leaf(Leaf { block: Block::Code(block), .. }) = &node.kind {
                blocks.push((&node.id, block));
            }
            let children: Vec<&Node> = node.kind.children().collect();
            nodes.extend(children.into_iter().rev());
        }
        blocks
    }

    fn llm_block(&mut self, step: &str) -> Result<&mut Arc<LlmBlock>, String> {
        let index = self.leaf_index(step).ok_or_else(|| self.unknown_block(step))?;
        match leaf_mut(&mut self.root, index).map(|leaf| &mut leaf.block) {
            Some(Block::Llm(block)) => Ok(block),
            _ => Err(format!("`{step}` is no LLM block; only LLM blocks have fields to override")),
        }
    }

    fn unknown_block(&self, step: &str) -> String {
        let ids: Vec<&str> = self.leaves.iter().map(|leaf| &*leaf.id).collect();
        format!("there is no block `{step}`; there are {}{}", list(&ids), did_you_mean(step, ids.iter().copied()))
    }
}

impl NodeKind {
    /// The nodes one level below, in tree order.
    pub fn children(&self) -> impl Iterator<Item = &Node> {
        let lists: Vec<&Vec<Node>> = match self {
            Self::Leaf(_) => Vec::new(),
            Self::Sequence(nodes) | Self::Parallel(nodes) => vec![nodes],
            Self::Loop(each) => vec![&each.steps],
            Self::Branch(branch) => branch.cases.iter().map(|(_, nodes)| nodes).chain([&branch.otherwise]).collect(),
        };
        lists.into_iter().flatten()
    }
}

fn leaf_mut(nodes: &mut [Node], index: usize) -> Option<&mut Leaf> {
    let node = nodes.iter_mut().find(|node| node.leaves.contains(&index))?;
    match &mut node.kind {
        NodeKind::Leaf(leaf) => Some(leaf),
        NodeKind::Sequence(nodes) | NodeKind::Parallel(nodes) => leaf_mut(nodes, index),
        NodeKind::Loop(each) => leaf_mut(&mut each.steps, index),
        NodeKind::Branch(branch) => {
            let mut lists = branch.cases.iter_mut().map(|(_, nodes)| nodes).chain([&mut branch.otherwise]);
            lists.find_map(|nodes| leaf_mut(nodes, index))
        }
    }
}

fn override_block(block: &mut LlmBlock, step: &str, fields: &Map<String, Value>, errors: &mut Vec<FieldError>) {
    // The whole config first, so that a shorthand beside it wins, in whatever order they were sent.
    let (config, others): (Vec<_>, Vec<_>) = fields.iter().partition(|(field, _)| *field == "config");
    for (field, value) in config.into_iter().chain(others) {
        if let Err(message) = override_field(block, field, value) {
            errors.push(error(step, Some(field), message));
        }
    }
}

fn override_field(block: &mut LlmBlock, field: &str, value: &Value) -> Result<(), String> {
    match field {
        "prompt" => block.prompt = template(value)?,
        "system" | "system_prompt" | "systemPrompt" => block.system = optional(value, template)?,
        "model" => block.model = optional(value, model)?,
        "fallback_models" => block.fallback_models = texts(value)?,
        "output" | "output_schema" | "outputSchema" => block.output = optional(value, check::output_schema)?,
        // What a block reads is what its templates name; there is nothing to set.
        "input_schema" | "inputSchema" => {}
        "config" => merge_config(block, value)?,
        "maxTokens" => merge_shorthand(block, "max_tokens", value)?,
        "topP" => merge_shorthand(block, "top_p", value)?,
        known if FIELDS.contains(&known) => merge_shorthand(block, known, value)?,
        unknown => {
            let meant = did_you_mean(unknown, FIELDS.iter().copied());
            return Err(format!("`{unknown}` cannot be overridden; these can: {}{meant}", FIELDS.join(", ")));
        }
    }
    Ok(())
}

fn merge_config(block: &mut LlmBlock, value: &Value) -> Result<(), String> {
    if let Some((key, fault)) = check::config_fault(value) {
        return Err(key.map_or(fault.clone(), |key| format!("`{key}` {fault}")));
    }
    block.config.extend(value.as_object().cloned().unwrap_or_default());
    Ok(())
}

fn merge_shorthand(block: &mut LlmBlock, key: &str, value: &Value) -> Result<(), String> {
    merge_config(block, &Value::Object([(key.to_owned(), value.clone())].into_iter().collect()))
}

fn template(value: &Value) -> Result<Template, String> {
    Template::compile(&text(value)?).map_err(|error| error.to_string())
}

fn model(value: &Value) -> Result<String, String> {
    text(value).and_then(|name| if name.is_empty() { Err("has to be a model's name".to_owned()) } else { Ok(name) })
}

fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| "has to be text".to_owned())
}

fn texts(value: &Value) -> Result<Vec<String>, String> {
    value.as_array().ok_or("has to be a list of texts")?.iter().map(text).collect()
}

/// `null` takes a value away.
fn optional<T>(value: &Value, read: impl FnOnce(&Value) -> Result<T, String>) -> Result<Option<T>, String> {
    if value.is_null() { Ok(None) } else { read(value).map(Some) }
}

fn error(step: &str, field: Option<&str>, msg: String) -> FieldError {
    let loc = ["body", "blockOverrides", step].into_iter().chain(field).map(str::to_owned).collect();
    FieldError { loc, msg }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Bounds, Format};

    fn flow() -> Flow {
        let text = r#"
schema: 1
slug: demo
steps:
  - id: first
    llm: {model: a/b, prompt: "one {{ message }}", system: s, config: {temperature: 0, stop: [x]}, output: {label: string}}
  - id: anchor
    passthrough: {}
  - id: choose
    branch:
      on: "{{ label }}"
      cases:
        x: [{id: both, parallel: [{id: left, llm: {prompt: l}}, {id: right, llm: {prompt: r}}]}]
      else: [{id: last, llm: {prompt: z}}]
"#;
        crate::check(&crate::parse(text, Format::Yaml).unwrap(), &Bounds::default()).flow.unwrap()
    }

    fn llm(flow: &Flow, id: &str) -> Arc<LlmBlock> {
        let (node, leaf) = flow.leaf(flow.leaf_index(id).unwrap()).unwrap();
        assert_eq!(&*node.id, id);
        match &leaf.block {
            Block::Llm(block) => Arc::clone(block),
            other => panic!("{other:?}"),
        }
    }

    fn overridden(overrides: Value) -> Result<Flow, Vec<FieldError>> {
        flow().with_overrides(&serde_json::from_value(overrides).unwrap())
    }

    #[test]
    fn leaves_are_found_wherever_they_stand() {
        let flow = flow();
        let found: Vec<_> = (0..5).map(|index| flow.leaf(index).unwrap().0.id.to_string()).collect();
        assert_eq!(found, ["first", "anchor", "left", "right", "last"]);
        assert!(flow.leaf(5).is_none());
        assert!(flow.leaf_index("choose").is_none());
    }

    #[test]
    fn published_fields_are_overridden() {
        let flow = overridden(json!({
            "first": {"prompt": "new {{ message }}", "systemPrompt": null, "model": "c/d", "fallback_models": ["e/f"],
                "maxTokens": 5, "config": {"temperature": 1, "max_tokens": 9, "extra": {"any": true}}, "outputSchema": {"kind": "string"},
                "inputSchema": []},
            "right": {"temperature": 0.5, "top_p": 1, "stop": ["y"], "latency_ms": 3, "system": "be brief", "output": null},
        }))
        .unwrap();
        let first = llm(&flow, "first");
        assert_eq!(first.prompt.source(), "new {{ message }}");
        assert!(first.system.is_none());
        assert_eq!(
            (first.model.as_deref(), first.fallback_models.as_slice()),
            (Some("c/d"), ["e/f".to_owned()].as_slice())
        );
        let config = json!({"temperature": 1, "stop": ["x"], "max_tokens": 5, "extra": {"any": true}});
        assert_eq!(Value::Object(first.config.clone()), config);
        assert_eq!(first.output.as_ref().unwrap().fields(), ["kind"]);
        let right = llm(&flow, "right");
        assert_eq!(
            Value::Object(right.config.clone()),
            json!({"temperature": 0.5, "top_p": 1, "stop": ["y"], "latency_ms": 3})
        );
        assert_eq!(right.system.as_ref().unwrap().source(), "be brief");
    }

    #[test]
    fn the_flow_itself_does_not_change() {
        let flow = flow();
        let overrides = [("first".to_owned(), [("model".to_owned(), json!("x/y"))].into_iter().collect())].into();
        assert_eq!(llm(&flow.with_overrides(&overrides).unwrap(), "first").model.as_deref(), Some("x/y"));
        assert_eq!(llm(&flow, "first").model.as_deref(), Some("a/b"));
        assert!(Arc::ptr_eq(&llm(&flow, "left"), &llm(&flow.with_overrides(&overrides).unwrap(), "left")));
    }

    #[test]
    fn everything_else_is_refused_with_its_place() {
        for (overrides, loc) in [
            (json!({"frist": {"prompt": "x"}}), vec!["frist"]),
            (json!({"choose": {"prompt": "x"}}), vec!["choose"]),
            (json!({"anchor": {"prompt": "x"}}), vec!["anchor"]),
            (json!({"first": {"kind": "code"}}), vec!["first", "kind"]),
            (json!({"first": {"code": {}}}), vec!["first", "code"]),
            (json!({"first": {"source": "x"}}), vec!["first", "source"]),
            (json!({"first": {"tools_enabled": true}}), vec!["first", "tools_enabled"]),
            (json!({"first": {"retry": {}}}), vec!["first", "retry"]),
            (json!({"first": {"id": "x"}}), vec!["first", "id"]),
            (json!({"first": {"prompt": 1}}), vec!["first", "prompt"]),
            (json!({"first": {"prompt": null}}), vec!["first", "prompt"]),
            (json!({"first": {"prompt": "{{ x"}}), vec!["first", "prompt"]),
            (json!({"first": {"prompt": "{% include '/etc/passwd' %}"}}), vec!["first", "prompt"]),
            (json!({"first": {"model": ""}}), vec!["first", "model"]),
            (json!({"first": {"fallback_models": "x"}}), vec!["first", "fallback_models"]),
            (json!({"first": {"config": []}}), vec!["first", "config"]),
            (json!({"first": {"config": {"temperature": "hot"}}}), vec!["first", "config"]),
            (json!({"first": {"maxTokens": "many"}}), vec!["first", "maxTokens"]),
            (json!({"first": {"output": {"a": "strnig"}}}), vec!["first", "output"]),
            (json!({"first": {"output": {"a": {"$ref": "http://127.0.0.1/"}}}}), vec!["first", "output"]),
        ] {
            let errors = overridden(overrides.clone()).unwrap_err();
            let loc: Vec<_> = ["body", "blockOverrides"].into_iter().chain(loc).map(str::to_owned).collect();
            assert_eq!(errors.iter().map(|error| &error.loc).collect::<Vec<_>>(), [&loc], "{overrides}");
        }
    }

    /// A run cannot bring code of its own, nor make a block run another way.
    #[test]
    fn nothing_of_a_code_block_can_be_overridden() {
        let text = "schema: 1\nslug: demo\nsteps: [{id: shape, code: {source: return 1}}, {id: ask, llm: {prompt: x}}]";
        let flow = check(&crate::parse(text, Format::Yaml).unwrap(), &Bounds::default()).flow.unwrap();
        let fields = FIELDS.iter().copied().chain(["source", "language", "code", "kind", "input", "processor_type"]);
        for field in fields.chain(["processor_config", "retry", "timeout_ms", "id"]) {
            for value in [json!("javascript"), json!({"language": "javascript"}), json!([]), json!(null)] {
                let overrides = [("shape".to_owned(), [(field.to_owned(), value)].into_iter().collect())].into();
                let errors = flow.with_overrides(&overrides).unwrap_err();
                assert_eq!(errors[0].loc, ["body", "blockOverrides", "shape"], "{field}");
                assert!(errors[0].msg.contains("no LLM block"), "{}", errors[0].msg);
            }
        }
        for field in ["code", "source", "language", "kind", "processor_type", "processor_config"] {
            let overrides = [("ask".to_owned(), [(field.to_owned(), json!({}))].into_iter().collect())].into();
            assert!(flow.with_overrides(&overrides).is_err(), "{field}");
        }
    }

    #[test]
    fn errors_name_what_would_be_right() {
        let errors = overridden(json!({"frist": {}, "first": {"promt": "x"}})).unwrap_err();
        assert!(errors[0].msg.contains("did you mean `prompt`?"), "{}", errors[0].msg);
        assert!(
            errors[1].msg.contains("there are first, anchor, left, right, last; did you mean `first`?"),
            "{}",
            errors[1].msg
        );
    }
}
