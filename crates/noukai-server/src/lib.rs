//! The server: use cases ([`app`]), transports over them, workers, configuration, wiring.
//!
//! A request walks through once, downwards, and its result comes back once: `http` -> `app` -> engine -> store.
//! Transports know the use cases and nothing below them; use cases know no transport.

pub mod app;
mod config;
mod doctor;
#[cfg(any(test, feature = "failpoints"))]
mod failpoints;
mod http;
mod jobs;
mod maintenance;
mod mcp;
mod models;
mod server;
mod vault;

pub use app::{
    App, AppError, AttemptSelector, Author, BlockTrial, Caller, CodeRunner, EventStream, ExecuteOutcome, FlowAddress,
    FlowInfo, FlowQuery, Identity, KeyOwner, KeyRequest, LogQuery, Page, Project, PutFlow, Reach, Resealed, Retention,
    RunOptions, RunQuery, SeqEvent, StepTraceReply, UsageCallsRequest, UsageRequest, VersionSelector, junit, usage_csv,
    usage_name,
};
pub use config::{CodeConfig, Config, ConfigError, DatabaseConfig, MasterKeySource, ModelsConfig, Overrides};
pub use doctor::{Check, Health, doctor};
pub use http::document as openapi_document;
pub use maintenance::{SchemaState, back_up, make_master_key, migrate, schema};
pub use mcp::tool_names as mcp_tool_names;
pub use models::{Refreshed, known_models, refresh_models};
pub use noukai_models::KnownModel;
pub use rust_decimal::Decimal;
pub use server::{Metered, Role, Server, StartError, code_runner, is_worker, worker_main};
