//! How values become text: strings as they are, objects and arrays as JSON, `null`, nothing escaped. Bounded.

use std::{fmt, io};

use minijinja::{Error, ErrorKind, Value, value::ValueKind};

use super::{MAX_OUTPUT, value::Node};

/// Writes `value` as text.
pub(super) fn print(out: &mut dyn fmt::Write, value: &Value) -> fmt::Result {
    match value.kind() {
        ValueKind::String => out.write_str(value.as_str().unwrap_or_default()),
        ValueKind::None => out.write_str("null"),
        ValueKind::Bool => out.write_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => print_json(out, value),
        _ => write!(out, "{value}"),
    }
}

fn print_json(out: &mut dyn fmt::Write, value: &Value) -> fmt::Result {
    match value.downcast_object_ref::<Node>() {
        // In one piece: it cannot be much larger than what it is made from, and a large one comes in a million writes.
        Some(node) => out.write_str(&serde_json::to_string(node.json()).map_err(|_| fmt::Error)?),
        None => serde_json::to_writer(Bytes(out), value).map_err(|_| fmt::Error),
    }
}

/// The text of a value, where a filter needs it whole.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    let mut out = Bounded::default();
    print(&mut out, value)?;
    Ok(out.0)
}

/// A string that takes no more than [`MAX_OUTPUT`] bytes.
#[derive(Default)]
pub(super) struct Bounded(pub(super) String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_OUTPUT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// The engine's writer is one of bytes; what it writes is text.
impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        fmt::Write::write_str(self, text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `serde_json` writes bytes, always in whole characters.
struct Bytes<'a>(&'a mut dyn fmt::Write);

impl io::Write for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error of a filter whose result would be too long.
pub(super) fn too_long() -> Error {
    Error::new(ErrorKind::WriteFailure, "too long")
}
