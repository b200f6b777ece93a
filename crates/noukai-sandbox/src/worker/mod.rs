//! A worker: gives its rights up, then answers one request after the other until its pool is gone.

mod cache;
mod cage;
mod javascript;
mod output;
mod printed;
mod python;

use std::io::{self, Read, Write};

use crate::wire::{self, Bounds, Failure, FailureKind, Printed, Reply, Request, Tongue};

/// Most bytes of a request that a worker reads.
const REQUEST_MAX: usize = 512 * 1024 * 1024;

/// A call's output as JSON with what was printed, or why there is none.
type Called = Result<(Vec<u8>, Printed), Failure>;

/// Serves the pool on standard input and output until that closes. Returns the process' exit code.
pub fn serve() -> u8 {
    let rights = cage::enter(&mut || warm_up());
    match rights.map_err(io::Error::other).and_then(answer_all) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

/// Both interpreters run once, so that what they read from the system is read before that is forbidden.
fn warm_up() {
    let bounds = Bounds {
        wall: std::time::Duration::from_secs(5),
        memory: 64 << 20,
        output: 1024,
        depth: 8,
        values: 64,
        printed: 64,
    };
    let python = wire::Source { tongue: Tongue::Python, parameters: Vec::new(), body: cage::WARM_UP_PYTHON };
    let javascript =
        wire::Source { tongue: Tongue::JavaScript, parameters: Vec::new(), body: cage::WARM_UP_JAVASCRIPT };
    let mut interpreters = Interpreters::default();
    for source in [python, javascript] {
        drop(interpreters.call(&source, b"[{}]", &bounds));
    }
}

fn answer_all(rights: Vec<wire::Right>) -> io::Result<()> {
    let mut interpreters = Interpreters::default();
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    send(&mut output, &Reply::Ready(rights), &[])?;
    let mut bytes = Vec::new();
    while let Some(head) = read_frame(&mut input, &mut bytes)? {
        let (head, body) = bytes.split_at(head);
        let request = postcard::from_bytes(head).map_err(io::Error::other)?;
        let (reply, json) = interpreters.answer(&request, body);
        send(&mut output, &reply, &json)?;
        bytes.shrink_to(1 << 20);
    }
    Ok(())
}

/// Reads one frame and says where its head ends; nothing at the end of the input.
fn read_frame(input: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let mut prefix = [0; wire::PREFIX];
    match input.read_exact(&mut prefix) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let (head, body) = wire::lengths(prefix);
    let length = head + body;
    if length > REQUEST_MAX {
        return Err(io::Error::other("request too large"));
    }
    bytes.clear();
    input.take(length as u64).read_to_end(bytes)?;
    if bytes.len() == length { Ok(Some(head)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn send(output: &mut impl Write, reply: &Reply, json: &[u8]) -> io::Result<()> {
    let append = |bytes: &mut Vec<u8>| -> io::Result<()> {
        bytes.extend_from_slice(json);
        Ok(())
    };
    let frame = wire::frame(reply, append).map_err(|error| io::Error::other(error.0))?;
    output.write_all(&frame)?;
    output.flush()
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

    fn check(&mut self, source: &wire::Source<'_>) -> Vec<wire::Problem> {
        match source.tongue {
            Tongue::Python => python::check(source),
            Tongue::JavaScript => javascript::check(source),
        }
    }

    fn call(&mut self, source: &wire::Source<'_>, values: &[u8], bounds: &Bounds) -> Called {
        match source.tongue {
            Tongue::Python => self.python.call(source, values, bounds),
            Tongue::JavaScript => self.javascript.call(source, values, bounds),
        }
    }
}

/// The failure of a source that has faults: its first one.
fn faulty(problems: &[wire::Problem]) -> Option<Failure> {
    let first = problems.first()?;
    Some(Failure { line: Some(first.line), ..Failure::new(FailureKind::Error, first.message.clone()) })
}
