//! Limits in force, published at `GET /limits`.

use serde::{Deserialize, Serialize};

/// Every bound a request or a run may meet. All are configurable under `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limits {
    /// Bytes of a request body.
    pub body_bytes: u64,
    /// Nesting of a request's JSON.
    pub json_depth: u32,
    /// Bytes of `messages`.
    pub messages_bytes: u64,
    /// Attachments per request.
    pub attachments: u32,
    /// Tools per request.
    pub tools: u32,
    /// Leaf blocks per flow.
    pub blocks_per_flow: u32,
    /// Nesting of containers.
    pub nesting: u32,
    /// Items of one loop.
    pub loop_items: u32,
    /// Default concurrency of a loop.
    pub loop_concurrency: u32,
    /// Children of one parallel container.
    pub parallel_width: u32,
    /// Seconds a run may take in one go: an execute call, a step call, a job's attempt.
    pub run_seconds: u64,
    /// Seconds a block may take.
    pub block_seconds: u64,
    /// Bytes of a step's output.
    pub step_output_bytes: u64,
    /// Block runs of one run, loop iterations and further attempts counted.
    pub blocks_per_run: u32,
    /// Bytes of all block outputs of one run.
    pub run_output_bytes: u64,
    /// Bytes of an input or output that a trace keeps whole.
    pub trace_content_bytes: u64,
    /// Days a trace is kept.
    pub trace_retention_days: u32,
    /// Runs of one project at the same time.
    pub concurrent_runs: u32,
    /// Runs of all projects at the same time, per server.
    pub server_concurrent_runs: u32,
    /// Jobs of one project that are worked on at the same time.
    pub concurrent_jobs: u32,
    /// Active API keys of one project.
    pub keys_per_project: u32,
    /// Seconds a paused run waits to be continued.
    pub pause_seconds: u64,
    /// Jobs of one project that wait in the queue.
    pub queued_jobs: u32,
    /// Jobs of all projects that wait in the queue.
    pub server_queued_jobs: u32,
    /// How often a job is begun without a new result before it is given up.
    pub job_attempts: u32,
    /// Bytes of a model's reply that is kept to be given again.
    pub cached_reply_bytes: u64,
    /// Bytes of all such replies of one project.
    pub reply_cache_bytes: u64,
    /// Requests per second and key; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    /// Requests per minute and key; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_requests_per_minute: Option<u32>,
    /// Requests per minute and project; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_requests_per_minute: Option<u32>,
    /// Tokens of models per minute and key; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_tokens_per_minute: Option<u32>,
    /// Tokens of models per minute and project; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_tokens_per_minute: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 10 * 1024 * 1024,
            json_depth: 64,
            messages_bytes: 1_000_000,
            attachments: 10,
            tools: 64,
            blocks_per_flow: 500,
            nesting: 16,
            loop_items: 10_000,
            loop_concurrency: 8,
            parallel_width: 64,
            run_seconds: 3_600,
            block_seconds: 600,
            step_output_bytes: 10 * 1024 * 1024,
            blocks_per_run: 100_000,
            run_output_bytes: 256 * 1024 * 1024,
            trace_content_bytes: 256 * 1024,
            trace_retention_days: 30,
            concurrent_runs: 1_000,
            server_concurrent_runs: 10_000,
            concurrent_jobs: 1_000,
            keys_per_project: 10,
            pause_seconds: 24 * 3_600,
            queued_jobs: 100_000,
            server_queued_jobs: 1_000_000,
            job_attempts: 5,
            cached_reply_bytes: 1_000_000,
            reply_cache_bytes: 100_000_000,
            requests_per_second: None,
            key_requests_per_minute: None,
            project_requests_per_minute: None,
            key_tokens_per_minute: None,
            project_tokens_per_minute: None,
        }
    }
}
