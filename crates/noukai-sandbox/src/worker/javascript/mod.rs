//! JavaScript blocks: compiled once per content, run in an engine of their own for each call.

mod console;
mod failure;
mod memory;
mod names;
mod source;
mod values;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Instant;

use rquickjs::context::intrinsic::{Date, Eval, Json, MapSet, Promise, RegExp, RegExpCompiler, TypedArrays};
use rquickjs::function::Args;
use rquickjs::object::Filter;
use rquickjs::{CatchResultExt as _, CaughtError, Context, Ctx, Function, Module, Runtime, WriteOptions};

use super::cache::Cache;
use super::printed::Sink;
use super::{Called, faulty};
use crate::wire::{Bounds, Failure, Printed, Problem, Source};

/// What a function finds around it: no Proxy, no WeakRef, no clock of high resolution, and no way to compile text.
type Around = (Date, RegExpCompiler, RegExp, Json, MapSet, TypedArrays, Promise);

/// What the compiler needs; nothing runs there.
type Compiling = (Eval, RegExpCompiler, RegExp, Promise);

/// Bytes of stack for calls within calls.
const STACK: usize = 1 << 20;

/// Bytes that compiling may take.
const COMPILING: u64 = 64 << 20;

/// The JavaScript engine with what it has compiled.
#[derive(Default)]
pub struct JavaScript {
    compiled: Cache<Vec<u8>>,
}

/// The faults of a source.
pub fn check(source: &Source<'_>) -> Vec<Problem> {
    let reserved = source::refused_names(source);
    if !reserved.is_empty() {
        return reserved;
    }
    match compile(source).and_then(|_| globals()) {
        Ok(globals) => names::check(source, &globals),
        Err(problem) => vec![problem],
    }
}

/// Every name that a function finds around it.
fn globals() -> Result<HashSet<String>, Problem> {
    let failed = |_| broken("the engine did not start");
    let memory = memory::Limited::new(COMPILING, &Rc::default());
    let runtime = Runtime::new_with_alloc(memory).map_err(failed)?;
    let context = Context::custom::<Around>(&runtime).map_err(failed)?;
    context.with(|ctx| {
        console::install(&ctx, &Rc::new(RefCell::new(Sink::new(0)))).map_err(failed)?;
        let names = ctx.globals().own_keys::<String>(Filter::new().string());
        names.collect::<rquickjs::Result<_>>().map_err(failed)
    })
}

fn broken(message: &str) -> Problem {
    Problem { line: 1, column: 1, message: message.to_owned() }
}

/// The function as bytecode.
fn compile(source: &Source<'_>) -> Result<Vec<u8>, Problem> {
    let memory = memory::Limited::new(COMPILING, &Rc::default());
    let runtime = Runtime::new_with_alloc(memory).map_err(|_| broken("the compiler did not start"))?;
    runtime.set_max_stack_size(STACK);
    let context = Context::custom::<Compiling>(&runtime).map_err(|_| broken("the compiler did not start"))?;
    context.with(|ctx| {
        let module = Module::declare(ctx.clone(), source::FILE, source::module(source))
            .and_then(|module| module.write(WriteOptions::default()))
            .catch(&ctx);
        module.map_err(|error| failure::problem(source, &error))
    })
}

impl JavaScript {
    /// Calls the function with `values`, a JSON array.
    pub fn call(&mut self, source: &Source<'_>, values: &[u8], bounds: &Bounds) -> Called {
        let bytecode = self.compiled.get_or_insert(source, || {
            let problems = source::refused_names(source);
            faulty(&problems).map_or(Ok(()), Err)?;
            compile(source).map_err(|problem| failure::from_problem(&problem))
        })?;
        let printed = Rc::new(RefCell::new(Sink::new(bounds.printed)));
        let result = run(bytecode, source, values, bounds, &printed);
        let printed: Printed = printed.take().finish();
        match result {
            Ok(json) => Ok((json, printed)),
            Err(failure) => Err(Failure { printed, ..failure }),
        }
    }
}

