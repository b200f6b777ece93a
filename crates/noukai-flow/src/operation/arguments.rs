//! What operations take. Shapes only; what is done with them is in the files beside.
//!
//! `null` and an absent argument are told apart where both have a meaning: absent leaves a value as it is, `null` takes it
//! away.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// What a block does, by its published name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessorType {
    /// Calls a model.
    Llm,
    /// Runs a function.
    Code,
    /// Output = input.
    Passthrough,
}

impl ProcessorType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Llm, Self::Code, Self::Passthrough];

    /// The name, which is also the key in a document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::Code => "code",
            Self::Passthrough => "passthrough",
        }
    }
}

/// How the children of a container run, by its published name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerType {
    /// In order: a `sequence`.
    H,
    /// At once, all on the same input: a `parallel`.
    V,
}

impl ContainerType {
    /// The key in a document.
    pub const fn key(self) -> &'static str {
        match self {
            Self::H => "sequence",
            Self::V => "parallel",
        }
    }
}

/// On which side of another step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Before it.
    Left,
    /// After it.
    Right,
    /// At the same time, listed before it.
    Above,
    /// At the same time, listed after it.
    Below,
}

impl Direction {
    /// The container whose children stand so.
    pub const fn container(self) -> ContainerType {
        match self {
            Self::Left | Self::Right => ContainerType::H,
            Self::Above | Self::Below => ContainerType::V,
        }
    }

    /// Whether it comes first of the two.
    pub const fn is_before(self) -> bool {
        matches!(self, Self::Left | Self::Above)
    }

    /// As a word of a sentence.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

/// What a loop does about an item that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnItemError {
    /// The loop fails.
    Fail,
    /// `{"error": ...}` stands in the item's place.
    Continue,
}

/// A place in the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The container; absent: the root sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// In a branch, which case; absent: its `else`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// Position, from 0; absent or past the end: the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

/// Adds a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddBlock {
    /// For people; the step's id is made of it.
    pub name: String,
    /// What it does.
    pub processor_type: ProcessorType,
    /// The prompt of an LLM block, the function's body of a code block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The step beside which it comes; absent: the end of the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<String>,
    /// On which side of the target: left and right in a sequence, above and below at the same time. Absent: right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The id to give it, instead of one made of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
}

/// Names one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfStep {
    /// The step.
    pub step_id: String,
}

/// Moves a step, with all that is in it, beside another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveBlock {
    /// The step to move.
    pub step_id: String,
    /// The step beside which it comes.
    pub target_id: String,
    /// On which side of the target. Absent: right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// Copies a step, with all that is in it; the copy comes beside it or beside another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DuplicateBlock {
    /// The step to copy.
    pub step_id: String,
    /// The copy's name; absent: that of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The step beside which the copy comes; absent: the one that is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<String>,
    /// On which side of the target. Absent: right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// Makes a block do something else. Its name, notes, output schema and bounds stay; its prompt or source goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvertBlock {
    /// The block.
    pub step_id: String,
    /// What it does from now on.
    pub processor_type: ProcessorType,
}

/// Puts steps that stand side by side into a new container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrapInContainer {
    /// The steps; they keep their order.
    pub node_ids: Vec<String>,
    /// `h`: one after the other, `v`: at once.
    pub container_type: ContainerType,
}

/// Puts steps that stand side by side into a new loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrapInLoop {
    /// The steps; they keep their order.
    pub node_ids: Vec<String>,
    /// Dotted path of the array to walk over, such as `items` or `classify.items`.
    pub array_field: String,
}

/// Puts steps that stand side by side into a case of a new branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrapInBranch {
    /// The steps; they keep their order.
    pub node_ids: Vec<String>,
    /// Template whose text chooses the case, such as `{{ label }}`.
    pub on: String,
    /// The value for which the steps run.
    pub case: String,
}

/// Changes a sequence or a parallel container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateContainer {
    /// The container.
    pub step_id: String,
    /// How its children run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_type: Option<ContainerType>,
    /// For people; null: none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
}

/// Changes a loop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateLoop {
    /// The loop.
    pub step_id: String,
    /// Dotted path of the array to walk over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array_field: Option<String>,
    /// Items at once; null: the server's default.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Option<u64>>,
    /// What is done about an item that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_item_error: Option<OnItemError>,
    /// For people; null: none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
}

