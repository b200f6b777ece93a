//! Children at once, all on the same input. The first to fail fails the container and drops the others.

use std::sync::Arc;

use futures::future::try_join_all;
use noukai_flow::Node;
use serde_json::{Map, Value};

use crate::{
    json_size,
    walk::{Ended, Place, Seen, Stop, Walk},
};

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
    // Each output stands in the result twice: its fields, and itself.
    walk.within_size(node, done.iter().map(|(output, _)| 2 * json_size(output)).sum())?;
    let merged = merge(children, done.iter().map(|(output, _)| output));
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

/// The children's fields, the later one winning, and each child's whole output under its id, whatever a sibling's field
/// is called.
fn merge<'a>(children: &[Node], outputs: impl Iterator<Item = &'a Arc<Value>> + Clone) -> Map<String, Value> {
    let fields = outputs.clone().filter_map(|output| output.as_object()).flatten();
    let whole = children.iter().zip(outputs).map(|(child, output)| (child.id.to_string(), output.as_ref().clone()));
    fields.map(|(name, value)| (name.clone(), value.clone())).chain(whole).collect()
}
