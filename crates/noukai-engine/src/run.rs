//! One pass over the tree: from a cursor to the end, to the next unit's end, or to a pause.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use noukai_api::ErrorCode;
use noukai_flow::Flow;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Clock, Code, DoneOutputs, Event, EventSink, Failure, Image, Message, Model, Outcome, RunReport, Tool, ToolChoice,
    ToolResume,
    progress::Progress,
    walk::{Stop, Walk},
};

/// The world as the engine sees it.
#[derive(Clone)]
pub struct Ports {
    /// Answers LLM blocks.
    pub model: Arc<dyn Model>,
    /// Runs code blocks.
    pub code: Arc<dyn Code>,
    /// Hears what happens.
    pub sink: Arc<dyn EventSink>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// What to run.
#[derive(Clone)]
pub struct RunSpec {
    /// The project: whose fair share of the cage code blocks take.
    pub tenant: Uuid,
    /// The flow, overrides applied.
    pub flow: Arc<Flow>,
    /// The run's inputs: an object.
    pub initial: Arc<Value>,
    /// Pipeline flows: turns before the first LLM block's prompt. Chat flows: the whole conversation.
    pub conversation: Vec<Message>,
    /// Attachments.
    pub images: Vec<Image>,
    /// The caller's tools.
    pub tools: Vec<Tool>,
    /// How they may be used.
    pub tool_choice: Option<ToolChoice>,
    /// What is done already.
    pub done: DoneOutputs,
    /// Outputs to put in place of what leaves give, by leaf index, before the next input is derived.
    pub replacements: BTreeMap<usize, Arc<Value>>,
    /// Leaf index the pass begins at; leaves before it are taken from `done`.
    pub cursor: usize,
    /// How far the pass goes.
    pub until: Until,
    /// A pause that is answered.
    pub resume: Option<ToolResume>,
    /// Bounds.
    pub bounds: RunBounds,
    /// Whether model text is handed over as it comes.
    pub deltas: bool,
}

/// How far a pass goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// One leaf, loop or parallel container.
    OneUnit,
    /// The end of the flow.
    End,
}

/// Bounds of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunBounds {
    /// Items of one loop.
    pub loop_items: u32,
    /// Items at once, where the loop does not say.
    pub loop_concurrency: u32,
    /// Time of the pass.
    pub run_time: Duration,
    /// Time of one attempt, where the block does not say.
    pub block_time: Duration,
    /// Bytes of a step's output.
    pub output_bytes: u64,
    /// Attempts of one pass, iterations counted.
    pub attempts: u32,
    /// Bytes of all outputs of one pass.
    pub total_bytes: u64,
}

/// Runs one pass. Ends early when `cancel` fires; what is under way then is recorded as cut off.
pub async fn run(spec: RunSpec, ports: &Ports, cancel: &CancellationToken) -> RunReport {
    let progress = Progress::new(spec.done.clone());
    let run_time = spec.bounds.run_time;
    let walk = Walk::new(&spec, ports, progress);
    let ended = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Stop::Cancelled),
        () = tokio::time::sleep(run_time) => Err(Stop::Failed(Box::new(out_of_time(&walk, run_time)))),
        ended = walk.root() => ended,
    };
    let outcome = conclude(&walk, ended);
    close_active(&walk, &outcome);
    if let Outcome::Failed(Failure { node_id: Some(node_id), name, error }) = &outcome {
        walk.emit(Event::StepFailed { node_id: node_id.clone(), name: name.clone(), error: error.clone() });
    }
    let progress = walk.progress();
    RunReport { outcome, tokens: progress.tokens, cost: progress.cost, steps: progress.steps() }
}

/// Names the step that was under way.
fn out_of_time(walk: &Walk<'_>, limit: Duration) -> Failure {
    let message = format!("the run took longer than its limit of {} s", limit.as_secs());
    let mut failure = Failure::of_run(ErrorCode::RunTimeout, message);
    if let Some((leaf, attempt)) = walk.progress().first_active() {
        let info = walk.info(leaf);
        failure.error.step_id = Some(info.id.to_string());
        failure.error.attempt = attempt;
        (failure.node_id, failure.name) = (Some(info.id.clone()), info.name.clone());
    }
    failure
}

fn conclude(walk: &Walk<'_>, ended: Result<Arc<Value>, Stop>) -> Outcome {
    match ended {
        Ok(result) => Outcome::Completed { result },
        Err(Stop::Boundary { next }) => Outcome::Boundary { done: walk.progress().last_reported(), next },
        Err(Stop::ToolPause(pause)) => Outcome::ToolPause(pause),
        Err(Stop::Failed(failure)) => Outcome::Failed(*failure),
        Err(Stop::Cancelled) => Outcome::Cancelled { leaf: walk.progress().first_active().map(|(leaf, _)| leaf) },
    }
}

/// Ends the attempts that were cut off, so that no trace shows a step running in a run that is not.
fn close_active(walk: &Walk<'_>, outcome: &Outcome) {
    if matches!(outcome, Outcome::ToolPause(_)) {
        return;
    }
    walk.cut_off(&(0..walk.flow().leaves.len()), &[], "cut off because the run ended");
}
