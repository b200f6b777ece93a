//! What tests, the chaos harness and benchmarks stand on. Knows nothing of Noukai.

mod binaries;
#[cfg(unix)]
mod child;
mod postgres;

#[cfg(unix)]
pub use child::{Child, without_settings};
pub use postgres::{Postgres, Stop};
