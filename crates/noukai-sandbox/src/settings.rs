//! What an operator may set.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How workers are started and what a call may take.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The binary that becomes a worker.
    pub program: PathBuf,
    /// What it is started with, before what a worker is told of its limits.
    pub arguments: Vec<OsString>,
    /// Calls at the same time. One project has at most half of them.
    pub workers: usize,
    /// Worker processes at the same time, with those that rest: each serves one project, and rests for its next call.
    pub kept: usize,
    /// The longest that one call may run, whatever it asks for.
    pub wall: Duration,
    /// Bytes that one call may hold.
    pub memory: u64,
    /// Bytes of a source.
    pub source: usize,
    /// Bytes of an output as JSON.
    pub output: u64,
    /// How deep an output may be nested.
    pub depth: u32,
    /// Values in an output, counting each number, string, list and so on.
    pub values: u64,
    /// Bytes of printed text that are kept, at most 256 KiB.
    pub printed: u64,
    /// How long a call waits for a worker.
    pub wait: Duration,
    /// Calls of one project that wait for a worker.
    pub waiting: usize,
    /// How long a worker without work is kept.
    pub idle: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            program: PathBuf::from("/proc/self/exe"),
            arguments: vec![crate::WORKER_ARGUMENT.into()],
            workers: cores * 2,
            kept: cores * 6,
            wall: Duration::from_secs(60),
            memory: 128 << 20,
            source: 256 << 10,
            output: 10 << 20,
            depth: 64,
            values: 1_000_000,
            printed: 64 << 10,
            wait: Duration::from_secs(30),
            waiting: 10_000,
            idle: Duration::from_secs(120),
        }
    }
}
