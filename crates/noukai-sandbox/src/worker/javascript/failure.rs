//! Errors as failures: which kind, on which line of the author's, by which way.

use rquickjs::{CaughtError, Coerced, Exception};

use super::source::{FILE, LINES_BEFORE};
use crate::wire::{Bounds, Failure, FailureKind, Problem, Source};

/// Frames of a stack that are told.
const FRAMES: usize = 12;

/// The time is up.
pub fn timeout(bounds: &Bounds) -> Failure {
    let message = format!("the block ran longer than {} ms", bounds.wall.as_millis());
    Failure::new(FailureKind::Timeout, message)
}

/// The memory is used up.
pub fn memory(bounds: &Bounds) -> Failure {
    let message = format!("the block needs more than {} MiB of memory", bounds.memory >> 20);
    Failure::new(FailureKind::Memory, message)
}

/// What an error that nobody caught means.
pub fn from_error(source: &Source<'_>, error: &CaughtError<'_>) -> Failure {
    let CaughtError::Exception(exception) = error else {
        return Failure::new(FailureKind::Error, clip(&thrown(error), 600));
    };
    let (summary, stack) = (summary(exception), exception.stack().unwrap_or_default());
    let places = places(source, &stack);
    let line = places.first().map(|place| place.line);
    let told: Vec<_> = places.iter().take(FRAMES).map(Place::told).collect();
    let traceback = (!told.is_empty()).then(|| format!("{}\n{}", told.join("\n"), clip(&summary, 300)));
    Failure { line, traceback, ..Failure::new(FailureKind::Error, clip(&summary, 600)) }
}

/// The fault of a source that does not compile.
pub fn problem(source: &Source<'_>, error: &CaughtError<'_>) -> Problem {
    let CaughtError::Exception(exception) = error else {
        return Problem { line: 1, column: 1, message: clip(&thrown(error), 600) };
    };
    let places = places(source, &exception.stack().unwrap_or_default());
    let (line, column) = places.first().map_or((1, 1), |place| (place.line, place.column));
    let message = exception.message().unwrap_or_default();
    Problem {
        line,
        column,
        message: clip(&format!("syntax error: {}", message.trim_start_matches("SyntaxError: ")), 600),
    }
}

/// The failure of a call to a source with a fault.
pub fn from_problem(problem: &Problem) -> Failure {
    Failure { line: Some(problem.line), ..Failure::new(FailureKind::Error, problem.message.clone()) }
}

fn summary(exception: &Exception<'_>) -> String {
    let name =
        exception.as_object().get::<_, Coerced<String>>("name").map_or_else(|_| "Error".to_owned(), |name| name.0);
    match exception.message() {
        Some(message) if !message.is_empty() => format!("{name}: {message}"),
        _ => name,
    }
}

fn thrown(error: &CaughtError<'_>) -> String {
    match error {
        CaughtError::Value(value) => {
            let spelled =
                value.get::<Coerced<String>>().map_or_else(|_| "a value without text".to_owned(), |text| text.0);
            format!("thrown: {spelled}")
        }
        other => other.to_string(),
    }
}

/// A place in a stack.
struct Place {
    function: String,
    line: u32,
    column: u32,
}

impl Place {
    fn told(&self) -> String {
        let name = match self.function.as_str() {
            "" => "the block",
            name if name == super::source::FUNCTION => "the block",
            name => name,
        };
        format!("  line {}, in {}", self.line, clip(name, 80))
    }
}

/// The places of a stack that lie in the author's source: lines as `    at name (block:3:5)`.
fn places(source: &Source<'_>, stack: &str) -> Vec<Place> {
    stack.lines().take(200).filter_map(|line| place(source, line)).collect()
}

fn place(source: &Source<'_>, line: &str) -> Option<Place> {
    let line = line.trim().strip_prefix("at ")?;
    let (function, place) = line.rsplit_once(" (").unwrap_or(("", line));
    let mut numbers = place.trim_end_matches(')').strip_prefix(FILE)?.strip_prefix(':')?.split(':');
    let line: u32 = numbers.next()?.parse().ok()?;
    let column = numbers.next().and_then(|column| column.parse().ok()).unwrap_or(1);
    let last = u32::try_from(source.body.lines().count()).unwrap_or(u32::MAX).max(1);
    Some(Place { function: function.to_owned(), line: line.saturating_sub(LINES_BEFORE).clamp(1, last), column })
}

/// At most `bytes` of a text.
fn clip(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(bytes)])
}
