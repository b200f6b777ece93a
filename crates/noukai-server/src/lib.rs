//! The server: use cases ([`app`]), transports over them, workers, configuration, wiring.
//!
//! A request walks through once, downwards, and its result comes back once: `http` -> `app` -> engine -> store.
//! Transports know the use cases and nothing below them; use cases know no transport.

pub mod app;
mod config;
#[cfg(any(test, feature = "failpoints"))]
mod failpoints;
mod http;
mod jobs;
mod server;

pub use app::{
    App, AppError, AttemptSelector, BlockTrial, Caller, CodeRunner, EventStream, ExecuteOutcome, FlowAddress, FlowInfo,
    Identity, KeyRequest, Project, PutFlow, Retention, RunOptions, RunQuery, SeqEvent, StepTraceReply, VersionSelector,
};
pub use config::{CodeConfig, Config, ConfigError, DatabaseConfig, Overrides, ProviderSettings};
pub use http::document as openapi_document;
pub use server::{Metered, Role, Server, StartError, code_runner, is_worker, worker_main};
