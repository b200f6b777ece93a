//! Children in order; each one's output is the next one's input.

use std::sync::Arc;

use noukai_flow::Node;
use serde_json::Value;

use crate::walk::{Ended, Place, Seen, Walk};

pub(crate) async fn run(walk: &Walk<'_>, steps: &[Node], input: Arc<Value>, seen: &mut Seen, place: &Place) -> Ended {
    let mut output = input;
    for node in steps {
        output = walk.node(node, output, seen, place).await?;
    }
    Ok(output)
}
