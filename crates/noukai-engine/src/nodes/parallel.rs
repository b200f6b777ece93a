//! Children at once, all on the same input. The first to fail fails the container and drops the others.

use std::sync::Arc;

use futures::future::try_join_all;
use noukai_flow::Node;
use serde_json::{Map, Value};

use crate::walk::{Ended, Place, Seen, Stop, Walk};

pub(crate) async fn run(
    walk: &Walk<'_>,
    node: &Node,
    children: &[Node],
    input: Arc<Value>,
    seen: &mut Seen,
    place: &Place,
) -> Ended {
    walk.enter_unit(node, place)?;
    let inside = Place { in_unit: true, ..place.clone() };
    let runs = children.iter().map(|child| run_child(walk, child, input.clone(), seen.clone(), &inside));
    let done = try_join_all(runs).await?;
    let mut merged = Map::new();
    for (child, (output, _)) in children.iter().zip(&done) {
        merge(&mut merged, child, output);
    }
    let known = seen.len();
    seen.extend(done.into_iter().flat_map(|(_, child_seen)| child_seen.into_iter().skip(known)));
    Ok(Arc::new(Value::Object(merged)))
}

async fn run_child(
    walk: &Walk<'_>,
    child: &Node,
    input: Arc<Value>,
    mut seen: Seen,
    place: &Place,
) -> Result<(Arc<Value>, Seen), Stop> {
    let output = walk.node(child, input, &mut seen, place).await?;
    Ok((output, seen))
}

/// The child's fields beside those of its siblings, the later one winning, and its whole output under its id.
fn merge(merged: &mut Map<String, Value>, child: &Node, output: &Value) {
    if let Value::Object(fields) = output {
        merged.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    merged.insert(child.id.to_string(), output.clone());
}
