//! The published spelling of a flow's steps: `processor_type`, `prompt`, `input_schema` as an ordered list of fields,
//! `container_type`. The one place that converts between it and the document.

mod fields;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::fields::{fields_of_schema, schema_of_fields};
use crate::{
    ContainerType, Document, ProcessorType, Refusal, RefusalCode, Template,
    operation::{child_lists, find, id, is_container, kind, walk},
    schema::short,
};

/// A block as it is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedBlock {
    /// The block's id, unique in its flow.
    pub step_id: String,
    /// For people; the id where none is given.
    pub name: String,
    /// What it does.
    pub processor_type: ProcessorType,
    /// The container it stands in; absent: the root sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// The prompt of an LLM block, the function's body of a code block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// `vendor/model`; absent: the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it reads, in order: a code block's parameters, the names a prompt cannot do without.
    pub input_schema: Vec<Value>,
    /// What it gives, as JSON Schema; absent: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// What goes to the model's provider.
    pub config: Map<String, Value>,
    /// How it runs: `tools_enabled`, `language`, `system`, `fallback_models`, `retry`, `timeout_ms` ...
    pub processor_config: Map<String, Value>,
    /// For people who read the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// A node of the tree as it is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedNode {
    /// Its id, unique in its flow.
    pub step_id: String,
    /// For people; the id where none is given.
    pub name: String,
    /// `block`, `container`, `loop` or `branch`; `unknown` where the draft does not say.
    pub node_type: NodeType,
    /// What a block does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_type: Option<ProcessorType>,
    /// How the children of a container run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_type: Option<ContainerType>,
    /// What a loop walks over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array_field: Option<String>,
    /// What a branch's cases are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// The children of a container or a loop, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<Vec<PublishedNode>>,
    /// The cases of a branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cases: Option<Vec<PublishedCase>>,
}

/// A case of a branch as it is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedCase {
    /// The value it stands for; null: where no other does.
    pub case: Option<String>,
    /// Its steps, in order.
    pub children: Vec<PublishedNode>,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeType {
    /// It does work.
    Block,
    /// It says in what order.
    Container,
    /// Its steps run once per item.
    Loop,
    /// One of its cases runs.
    Branch,
    /// The draft does not say, or says it twice.
    Unknown,
}

/// The tree of a document, its root sequence first. Nothing of a draft is left out, whatever is wrong with it.
pub fn structure(document: &Document) -> Vec<PublishedNode> {
    document.get("steps").and_then(Value::as_array).map(|steps| nodes(steps)).unwrap_or_default()
}

fn nodes(values: &[Value]) -> Vec<PublishedNode> {
    values.iter().map(node).collect()
}

fn node(value: &Value) -> PublishedNode {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let mut lists = child_lists(value);
    let kind = kind(value);
    let only =
        |lists: &[crate::operation::ChildList<'_>]| lists.first().map(|list| nodes(list.nodes)).unwrap_or_default();
    let mut published = PublishedNode {
        step_id: id(value).unwrap_or_default().to_owned(),
        name: name(value),
        node_type: NodeType::Unknown,
        processor_type: None,
        container_type: None,
        array_field: None,
        on: None,
        children: None,
        cases: None,
    };
    match kind {
        Some("sequence") => {
            (published.node_type, published.container_type) = (NodeType::Container, Some(ContainerType::H));
            published.children = Some(only(&lists));
        }
        Some("parallel") => {
            (published.node_type, published.container_type) = (NodeType::Container, Some(ContainerType::V));
            published.children = Some(only(&lists));
        }
        Some("loop") => {
            (published.node_type, published.array_field) = (NodeType::Loop, text("/loop/over"));
            published.children = Some(only(&lists));
        }
        Some("branch") => {
            (published.node_type, published.on) = (NodeType::Branch, text("/branch/on"));
            let case = |list: crate::operation::ChildList<'_>| PublishedCase {
                case: list.case.map(str::to_owned),
                children: nodes(list.nodes),
            };
            published.cases = Some(lists.drain(..).map(case).collect());
        }
        Some(leaf) => {
            published.node_type = NodeType::Block;
            published.processor_type = processor_type(leaf);
        }
        None if !lists.is_empty() => {
            published.children = Some(lists.iter().flat_map(|list| nodes(list.nodes)).collect());
        }
        None => {}
    }
    published
}

