//! The stored record of an event, and what observers are shown of it.
//!
//! Three event types meet here and nowhere else: the engine's, the store's (versioned JSON, contents as capture
//! allows), the wire's.

use std::sync::Arc;

use noukai_api::{RunSummary, StepError, StreamEvent, TokenDetails, Tokens, ToolCall};
use noukai_engine::{Event, Usage};
use noukai_flow::{Flow, LeafInfo};
use noukai_models::decimal_text;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::capture::{Capture, Content};

/// Version of the records below. A change that old readers cannot take counts it up.
const VERSION: u32 = 1;

/// Most records with short contents take no more, so that their texts need not grow.
const USUAL_BYTES: usize = 512;

/// A record as it stands in the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stored {
    v: u32,
    #[serde(flatten)]
    pub record: Record,
}

impl Stored {
    pub fn text(record: Record) -> String {
        let mut text = Vec::with_capacity(USUAL_BYTES);
        let written = serde_json::to_writer(&mut text, &Self { v: VERSION, record });
        written.ok().and_then(|()| String::from_utf8(text).ok()).unwrap_or_default()
    }
}

/// What happened, in the words of the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "snake_case")]
pub(crate) enum Record {
    RunStarted {
        /// How many of the records after this one came from the job that this one tries again.
        #[serde(default, skip_serializing_if = "is_zero")]
        carried: u64,
        /// What the run took, where contents are kept as they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inputs: Option<Content>,
    },
    Started(Started),
    Failed(Failed),
    Completed(Completed),
    LeafCompleted(LeafCompleted),
    Unreached {
        step: Arc<str>,
        name: Arc<str>,
        leaf: u32,
    },
    Skipped {
        step: Arc<str>,
        name: Arc<str>,
        leaf: u32,
        at: i64,
    },
    ItemFailed {
        leaf: u32,
        path: Vec<u32>,
        error: Value,
        /// Whether the error was cut or masked.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cut: bool,
    },
    LoopCompleted {
        step: Arc<str>,
        iterations: u32,
    },
    StepFailed {
        step: Arc<str>,
        name: Arc<str>,
        error: StepError,
    },
    StepPaused {
        step: Arc<str>,
        leaf: u32,
        next: u32,
    },
    ToolPause(Box<ToolPaused>),
    Finished {
        result: Content,
        summary: RunSummary,
        /// The root's last node, which gave the result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Arc<str>>,
    },
}

