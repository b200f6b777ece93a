//! Walks a flow's tree and emits events.
//!
//! Reaches the world only through its ports: [`Model`], [`Code`], [`EventSink`], [`Clock`]. Knows no HTTP, no storage, no
//! provider. One way through for every run: [`run`]. A leaf whose result is already known gives it silently, which is
//! how a step call, a resume and a recovery after a crash all go on from where the run stood.

mod code;
mod event;
mod llm;
mod model;
mod nodes;
mod outcome;
mod progress;
mod run;
mod size;
mod tools;
mod walk;

pub use code::*;
pub use event::{Clock, Event, EventSink, LoopTotal, Notes, Printed, SinkError, SystemClock, Usage};
pub use model::*;
pub use outcome::{Failure, Outcome, RunReport, ToolPause, ToolResume};
pub use progress::{Done, DoneOutputs, LoopPath, Slot};
pub use run::{Ports, RunBounds, RunSpec, Until, run};
pub use size::json_size;
pub use tools::{ToolResultsError, results_for_calls, wire_turns};
