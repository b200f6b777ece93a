//! How a run ended: what is printed, and the exit code.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::{
    error::{CliError, Exit},
    output,
};

/// How a run ended.
#[derive(Debug)]
pub enum Ending {
    /// With this result.
    Completed(Value),
    /// For this reason.
    Failed(String),
    /// It was cancelled.
    Cancelled,
    /// It waits for the results of these tool calls.
    Paused(Value),
}

impl Ending {
    /// Failed, at a step or as a whole.
    pub fn failed(step: Option<&str>, message: &str, code: &str) -> Self {
        let place = step.map(|id| format!("step {id}: ")).unwrap_or_default();
        Self::Failed(format!("{place}{message} [{code}]"))
    }

    /// Prints it: the result alone on stdout, or all of it as one JSON object.
    pub fn print(self, execution_id: &str, as_json: bool) -> ExitCode {
        if as_json {
            return self.print_json(execution_id);
        }
        match self {
            Self::Completed(result) => {
                output::json(&result);
                return ExitCode::SUCCESS;
            }
            Self::Failed(error) => output::error(&CliError::failure(error)),
            Self::Cancelled => output::error(&CliError::failure("the run was cancelled")),
            Self::Paused(calls) => {
                output::json(&calls);
                let waits = CliError::failure("the run waits for the results of these tool calls");
                let hint = "on a server, --tool NAME=COMMAND answers them, and so does --tool-by-hand";
                output::error(&waits.with_hint(hint));
                return Exit::Paused.into();
            }
        }
        Exit::Failure.into()
    }

    fn print_json(self, execution_id: &str) -> ExitCode {
        let (exit, status, field, value) = match self {
            Self::Completed(result) => (ExitCode::SUCCESS, "completed", "result", result),
            Self::Failed(error) => (Exit::Failure.into(), "failed", "error", error.into()),
            Self::Cancelled => (Exit::Failure.into(), "cancelled", "error", "the run was cancelled".into()),
            Self::Paused(calls) => (Exit::Paused.into(), "tool_calls_required", "toolCalls", calls),
        };
        output::json_line(&json!({"status": status, "executionId": execution_id, field: value}));
        exit
    }
}