impl Record {
    /// A run that begins with nothing done.
    pub const RUN_STARTED: Self = Self::RunStarted { carried: 0, inputs: None };
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Started {
    pub step: Arc<str>,
    pub name: Arc<str>,
    pub leaf: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<u32>,
    pub attempt: u32,
    /// Whether observers are told.
    pub announce: bool,
    pub input: Content,
    /// Microseconds since the epoch.
    pub at: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub leaf: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<u32>,
    pub attempt: u32,
    pub error: StepError,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub printed: Option<Content>,
    #[serde(flatten)]
    pub used: Used,
    pub duration_ms: u64,
    pub at: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Completed {
    pub step: Arc<str>,
    pub name: Arc<str>,
    pub leaf: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<u32>,
    pub attempt: u32,
    pub output: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Arc<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub printed: Option<Content>,
    /// Iterations, inside a loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    #[serde(flatten)]
    pub used: Used,
    pub duration_ms: u64,
    pub at: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LeafCompleted {
    pub step: Arc<str>,
    pub name: Arc<str>,
    pub leaf: u32,
    pub output: Content,
    #[serde(flatten)]
    pub used: Used,
    pub duration_ms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ToolPaused {
    pub step: Arc<str>,
    pub leaf: u32,
    pub iterations_used: u32,
    pub messages: Vec<Value>,
    pub calls: Vec<ToolCall>,
    pub outputs: Map<String, Value>,
}

/// What an attempt used.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Used {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    #[serde(default, skip_serializing_if = "TokenDetails::is_empty")]
    pub details: TokenDetails,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hedged: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
}

impl From<Usage> for Used {
    fn from(usage: Usage) -> Self {
        Self {
            model: usage.model,
            provider: usage.provider,
            tokens: usage.tokens,
            details: usage.details,
            cost_usd: usage.cost.as_ref().map(decimal_text),
            hedged: usage.hedged,
            cached: usage.cached,
        }
    }
}

/// Times are stored as microseconds since the epoch.
pub(crate) fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or_default()
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn index(leaf: usize) -> u32 {
    u32::try_from(leaf).unwrap_or(u32::MAX)
}

impl Record {
    /// The engine's event, its contents as `capture` allows.
    pub fn of_event(event: Event, flow: &Flow, capture: &Capture) -> Self {
        let leaf_info = |leaf: usize| -> &LeafInfo { &flow.leaves[leaf] };
        match event {
            Event::AttemptStarted { leaf, path, attempt, input, announce, at } => Self::Started(Started {
                step: leaf_info(leaf).id.clone(),
                name: leaf_info(leaf).name.clone(),
                leaf: index(leaf),
                path,
                attempt,
                announce,
                input: capture.content(&input),
                at: micros(at),
            }),
            Event::AttemptFailed { leaf, path, attempt, error, usage, notes, duration, at } => Self::Failed(Failed {
                leaf: index(leaf),
                path,
                attempt,
                error: capture.error(&error),
                printed: notes.printed.map(|printed| capture.printed(&printed)),
                used: usage.into(),
                duration_ms: millis(duration),
                at: micros(at),
            }),
            Event::AttemptCompleted { leaf, path, attempt, output, usage, notes, total, duration, at } => {
                Self::Completed(Completed {
                    step: leaf_info(leaf).id.clone(),
                    name: leaf_info(leaf).name.clone(),
                    leaf: index(leaf),
                    path,
                    attempt,
                    output: capture.content(&output),
                    prompt: notes.prompt.and_then(|prompt| capture.text(&prompt)),
                    printed: notes.printed.map(|printed| capture.printed(&printed)),
                    total,
                    used: usage.into(),
                    duration_ms: millis(duration),
                    at: micros(at),
                })
            }
            Event::Unreached { leaf, .. } => {
                let info = leaf_info(leaf);
                Self::Unreached { step: info.id.clone(), name: info.name.clone(), leaf: index(leaf) }
            }
            Event::LeafCompleted { leaf, output, usage, duration } => Self::LeafCompleted(LeafCompleted {
                step: leaf_info(leaf).id.clone(),
                name: leaf_info(leaf).name.clone(),
                leaf: index(leaf),
                output: capture.content(&output),
                used: usage.into(),
                duration_ms: millis(duration),
            }),
            Event::Skipped { leaf, at } => {
                let info = leaf_info(leaf);
                Self::Skipped { step: info.id.clone(), name: info.name.clone(), leaf: index(leaf), at: micros(at) }
            }
            Event::ItemFailed { leaf, path, error } => {
                let (error, cut) = capture.item_error(&error);
                Self::ItemFailed { leaf: index(leaf), path, error, cut }
            }
            Event::LoopCompleted { node_id, iterations } => Self::LoopCompleted { step: node_id, iterations },
            Event::StepFailed { node_id, name, error } => {
                Self::StepFailed { step: node_id, name, error: capture.error(&error) }
            }
        }
    }

    /// The result, where the record alone tells it, so that it need not be stored beside it.
    pub fn held_result(&self) -> Option<&Value> {
        match self {
            Self::Completed(completed) => completed.output.whole(),
            Self::LeafCompleted(completed) => completed.output.whole(),
            Self::ItemFailed { error, cut, .. } => Some(error).filter(|_| !cut),
            Self::Skipped { .. } => Some(&Value::Null),
            _ => None,
        }
    }

    /// What a step gave, as it is shown.
    pub const fn output_mut(&mut self) -> Option<&mut Content> {
        match self {
            Self::Completed(completed) => Some(&mut completed.output),
            Self::LeafCompleted(completed) => Some(&mut completed.output),
            _ => None,
        }
    }

    /// Whether a run that goes on need not work for this again.
    pub const fn is_result(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::LeafCompleted(_) | Self::ItemFailed { .. } | Self::Skipped { .. })
    }

    /// The end of a run without its result.
    pub fn ended_early(summary: RunSummary) -> Self {
        Self::Finished { result: Content::default(), summary, last: None }
    }

    /// For filters in the store.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RunStarted { .. } => "run_started",
            Self::Started(_) => "started",
            Self::Failed(_) => "failed",
            Self::Completed(_) => "completed",
            Self::LeafCompleted(_) => "leaf_completed",
            Self::Unreached { .. } => "unreached",
            Self::Skipped { .. } => "skipped",
            Self::ItemFailed { .. } => "item_failed",
            Self::LoopCompleted { .. } => "loop_completed",
            Self::StepFailed { .. } => "step_failed",
            Self::StepPaused { .. } => "step_paused",
            Self::ToolPause(_) => "tool_pause",
            Self::Finished { .. } => "finished",
        }
    }

