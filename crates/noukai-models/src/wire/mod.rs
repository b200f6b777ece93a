//! What all wire formats share: the port they implement, faults, bounded reading, server-sent events, and replies as
//! all of them give them. Knows no vendor.

mod by_tool;
mod config;
mod fault;
mod few;
mod incoming;
mod redact;
mod reply;
mod retry_after;
mod sse;
mod stream;

use std::fmt::Write;

use hyper::header::HeaderName;
use noukai_engine::{DeltaSink, ModelRequest};
use serde_json::Value;

pub(crate) use self::{
    by_tool::ByTool,
    config::{Settings, settings},
    fault::{Fault, Said},
    few::{Few, MOST},
    incoming::{Incoming, refusal},
    redact::clean,
    reply::{Reply, count, join_text, tool_call},
    stream::read,
};

/// A name as one segment of a path: whatever it holds, it leads nowhere else.
pub(crate) fn segment(name: &str) -> String {
    // Dots alone would be a step upwards, encoded or not.
    if name.chars().all(|c| c == '.') {
        return "_".repeat(name.len().max(1));
    }
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A request on its way out.
pub(crate) struct Outgoing<'a> {
    pub(crate) request: &'a ModelRequest,
    /// The name the provider knows the model by.
    pub(crate) model: &'a str,
    /// Tokens the model can write, where that is known.
    pub(crate) max_output: Option<u64>,
    pub(crate) stream: bool,
}

/// A vendor's wire format: a request into bytes, bytes into a reply.
pub(crate) trait Wire: Send + Sync + std::fmt::Debug {
    /// Its name, for what it wants carried from turn to turn.
    fn name(&self) -> &'static str;

    /// Where a call goes, below the base URL.
    fn path(&self, model: &str, stream: bool) -> String;

    /// The same, where it is the same for all models.
    fn fixed_path(&self) -> Option<&'static str> {
        None
    }

    /// How a key is sent: the header, and what stands before the key in it.
    fn key_header(&self) -> (HeaderName, &'static str);

    /// Headers of every call.
    fn headers(&self) -> &[(&'static str, &'static str)] {
        &[]
    }

    /// Whether a schema can be asked for as such; else it is asked for by tool.
    fn takes_schema(&self, _schema: &Value) -> bool {
        true
    }

    /// The request's body.
    fn body(&self, outgoing: &Outgoing<'_>) -> Result<Vec<u8>, Fault>;

    /// Reads a whole reply.
    fn reply(&self, data: &[u8]) -> Result<Reply, Fault>;

    /// Begins to gather a streamed reply.
    fn gather(&self) -> Box<dyn Gather>;
}

/// A streamed reply so far.
pub(crate) trait Gather: Send {
    /// Takes the data of one event.
    fn event(&mut self, data: &[u8], deltas: &dyn DeltaSink) -> Result<(), Fault>;

    /// Whether the model has begun to answer, or to think.
    fn has_begun(&self) -> bool;

    /// Whether nothing more is to come.
    fn is_done(&self) -> bool;

    /// The whole reply, if it came to its end.
    fn finish(self: Box<Self>) -> Result<Reply, Fault>;
}
