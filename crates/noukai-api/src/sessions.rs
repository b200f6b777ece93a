//! Sessions: all runs tagged with one id. Here, and only here, absent values are sent as `null`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CaptureMode, RunStatus, StepStatus, TriggerType};

/// Reply of `GET /seq/sessions/{sessionId}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Session {
    /// As sent in `X-Session-Id`.
    pub session_id: String,
    /// In order of start.
    pub executions: Vec<SessionExecution>,
}

/// One run of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionExecution {
    /// The run.
    pub execution_id: String,
    /// The flow.
    pub flow_id: String,
    /// The flow's bare slug; `null` where the flow is gone.
    pub slug: Option<String>,
    /// By which door it came.
    pub trigger_type: TriggerType,
    /// Where it stands.
    pub status: RunStatus,
    /// ISO 8601, UTC.
    pub started_at: String,
    /// ISO 8601, UTC.
    pub completed_at: Option<String>,
    /// What was kept.
    pub trace_capture_mode: CaptureMode,
    /// Whether the run can be replayed.
    pub snapshots_available: bool,
    /// The step that failed the run.
    pub error_at_step: Option<String>,
    /// In order of start.
    pub steps: Vec<SessionStep>,
}

/// One attempt of a step in a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionStep {
    /// The leaf.
    pub step_id: String,
    /// From 1.
    pub attempt: u32,
    /// The iteration, inside a loop.
    pub loop_index: Option<u32>,
    /// Where it stands.
    pub status: StepStatus,
    /// ISO 8601, UTC.
    pub started_at: String,
    /// ISO 8601, UTC.
    pub completed_at: Option<String>,
    /// Milliseconds.
    pub duration_ms: Option<u64>,
    /// The pipeline input.
    pub input_snapshot: Option<Value>,
    /// The output.
    pub output_snapshot: Option<Value>,
    /// Why it failed.
    pub error_snapshot: Option<Value>,
    /// Whether a content was too large to keep whole.
    pub truncated: bool,
}
