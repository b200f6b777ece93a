//! Server-sent events: what `step` and `trace/stream` send.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ErrorCode, ToolCall};

/// Tokens a model counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tokens {
    /// Tokens read.
    pub prompt: u64,
    /// Tokens written.
    pub completion: u64,
    /// Both.
    pub total: u64,
}

impl Tokens {
    /// Prompt and completion tokens; the total follows.
    pub const fn new(prompt: u64, completion: u64) -> Self {
        Self { prompt, completion, total: prompt + completion }
    }
}

impl std::ops::AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        *self = Self::new(self.prompt + other.prompt, self.completion + other.completion);
    }
}

/// Tokens among those counted that providers price apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenDetails {
    /// Tokens read from the provider's prompt cache; part of `prompt`.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached: u64,
    /// Tokens written to the provider's prompt cache; part of `prompt`.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_written: u64,
    /// Tokens thought and not shown; part of `completion`.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
}

impl TokenDetails {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl std::ops::AddAssign for TokenDetails {
    fn add_assign(&mut self, other: Self) {
        self.cached += other.cached;
        self.cache_written += other.cache_written;
        self.reasoning += other.reasoning;
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde calls")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepError {
    /// The code to branch on.
    pub code: ErrorCode,
    /// One sentence for a person, free of secrets.
    pub message: String,
    /// The step, where the error stands without one beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    /// The attempt that failed, from 1.
    pub attempt: u32,
    /// The provider that failed, for LLM blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The HTTP status it answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_status: Option<u16>,
    /// The line of its source, from 1, for code blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The way to that line through the block's own functions, for code blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
}

impl StepError {
    /// An error without a provider and without a line.
    pub fn new(code: ErrorCode, message: impl Into<String>, step_id: Option<String>, attempt: u32) -> Self {
        let (provider, provider_status, line, traceback) = (None, None, None, None);
        Self { code, message: message.into(), step_id, attempt, provider, provider_status, line, traceback }
    }
}

/// Sums over a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunSummary {
    /// Milliseconds from start to end.
    pub duration_ms: u64,
    /// Tokens of all attempts.
    pub tokens: Tokens,
    /// US dollars as a decimal string.
    pub cost_usd: String,
    /// Leaf blocks that completed.
    pub steps: u32,
    /// The step that failed the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at_step: Option<String>,
    /// Why the run ended without its result, where no step is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// One event. On the wire its data also carries `eventType` and `executionId`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "eventType", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StreamEvent {
    /// The run began.
    RunStarted {
        /// The run (= `executionId`).
        run_id: String,
        /// The flow.
        flow_id: String,
        /// Number of leaf blocks.
        step_count: u32,
        /// Version that runs; 0 is the draft.
        version: u32,
    },
    /// A leaf began.
    StepStarted {
        /// The leaf.
        step_id: String,
        /// Its name.
        name: String,
        /// Its index in tree order.
        step_index: u32,
        /// From 1.
        attempt: u32,
    },
    /// What the leaf works on.
    StepInput {
        /// The leaf.
        step_id: String,
        /// Its pipeline input.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input_data: Option<Value>,
    },
    /// Model tokens as they come; never stored.
    StepDelta {
        /// The leaf.
        step_id: String,
        /// The new text.
        text: String,
        /// Whether the text shown of this step before is void, and this begins it anew: an attempt failed half-way
        /// and the next one said something else.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        restart: bool,
    },
    /// What the leaf gave.
    StepOutput {
        /// The leaf.
        step_id: String,
        /// The output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_context: Option<Value>,
        /// The same value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_data: Option<Value>,
    },
    /// The leaf is done. One per leaf, also in loops and parallel containers.
    StepCompleted {
        /// The leaf.
        step_id: String,
        /// Its name.
        name: String,
        /// The output; `null` for a skipped leaf.
        output: Value,
        /// Milliseconds.
        duration_ms: u64,
        /// LLM blocks only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tokens: Option<Tokens>,
        /// US dollars as a decimal string; absent where unknown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_usd: Option<String>,
        /// Its index in tree order.
        step_index: u32,
        /// On a branch that was not taken.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        skipped: bool,
    },
    /// One loop iteration of a leaf is done.
    StepProgress {
        /// The leaf.
        step_id: String,
        /// The iteration, from 0.
        loop_index: u32,
        /// Iterations in all.
        total: u32,
        /// Milliseconds.
        duration_ms: u64,
    },
    /// A loop is done.
    LoopCompleted {
        /// The loop.
        step_id: String,
        /// Items it ran over.
        iterations: u32,
    },
    /// A leaf failed for good.
    StepError {
        /// The leaf.
        step_id: String,
        /// Its name.
        name: String,
        /// Why.
        error: StepError,
    },
    /// More steps remain; the next call decides.
    StepPaused {
        /// The step just done.
        step_id: String,
        /// Its index.
        step_index: u32,
        /// Where the next call stands.
        next_step_index: u32,
    },
    /// The run waits for tool results.
    StepPausedForToolCalls {
        /// The run.
        run_id: String,
        /// The leaf.
        step_id: String,
        /// Its index.
        step_index: u32,
        /// Pauses of this step so far.
        iterations_used: u32,
        /// The tool turns so far.
        tool_call_messages: Vec<Value>,
        /// The calls to make.
        tool_calls: Vec<ToolCall>,
        /// Outputs of the steps before.
        accumulated_outputs: Map<String, Value>,
    },
    /// The run ended.
    FlowCompleted {
        /// The run.
        run_id: String,
        /// The flow's result; `null` where it failed or is not captured.
        result: Value,
        /// Sums.
        summary: RunSummary,
    },
}

impl StreamEvent {
    /// The event's type as the `event:` line spells it.
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::RunStarted { .. } => "run_started",
            Self::StepStarted { .. } => "step_started",
            Self::StepInput { .. } => "step_input",
            Self::StepDelta { .. } => "step_delta",
            Self::StepOutput { .. } => "step_output",
            Self::StepCompleted { .. } => "step_completed",
            Self::StepProgress { .. } => "step_progress",
            Self::LoopCompleted { .. } => "loop_completed",
            Self::StepError { .. } => "step_error",
            Self::StepPaused { .. } => "step_paused",
            Self::StepPausedForToolCalls { .. } => "step_paused_for_tool_calls",
            Self::FlowCompleted { .. } => "flow_completed",
        }
    }
}
