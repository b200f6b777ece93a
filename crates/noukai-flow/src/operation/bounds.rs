//! How large a draft may become: by what is meant, no larger than a flow may be; in any case no larger than what can be
//! read again.

use std::io;

use serde_json::Value;

use super::{Refusal, RefusalCode, nodes};
use crate::{
    Bounds,
    document::{MAX_BYTES, MAX_DEPTH, MAX_NODES},
};

/// How large the tree of a draft is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    blocks: usize,
    nesting: usize,
    widest: usize,
}

impl Extent {
    pub(super) fn of(document: &Value) -> Self {
        let mut extent = Self { blocks: 0, nesting: 0, widest: 0 };
        nodes::walk(document, &mut |visit| {
            if nodes::is_container(visit.node) {
                extent.nesting = extent.nesting.max(visit.depth + 1);
                let children = visit.node.get("parallel").and_then(Value::as_array).map_or(0, Vec::len);
                extent.widest = extent.widest.max(children);
            } else {
                extent.blocks += 1;
            }
        });
        extent
    }

    /// Refuses what has grown over a bound. A draft that was over it already may be worked on.
    pub(super) fn grown_within(&self, before: &Self, bounds: &Bounds) -> Result<(), Refusal> {
        let over = |now: usize, then: usize, most: usize| now > most && now > then;
        if over(self.blocks, before.blocks, bounds.blocks) {
            let message = format!("a flow has at most {} blocks; split it into several flows", bounds.blocks);
            return Err(Refusal::new(RefusalCode::TooLarge, "step_id", message));
        }
        if over(self.nesting, before.nesting, bounds.nesting) {
            let message = format!(
                "containers would be nested deeper than {} levels; unwrap one, or split the flow",
                bounds.nesting
            );
            return Err(Refusal::new(RefusalCode::TooLarge, "step_id", message));
        }
        if over(self.widest, before.widest, bounds.parallel_width) {
            let message = format!(
                "at most {} steps run at once in a container; use a loop, or nest containers",
                bounds.parallel_width
            );
            return Err(Refusal::new(RefusalCode::TooLarge, "step_id", message));
        }
        Ok(())
    }
}

/// Refuses a result that could not be read again as a document, unless it was so before.
pub(super) fn readable(before: &Value, after: &Value) -> Result<(), Refusal> {
    let faults = [
        (bytes as fn(&Value) -> usize, MAX_BYTES, "bytes"),
        // The parser counts the document itself, and a scalar as a level.
        (depth, MAX_DEPTH - 2, "levels of nesting"),
        (values, MAX_NODES, "values"),
    ];
    for (measure, most, what) in faults {
        let now = measure(after);
        if now > most && now > measure(before) {
            let message = format!("the document would have {now} {what}; at most {most} are taken: make it smaller");
            return Err(Refusal::new(RefusalCode::TooLarge, "document", message));
        }
    }
    Ok(())
}

/// Bytes of the document as JSON.
fn bytes(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        // A key is a value to the parser.
        Value::Object(fields) => 1 + fields.values().map(|value| 1 + values(value)).sum::<usize>(),
        _ => 1,
    }
}
