//! Jobs: runs that are queued.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::RunStatus;

/// Reply of `POST .../jobs`. Once sent, the job survives a crash.
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
}
