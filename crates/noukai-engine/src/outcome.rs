//! How a pass over the tree ends.

use std::sync::Arc;

use noukai_api::{ErrorCode, StepError, Tokens, ToolCall};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Message, Tool, ToolChoice};

/// How a pass ended, with the sums of this pass alone.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// How it ended.
    pub outcome: Outcome,
    /// Tokens used in this pass.
    pub tokens: Tokens,
    /// US dollars spent in this pass, as far as prices are known.
    pub cost: Decimal,
    /// Leaves that are done (skipped ones not counted), earlier passes included.
    pub steps: u32,
}

/// How a pass ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The flow is done.
    Completed {
        /// Output of the root's last node.
        result: Arc<Value>,
    },
    /// One unit is done and more remain.
    Boundary {
        /// The last leaf done.
        done: usize,
        /// Where the next pass stands.
        next: usize,
    },
    /// A block wants tools called.
    ToolPause(Box<ToolPause>),
    /// The flow failed.
    Failed(Failure),
    /// The run's cancellation token fired.
    Cancelled {
        /// The first leaf that was under way.
        leaf: Option<usize>,
    },
}

/// Why a flow failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The node that failed; `None` where the run as a whole did.
    pub node_id: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
    /// Why. Its `step_id` is the node's.
    pub error: StepError,
}

impl Failure {
    /// A failure of the run as a whole.
    pub fn of_run(code: ErrorCode, message: impl Into<String>) -> Self {
        let error = StepError::new(code, message, None, 1);
        Self { node_id: None, name: "".into(), error }
    }

    /// Whether nothing that follows could go any better, so that no loop goes on after it.
    pub(crate) const fn ends_run(&self) -> bool {
        matches!(self.error.code, ErrorCode::CreditsExhausted | ErrorCode::BillingUnavailable)
    }

    /// The error as it stands in a result: `{"error": {"code", "message", "stepId", "attempt"}}`.
    pub fn as_result(&self) -> Value {
        json!({ "error": self.error })
    }
}

/// What a paused block needs to go on. Serialised, it is what the server holds for the caller.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToolPause {
    /// The leaf.
    pub leaf: usize,
    /// Its id.
    pub step_id: String,
    /// The attempt that pauses.
    pub attempt: u32,
    /// Pauses of this leaf so far, this one included.
    pub iterations_used: u32,
    /// Assistant and tool turns since the block's prompt.
    pub turns: Vec<Message>,
    /// The calls to make.
    pub tool_calls: Vec<ToolCall>,
    /// The tools on offer.
    pub tools: Vec<Tool>,
    /// How they may be used.
    pub tool_choice: Option<ToolChoice>,
    /// Reported outputs of the leaves before: `{stepId: output}`.
    pub outputs: Map<String, Value>,
    /// Tokens of this attempt so far.
    pub tokens: Tokens,
    /// US dollars of this attempt so far.
    pub cost: Option<Decimal>,
    /// Milliseconds of this attempt so far.
    pub elapsed_ms: u64,
}

/// A pause with its answers.
#[derive(Debug, Clone)]
pub struct ToolResume {
    /// As it was stored.
    pub pause: ToolPause,
    /// One `tool` turn per call.
    pub results: Vec<Message>,
}
