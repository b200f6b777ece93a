//! What the pool and a worker say to each other: frames of a typed head and a body of JSON.
//!
//! A frame is `head length, body length` (32 bits each, little endian), a number (64 bits), the head in postcard, the body
//! as it is. The worker trusts its pool; the pool trusts nothing that a worker sends, so lengths are bounded before a byte
//! is read. An answer carries its request's number, which nobody can know before: none can be sent ahead.

use std::time::Duration;

use noukai_flow::Language;
use serde::{Deserialize, Serialize};

/// Bytes before the head.
pub const PREFIX: usize = 16;

/// Most bytes of a head that a worker sends.
pub const REPLY_HEAD_MAX: usize = 512 * 1024;

/// What a worker is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Find the faults of a source.
    Check(#[serde(borrow)] Source<'a>),
    /// Call a function; the body is a JSON array: `initial`, then one value per parameter.
    Call(#[serde(borrow)] Source<'a>, Bounds),
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source<'a> {
    pub tongue: Tongue,
    #[serde(borrow)]
    pub parameters: Vec<&'a str>,
    pub body: &'a str,
}

/// The language of a source, as the wire has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tongue {
    Python,
    JavaScript,
}

impl From<Language> for Tongue {
    fn from(language: Language) -> Self {
        match language {
            Language::Python => Self::Python,
            Language::JavaScript => Self::JavaScript,
        }
    }
}

/// What one call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// From the first instruction to the last.
    pub wall: Duration,
    /// Bytes that the function may hold beyond what the worker itself needs.
    pub memory: u64,
    /// Bytes of the output as JSON.
    pub output: u64,
    /// How deep the output may be nested; the object itself is the first level.
    pub depth: u32,
    /// Numbers, strings, lists and so on in the output.
    pub values: u64,
    /// Bytes of printed text that are kept.
    pub printed: u64,
}

/// What a worker answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// It is caged and waits for requests.
    Ready(Vec<Right>),
    /// The faults of the source.
    Problems(Vec<Problem>),
    /// The body is the output, a JSON object.
    Output(Printed),
    /// There is no output.
    Failed(Failure),
}

/// One right that a worker gives up, and how that went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    pub name: String,
    /// Why it could not be given up.
    pub missing: Option<String>,
}

/// A fault of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub line: u32,
    pub column: u32,
    pub message: String,
}

/// What was printed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    pub text: String,
    pub truncated: bool,
}

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    pub message: String,
    pub line: Option<u32>,
    pub traceback: Option<String>,
    pub printed: Printed,
}

impl Failure {
    /// Without a place.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), line: None, traceback: None, printed: Printed::default() }
    }
}

/// What a worker that lives can tell of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    Error,
    Timeout,
    Memory,
    OutputInvalid,
}

/// A frame of `head` and a body that `body` writes.
pub fn frame<E>(head: &impl Serialize, body: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Vec<u8>, FrameError>
where
    E: std::fmt::Display,
{
    let mut bytes = postcard::to_extend(head, vec![0; PREFIX]).map_err(|error| FrameError(error.to_string()))?;
    let head_end = bytes.len();
    body(&mut bytes).map_err(|error| FrameError(error.to_string()))?;
    let length = |bytes: usize| u32::try_from(bytes).map_err(|_| FrameError(format!("{bytes} bytes are too many")));
    let (head, body) = (length(head_end - PREFIX)?, length(bytes.len() - head_end)?);
    bytes[..4].copy_from_slice(&head.to_le_bytes());
    bytes[4..8].copy_from_slice(&body.to_le_bytes());
    Ok(bytes)
}

/// A frame that cannot be sent.
#[derive(Debug)]
pub struct FrameError(pub String);

/// Gives a frame its number.
pub fn number(frame: &mut [u8], number: u64) {
    if let Some(slot) = frame.get_mut(8..PREFIX) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
}

/// What stands before a head.
pub struct Prefix {
    pub head: usize,
    pub body: usize,
    pub number: u64,
}

impl Prefix {
    pub fn read(bytes: [u8; PREFIX]) -> Self {
        let [a, b, c, d, e, f, g, h, number @ ..] = bytes;
        let length = |bytes| u32::from_le_bytes(bytes) as usize;
        Self { head: length([a, b, c, d]), body: length([e, f, g, h]), number: u64::from_le_bytes(number) }
    }
}
