//! What callers send to run a flow, and the replies of `execute`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// `null` stands for the default, as for an absent field.
fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Body of `POST .../execute` and `POST .../jobs`.
///
/// A body with `executionId`, `pausedAtStep` and `toolCallMessages` resumes a paused run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExecuteRequest {
    /// Shorthand for `parameters.message`. The empty string is a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The conversation so far; the last entry is the current user turn. Stands in for `message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ChatMessage>>,
    /// The flow's named inputs.
    #[serde(default, deserialize_with = "null_is_default")]
    pub parameters: Map<String, Value>,
    /// Images for the first LLM blocks.
    #[serde(default, deserialize_with = "null_is_default")]
    pub attachments: Vec<Attachment>,
    /// Changes to blocks for this run only: `{stepId: {field: value}}`.
    #[serde(default, alias = "block_overrides", deserialize_with = "null_is_default")]
    pub block_overrides: BTreeMap<String, Map<String, Value>>,
    /// Tools the caller executes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Value>>,
    /// How the model may use them.
    #[serde(default, alias = "tool_choice", skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    /// Capture the full input and output of each step of this run.
    #[serde(default, deserialize_with = "null_is_default")]
    pub trace: bool,
    /// Resume: the paused run.
    #[serde(default, alias = "execution_id", skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Resume: the step it is paused at.
    #[serde(default, alias = "paused_at_step", skip_serializing_if = "Option::is_none")]
    pub paused_at_step: Option<String>,
    /// Resume: the messages of the pause, and one `tool` entry per call.
    #[serde(default, alias = "tool_call_messages", skip_serializing_if = "Option::is_none")]
    pub tool_call_messages: Option<Vec<Value>>,
    /// Resume: as the pause said. The server keeps its own count.
    #[serde(default, alias = "iterations_used", deserialize_with = "null_is_default")]
    pub iterations_used: u32,
    /// Resume: as the pause said. The server keeps its own outputs.
    #[serde(default, alias = "accumulated_outputs", deserialize_with = "null_is_default")]
    pub accumulated_outputs: Map<String, Value>,
}

/// Body of `POST .../step`: the caller holds the cursor and the outputs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepRequest {
    /// The run; absent on the first call.
    #[serde(default, alias = "execution_id", skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Leaf index of the step to run, from 0.
    #[serde(default, alias = "step_index", deserialize_with = "null_is_default")]
    pub step_index: u32,
    /// Outputs of the steps before the cursor: `{stepId: output}`.
    #[serde(default, alias = "accumulated_outputs", deserialize_with = "null_is_default")]
    pub accumulated_outputs: Map<String, Value>,
    /// First call only: shorthand for `parameters.message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// First call only: the conversation so far; the last entry is the current user turn. Stands in for `message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ChatMessage>>,
    /// First call only: the flow's named inputs.
    #[serde(default, deserialize_with = "null_is_default")]
    pub parameters: Map<String, Value>,
    /// First call only: images for the first LLM blocks.
    #[serde(default, deserialize_with = "null_is_default")]
    pub attachments: Vec<Attachment>,
    /// Outputs to put in place of finished steps' own: `{stepId: output}`.
    #[serde(default, alias = "input_overrides", deserialize_with = "null_is_default")]
    pub input_overrides: Map<String, Value>,
    /// Changes to blocks for this call: `{stepId: {field: value}}`.
    #[serde(default, alias = "block_overrides", deserialize_with = "null_is_default")]
    pub block_overrides: BTreeMap<String, Map<String, Value>>,
    /// Run to the end in one stream.
    #[serde(default, alias = "run_remaining", deserialize_with = "null_is_default")]
    pub run_remaining: bool,
    /// Tools the caller executes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Value>>,
    /// How the model may use them.
    #[serde(default, alias = "tool_choice", skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    /// Resume: the messages of the pause, and one `tool` entry per call.
    #[serde(default, alias = "tool_call_messages", skip_serializing_if = "Option::is_none")]
    pub tool_call_messages: Option<Vec<Value>>,
    /// Resume: as the pause said. The server keeps its own count.
    #[serde(default, alias = "iterations_used", deserialize_with = "null_is_default")]
    pub iterations_used: u32,
    /// Capture the full input and output of each step of this run.
    #[serde(default, deserialize_with = "null_is_default")]
    pub trace: bool,
}

