//! Operations: the one way a draft changes. A plain value goes in; the changed document, what it touched and the way back
//! come out, or a refusal that says what to do instead.
//!
//! A draft may have problems, so operations work on documents that do not check. Nothing is changed in place: who is
//! refused has lost nothing.

mod arguments;
mod bounds;
mod containers;
mod content;
mod exact;
mod given;
mod nodes;
mod refusal;
mod say;
mod script;
mod structure;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{arguments::*, refusal::*, script::edit_script};
pub(crate) use self::{
    nodes::{ChildList, Site, child_lists, find, id, is_container, kind, walk},
    say::shown,
    script::between,
};
use crate::{Bounds, Document};

/// A change of a draft. As JSON an object with the name of the operation under `op` and its arguments beside it:
/// `{"op": "update_block_name", "step_id": "greet", "name": "Greet"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Operation {
    /// Adds a block.
    AddBlock(AddBlock),
    /// Removes a step with all that is in it; a sequence or parallel container that it leaves empty goes too.
    RemoveBlock(OfStep),
    /// Moves a step beside another.
    MoveBlock(MoveBlock),
    /// Copies a step.
    DuplicateBlock(DuplicateBlock),
    /// Makes a block do something else.
    ConvertBlock(ConvertBlock),
    /// Puts steps into a new container.
    WrapInContainer(WrapInContainer),
    /// Puts steps into a new loop.
    WrapInLoop(WrapInLoop),
    /// Puts steps into a new branch.
    WrapInBranch(WrapInBranch),
    /// Puts a container's children in its place.
    UnwrapNode(OfStep),
    /// Changes a sequence or parallel container.
    UpdateContainer(UpdateContainer),
    /// Changes a loop.
    UpdateLoop(UpdateLoop),
    /// Changes a branch.
    UpdateBranch(UpdateBranch),
    /// Sets a block's prompt or source.
    UpdateBlockDraft(UpdateBlockDraft),
    /// Sets what a code block takes.
    UpdateBlockInputSchema(UpdateBlockSchema),
    /// Sets what a block gives.
    UpdateBlockOutputSchema(UpdateBlockSchema),
    /// Changes settings of a block.
    UpdateBlockConfig(UpdateBlockConfig),
    /// Sets the model of an LLM block.
    UpdateBlockModel(UpdateBlockModel),
    /// Sets a step's name.
    UpdateBlockName(UpdateBlockName),
    /// Sets a step's notes.
    UpdateBlockNotes(UpdateBlockNotes),
    /// Changes several fields of one block, all or nothing.
    UpdateBlock(Box<UpdateBlock>),
    /// Sets what a run takes.
    UpdateFlowInputSchema(UpdateFlowInputSchema),
    /// Changes what stands at the top of the document.
    UpdateFlow(UpdateFlow),
    /// Puts a node at an exact place.
    InsertNode(InsertNode),
    /// Removes a node with all that is in it, and nothing else.
    RemoveNode(OfStep),
    /// Moves a node to an exact place.
    MoveNode(MoveNode),
    /// Puts another node in a node's place.
    ReplaceNode(ReplaceNode),
    /// Sets any field.
    SetField(SetField),
    /// Takes any field away.
    ClearField(ClearField),
    /// Puts another document in the document's place.
    ReplaceDocument(ReplaceDocument),
}

/// What operations have made of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The document afterwards.
    pub document: Document,
    /// What was changed; empty where nothing was.
    pub touched: Touched,
    /// For each operation the id of the step it made, if it made one.
    pub created: Vec<Option<String>>,
    /// Blocks whose prompt or source is new or another.
    pub content_changed: Vec<String>,
    /// What leads back to the document as it was.
    pub inverse: Vec<Operation>,
    /// What was done, in a sentence.
    pub summary: String,
}

impl Applied {
    /// Whether the document is another than before.
    pub fn is_change(&self) -> bool {
        !self.inverse.is_empty()
    }
}

/// What operations have changed, to find out whether they can still be undone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Touched {
    /// Steps that were made, changed, moved or removed.
    pub steps: Vec<String>,
    /// Containers whose children are others, or in another order; they themselves are as they were.
    pub within: Vec<String>,
    /// Keys at the top of the document.
    pub flow: Vec<String>,
    /// The document was replaced as a whole.
    pub everything: bool,
}

