//! Operations in words: one line each, for logs and terminals.

use std::fmt;

use serde_json::Value;

use super::{ContainerType, Direction, Operation, Place, UpdateBlock, nodes};

/// Operations that a summary names one by one.
const SAID: usize = 4;
/// Characters of a value that are shown.
const SHOWN: usize = 60;

/// What was done, in a sentence.
pub(super) fn summary(operations: &[Operation]) -> String {
    let said: Vec<String> = operations.iter().take(SAID).map(Operation::to_string).collect();
    match operations.len().saturating_sub(SAID) {
        0 => said.join("; "),
        more => format!("{}; and {more} more", said.join("; ")),
    }
}

impl Operation {
    /// The operation's name, as under `op`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AddBlock(_) => "add_block",
            Self::RemoveBlock(_) => "remove_block",
            Self::MoveBlock(_) => "move_block",
            Self::DuplicateBlock(_) => "duplicate_block",
            Self::ConvertBlock(_) => "convert_block",
            Self::WrapInContainer(_) => "wrap_in_container",
            Self::WrapInLoop(_) => "wrap_in_loop",
            Self::WrapInBranch(_) => "wrap_in_branch",
            Self::UnwrapNode(_) => "unwrap_node",
            Self::UpdateContainer(_) => "update_container",
            Self::UpdateLoop(_) => "update_loop",
            Self::UpdateBranch(_) => "update_branch",
            Self::UpdateBlockDraft(_) => "update_block_draft",
            Self::UpdateBlockInputSchema(_) => "update_block_input_schema",
            Self::UpdateBlockOutputSchema(_) => "update_block_output_schema",
            Self::UpdateBlockConfig(_) => "update_block_config",
            Self::UpdateBlockModel(_) => "update_block_model",
            Self::UpdateBlockName(_) => "update_block_name",
            Self::UpdateBlockNotes(_) => "update_block_notes",
            Self::UpdateBlock(_) => "update_block",
            Self::UpdateFlowInputSchema(_) => "update_flow_input_schema",
            Self::UpdateFlow(_) => "update_flow",
            Self::InsertNode(_) => "insert_node",
            Self::RemoveNode(_) => "remove_node",
            Self::MoveNode(_) => "move_node",
            Self::ReplaceNode(_) => "replace_node",
            Self::SetField(_) => "set_field",
            Self::ClearField(_) => "clear_field",
            Self::ReplaceDocument(_) => "replace_document",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddBlock(add) => {
                write!(f, "add the {} block `{}`", add.processor_type.as_str(), add.name)?;
                beside(f, add.target_id.as_deref(), add.direction)
            }
            Self::RemoveBlock(of) | Self::RemoveNode(of) => write!(f, "remove `{}`", of.step_id),
            Self::MoveBlock(to) => {
                write!(f, "move `{}`", to.step_id)?;
                beside(f, Some(&to.target_id), to.direction)
            }
            Self::DuplicateBlock(copy) => write!(f, "copy `{}`", copy.step_id),
            Self::ConvertBlock(convert) => {
                write!(f, "make `{}` a block of kind {}", convert.step_id, convert.processor_type.as_str())
            }
            Self::WrapInContainer(wrap) => {
                write!(f, "wrap {} in a {}", quoted(&wrap.node_ids), container(wrap.container_type))
            }
            Self::WrapInLoop(wrap) => {
                write!(f, "wrap {} in a loop over `{}`", quoted(&wrap.node_ids), wrap.array_field)
            }
            Self::WrapInBranch(wrap) => write!(f, "wrap {} in a branch, case `{}`", quoted(&wrap.node_ids), wrap.case),
            Self::UnwrapNode(of) => write!(f, "unwrap `{}`", of.step_id),
            Self::UpdateContainer(update) => write!(f, "change the container `{}`", update.step_id),
            Self::UpdateLoop(update) => write!(f, "change the loop `{}`", update.step_id),
            Self::UpdateBranch(update) => write!(f, "change the branch `{}`", update.step_id),
            Self::InsertNode(insert) => {
                let id = nodes::id(&insert.node).unwrap_or("?");
                let kind = nodes::kind(&insert.node).unwrap_or("step");
                write!(f, "insert the {kind} `{id}` at {}", insert.to)
            }
            Self::MoveNode(to) => write!(f, "move `{}` to {}", to.step_id, to.to),
            Self::ReplaceNode(replace) => write!(f, "replace `{}`", replace.step_id),
            Self::SetField(set) => {
                write!(f, "set {} to {}", field(set.step_id.as_deref(), &set.path), shown(&set.value))
            }
            Self::ClearField(clear) => write!(f, "clear {}", field(clear.step_id.as_deref(), &clear.path)),
            Self::ReplaceDocument(_) => write!(f, "replace the whole document"),
            Self::UpdateFlowInputSchema(_) => write!(f, "set what a run takes"),
            Self::UpdateFlow(update) => {
                let keys = [
                    update.name.as_ref().map(|_| "name"),
                    update.description.as_ref().map(|_| "description"),
                    update.kind.as_ref().map(|_| "kind"),
                    update.trace_capture.as_ref().map(|_| "trace_capture"),
                ];
                write!(f, "set {} of the flow", keys.into_iter().flatten().collect::<Vec<_>>().join(", "))
            }
            block => block_update(f, &block.as_block_update()),
        }
    }
}

fn block_update(f: &mut fmt::Formatter<'_>, update: &UpdateBlock) -> fmt::Result {
    let fields = [
        update.name.as_ref().map(|_| "name"),
        update.content.as_ref().map(|_| "content"),
        update.model.as_ref().map(|_| "model"),
        update.fallback_models.as_ref().map(|_| "fallback models"),
        update.input_schema.as_ref().map(|_| "input schema"),
        update.output_schema.as_ref().map(|_| "output schema"),
        update.config.as_ref().map(|_| "config"),
        update.processor_config.as_ref().map(|_| "settings"),
        update.notes.as_ref().map(|_| "notes"),
    ];
    let fields: Vec<&str> = fields.into_iter().flatten().collect();
    write!(
        f,
        "set {} of `{}`",
        if fields.is_empty() { "nothing".to_owned() } else { fields.join(", ") },
        update.step_id
    )
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parent_id {
            Some(parent) => write!(f, "`{parent}`")?,
            None => write!(f, "steps")?,
        }
        if let Some(case) = &self.case {
            write!(f, ".{case}")?;
        }
        self.index.map_or(Ok(()), |index| write!(f, "[{index}]"))
    }
}

fn beside(f: &mut fmt::Formatter<'_>, target: Option<&str>, direction: Option<Direction>) -> fmt::Result {
    let Some(target) = target else { return Ok(()) };
    match direction.unwrap_or(Direction::Right) {
        Direction::Left => write!(f, " before `{target}`"),
        Direction::Right => write!(f, " after `{target}`"),
        Direction::Above => write!(f, " above `{target}`"),
        Direction::Below => write!(f, " below `{target}`"),
    }
}

const fn container(kind: ContainerType) -> &'static str {
    match kind {
        ContainerType::H => "sequence",
        ContainerType::V => "parallel container",
    }
}

fn quoted(ids: &[String]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

fn field(step_id: Option<&str>, path: &[String]) -> String {
    let whose = step_id.map_or_else(|| "the flow".to_owned(), |id| format!("`{id}`"));
    format!("{} of {whose}", path.join("."))
}

/// A value on one line, cut where it is long.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}