fn name(node: &Value) -> String {
    let name = node.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    name.or_else(|| id(node)).unwrap_or_default().to_owned()
}

fn processor_type(kind: &str) -> Option<ProcessorType> {
    ProcessorType::ALL.into_iter().find(|known| known.as_str() == kind)
}

/// Every block of the document, in tree order.
pub fn blocks(document: &Document) -> Vec<PublishedBlock> {
    let mut blocks = Vec::new();
    walk(document, &mut |visit| {
        blocks.extend(published_block(visit.node, visit.parent.and_then(id)));
    });
    blocks
}

/// One block.
///
/// # Errors
/// There is no such step, or it is no block.
pub fn block(document: &Document, step_id: &str) -> Result<PublishedBlock, Refusal> {
    let (node, site) = find(document, step_id)?;
    published_block(node, site.parent.as_deref()).ok_or_else(|| {
        let what = if is_container(node) { "is a container" } else { "does not say what it does" };
        let message = format!("`{step_id}` {what}, not a block; the flow's structure shows what is in it");
        Refusal::new(RefusalCode::WrongKind, "step_id", message).of_step(step_id)
    })
}

fn published_block(node: &Value, parent: Option<&str>) -> Option<PublishedBlock> {
    let kind = kind(node).filter(|_| !is_container(node))?;
    let processor_type = processor_type(kind)?;
    let empty = Map::new();
    let inner = node.get(kind).and_then(Value::as_object).unwrap_or(&empty);
    let text = |key: &str| inner.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(PublishedBlock {
        step_id: id(node).unwrap_or_default().to_owned(),
        name: name(node),
        processor_type,
        parent_id: parent.map(str::to_owned),
        prompt: text(if kind == "code" { "source" } else { "prompt" }),
        model: text("model"),
        input_schema: input_schema(kind, inner),
        output_schema: inner.get("output").map(output_schema),
        config: inner.get("config").and_then(Value::as_object).cloned().unwrap_or_default(),
        processor_config: settings(node, inner),
        notes: node.get("notes").and_then(Value::as_str).map(str::to_owned),
    })
}

/// What a block reads: a code block's parameters, the names that an LLM block's templates cannot do without.
fn input_schema(kind: &str, inner: &Map<String, Value>) -> Vec<Value> {
    if kind == "code" {
        return inner.get("input").map(fields_of_schema).unwrap_or_default();
    }
    let templates = ["system", "prompt"].into_iter().filter_map(|key| inner.get(key)?.as_str());
    let mut names: Vec<String> = Vec::new();
    // Most texts have no template in them, and compiling costs more than looking.
    for template in templates.filter(|text| text.contains('{')).filter_map(|text| Template::compile(text).ok()) {
        names.extend(template.required_names());
    }
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| serde_json::json!({"name": name})).collect()
}

/// An output schema as JSON Schema; as it is where it is none.
fn output_schema(schema: &Value) -> Value {
    short::json_schema(schema, true).unwrap_or_else(|_| schema.clone())
}

/// Everything about how a block runs that has no published name of its own.
fn settings(node: &Value, inner: &Map<String, Value>) -> Map<String, Value> {
    let of_inner = ["language", "tools_enabled", "max_tool_iterations", "attachments", "system", "fallback_models"];
    let of_inner = of_inner.into_iter().filter_map(|key| Some((key.to_owned(), inner.get(key)?.clone())));
    let of_node = ["retry", "timeout_ms"].into_iter().filter_map(|key| Some((key.to_owned(), node.get(key)?.clone())));
    of_inner.chain(of_node).collect()
}

#[cfg(test)]
mod tests;
