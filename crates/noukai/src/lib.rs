//! The client for Rust programs: the README below, then the surface. Owns no state beyond one pooled HTTP client.
//!
#![doc = include_str!("../README.md")]

#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
mod cancel;
mod client;
mod error;
mod events;
mod execute;
mod flow;
mod http;
mod job;
mod key;
mod log;
mod macros;
mod options;
mod random;
mod replay;
mod result;
mod run;
mod session;
mod span;
mod sse;
mod stream;
mod tools;
mod version;
mod wire;

pub use builder::NoukaiBuilder;
pub use cancel::CancelToken;
pub use client::Noukai;
pub use error::{BoxError, Error, ErrorKind};
pub use events::{
    FlowCompleted, FlowSummary, LoopCompleted, RunStarted, StepCompleted, StepDelta, StepFailed, StepFailure,
    StepInput, StepOutput, StepPaused, StepProgress, StepStarted, StreamEvent, ToolCallsRequired, UnknownEvent,
};
pub use execute::Execute;
pub use flow::{Flow, FlowRef, IntoFlowRef};
pub use job::{ExecuteAsync, Job, JobStatus, JobWait};
pub use log::{LogEvent, LogPhase};
pub use noukai_api::{
    CaptureMode, FlowRun, RunStatus, Scope, Session as RecordedSession, SessionExecution as RecordedExecution,
    SessionStep as RecordedStep, StepStatus, StepTrace, Tokens, Trace, TriggerType, VerifiedKey,
};
pub use replay::Replay;
pub use result::{ExecuteResult, Execution, PausedResult};
pub use run::{Attempt, Run, StepTraceRequest, StepTraces};
pub use session::Session;
pub use stream::{EventStream, Events, LiveTrace, StepStream, Steps};
pub use tools::{IntoToolResults, Tool, ToolCall, ToolChoice, ToolResult};
pub use version::{IntoVersion, Version};
pub use wire::{Attachment, Message};

/// What the calls of this crate give.
pub type Result<T, E = Error> = std::result::Result<T, E>;
