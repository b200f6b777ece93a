//! Drives the sandbox as the engine does, with real workers.

mod attacks;
mod common;
mod contract;
mod pool;
mod rogue;
mod sources;
mod values;
