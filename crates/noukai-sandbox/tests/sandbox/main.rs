//! Drives the sandbox as the engine does, with real workers.

mod common;
mod contract;
mod rogue;
