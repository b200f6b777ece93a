//! Runs code blocks in caged worker processes: the engine's code port.
//!
//! No interpreter runs in the server's own process. [`Sandbox`] keeps a pool of workers; each is the same binary started
//! anew (with [`WORKER_ARGUMENT`], which leads to [`worker_main`]), gives up every right it does not need before it reads
//! its first request, and answers one request after the other. What a worker sends back is bounded and checked: a worker
//! that was taken over can only give a wrong answer to the call it was handed.
//!
//! # Values
//!
//! Arguments and outputs cross as JSON and nothing else:
//!
//! | | Python | JavaScript |
//! | --- | --- | --- |
//! | integers in | exact (64 bits) | exact: beyond ±(2^53 - 1) as `BigInt` |
//! | integers out | -2^63 to 2^64 - 1; beyond refused | the same, as number or `BigInt` |
//! | fractions | as they are; `-0.0` stays | as they are; without a fraction and exact: an integer; `-0` is 0 |
//! | NaN, infinite | refused | refused |
//! | half a surrogate pair | no such text | U+FFFD |
//! | keys | text; others refused | text; symbols are left out |
//! | no value | `None` is null | `null` is null; `undefined` is null in a list, and no field in an object |
//! | tuples | lists | |
//! | sets, dates, bytes, functions, classes, promises | refused, with what to return instead | refused alike |
//! | twice the same key in arguments | cannot happen: they are values, not text | alike |
//! | values that hold themselves, or too deep, large, many | refused | refused |
//!
//! Refused means [`CodeErrorKind::OutputInvalid`](noukai_engine::CodeErrorKind::OutputInvalid) with the place in the
//! output.

mod lease;
mod manners;
mod meter;
mod pool;
mod process;
mod reply;
mod report;
mod sandbox;
mod settings;
mod shares;
mod wire;
mod worker;

use std::process::ExitCode;

pub use meter::Metered;
pub use report::{CageReport, CageRight};
pub use sandbox::Sandbox;
pub use settings::Settings;

/// The hidden argument that makes a binary a worker: its `main` must call [`worker_main`] when it stands first, before
/// it starts a thread or reads anything.
pub const WORKER_ARGUMENT: &str = "--noukai-sandbox-worker";

/// Whether this process was started as a worker.
pub fn is_worker() -> bool {
    std::env::args_os().nth(1).is_some_and(|argument| argument == WORKER_ARGUMENT)
}

/// A worker that enters the cage and then does as `act` likes with each request (head and body as they came) and writes
/// what that gives: stands in tests for a worker that was taken over.
#[doc(hidden)]
pub fn rogue_main(mut act: impl FnMut(&[u8], &[u8]) -> Vec<u8>) -> ExitCode {
    let rights = worker::enter_cage();
    let served = worker::announce(&rights).and_then(|()| worker::answer_all(|head, body| Ok(act(head, body))));
    ExitCode::from(u8::from(served.is_err()))
}

/// A worker's whole life. Must be called on the main thread, with no other thread running.
pub fn worker_main() -> ExitCode {
    ExitCode::from(worker::serve())
}
