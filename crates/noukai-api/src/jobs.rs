//! Jobs: runs that are queued.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::RunStatus;

/// Reply of `POST .../jobs` and `POST .../jobs/{executionId}/retry`. Once sent, the job survives a crash.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobAccepted {
    /// The run.
    pub execution_id: String,
    /// Always `started`.
    pub status: String,
    /// The flow.
    pub flow_id: String,
    /// Number of leaf blocks in the flow.
    pub block_count: u32,
    /// The job that this one tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
}

/// Where a job stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobStatus {
    /// The run.
    pub execution_id: String,
    /// `pending`, `running`, `completed`, `failed` or `cancelled`.
    pub status: RunStatus,
    /// The flow's result, once completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Where it stands in the queue, while nobody has begun it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueuePlace>,
    /// Attempts that ended badly, and not with the end of the job, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<JobAttempt>,
    /// It was given up because attempt after attempt brought no new result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub poison: bool,
    /// It ended without its result, and what a retry needs is still there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retryable: bool,
    /// The job that this one tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<String>,
    /// The job that tries this one again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_by: Option<String>,
}

/// A waiting job's place among those of its project.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueuePlace {
    /// From 1; at the most, as jobs before it may be cancelled.
    pub position: u32,
    /// Jobs of the project that wait.
    pub depth: u32,
    /// Milliseconds since it was queued.
    pub waited_ms: u64,
}

/// An attempt at a job that ended badly, and not with the end of the job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobAttempt {
    /// From 1.
    pub attempt: u32,
    /// When that was noticed; ISO 8601, UTC.
    pub ended_at: String,
    /// What happened, as far as known.
    pub error: String,
}

/// Reply of `GET /queue`: the jobs of the key's project.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueueStatus {
    /// Jobs that wait to be begun or to go on.
    pub depth: u32,
    /// Jobs that wait a while because an attempt failed.
    pub delayed: u32,
    /// Jobs that are worked on.
    pub running: u32,
    /// Milliseconds that the one waits that was queued first; 0 where none waits.
    pub oldest_wait_ms: u64,
    /// Jobs that may wait; past it a submit is refused with `RATE_LIMITED`.
    pub limit: u32,
}