/// One turn of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "SentMessage")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatMessage {
    /// `user`, `assistant` or `tool`.
    pub role: String,
    /// Text, or whatever the turn carried.
    pub content: Value,
    /// An assistant's calls, in OpenAI's shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// The call a `tool` turn answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Name of the speaker or tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl ChatMessage {
    /// What a user said.
    pub fn user(content: impl Into<Value>) -> Self {
        Self::said("user", content)
    }

    /// What the model said.
    pub fn assistant(content: impl Into<Value>) -> Self {
        Self::said("assistant", content)
    }

    /// What a tool gave for a call.
    pub fn tool(tool_call_id: impl Into<String>, content: impl Into<Value>) -> Self {
        Self { tool_call_id: Some(tool_call_id.into()), ..Self::said("tool", content) }
    }

    fn said(role: &str, content: impl Into<Value>) -> Self {
        Self { role: role.to_owned(), content: content.into(), ..Self::default() }
    }
}

/// A turn as callers send it: a pause's own turns carry both spellings at once, which an alias would refuse.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ChatMessage"))]
struct SentMessage {
    /// `user`, `assistant` or `tool`.
    role: String,
    /// Text, or whatever the turn carried.
    #[serde(default)]
    content: Value,
    /// An assistant's calls, in OpenAI's shape.
    tool_calls: Option<Vec<ToolCall>>,
    /// The same, as OpenAI spells it.
    #[serde(rename = "tool_calls")]
    tool_calls_snake: Option<Vec<ToolCall>>,
    /// The call a `tool` turn answers.
    tool_call_id: Option<String>,
    /// The same, as OpenAI spells it.
    #[serde(rename = "tool_call_id")]
    tool_call_id_snake: Option<String>,
    /// Name of the speaker or tool.
    name: Option<String>,
}

impl From<SentMessage> for ChatMessage {
    fn from(sent: SentMessage) -> Self {
        Self {
            role: sent.role,
            content: sent.content,
            tool_calls: sent.tool_calls.or(sent.tool_calls_snake),
            tool_call_id: sent.tool_call_id.or(sent.tool_call_id_snake),
            name: sent.name,
        }
    }
}

/// An image the model gets by URL; the server never fetches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attachment {
    /// Always `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `https` URL, at most 2,048 characters.
    pub url: String,
    /// `image/jpeg`, `image/png`, `image/webp` or `image/gif`.
    #[serde(alias = "mime_type")]
    pub mime_type: String,
    /// At most 255 characters, no path; taken from the URL if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
}

impl Attachment {
    /// An image by its URL and MIME type. Its name is the URL's, unless set.
    pub fn new(url: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self { kind: None, url: url.into(), mime_type: mime_type.into(), filename: None }
    }
}

/// A tool in OpenAI's shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The function.
    pub function: ToolFunction,
}

/// What a tool is called and takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolFunction {
    /// `[A-Za-z0-9_-]{1,64}`, unique in the request.
    pub name: String,
    /// For the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of the arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether the model must follow the schema to the letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// How the model may use the tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ToolChoice {
    /// `"auto"`, `"none"` or `"required"`.
    Mode(ToolChoiceMode),
    /// `{"type": "function", "function": {"name": ...}}`.
    Function {
        /// Always `function`.
        #[serde(rename = "type")]
        kind: String,
        /// The function to call.
        function: ToolChoiceFunction,
    },
}

/// The plain choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ToolChoiceMode {
    /// The model decides.
    Auto,
    /// No calls.
    None,
    /// At least one call.
    Required,
}

/// The one function to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolChoiceFunction {
    /// Its name.
    pub name: String,
}

/// A call the model wants made, in OpenAI's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolCall {
    /// To be repeated in the result.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What to call, and with what.
    pub function: ToolCallFunction,
}

/// What to call, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolCallFunction {
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
}

/// Reply of `execute` for a run that ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExecuteReply {
    /// `completed` or `failed`.
    pub status: crate::RunStatus,
    /// The flow's result, or `{"error": {"code", "message", "stepId", "attempt"}}`.
    pub result: Value,
    /// The flow.
    pub flow_id: String,
    /// Number of leaf blocks in the flow.
    pub block_count: u32,
    /// The run.
    pub execution_id: String,
}

/// Reply of `execute` for a run that waits for tool results.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PausedReply {
    /// Always `tool_calls_required`.
    pub status: String,
    /// The run.
    pub execution_id: String,
    /// The step it is paused at.
    pub paused_at_step: String,
    /// Pauses of this step so far, this one included.
    pub iterations_used: u32,
    /// The tool turns so far. Assistant entries carry both `toolCalls` and `tool_calls`.
    pub tool_call_messages: Vec<Value>,
    /// The calls to make.
    pub tool_calls: Vec<ToolCall>,
    /// Outputs of the steps before: `{stepId: output}`.
    pub accumulated_outputs: Map<String, Value>,
    /// The flow.
    pub flow_id: String,
    /// Number of leaf blocks in the flow.
    pub block_count: u32,
}
