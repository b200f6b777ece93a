//! Code blocks: arguments, attempts, and whether what a function returned is what it must.

use std::sync::Arc;

use noukai_api::{ErrorCode, StepError};
use noukai_flow::{CodeBlock, ParameterError, Scope};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    CodeCall, CodeError, CodeErrorKind, CodeReply, CodeSource, Notes, Printed, Usage, json_size,
    nodes::leaf::Work,
    walk::{Ended, Seen, Stop},
};

pub(crate) async fn run(work: &Work<'_, '_>, block: &CodeBlock, seen: &Seen) -> Ended {
    let mut attempt = work.begin(None).await?;
    let call = match call(work, block, seen) {
        Ok(call) => call,
        Err(message) => return Err(Failed::new(ErrorCode::CodeInputInvalid, message).give_up(work, attempt)),
    };
    for round in 1.. {
        let failed = match try_once(work, block, &call).await {
            Ok((output, notes)) => return Ok(work.complete(attempt, output, Usage::default(), notes)),
            Err(failed) => failed,
        };
        let Some(wait) = work.backoff(round).filter(|_| failed.is_retryable) else {
            return Err(failed.give_up(work, attempt));
        };
        failed.record(work, attempt);
        tokio::time::sleep(wait).await;
        attempt = work.begin(None).await?;
    }
    Err(Failed::new(ErrorCode::InternalError, "the function was not called").give_up(work, attempt))
}

/// The call, or why there is none.
fn call(work: &Work<'_, '_>, block: &CodeBlock, seen: &Seen) -> Result<CodeCall, String> {
    let scope = work.walk.scope(&work.input, seen, work.place);
    let arguments = block.input.arguments(|name| scope.resolve(name)).map_err(|error| wrong_input(error, &scope))?;
    let limit = work.leaf.timeout_ms.map_or(work.walk.bounds().block_time, std::time::Duration::from_millis);
    Ok(CodeCall {
        tenant: work.walk.spec.tenant,
        source: Arc::new(CodeSource::of(block)),
        initial: work.walk.spec.initial.clone(),
        arguments,
        timeout: limit,
    })
}

fn wrong_input(error: ParameterError, scope: &Scope) -> String {
    match error {
        ParameterError::Missing(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let is = if names.len() == 1 { "is" } else { "are" };
            let in_scope = scope.names().join(", ");
            format!("`code.input` names {}, which {is} not in scope; in scope: {in_scope}", names.join(", "))
        }
        ParameterError::Invalid(faults) => format!("the input does not fit `code.input`: {}", faults.join("; ")),
    }
}

/// One attempt. The cage keeps the function's time; the server's limit for a block holds for the wait before it too.
async fn try_once(work: &Work<'_, '_>, block: &CodeBlock, call: &CodeCall) -> Result<(Value, Notes), Failed> {
    let limit = work.walk.bounds().block_time.max(call.timeout);
    let called = timeout(limit, work.walk.ports.code.call(call)).await;
    let late = |_| Failed {
        is_retryable: true,
        ..Failed::new(ErrorCode::StepTimeout, format!("the function was not done within {} ms", limit.as_millis()))
    };
    let reply = called.map_err(late)?.map_err(Failed::of)?;
    let notes = notes(&reply.printed, reply.printed_truncated);
    match fitting(work, block, reply) {
        Ok(output) => Ok((output, notes)),
        Err((code, message)) => Err(Failed { notes, ..Failed::new(code, message) }),
    }
}

fn fitting(work: &Work<'_, '_>, block: &CodeBlock, reply: CodeReply) -> Result<Value, (ErrorCode, String)> {
    let output = Value::Object(reply.output);
    let (bytes, limit) = (json_size(&output), work.walk.bounds().output_bytes);
    if bytes > limit {
        let message = format!("the output has {bytes} bytes; the limit of a step's output is {limit}");
        return Err((ErrorCode::LimitExceeded, message));
    }
    let problems = block.output.as_ref().map(|schema| schema.validate(&output)).unwrap_or_default();
    if problems.is_empty() {
        return Ok(output);
    }
    let message = format!("the output does not fit the output schema: {}", problems.join("; "));
    Err((ErrorCode::CodeOutputInvalid, message))
}

fn notes(printed: &str, truncated: bool) -> Notes {
    let printed = (!printed.is_empty()).then(|| Printed { text: printed.into(), truncated });
    Notes { printed, ..Notes::default() }
}

/// Why an attempt failed.
struct Failed {
    code: ErrorCode,
    message: String,
    line: Option<u32>,
    traceback: Option<String>,
    notes: Notes,
    is_retryable: bool,
}

impl Failed {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let (line, traceback, notes) = (None, None, Notes::default());
        Self { code, message: message.into(), line, traceback, notes, is_retryable: false }
    }

    fn of(error: CodeError) -> Self {
        let message = match error.line {
            Some(line) => format!("line {line}: {}", error.message),
            None => error.message,
        };
        Self {
            line: error.line,
            traceback: error.traceback,
            notes: notes(&error.printed, error.printed_truncated),
            is_retryable: error.kind.is_retryable(),
            ..Self::new(code_of(error.kind), message)
        }
    }

    /// Ends the attempt; its error.
    fn record(self, work: &Work<'_, '_>, attempt: u32) -> StepError {
        let error = work.error(self.code, self.message, attempt);
        let error = StepError { line: self.line, traceback: self.traceback, ..error };
        work.fail(attempt, &error, Usage::default(), self.notes);
        error
    }

    fn give_up(self, work: &Work<'_, '_>, attempt: u32) -> Stop {
        Stop::Failed(work.failure(self.record(work, attempt)))
    }
}

const fn code_of(kind: CodeErrorKind) -> ErrorCode {
    match kind {
        CodeErrorKind::Error => ErrorCode::CodeError,
        CodeErrorKind::Timeout => ErrorCode::CodeTimeout,
        CodeErrorKind::Memory => ErrorCode::CodeMemory,
        CodeErrorKind::Crashed => ErrorCode::CodeCrashed,
        CodeErrorKind::OutputInvalid => ErrorCode::CodeOutputInvalid,
        CodeErrorKind::Unavailable => ErrorCode::CodeUnavailable,
    }
}
