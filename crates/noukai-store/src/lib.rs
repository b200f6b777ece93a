//! Storage: narrow traits, one per subject, and the databases behind them.
//!
//! Knows ids and its own records. Knows no HTTP, no flow trees, no engine: payloads are versioned JSON that the
//! caller wrote and will read.

mod error;
mod hub;
mod records;
mod sql;
mod sqlite;
mod traits;
mod turns;

pub use error::{QueueScope, StoreError};
pub use records::*;
pub use sqlite::{Durability, SqliteOptions, SqliteStore};
pub use traits::*;
