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
mod models;
mod server;

pub use app::{
    App, AppError, AttemptSelector, Caller, EventStream, ExecuteOutcome, FlowAddress, FlowInfo, Identity, KeyRequest,
    Project, PutFlow, Retention, RunOptions, RunQuery, SeqEvent, StepTraceReply, VersionSelector,
};
pub use config::{Config, ConfigError, DatabaseConfig, ModelsConfig, Overrides};
pub use http::document as openapi_document;
pub use models::{Refreshed, known_models, refresh_models};
pub use noukai_models::KnownModel;
pub use rust_decimal::Decimal;
pub use server::{Role, Server, StartError};
