//! Traces: what a run did, step by step.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{TokenDetails, Tokens};

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// As spelled on the wire and in the store.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value that is spelled `text`, if there is one.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use wire_enum;

wire_enum! {
    /// Where a run stands.
    RunStatus {
        /// Queued, not begun.
        Pending = "pending",
        /// Going on.
        Running = "running",
        /// Between two step calls, or waiting for tool results.
        Paused = "paused",
        /// Ended with its result.
        Completed = "completed",
        /// Ended without.
        Failed = "failed",
        /// Ended by the caller.
        Cancelled = "cancelled",
    }
}

impl RunStatus {
    /// Whether nothing more will happen by itself or by a poll.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

wire_enum! {
    /// Where an attempt of a step stands.
    StepStatus {
        /// Going on.
        Running = "running",
        /// Ended with its output.
        Completed = "completed",
        /// Ended without.
        Failed = "failed",
        /// On a branch that was not taken.
        Skipped = "skipped",
    }
}

wire_enum! {
    /// By which door a run came.
    TriggerType {
        /// `POST .../execute`.
        Execute = "execute",
        /// `POST .../step`.
        Step = "step",
        /// `POST .../jobs`.
        Job = "job",
        /// A test case.
        Test = "test",
    }
}

wire_enum! {
    /// What a trace keeps of inputs and outputs.
    CaptureMode {
        /// No contents, sizes only.
        MetadataOnly = "metadata_only",
        /// Everything.
        Full = "full",
        /// Contents with secrets and personal data masked before they are stored.
        Redacted = "redacted",
        /// No step rows.
        Off = "off",
    }
}

impl CaptureMode {
    /// Whether contents are kept, so that a session can be replayed.
    pub const fn keeps_contents(self) -> bool {
        matches!(self, Self::Full | Self::Redacted)
    }
}

/// A run without its steps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlowRun {
    /// The run (= `executionId`).
    pub id: String,
    /// The flow.
    pub flow_id: String,
    /// Where it stands.
    pub status: RunStatus,
    /// By which door it came.
    pub trigger_type: TriggerType,
    /// ISO 8601, UTC.
    pub started_at: String,
    /// ISO 8601, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// Milliseconds from start to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Number of leaf blocks in the flow.
    pub step_count: u32,
    /// Version that ran; 0 is the draft.
    pub version: u32,
    /// The session it was tagged with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Tokens of all attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// US dollars as a decimal string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<String>,
    /// The job that this one tries again; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// The job that tries this one again; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_by: Option<String>,
}

/// Reply of `GET /flow-runs`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlowRunList {
    /// Newest first.
    pub flow_runs: Vec<FlowRun>,
    /// For the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A run with its steps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Trace {
    /// The run.
    pub flow_run: FlowRun,
    /// Latest attempt of each step, in order of start; one row per iteration of a loop.
    pub steps: Vec<StepTrace>,
}

/// One attempt of a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepTrace {
    /// The leaf.
    pub step_id: String,
    /// Its name.
    pub name: String,
    /// From 1.
    pub attempt: u32,
    /// The iteration, inside a loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loop_index: Option<u32>,
    /// Where it stands.
    pub status: StepStatus,
    /// ISO 8601, UTC.
    pub started_at: String,
    /// ISO 8601, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The model that answered or was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_used: Option<String>,
    /// The provider that answered or was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// LLM blocks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// Cached tokens and thoughts among them, where the provider counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_details: Option<TokenDetails>,
    /// US dollars as a decimal string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<String>,
    /// Whether a second call was made beside a slow one; what that one used is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hedged: bool,
    /// Whether the reply had been given before to the same request, so that no model was called.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// The pipeline input, where contents are captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_context: Option<Value>,
    /// The output, where contents are captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_context: Option<Value>,
    /// Why it failed; kept in every capture mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_context: Option<Value>,
    /// The prompt as it was rendered, where contents are captured (LLM blocks only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendered_prompt: Option<String>,
    /// What the function printed, where contents are captured (code blocks only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub printed: Option<String>,
    /// Bytes of the input as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_size_bytes: Option<u64>,
    /// Bytes of the output as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_size_bytes: Option<u64>,
    /// Whether a content was too large to keep whole.
    pub truncated: bool,
    /// Made in the job that this one tries again, and on that job's account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub carried: bool,
}

/// Reply of `.../steps/{stepId}/trace?attempt=all`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepAttempts {
    /// The leaf.
    pub step_id: String,
    /// In order of start.
    pub attempts: Vec<StepTrace>,
}
