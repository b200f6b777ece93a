//! What tests, the chaos harness and benchmarks stand on. Knows nothing of Noukai.

mod binaries;
mod postgres;

pub use postgres::{Postgres, Stop};
