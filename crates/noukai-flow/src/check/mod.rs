//! From a document to a [`Flow`]: everything that is wrong with it, at once. Evaluates nothing.
//!
//! Each part of the document has its file: `flow` the top, `node` the tree, `block` its leaves, `code` those that are functions, `fields` how keys are
//! read, `keys` which there are, `names` what templates can see.

mod block;
mod code;
mod fields;
mod flow;
pub(crate) mod keys;
mod names;
mod node;

use serde_json::Value;

pub(crate) use self::block::{config_fault, output_schema};
pub use self::flow::is_slug;
use crate::{Flow, Problem};

/// How large a flow may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Blocks in a flow.
    pub blocks: usize,
    /// Containers inside each other.
    pub nesting: usize,
    /// Children of a parallel container.
    pub parallel_width: usize,
    /// Items of a loop at once.
    pub loop_concurrency: u64,
    /// Attempts of a block, the first included.
    pub max_attempts: u64,
    /// Milliseconds of any wait or timeout.
    pub timeout_ms: u64,
    /// Pauses for tools of one run of a block.
    pub tool_iterations: u64,
    /// Bytes of a code block's body.
    pub code_bytes: usize,
    /// Parameters of a code block.
    pub code_parameters: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            blocks: 500,
            nesting: 16,
            parallel_width: 64,
            loop_concurrency: 64,
            max_attempts: 10,
            timeout_ms: 3_600_000,
            tool_iterations: 200,
            code_bytes: 65_536,
            code_parameters: 100,
        }
    }
}

/// What the check found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Present if and only if no problem is an error.
    pub flow: Option<Flow>,
    /// All of them: first what the document says, then what its templates see.
    pub problems: Vec<Problem>,
}

/// Checks a whole document. Never fails, never evaluates: what is wrong is in the result.
pub fn check(document: &Value, bounds: &Bounds) -> Checked {
    let mut report = fields::Report::default();
    let flow = flow::read(document, bounds, &mut report);
    let mut problems = report.into_problems();
    let flow = flow.filter(|_| !problems.iter().any(Problem::is_error));
    if let Some(flow) = &flow {
        problems.extend(names::warnings(flow));
    }
    Checked { flow, problems }
}

#[cfg(test)]
mod tests;
