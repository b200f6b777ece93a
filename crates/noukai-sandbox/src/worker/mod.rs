//! A worker: gives its rights up, then answers one request after the other until its pool is gone.

mod cache;
mod cage;
mod javascript;
mod output;
mod printed;
mod python;

use std::io;

use rustix::io::Errno;

use crate::meter;
use crate::wire::{self, Bounds, Failure, FailureKind, Printed, Reply, Request, Right, Source, Tongue};

/// Most bytes of a request that a worker reads.
const REQUEST_MAX: usize = 512 << 20;

/// The exit code of a worker whose interpreter panicked.
const PANICKED: i32 = 70;

/// A call's output as JSON with what was printed, or why there is none.
type Called = Result<(Vec<u8>, Printed), Failure>;

/// Serves the pool on standard input and output until that closes. Returns the process' exit code.
pub fn serve() -> u8 {
    let rights = enter_cage();
    let mut interpreters = Interpreters::default();
    let served = announce(&rights).and_then(|()| {
        answer_all(|head, body| {
            let request = postcard::from_bytes(head).map_err(io::Error::other)?;
            let (reply, json) = interpreters.answer(&request, body);
            encode(&reply, &json)
        })
    });
    u8::from(served.is_err())
}

/// Gives up everything that answering does not need.
pub fn enter_cage() -> Vec<Right> {
    meter::start();
    // What a panic would tell, and look up for it, is of no use to anyone here.
    std::panic::set_hook(Box::new(|_| std::process::exit(PANICKED)));
    let memory = std::env::args().next_back().and_then(|memory| memory.parse().ok()).unwrap_or_default();
    cage::enter(memory, warm_up)
}

/// Tells the pool that the cage is closed.
pub fn announce(rights: &[Right]) -> io::Result<()> {
    write_all(&encode(&Reply::Ready(rights.to_vec()), &[])?)
}

/// Both interpreters run once, so that what they read from the system is read before that is forbidden.
fn warm_up() {
    let bounds = Bounds { wall: WARM_UP, memory: 64 << 20, output: 1_024, depth: 8, values: 64, printed: 64 };
    let (python, javascript) = (WARM_UP_PYTHON, WARM_UP_JAVASCRIPT);
    let mut interpreters = Interpreters::default();
    for (tongue, body) in [(Tongue::Python, python), (Tongue::JavaScript, javascript)] {
        let source = Source { tongue, parameters: Vec::new(), body };
        // A failure shows at the first call that needs the same.
        drop(interpreters.call(&source, b"[{}]", &bounds));
    }
}

const WARM_UP: std::time::Duration = std::time::Duration::from_secs(5);
const WARM_UP_PYTHON: &str = "import json, re, datetime, math\nreturn {'a': re.sub('a', 'b', json.dumps([1.5]))}";
const WARM_UP_JAVASCRIPT: &str = "return {a: new Date(0).getTimezoneOffset(), b: /a/.test('a')}";

/// Answers each request, given as its head and its body, with the frame that `answer` makes.
pub fn answer_all(mut answer: impl FnMut(&[u8], &[u8]) -> io::Result<Vec<u8>>) -> io::Result<()> {
    let mut bytes = Vec::new();
    while let Some(wire::Prefix { head, number, .. }) = read_frame(&mut bytes)? {
        let (head, body) = bytes.split_at(head);
        let mut frame = answer(head, body)?;
        wire::number(&mut frame, number);
        write_all(&frame)?;
        bytes.clear();
        bytes.shrink_to(1 << 20);
    }
    Ok(())
}

/// Reads the head and body of one frame; nothing at the end of the input.
fn read_frame(bytes: &mut Vec<u8>) -> io::Result<Option<wire::Prefix>> {
    let mut prefix = [0; wire::PREFIX];
    if !read_exact(&mut prefix)? {
        return Ok(None);
    }
    let prefix = wire::Prefix::read(prefix);
    let length = prefix.head + prefix.body;
    if length > REQUEST_MAX {
        return Err(io::Error::other("request too large"));
    }
    bytes.resize(length, 0);
    if read_exact(bytes)? { Ok(Some(prefix)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Fills the buffer from standard input; false at the end of it. Without the standard library's buffers, which would
/// make other system calls.
fn read_exact(mut buffer: &mut [u8]) -> io::Result<bool> {
    while !buffer.is_empty() {
        match rustix::io::read(rustix::stdio::stdin(), &mut *buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => buffer = &mut buffer[read..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn encode(reply: &Reply, json: &[u8]) -> io::Result<Vec<u8>> {
    let append = |bytes: &mut Vec<u8>| -> io::Result<()> {
        bytes.extend_from_slice(json);
        Ok(())
    };
    wire::frame(reply, append).map_err(|error| io::Error::other(error.0))
}

/// Both languages, each with what it has compiled.
#[derive(Default)]
struct Interpreters {
    python: python::Python,
    javascript: javascript::JavaScript,
}

impl Interpreters {
    fn answer(&mut self, request: &Request<'_>, body: &[u8]) -> (Reply, Vec<u8>) {
        match request {
            Request::Check(source) => (Reply::Problems(self.check(source)), Vec::new()),
            Request::Call(source, bounds) => match self.call(source, body, bounds) {
                Ok((json, printed)) => (Reply::Output(printed), json),
                Err(failure) => (Reply::Failed(failure), Vec::new()),
            },
        }
    }

    fn check(&mut self, source: &Source<'_>) -> Vec<wire::Problem> {
        match source.tongue {
            Tongue::Python => python::check(source),
            Tongue::JavaScript => javascript::check(source),
        }
    }

    fn call(&mut self, source: &Source<'_>, values: &[u8], bounds: &Bounds) -> Called {
        meter::begin_call(bounds.memory);
        let called = match source.tongue {
            Tongue::Python => self.python.call(source, values, bounds),
            Tongue::JavaScript => self.javascript.call(source, values, bounds),
        };
        meter::end_call();
        called
    }
}

/// The failure of a source that has faults: its first one.
fn faulty(problems: &[wire::Problem]) -> Option<Failure> {
    let first = problems.first()?;
    Some(Failure { line: Some(first.line), ..Failure::new(FailureKind::Error, first.message.clone()) })
}
