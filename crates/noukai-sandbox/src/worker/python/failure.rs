//! Exceptions as failures: which kind, on which line of the author's, by which way.

use std::fmt::Write as _;

use monty_types::{ExcType, MontyException, StackFrame};

use super::source::LINES_BEFORE;
use crate::wire::{Bounds, Failure, FailureKind, Problem, Source};

/// Frames of a traceback that are told: the outermost and the innermost.
const FRAMES: usize = 12;

/// What an exception that nobody caught means.
pub fn from_exception(source: &Source<'_>, error: MontyException, bounds: &Bounds) -> Failure {
    let line = error.traceback().last().map(|frame| own_line(source, frame.start.line));
    let traceback = traceback(source, &error);
    match limit(&error) {
        Some(FailureKind::Timeout) => {
            let message = format!("the block ran longer than {} ms", bounds.wall.as_millis());
            Failure { line, traceback, ..Failure::new(FailureKind::Timeout, message) }
        }
        Some(kind) => {
            let message = format!("the block needs more than {} MiB of memory", bounds.memory >> 20);
            Failure { line, traceback, ..Failure::new(kind, message) }
        }
        None => Failure { line, traceback, ..Failure::new(FailureKind::Error, clip(&summary(&error), 600)) },
    }
}

/// What happened, in a line.
fn summary(error: &MontyException) -> String {
    let system = error.message().and_then(|message| message.strip_prefix("OS function '")?.split('\'').next());
    match system.filter(|_| error.exc_type() == ExcType::NotImplementedError) {
        Some(asked) => format!(
            "`{asked}` is not available: a Python block has no clock, files or environment; give it what it needs as an input"
        ),
        None => error.summary(),
    }
}

/// The fault of a source that parses but does not compile.
pub fn problem(source: &Source<'_>, error: &MontyException) -> Problem {
    let place = error.traceback().last().map(|frame| frame.start);
    Problem {
        line: place.map_or(1, |place| own_line(source, place.line)),
        column: place.map_or(1, |place| place.column.saturating_sub(4).max(1)),
        message: clip(&error.summary(), 600),
    }
}

/// Which of the call's limits was met. The interpreter says it by exceptions that a block cannot catch.
fn limit(error: &MontyException) -> Option<FailureKind> {
    let message = error.message().unwrap_or_default();
    match error.exc_type() {
        ExcType::TimeoutError if message.starts_with("time limit exceeded") => Some(FailureKind::Timeout),
        ExcType::MemoryError => Some(FailureKind::Memory),
        _ => None,
    }
}

fn traceback(source: &Source<'_>, error: &MontyException) -> Option<String> {
    let frames: Vec<_> = error.traceback().iter().filter(|frame| is_own(frame)).collect();
    let mut text = String::new();
    let left_out = frames.len().saturating_sub(FRAMES);
    for (index, frame) in frames.iter().enumerate() {
        if left_out > 0 && index == FRAMES / 2 {
            let _ = writeln!(text, "  ... {left_out} more");
        }
        if left_out > 0 && (FRAMES / 2..FRAMES / 2 + left_out).contains(&index) {
            continue;
        }
        let name = frame.frame_name.as_deref().unwrap_or_default();
        let name = if name == "_block" { "the block" } else { name };
        let _ = write!(text, "  line {}, in {}", own_line(source, frame.start.line), clip(name, 80));
        if let Some(preview) = frame.preview_line.as_deref().and_then(|preview| preview.lines().next()) {
            let _ = write!(text, ": {}", clip(preview.trim(), 120));
        }
        text.push('\n');
    }
    text.push_str(&clip(&summary(error), 300));
    (!frames.is_empty()).then_some(text)
}

/// Whether a frame is the author's: the call from outside is not.
fn is_own(frame: &StackFrame) -> bool {
    frame.frame_name.as_deref().is_some_and(|name| name != "<module>")
}

fn own_line(source: &Source<'_>, line: u32) -> u32 {
    let last = u32::try_from(source.body.lines().count()).unwrap_or(u32::MAX);
    line.saturating_sub(LINES_BEFORE).clamp(1, last.max(1))
}

/// At most `bytes` of a text.
fn clip(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(bytes)])
}
