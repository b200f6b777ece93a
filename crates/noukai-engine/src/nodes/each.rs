//! A loop: its steps once per item of an array, several items at a time, results in the items' order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use noukai_api::ErrorCode;
use noukai_flow::{Loop, LoopItem, Node};
use serde_json::{Map, Value, json};

use crate::{
    Event, Failure, Slot, Usage, json_size,
    nodes::sequence,
    walk::{Ended, Place, Seen, Stop, Walk, node_failure},
};

pub(crate) async fn run(
    walk: &Walk<'_>,
    node: &Node,
    each: &Loop,
    input: Arc<Value>,
    seen: &mut Seen,
    place: &Place,
) -> Ended {
    walk.enter_unit(node, place)?;
    let items = items(walk, node, each, &input, seen, place).map_err(Stop::Failed)?;
    let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
    walk.progress().count_loop(&node.id, &place.path, count);
    let concurrency = each.concurrency.unwrap_or(walk.bounds().loop_concurrency).max(1) as usize;
    let bytes = AtomicU64::new(0);
    let runs = (0..count).zip(items).map(|(index, item)| {
        let mut place = item_place(place, item, index, count);
        let (input, seen) = (item_input(&input, &place), seen.clone());
        place.own_input = Some((input.clone(), without_array(&input, &each.over)));
        let bytes = &bytes;
        async move {
            let result = run_item(walk, node, each, input, seen, place).await?;
            // Each result stands in the output twice.
            let size = 2 * json_size(&result);
            walk.within_size(node, bytes.fetch_add(size, Ordering::Relaxed) + size)?;
            Ok::<_, Stop>((index, result))
        }
    });
    let mut results: Vec<(u32, Arc<Value>)> = stream::iter(runs).buffer_unordered(concurrency).try_collect().await?;
    results.sort_unstable_by_key(|(index, _)| *index);
    report_leaves(walk, node, place, count);
    Ok(Arc::new(output(node, &results)))
}

/// `{"results", "count"}`, and the results again under the loop's id.
fn output(node: &Node, results: &[(u32, Arc<Value>)]) -> Value {
    let count = results.len();
    let results = Value::Array(results.iter().map(|(_, result)| result.as_ref().clone()).collect());
    let mut fields = Map::new();
    fields.insert(node.id.to_string(), results.clone());
    fields.insert("results".to_owned(), results);
    fields.insert("count".to_owned(), json!(count));
    Value::Object(fields)
}

fn items(
    walk: &Walk<'_>,
    node: &Node,
    each: &Loop,
    input: &Arc<Value>,
    seen: &Seen,
    place: &Place,
) -> Result<Vec<Arc<Value>>, Box<Failure>> {
    let wrong = |message: String| node_failure(node, ErrorCode::LoopInputInvalid, message);
    let scope = walk.scope(input, seen, place);
    let found = scope.resolve(&each.over).ok_or_else(|| {
        wrong(format!(
            "`loop.over` names `{}`, which is not in scope; in scope: {}",
            each.over,
            scope.names().join(", ")
        ))
    })?;
    let items = found.as_array().ok_or_else(|| wrong(format!("`{}` is no array", each.over)))?;
    let limit = walk.bounds().loop_items;
    if items.len() > limit as usize {
        let message = format!("`{}` has {} items; the limit of loop items is {limit}", each.over, items.len());
        return Err(node_failure(node, ErrorCode::LimitExceeded, message));
    }
    Ok(items.iter().cloned().map(Arc::new).collect())
}

fn item_place(outer: &Place, item: Arc<Value>, index: u32, total: u32) -> Place {
    let mut path = outer.path.clone();
    path.push(index);
    Place { path, total: Some(total), item: Some(LoopItem { item, index }), in_unit: true, own_input: None }
}