    /// What observers are shown: none, one or two events; [`numbered`] gives them their ids.
    pub fn wire(self, run: &RunView) -> Vec<StreamEvent> {
        match self {
            Self::RunStarted { .. } => vec![StreamEvent::RunStarted {
                run_id: run.run_id.to_string(),
                flow_id: run.flow_id.to_string(),
                step_count: run.step_count,
                version: run.version,
            }],
            Self::Started(started) => started.wire(),
            Self::Completed(completed) => completed.wire(),
            Self::LeafCompleted(done) => done.wire(),
            Self::Unreached { step, name, leaf } => begun(&step, &name, leaf, 1, None),
            Self::Skipped { step, name, leaf, .. } => vec![StreamEvent::StepCompleted {
                step_id: step.to_string(),
                name: name.to_string(),
                output: Value::Null,
                duration_ms: 0,
                tokens: None,
                cost_usd: None,
                step_index: leaf,
                skipped: true,
            }],
            Self::LoopCompleted { step, iterations } => {
                vec![StreamEvent::LoopCompleted { step_id: step.to_string(), iterations }]
            }
            Self::StepFailed { step, name, error } => {
                vec![StreamEvent::StepError { step_id: step.to_string(), name: name.to_string(), error }]
            }
            Self::StepPaused { step, leaf, next } => {
                vec![StreamEvent::StepPaused { step_id: step.to_string(), step_index: leaf, next_step_index: next }]
            }
            Self::ToolPause(pause) => vec![pause.wire(run)],
            Self::Finished { result, summary, .. } => {
                let result = result.into_kept().unwrap_or_default();
                vec![StreamEvent::FlowCompleted { run_id: run.run_id.to_string(), result, summary }]
            }
            Self::Failed(_) | Self::ItemFailed { .. } => Vec::new(),
        }
    }
}

/// Wire ids of a record's events: the last has twice the record's number, one before it the number below. So every
/// event has an id of its own, and an id tells from which record to go on ([`record_before`]).
pub(crate) fn numbered(seq: u64, events: Vec<StreamEvent>) -> impl Iterator<Item = (u64, StreamEvent)> {
    let first = 2 * seq + 1 - events.len() as u64;
    (first..).zip(events)
}

/// The last record that a caller who has seen the wire id `id` has seen whole.
pub(crate) const fn record_before(id: u64) -> u64 {
    id / 2
}

/// The highest wire id of a record.
pub(crate) const fn last_wire_id(seq: u64) -> u64 {
    2 * seq
}

/// What the wire says of a run in its events.
#[derive(Debug, Clone)]
pub(crate) struct RunView {
    pub run_id: Arc<str>,
    pub flow_id: Arc<str>,
    pub step_count: u32,
    pub version: u32,
}

impl Started {
    fn wire(self) -> Vec<StreamEvent> {
        if !self.announce {
            return Vec::new();
        }
        begun(&self.step, &self.name, self.leaf, self.attempt, self.input.into_kept())
    }
}

fn begun(step: &str, name: &str, leaf: u32, attempt: u32, input: Option<Value>) -> Vec<StreamEvent> {
    let started =
        StreamEvent::StepStarted { step_id: step.to_owned(), name: name.to_owned(), step_index: leaf, attempt };
    vec![started, StreamEvent::StepInput { step_id: step.to_owned(), input_data: input }]
}

impl Completed {
    fn wire(self) -> Vec<StreamEvent> {
        match (self.total, self.path.last()) {
            (Some(total), Some(loop_index)) => vec![StreamEvent::StepProgress {
                step_id: self.step.to_string(),
                loop_index: *loop_index,
                total,
                duration_ms: self.duration_ms,
            }],
            _ => done(&self.step, &self.name, self.leaf, self.output, self.used, self.duration_ms),
        }
    }
}

impl LeafCompleted {
    fn wire(self) -> Vec<StreamEvent> {
        done(&self.step, &self.name, self.leaf, self.output, self.used, self.duration_ms)
    }
}

fn done(step: &str, name: &str, leaf: u32, output: Content, used: Used, duration_ms: u64) -> Vec<StreamEvent> {
    let value = output.into_kept();
    let shown =
        StreamEvent::StepOutput { step_id: step.to_owned(), output_context: value.clone(), output_data: value.clone() };
    let completed = StreamEvent::StepCompleted {
        step_id: step.to_owned(),
        name: name.to_owned(),
        output: value.unwrap_or_default(),
        duration_ms,
        tokens: used.tokens,
        cost_usd: used.cost_usd,
        step_index: leaf,
        skipped: false,
    };
    vec![shown, completed]
}

impl ToolPaused {
    fn wire(self, run: &RunView) -> StreamEvent {
        StreamEvent::StepPausedForToolCalls {
            run_id: run.run_id.to_string(),
            step_id: self.step.to_string(),
            step_index: self.leaf,
            iterations_used: self.iterations_used,
            tool_call_messages: self.messages,
            tool_calls: self.calls,
            accumulated_outputs: self.outputs,
        }
    }
}
