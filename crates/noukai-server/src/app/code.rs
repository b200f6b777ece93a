//! Code blocks: what is wrong with their sources, and one called alone. Runs reach the same port through the engine.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use noukai_api::{ErrorCode, StepError};
use noukai_engine::{
    Code, CodeCall, CodeError, CodeErrorKind, CodeProblem, CodeReply, CodeSource, Done, DoneOutputs, Event, EventSink,
    Notes, Ports, Printed, RunSpec, SinkError, Slot, SystemClock, Until,
};
use noukai_flow::{Block, CodeBlock, Flow, Leaf, LeafInfo, Node, NodeKind, Position, Problem, ProblemCode};
use noukai_store::ProjectId;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{App, AppError, Project};

/// Code blocks as this installation runs them, or does not. Cheap to clone.
#[derive(Clone)]
pub struct CodeRunner {
    port: Option<Arc<dyn Code>>,
}

impl CodeRunner {
    /// Over a cage; `None`: code blocks are switched off.
    pub(crate) fn new(port: Option<Arc<dyn Code>>) -> Self {
        Self { port }
    }

    /// What is wrong with the flow's code blocks; each problem has a position in the block's source.
    ///
    /// # Errors
    /// `OVERLOADED` where no process can be started to parse them in.
    pub async fn problems(&self, flow: &Flow) -> Result<Vec<Problem>, AppError> {
        let mut problems = Vec::new();
        for (_, block) in flow.code_blocks() {
            match &self.port {
                Some(port) => problems.extend(problems_of(port.as_ref(), block).await?),
                None => problems.push(Problem::error(&block.path, ProblemCode::CodeNotRunnable, OFF)),
            }
        }
        Ok(problems)
    }

    pub(crate) fn port(&self) -> Arc<dyn Code> {
        self.port.clone().unwrap_or_else(|| Arc::new(Off))
    }
}

const OFF: &str = "code blocks are switched off here; set `enabled = true` under `[code]` in the configuration";

async fn problems_of(port: &dyn Code, block: &CodeBlock) -> Result<Vec<Problem>, AppError> {
    let path = format!("{}.source", block.path);
    let found = match port.check(&CodeSource::of(block)).await {
        Ok(found) => found,
        Err(error) if error.kind == CodeErrorKind::Unavailable => {
            let message = format!("code blocks cannot be checked now: {}", error.message);
            return Err(AppError::overloaded(message));
        }
        Err(error) => {
            let line = error.line.unwrap_or(1);
            vec![CodeProblem { line, column: 1, message: format!("the source cannot be checked: {}", error.message) }]
        }
    };
    let problem = |found: CodeProblem| {
        let CodeProblem { line, column, message } = found;
        let message = format!("line {line}, column {column}: {message}");
        let position = Some(Position { line, column });
        Problem { position, ..Problem::error(&path, ProblemCode::CodeInvalid, message) }
    };
    Ok(found.into_iter().map(problem).collect())
}

/// Stands in where code blocks are switched off; flows with one are refused before they come here.
struct Off;

#[async_trait]
impl Code for Off {
    async fn check(&self, _source: &CodeSource) -> Result<Vec<CodeProblem>, CodeError> {
        Err(CodeError::new(CodeErrorKind::Unavailable, OFF))
    }

    async fn call(&self, _call: &CodeCall) -> Result<CodeReply, CodeError> {
        Err(CodeError::new(CodeErrorKind::Unavailable, OFF))
    }
}

/// What came of a block that was called alone.
#[derive(Debug, Clone)]
pub struct BlockTrial {
    /// Its output, or why there is none.
    pub outcome: Result<Value, StepError>,
    /// What it printed, if anything.
    pub printed: Option<Printed>,
    /// How long the attempt took, the wait for a free worker included.
    pub duration: Duration,
}