impl Touched {
    /// What of this the later change has touched too, in words (`the step ...`), so that this cannot be undone alone.
    pub fn met_by(&self, later: &Self) -> Option<String> {
        if (self.everything && !later.is_empty()) || (later.everything && !self.is_empty()) {
            return Some("the whole flow".to_owned());
        }
        let step = self.steps.iter().find(|step| later.steps.contains(step) || later.within.contains(step));
        let field = || self.flow.iter().find(|key| later.flow.contains(key));
        step.map(|step| format!("the step `{step}`")).or_else(|| field().map(|key| format!("the flow's `{key}`")))
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Applies one operation.
///
/// # Errors
/// Why not; nothing has changed then.
pub fn apply(document: &Document, operation: &Operation, bounds: &Bounds) -> Result<Applied, Refusal> {
    apply_all(document, std::slice::from_ref(operation), bounds)
}

/// Applies operations in order: all of them or none.
///
/// # Errors
/// The first one that is refused, with its number; nothing has changed then.
pub fn apply_all(document: &Document, operations: &[Operation], bounds: &Bounds) -> Result<Applied, Refusal> {
    let mut result = document.clone();
    let mut created = Vec::with_capacity(operations.len());
    for (number, operation) in operations.iter().enumerate() {
        let numbered = |refusal| Refusal { operation: number, ..refusal };
        created.push(run_bounded(&mut result, operation, bounds).map_err(numbered)?);
    }
    bounds::readable(document, &result)?;
    let back = between(&result, document);
    Ok(Applied {
        touched: back.touched,
        created,
        content_changed: nodes::with_new_content(document, &result),
        inverse: back.operations,
        summary: say::summary(operations),
        document: result,
    })
}

/// Runs one operation; those that people and assistants build with keep to the bounds of a flow.
fn run_bounded(document: &mut Value, operation: &Operation, bounds: &Bounds) -> Result<Option<String>, Refusal> {
    if !operation.builds() {
        return run(document, operation);
    }
    let before = bounds::Extent::of(document);
    let created = run(document, operation)?;
    bounds::Extent::of(document).grown_within(&before, bounds)?;
    Ok(created)
}

/// Runs one operation; the id of the step it made. After a refusal the document may be half changed.
fn run(document: &mut Value, operation: &Operation) -> Result<Option<String>, Refusal> {
    match operation {
        Operation::AddBlock(add) => structure::add(document, add).map(Some),
        Operation::RemoveBlock(of) => structure::remove(document, &of.step_id).map(|()| None),
        Operation::MoveBlock(to) => structure::move_beside(document, to).map(|()| None),
        Operation::DuplicateBlock(copy) => structure::duplicate(document, copy).map(Some),
        Operation::ConvertBlock(convert) => content::convert(document, convert).map(|()| None),
        Operation::WrapInContainer(wrap) => containers::wrap_in_container(document, wrap).map(Some),
        Operation::WrapInLoop(wrap) => containers::wrap_in_loop(document, wrap).map(Some),
        Operation::WrapInBranch(wrap) => containers::wrap_in_branch(document, wrap).map(Some),
        Operation::UnwrapNode(of) => structure::unwrap(document, &of.step_id).map(|()| None),
        Operation::UpdateContainer(update) => containers::update_container(document, update).map(|()| None),
        Operation::UpdateLoop(update) => containers::update_loop(document, update).map(|()| None),
        Operation::UpdateBranch(update) => containers::update_branch(document, update).map(|()| None),
        Operation::InsertNode(insert) => exact::insert(document, insert).map(Some),
        Operation::RemoveNode(of) => exact::remove(document, &of.step_id).map(|()| None),
        Operation::MoveNode(to) => exact::move_to(document, to).map(|()| None),
        Operation::ReplaceNode(replace) => exact::replace(document, replace).map(|_| None),
        Operation::SetField(set) => exact::set_field(document, set).map(|()| None),
        Operation::ClearField(clear) => exact::clear_field(document, clear).map(|()| None),
        Operation::ReplaceDocument(replace) => {
            document.clone_from(&replace.document);
            Ok(None)
        }
        Operation::UpdateFlow(update) => content::update_flow(document, update).map(|()| None),
        Operation::UpdateFlowInputSchema(input) => content::update_flow_input(document, &input.content).map(|()| None),
        block => content::update(document, &block.as_block_update()).map(|()| None),
    }
}

impl Operation {
    /// Whether it adds steps or containers by what is meant, not by exact place.
    const fn builds(&self) -> bool {
        matches!(
            self,
            Self::AddBlock(_)
                | Self::MoveBlock(_)
                | Self::DuplicateBlock(_)
                | Self::WrapInContainer(_)
                | Self::WrapInLoop(_)
                | Self::WrapInBranch(_)
                | Self::UpdateContainer(_)
        )
    }

    /// The operations on one block's fields, as the one that can change them all.
    fn as_block_update(&self) -> UpdateBlock {
        let of = |step_id: &str| UpdateBlock { step_id: step_id.to_owned(), ..UpdateBlock::default() };
        let schema = |content: &Value| Some((!content.is_null()).then(|| content.clone()));
        match self {
            Self::UpdateBlockDraft(draft) => UpdateBlock { content: Some(draft.content.clone()), ..of(&draft.step_id) },
            Self::UpdateBlockInputSchema(input) => {
                UpdateBlock { input_schema: schema(&input.content), ..of(&input.step_id) }
            }
            Self::UpdateBlockOutputSchema(output) => {
                UpdateBlock { output_schema: schema(&output.content), ..of(&output.step_id) }
            }
            Self::UpdateBlockConfig(config) => UpdateBlock {
                config: config.config.clone(),
                processor_config: config.processor_config.clone(),
                ..of(&config.step_id)
            },
            Self::UpdateBlockModel(model) => UpdateBlock {
                model: Some(model.model.clone()),
                fallback_models: model.fallback_models.clone(),
                ..of(&model.step_id)
            },
            Self::UpdateBlockName(name) => UpdateBlock { name: Some(Some(name.name.clone())), ..of(&name.step_id) },
            Self::UpdateBlockNotes(notes) => UpdateBlock { notes: Some(notes.notes.clone()), ..of(&notes.step_id) },
            Self::UpdateBlock(update) => (**update).clone(),
            _ => UpdateBlock::default(),
        }
    }
}

#[cfg(test)]
pub(crate) mod property_tests;
#[cfg(test)]
mod tests;
