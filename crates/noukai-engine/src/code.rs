//! The code port: what a code block asks of the cage its function runs in, and what comes back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use noukai_flow::{CodeBlock, Language};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Runs functions in a cage. What they can reach, and how much they may take, is the cage's affair.
#[async_trait]
pub trait Code: Send + Sync {
    /// What is wrong with a source, found without running it: syntax, names it may not use. Parsing is done in the
    /// cage too, so it can fail as a call can.
    async fn check(&self, source: &CodeSource) -> Result<Vec<CodeProblem>, CodeError>;

    /// Calls the function once: no retries, those are the engine's. The future may be dropped at any time, which ends
    /// the call.
    async fn call(&self, call: &CodeCall) -> Result<CodeReply, CodeError>;
}

/// A function as its author wrote it: `function(initial, parameters...) { body }`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeSource {
    /// What it is written in.
    pub language: Language,
    /// Names of its parameters after `initial`, in order; each a plain identifier, none twice, none `initial`.
    pub parameters: Arc<[String]>,
    /// The body alone. Lines are counted from 1 in here.
    pub body: Arc<str>,
}

impl CodeSource {
    /// The function of a block.
    pub fn of(block: &CodeBlock) -> Self {
        Self { language: block.language, parameters: block.input.names().clone(), body: block.source.clone() }
    }
}

/// One call.
#[derive(Debug, Clone)]
pub struct CodeCall {
    /// The project, whose fair share it is.
    pub tenant: Uuid,
    /// The function.
    pub source: Arc<CodeSource>,
    /// The run's inputs: an object, the function's first argument.
    pub initial: Arc<Value>,
    /// One per parameter, in order.
    pub arguments: Vec<Arc<Value>>,
    /// How long it may take; the cage's own limit holds where that is shorter. Waiting for a free worker counts not.
    pub timeout: Duration,
}

/// What a function gave.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeReply {
    /// The object it returned.
    pub output: Map<String, Value>,
    /// What it printed, as far as the cage keeps it.
    pub printed: String,
    /// Whether more was printed than is kept.
    pub printed_truncated: bool,
    /// How long the function ran.
    pub duration: Duration,
}

/// Why there is no output. All texts are for the flow's author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeError {
    /// What happened.
    pub kind: CodeErrorKind,
    /// One sentence, at most a few hundred characters.
    pub message: String,
    /// Line of the body it points to, from 1.
    pub line: Option<u32>,
    /// The way to it through the author's own functions, trimmed; lines are the body's.
    pub traceback: Option<String>,
    /// What the function printed before, as far as the cage keeps it and a dead worker could still tell.
    pub printed: String,
    /// Whether more was printed than is kept.
    pub printed_truncated: bool,
}

impl CodeError {
    /// An error without a place and without printed text.
    pub fn new(kind: CodeErrorKind, message: impl Into<String>) -> Self {
        let (line, traceback, printed) = (None, None, String::new());
        Self { kind, message: message.into(), line, traceback, printed, printed_truncated: false }
    }
}

/// What happened to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeErrorKind {
    /// The function does not parse, uses what is not there, or raised an exception.
    Error,
    /// It took too long.
    Timeout,
    /// It took too much memory.
    Memory,
    /// Its worker ended for another reason.
    Crashed,
    /// It returned no object, or a value that is no data, too deep or too large.
    OutputInvalid,
    /// The function was not started: no worker is free in time, or none can be started.
    Unavailable,
}

impl CodeErrorKind {
    /// Whether the same call may succeed later. A function that is pure fails alike each time; a worker that died may
    /// have had another reason.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Crashed | Self::Unavailable)
    }
}

/// A fault of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeProblem {
    /// Line of the body, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is wrong and what to do, in a sentence.
    pub message: String,
}