impl App {
    /// Calls one code block alone, once: `input` is its pipeline input, `initial` the run's inputs. Nothing is stored.
    ///
    /// # Errors
    /// `STEP_NOT_FOUND` where the flow has no such code block; `INVALID_TREE` where code blocks are switched off.
    pub async fn try_block(
        &self,
        project: &Project,
        flow: &Flow,
        step: &str,
        input: Map<String, Value>,
        initial: Map<String, Value>,
    ) -> Result<BlockTrial, AppError> {
        if self.code().port.is_none() {
            return Err(AppError::new(ErrorCode::InvalidTree, OFF));
        }
        let flow = alone(flow, step).ok_or_else(|| no_such_block(flow, step))?;
        let spec = self.trial(project.record.id, flow, input, initial);
        let heard = Arc::new(Heard::default());
        let sink = heard.clone();
        let ports = Ports { model: self.model().clone(), code: self.code().port(), sink, clock: Arc::new(SystemClock) };
        noukai_engine::run(spec, &ports, &CancellationToken::new()).await;
        heard.trial().ok_or_else(|| AppError::internal("a block called alone gave neither an output nor an error"))
    }

    /// A pass over the block alone, its input taken as given before.
    fn trial(&self, tenant: ProjectId, flow: Flow, input: Map<String, Value>, initial: Map<String, Value>) -> RunSpec {
        let given = Arc::new(Value::Object(input));
        let slots = [(Slot { leaf: 0, path: Vec::new() }, Done::Output(given.clone()))].into();
        let done = DoneOutputs { slots, reported: [(0, given)].into(), ..DoneOutputs::default() };
        RunSpec {
            tenant: tenant.0,
            flow: Arc::new(flow),
            initial: Arc::new(Value::Object(initial)),
            conversation: Vec::new(),
            images: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            done,
            replacements: std::collections::BTreeMap::new(),
            cursor: 1,
            until: Until::End,
            resume: None,
            bounds: super::pass::bounds(self.limits()),
            deltas: false,
        }
    }
}

fn no_such_block(flow: &Flow, step: &str) -> AppError {
    let ids: Vec<&str> = flow.code_blocks().into_iter().map(|(id, _)| id.as_ref()).collect();
    let there = if ids.is_empty() { "it has none".to_owned() } else { format!("there are {}", ids.join(", ")) };
    let message = format!("the flow `{}` has no code block `{step}`; {there}", flow.slug);
    AppError::new(ErrorCode::StepNotFound, message)
}

/// The flow with nothing in it but the block, behind a passthrough that stands for what came before.
fn alone(flow: &Flow, step: &str) -> Option<Flow> {
    let index = flow.leaf_index(step)?;
    let (node, leaf) = flow.leaf(index).filter(|(_, leaf)| matches!(leaf.block, Block::Code(_)))?;
    let once = noukai_flow::Retry { max_attempts: 1, ..leaf.retry };
    let block = Node {
        leaves: 1..2,
        kind: NodeKind::Leaf(Leaf { block: leaf.block.clone(), retry: once, timeout_ms: leaf.timeout_ms }),
        ..node.clone()
    };
    let before = Node {
        // No step can have the name: it is no id.
        id: "".into(),
        name: "".into(),
        leaves: 0..1,
        kind: NodeKind::Leaf(Leaf { block: Block::Passthrough, retry: once, timeout_ms: None }),
    };
    let info = |node: &Node| LeafInfo {
        id: node.id.clone(),
        name: node.name.clone(),
        loops: Vec::new(),
        in_branch: false,
        in_unit: false,
        unit: node.leaves.clone(),
        tools_enabled: false,
    };
    let leaves = vec![info(&before), info(&block)];
    Some(Flow { root: vec![before, block], leaves, ..flow.clone() })
}

/// Keeps how the block's attempt ended.
#[derive(Default)]
struct Heard(Mutex<Option<BlockTrial>>);

impl Heard {
    fn trial(&self) -> Option<BlockTrial> {
        self.0.lock().take()
    }

    fn ended(&self, outcome: Result<Value, StepError>, notes: Notes, duration: Duration) {
        *self.0.lock() = Some(BlockTrial { outcome, printed: notes.printed, duration });
    }
}

#[async_trait]
impl EventSink for Heard {
    fn emit(&self, event: Event) {
        match event {
            Event::AttemptCompleted { output, notes, duration, .. } => {
                self.ended(Ok(output.as_ref().clone()), notes, duration);
            }
            Event::AttemptFailed { error, notes, duration, .. } => self.ended(Err(error), notes, duration),
            _ => {}
        }
    }

    async fn settle(&self) -> Result<(), SinkError> {
        Ok(())
    }

    fn delta(&self, _leaf: usize, _text: &str, _restart: bool) {}
}
