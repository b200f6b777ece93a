//! Storage: narrow traits, one per subject, and the databases behind them.
//!
//! Knows ids and its own records. Knows no HTTP, no flow trees, no engine: payloads are versioned JSON that the
//! caller wrote and will read.

mod cancel;
mod error;
mod hub;
mod postgres;
mod records;
mod sql;
mod sqlite;
mod traits;
mod turns;

pub use error::{QueueScope, StoreError};
pub use postgres::{News, PostgresOptions, PostgresStore};
pub use records::*;
pub use sqlite::{Durability, Inspection, SqliteOptions, SqliteStore};
pub use traits::*;
