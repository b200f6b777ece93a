//! Walks a flow's tree and emits events.
//!
//! Reaches the world only through its ports (model, sink, clock). Knows no HTTP, no storage, no provider.

mod model;

pub use model::*;