/// The outer input, the item's own fields if it is an object, `item` and `index`.
fn item_input(outer: &Value, place: &Place) -> Arc<Value> {
    let mut fields = outer.as_object().cloned().unwrap_or_default();
    if let Some(LoopItem { item, index }) = &place.item {
        if let Value::Object(own) = item.as_ref() {
            fields.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        fields.insert("item".to_owned(), item.as_ref().clone());
        fields.insert("index".to_owned(), json!(index));
    }
    Arc::new(Value::Object(fields))
}

/// The input without the array it is an item of: kept with each item, that would grow with the square of the items.
fn without_array(input: &Arc<Value>, over: &str) -> Arc<Value> {
    match input.as_object() {
        Some(fields) if fields.contains_key(over) && over != "item" => {
            let mut fields = fields.clone();
            fields.shift_remove(over);
            Arc::new(Value::Object(fields))
        }
        _ => input.clone(),
    }
}

async fn run_item(walk: &Walk<'_>, node: &Node, each: &Loop, input: Arc<Value>, mut seen: Seen, place: Place) -> Ended {
    if !each.continue_on_error {
        return sequence::run(walk, &each.steps, input, &mut seen, &place).await;
    }
    if let Some(error) = walk.progress().item_error(node.leaves.clone(), &place.path) {
        return Ok(error);
    }
    match sequence::run(walk, &each.steps, input, &mut seen, &place).await {
        Err(Stop::Failed(failure)) if failure.node_id.is_some() && !failure.ends_run() => {
            Ok(keep_item_error(walk, node, &failure, &place))
        }
        ended => ended,
    }
}

/// Puts the error in the item's place, and marks the item as failed where a later pass will look: at the leaf that
/// failed, or at another leaf of the loop that has no output for the item.
fn keep_item_error(walk: &Walk<'_>, node: &Node, failure: &Failure, place: &Place) -> Arc<Value> {
    walk.cut_off(&node.leaves, &place.path, "cut off because another step of its item failed");
    let error = Arc::new(failure.as_result());
    let slot = |leaf| Slot { leaf, path: place.path.clone() };
    let failed = failure.node_id.as_deref().and_then(|id| first_leaf_of(node, id));
    let free =
        failed.into_iter().chain(node.leaves.clone()).map(slot).find(|slot| walk.progress().slot(slot).is_none());
    // A loop without leaves, or one whose leaves are all done for the item, fails again by itself.
    if let Some(slot) = free {
        walk.progress().fail_item(slot.clone(), error.clone());
        walk.emit(Event::ItemFailed { leaf: slot.leaf, path: slot.path, error: error.clone() });
    }
    error
}

/// The first leaf at or below the node of that id.
fn first_leaf_of(node: &Node, id: &str) -> Option<usize> {
    if node.id.as_ref() == id {
        return node.leaves.clone().next();
    }
    node.kind.children().find_map(|child| first_leaf_of(child, id))
}

/// Reports every leaf of the outermost loop, in tree order, with the list of its outputs.
fn report_leaves(walk: &Walk<'_>, node: &Node, place: &Place, count: u32) {
    if !place.path.is_empty() || walk.is_before_cursor(node) {
        return;
    }
    let mut reported = false;
    for leaf in node.leaves.clone() {
        if walk.progress().is_reported(leaf) {
            continue;
        }
        reported = true;
        let loops = &walk.info(leaf).loops;
        announce_unstarted(walk, leaf);
        let mut progress = walk.progress();
        let output = Arc::new(progress.collect(leaf, loops, &mut Vec::new()));
        progress.report(leaf, output.clone());
        let sum = progress.sum(leaf);
        drop(progress);
        let (usage, duration) = sum.map_or((Usage::default(), Duration::ZERO), |sum| (sum.usage, sum.last - sum.first));
        walk.emit(Event::LeafCompleted { leaf, output, usage, duration });
    }
    if reported || node.leaves.is_empty() {
        walk.emit(Event::LoopCompleted { node_id: node.id.clone(), iterations: count });
    }
}

/// A leaf that no iteration reached still begins before it completes.
fn announce_unstarted(walk: &Walk<'_>, leaf: usize) {
    if walk.progress().announce(leaf) {
        walk.emit(Event::Unreached { leaf, at: walk.now() });
    }
}
