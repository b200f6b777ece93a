//! Python blocks: checked and compiled once per content, run anew for each call.

mod check;
mod failure;
mod source;
mod values;

use std::borrow::Cow;

use monty::MontyRun;
use monty_types::{
    AssertMessageAnnotations, CompileOptions, MontyException, MontyObject, PrintWriter, PrintWriterCallback,
    ResourceLimits, ResourceTracker,
};

use super::cache::Cache;
use super::printed::Sink;
use super::{Called, faulty};
use crate::wire::{Bounds, Failure, FailureKind, Problem, Source};

/// Calls within calls.
const RECURSION: usize = 400;

/// The Python interpreter with what it has compiled.
#[derive(Default)]
pub struct Python {
    compiled: Cache<MontyRun>,
}

/// The faults of a source.
pub fn check(source: &Source<'_>) -> Vec<Problem> {
    match check::check(source) {
        Ok(parsed) => {
            compile(source, &parsed).err().map(|error| vec![failure::problem(source, &error)]).unwrap_or_default()
        }
        Err(problems) => problems,
    }
}

fn compile(source: &Source<'_>, parsed: &source::Body) -> Result<MontyRun, MontyException> {
    let names = std::iter::once("initial").chain(source.parameters.iter().copied());
    let options = CompileOptions { assert_message_annotations: AssertMessageAnnotations::Off };
    MontyRun::new(source::module(source, parsed), source::FILE, names.map(str::to_owned).collect(), options)
}

impl Python {
    /// Calls the function with `values`, a JSON array.
    pub fn call(&mut self, source: &Source<'_>, values: &[u8], bounds: &Bounds) -> Called {
        let program = self.compiled.get_or_insert(source, || {
            let parsed = check::check(source).map_err(|problems| {
                faulty(&problems).unwrap_or_else(|| Failure::new(FailureKind::Error, "the source has faults"))
            })?;
            compile(source, &parsed).map_err(|error| failure::from_exception(source, error, bounds))
        })?;
        let arguments = values::read(values).map_err(|error| Failure::new(FailureKind::Error, error))?;
        let mut printed = Printing(Sink::new(bounds.printed));
        let result = run(program, arguments, bounds, &mut printed)
            .map_err(|error| failure::from_exception(source, error, bounds))
            .and_then(|output| values::write(&output, bounds));
        let printed = printed.0.finish();
        match result {
            Ok(json) => Ok((json, printed)),
            Err(failure) => Err(Failure { printed, ..failure }),
        }
    }
}

/// Runs to the end. The one thing that is asked of the world is the time.
fn run(
    program: &MontyRun,
    arguments: Vec<MontyObject>,
    bounds: &Bounds,
    printed: &mut Printing,
) -> Result<MontyObject, MontyException> {
    let limits = ResourceLimits::default()
        .max_duration(bounds.wall)
        .max_memory(usize::try_from(bounds.memory).unwrap_or(usize::MAX))
        .max_recursion_depth(RECURSION);
    program.run(arguments, ResourceTracker::new(limits), PrintWriter::Callback(printed))
}

struct Printing(Sink);

impl PrintWriterCallback for Printing {
    fn stdout_write(&mut self, output: Cow<'_, str>) -> Result<(), MontyException> {
        self.0.write(&output);
        Ok(())
    }

    fn stdout_push(&mut self, end: char) -> Result<(), MontyException> {
        self.0.write(end.encode_utf8(&mut [0; 4]));
        Ok(())
    }
}