/// Changes a branch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBranch {
    /// The branch.
    pub step_id: String,
    /// Template whose text chooses the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// New cases, without steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_cases: Vec<String>,
    /// Cases to take away; they must be without steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_cases: Vec<String>,
    /// For people; null: none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
}

/// Sets a block's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBlockDraft {
    /// The block.
    pub step_id: String,
    /// The prompt of an LLM block, the function's body of a code block.
    pub content: String,
}

/// Sets a schema of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBlockSchema {
    /// The block.
    pub step_id: String,
    /// A JSON Schema object, the short form `{label: string}`, or an ordered list of fields `{name, type, description}`;
    /// null: none.
    pub content: Value,
}

/// Changes settings of a block; keys that are not named stay, null takes one away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBlockConfig {
    /// The block.
    pub step_id: String,
    /// What goes to the model's provider: `temperature`, `max_tokens` and whatever it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Map<String, Value>>,
    /// How the block runs: `tools_enabled`, `max_tool_iterations`, `attachments`, `system`, `fallback_models`
    /// (LLM blocks), `language` (code blocks), `retry`, `timeout_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_config: Option<Map<String, Value>>,
}

/// Sets the model of an LLM block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBlockModel {
    /// The block.
    pub step_id: String,
    /// `vendor/model`; null: the server's default.
    pub model: Option<String>,
    /// Tried in order when the model fails for reasons of its provider; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_models: Option<Vec<String>>,
}

/// Sets a step's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBlockName {
    /// The step; containers have names too.
    pub step_id: String,
    /// For people; also a variable in templates.
    pub name: String,
}

/// Sets a step's notes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBlockNotes {
    /// The step; containers have notes too.
    pub step_id: String,
    /// For people who read the flow; null: none.
    pub notes: Option<String>,
}

/// Changes several fields of one block, all or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBlock {
    /// The block.
    pub step_id: String,
    /// For people; null: none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    /// The prompt of an LLM block, the function's body of a code block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// `vendor/model`; null: the server's default.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub model: Option<Option<String>>,
    /// Tried in order when the model fails for reasons of its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_models: Option<Vec<String>>,
    /// What a code block takes: an ordered list of fields or a schema; null: nothing.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Option<Value>>,
    /// What the block gives: a JSON Schema, the short form or an ordered list of fields; null: anything.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Option<Value>>,
    /// What goes to the model's provider; keys that are not named stay, null takes one away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Map<String, Value>>,
    /// How the block runs; keys that are not named stay, null takes one away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_config: Option<Map<String, Value>>,
    /// For people who read the flow; null: none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub notes: Option<Option<String>>,
}

/// Sets what a run takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateFlowInputSchema {
    /// A JSON Schema object, the short form `{message: string}`, or an ordered list of fields
    /// `{name, type, description}`; null: a required `message`, and whatever else is sent.
    pub content: Value,
}

/// Changes what stands at the top of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateFlow {
    /// For people; null: the slug.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    /// What the flow is for; null: nothing is said.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
    /// `pipeline` or `chat`; null: `pipeline`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Option<String>>,
    /// What traces keep; null: as the organisation says.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub trace_capture: Option<Option<String>>,
}

/// Puts a node of the document, with all that is in it, at an exact place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InsertNode {
    /// Where.
    pub to: Place,
    /// The node as it stands in a document.
    pub node: Value,
}

/// Moves a node, with all that is in it, to an exact place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveNode {
    /// The node.
    pub step_id: String,
    /// Where; the index counts without the node itself.
    pub to: Place,
}

/// Puts another node in a node's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceNode {
    /// The node that goes, with all that is in it.
    pub step_id: String,
    /// The node as it stands in a document.
    pub node: Value,
}

/// Sets any field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetField {
    /// The step; absent: the flow itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    /// Keys that lead to it, such as `["llm", "config", "temperature"]`. Objects on the way are made.
    pub path: Vec<String>,
    /// Its value.
    pub value: Value,
}

/// Takes any field away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearField {
    /// The step; absent: the flow itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    /// Keys that lead to it.
    pub path: Vec<String>,
}

/// Puts another document in the document's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceDocument {
    /// The whole document.
    pub document: Value,
}

/// Tells `null` (`Some(None)`) from an absent argument (`None`, by `default`).
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
