//! The first case whose key is the rendered `on`, else `else`. Leaves not taken are reported as skipped.

use std::sync::Arc;

use noukai_api::ErrorCode;
use noukai_flow::{Branch, Node};
use serde_json::Value;

use crate::{
    Event,
    nodes::sequence,
    walk::{Ended, Place, Seen, Stop, Walk, node_failure},
};

pub(crate) async fn run(
    walk: &Walk<'_>,
    node: &Node,
    branch: &Branch,
    input: Arc<Value>,
    seen: &mut Seen,
    place: &Place,
) -> Ended {
    walk.stop_if_spent(node, place)?;
    let taken = choose(walk, node, branch, &input, seen, place)?;
    let mut output = input.clone();
    for (index, steps) in arms(branch).enumerate() {
        if index == taken {
            output = sequence::run(walk, steps, input.clone(), seen, place).await?;
        } else {
            skip(walk, steps, place);
        }
    }
    Ok(output)
}

/// The cases' steps in document order, `else` last.
fn arms(branch: &Branch) -> impl Iterator<Item = &[Node]> {
    branch.cases.iter().map(|(_, steps)| steps.as_slice()).chain(std::iter::once(branch.otherwise.as_slice()))
}

/// Index of the arm to take.
fn choose(
    walk: &Walk<'_>,
    node: &Node,
    branch: &Branch,
    input: &Arc<Value>,
    seen: &Seen,
    place: &Place,
) -> Result<usize, Stop> {
    let scope = walk.scope(input, seen, place);
    let on = branch
        .on
        .render(&scope)
        .map_err(|error| Stop::Failed(node_failure(node, ErrorCode::TemplateError, format!("`branch.on`: {error}"))))?;
    let case = branch.cases.iter().position(|(key, _)| key == on.trim());
    Ok(case.unwrap_or(branch.cases.len()))
}

/// Reports leaves as skipped, once. Inside a loop the list of the leaf's outputs tells.
fn skip(walk: &Walk<'_>, steps: &[Node], place: &Place) {
    if !place.path.is_empty() {
        return;
    }
    for leaf in steps.iter().flat_map(|node| node.leaves.clone()) {
        let mut progress = walk.progress();
        if leaf >= walk.spec.cursor && !progress.is_reported(leaf) {
            progress.report(leaf, Arc::new(Value::Null));
            drop(progress);
            walk.emit(Event::Skipped { leaf, at: walk.now() });
        }
    }
}
