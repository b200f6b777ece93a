//! Structured output by tool, for models and schemas that are not served natively: the model is made to call a tool
//! whose parameters are the schema, and the call's arguments stand as the reply's text.

use noukai_engine::{ModelRequest, OutputFormat, Tool, ToolChoice, ToolChoiceMode};
use serde_json::json;

use super::{Fault, Reply, Wire};

/// A request turned into one that asks by tool.
pub(crate) struct ByTool {
    pub(crate) request: ModelRequest,
    name: String,
}

impl ByTool {
    /// Turns the request, where that is needed.
    pub(crate) fn of(request: &ModelRequest, wire: &dyn Wire) -> Result<Option<Self>, Fault> {
        let Some(output) = &request.output else { return Ok(None) };
        if !output.by_tool && wire.takes_schema(&output.schema) {
            return Ok(None);
        }
        let name = free_name(output, &request.tools);
        let tool = json!({"type": "function", "function": {
            "name": name, "description": "Give the answer by calling this.", "parameters": output.schema,
        }});
        let tool: Tool = serde_json::from_value(tool).map_err(|error| Fault::unwritable(&error))?;
        let only = request.tools.is_empty() || request.tool_choice == Some(ToolChoice::Mode(ToolChoiceMode::None));
        let mut request = ModelRequest { output: None, ..request.clone() };
        if only {
            request.tools.clear();
            request.tool_choice = serde_json::from_value(json!({"type": "function", "function": {"name": name}})).ok();
        } else if !matches!(request.tool_choice, Some(ToolChoice::Function { .. })) {
            request.tool_choice = Some(ToolChoice::Mode(ToolChoiceMode::Required));
        }
        request.tools.push(tool);
        Ok(Some(Self { request, name }))
    }

    /// The answer's call becomes the text. Beside calls of other tools it counts for nothing.
    /// True where the text is the answer.
    pub(crate) fn settle(&self, reply: &mut Reply) -> bool {
        let answer = reply.tool_calls.iter().position(|call| call.function.name == self.name);
        let Some(answer) = answer.map(|position| reply.tool_calls.remove(position)) else { return false };
        reply.tool_calls.retain(|call| call.function.name != self.name);
        let is_answer = reply.tool_calls.is_empty();
        if is_answer {
            reply.text = Some(answer.function.arguments);
            reply.carried = None;
        }
        is_answer
    }
}

/// The format's name, unless a tool of the caller's has it.
fn free_name(output: &OutputFormat, tools: &[Tool]) -> String {
    let mut name = output.name.clone();
    while tools.iter().any(|tool| tool.function.name == name) {
        name.push('_');
    }
    name
}
