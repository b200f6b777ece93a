//! Drives the sandbox as the engine does, with real workers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so and ends")]

mod attacks;
mod common;
mod contract;
mod pool;
mod rogue;
mod sources;
mod values;
