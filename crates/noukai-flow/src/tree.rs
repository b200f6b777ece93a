//! The checked flow: a tree whose leaves do work and whose inner nodes say in what order.
//!
//! Every value here has passed the checks of [`crate::check`]; who holds a [`Flow`] need not check again.

use std::{ops::Range, sync::Arc, time::Duration};

use noukai_api::CaptureMode;
use serde_json::{Map, Value};

use crate::{InputSchema, OutputSchema, Parameters, Template};

/// A flow that may run.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Its address in the project.
    pub slug: String,
    /// For people.
    pub name: String,
    /// What it is for, in words.
    pub description: Option<String>,
    /// How prompts and conversations meet.
    pub kind: FlowKind,
    /// What a run takes.
    pub input: InputSchema,
    /// What traces keep; `None`: as the organisation says.
    pub trace_capture: Option<CaptureMode>,
    /// The root sequence.
    pub root: Vec<Node>,
    /// Every leaf, by its index in tree order.
    pub leaves: Vec<LeafInfo>,
    /// SHA-256 of the document's canonical JSON, in hex.
    pub hash: String,
}

/// How prompts and conversations meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowKind {
    /// Each prompt is the user message.
    Pipeline,
    /// Each prompt is the system message; the conversation follows.
    Chat,
}

/// What is known of a leaf without looking at its block.
#[derive(Debug, Clone)]
pub struct LeafInfo {
    /// Unique in the flow.
    pub id: Arc<str>,
    /// For people; the id where none is given.
    pub name: Arc<str>,
    /// Enclosing loops, outermost first, by id.
    pub loops: Vec<Arc<str>>,
    /// Whether it stands in a branch, so that it may be skipped.
    pub in_branch: bool,
    /// Whether a loop or a parallel container encloses it, so that it cannot pause and is no cursor position
    /// unless it is the first leaf of `unit`.
    pub in_unit: bool,
    /// Leaves of the outermost enclosing loop or parallel container, else the leaf alone.
    pub unit: Range<usize>,
    /// Whether it is an LLM block with `tools_enabled`.
    pub tools_enabled: bool,
}

/// A place in the tree.
#[derive(Debug, Clone)]
pub struct Node {
    /// Unique in the flow.
    pub id: Arc<str>,
    /// For people; the id where none is given.
    pub name: Arc<str>,
    /// Indexes of the leaves at or below this node.
    pub leaves: Range<usize>,
    /// What it does.
    pub kind: NodeKind,
}

/// What a node does.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Work.
    Leaf(Leaf),
    /// Children in order.
    Sequence(Vec<Node>),
    /// Children at once, all on the same input.
    Parallel(Vec<Node>),
    /// Steps once per item.
    Loop(Loop),
    /// The first matching case.
    Branch(Branch),
}

/// A block with its bounds.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The work.
    pub block: Block,
    /// How often it is tried.
    pub retry: Retry,
    /// Milliseconds one attempt may take; `None`: the server's limit.
    pub timeout_ms: Option<u64>,
}

/// The work of a leaf.
#[derive(Debug, Clone)]
pub enum Block {
    /// Calls a model.
    Llm(Arc<LlmBlock>),
    /// Runs a function.
    Code(Arc<CodeBlock>),
    /// Output = input.
    Passthrough,
}

/// Renders a prompt and calls a model.
#[derive(Debug, Clone)]
pub struct LlmBlock {
    /// `vendor/model`; `None`: the server's default.
    pub model: Option<String>,
    /// Tried in order when `model` fails for reasons of its provider.
    pub fallback_models: Vec<String>,
    /// The system message.
    pub system: Option<Template>,
    /// The user message, or the system message in a chat flow.
    pub prompt: Template,
    /// Sampling parameters and the like, passed to the provider.
    pub config: Map<String, Value>,
    /// What the reply must look like.
    pub output: Option<OutputSchema>,
    /// Whether the caller's tools are offered.
    pub tools_enabled: bool,
    /// Pauses for tools that one run of the block may make.
    pub max_tool_iterations: u32,
    /// Whether attachments are sent even after another LLM block is done.
    pub attachments_always: bool,
    /// How long a reply may be given again for the very same request; `None`: never.
    pub cache: Option<Duration>,
}

/// A function in a sandbox.
#[derive(Debug, Clone)]
pub struct CodeBlock {
    /// Where it stands in the document, such as `steps[2].code`.
    pub path: String,
    /// What it is written in.
    pub language: Language,
    /// Its parameters after `initial`, looked up as names in a template are.
    pub input: Parameters,
    /// The body.
    pub source: Arc<str>,
    /// What it must return.
    pub output: Option<OutputSchema>,
}

/// What a code block is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// `def _block(initial, fields...)`.
    Python,
    /// `function block(initial, fields...)`.
    JavaScript,
}

impl Language {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::Python, Self::JavaScript];

    /// The name as it stands in documents, in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
        }
    }
}

/// How often a leaf is tried, and how long it waits in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts per model, the first included.
    pub max_attempts: u32,
    /// Milliseconds before the second attempt; doubles from there.
    pub initial_ms: u64,
    /// Milliseconds at the most.
    pub max_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 3, initial_ms: 500, max_ms: 10_000 }
    }
}

/// Steps once per item of an array.
#[derive(Debug, Clone)]
pub struct Loop {
    /// Dotted path of the array, looked up like a template name.
    pub over: String,
    /// Items at once; `None`: the server's default.
    pub concurrency: Option<u32>,
    /// Whether a failing item leaves `{"error": ...}` in its place instead of failing the loop.
    pub continue_on_error: bool,
    /// The steps.
    pub steps: Vec<Node>,
}

/// The first case whose key is the rendered `on`, else `otherwise`.
#[derive(Debug, Clone)]
pub struct Branch {
    /// Rendered and compared, trimmed, with the case keys.
    pub on: Template,
    /// In document order. Each is a sequence, possibly empty.
    pub cases: Vec<(String, Vec<Node>)>,
    /// What runs where no case matches.
    pub otherwise: Vec<Node>,
}