/// Whether the call's limits were met, as far as they are watched from outside the engine.
#[derive(Clone)]
struct Watch {
    end: Instant,
    time: Rc<Cell<bool>>,
    memory: Rc<Cell<bool>>,
}

impl Watch {
    /// Asked by the engine every so often.
    fn time_is_up(&self) -> bool {
        if Instant::now() >= self.end {
            self.time.set(true);
        }
        self.time.get()
    }
}

fn run(
    bytecode: &[u8],
    source: &Source<'_>,
    values: &[u8],
    bounds: &Bounds,
    printed: &Rc<RefCell<Sink>>,
) -> Result<Vec<u8>, Failure> {
    let watch = Watch { end: Instant::now() + bounds.wall, time: Rc::default(), memory: Rc::default() };
    let out_of_memory = || failure::memory(bounds);
    let memory = memory::Limited::new(bounds.memory, &watch.memory);
    let runtime = Runtime::new_with_alloc(memory).map_err(|_| out_of_memory())?;
    runtime.set_max_stack_size(STACK);
    let asked = watch.clone();
    runtime.set_interrupt_handler(Some(Box::new(move || asked.time_is_up())));
    let context = Context::custom::<Around>(&runtime).map_err(|_| out_of_memory())?;
    context.with(|ctx| {
        let call = Call { ctx: ctx.clone(), source, bounds, watch: &watch };
        call.run(bytecode, values, printed)
    })
}

/// One call in its engine.
struct Call<'a, 'js> {
    ctx: Ctx<'js>,
    source: &'a Source<'a>,
    bounds: &'a Bounds,
    watch: &'a Watch,
}

impl<'js> Call<'_, 'js> {
    fn run(&self, bytecode: &[u8], values: &[u8], printed: &Rc<RefCell<Sink>>) -> Result<Vec<u8>, Failure> {
        let tools = values::Tools::new(&self.ctx).map_err(|error| self.failed(error))?;
        console::install(&self.ctx, printed).map_err(|error| self.failed(error))?;
        let function = self.function(bytecode).map_err(|error| self.failed(error))?;
        let arguments = values::read(&self.ctx, values).map_err(|error| self.failed(error))?;
        let mut given = Args::new(self.ctx.clone(), arguments.len());
        given.push_args(arguments).map_err(|error| self.failed(error))?;
        let output = function.call_arg(given).map_err(|error| self.failed(error))?;
        values::write(&tools, &output, self.bounds).map_err(|refusal| match refusal {
            values::Refusal::Output(failure) => failure,
            values::Refusal::Engine(error) => self.failed(error),
        })
    }

    #[expect(unsafe_code, reason = "loading bytecode is unsafe unless the engine itself wrote it")]
    fn function(&self, bytecode: &[u8]) -> rquickjs::Result<Function<'js>> {
        // SAFETY: `bytecode` is what `compile` got from this very engine in this process, unchanged.
        let module = unsafe { Module::load(self.ctx.clone(), bytecode)? };
        let (module, _done) = module.eval()?;
        module.get(source::FUNCTION)
    }

    fn failed(&self, error: rquickjs::Error) -> Failure {
        if let Some(limit) = self.limit() {
            return limit;
        }
        let failure = failure::from_error(self.source, &CaughtError::from_error(&self.ctx, error));
        // Telling of the error may itself have run the author's code.
        self.limit().unwrap_or(failure)
    }

    fn limit(&self) -> Option<Failure> {
        if self.watch.time_is_up() {
            return Some(failure::timeout(self.bounds));
        }
        self.watch.memory.get().then(|| failure::memory(self.bounds))
    }
}

impl From<rquickjs::Error> for values::Refusal {
    fn from(error: rquickjs::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Failure> for values::Refusal {
    fn from(failure: Failure) -> Self {
        Self::Output(failure)
    }
}
