//! What a retry takes over: the events of the steps that are done, and how many leaves of another version are the same.

use std::collections::HashSet;

use noukai_flow::Flow;
use noukai_store::NewEvent;
use serde_json::Value;

use super::{
    history::{Happened, History},
    record::{Record, Stored},
};

/// Parts of a document that do not change what its steps give.
const ASIDE: [&str; 5] = ["steps", "name", "description", "trace_capture", "input"];

/// The first events of a run that tries another again: its start, then everything of that other run's leaves before
/// `leaves` that is done, failed attempts at what is done included.
pub(crate) fn carried(history: &History, flow: &Flow, leaves: usize) -> Vec<NewEvent> {
    let done = Done::of(history, flow, leaves);
    let mut unannounced: HashSet<u32> = HashSet::new();
    let mut kept: Vec<(Record, Option<String>)> = Vec::new();
    for happened in &history.events {
        if done.keeps(&happened.record) {
            kept.push(taken_over(happened, &mut unannounced));
        } else if let Record::Started(started) = &happened.record
            && started.announce
        {
            unannounced.insert(started.leaf);
        }
    }
    let start = Record::RunStarted { carried: kept.len() as u64, inputs: history.inputs().cloned() };
    let numbered = (1..).zip([(start, None)].into_iter().chain(kept));
    let event = |(seq, (record, state)): (u64, (Record, Option<String>))| NewEvent {
        seq,
        kind: record.kind().into(),
        payload: Stored::text(record),
        state,
    };
    numbered.map(event).collect()
}

/// Where the attempt that told observers of the leaf is left out, the next one does.
fn taken_over(happened: &Happened, unannounced: &mut HashSet<u32>) -> (Record, Option<String>) {
    let mut record = happened.record.clone();
    if let Record::Started(started) = &mut record {
        started.announce |= unannounced.remove(&started.leaf);
    }
    (record, happened.state.clone())
}

/// What need not be done again.
struct Done<'a> {
    flow: &'a Flow,
    leaves: usize,
    /// Leaf and iterations of each result.
    slots: HashSet<(u32, &'a [u32])>,
    /// Iterations of loops that failed and stay so, by a leaf of theirs.
    items: Vec<(u32, &'a [u32])>,
    /// Leaves whose result observers were told.
    reported: HashSet<u32>,
}

impl<'a> Done<'a> {
    fn of(history: &'a History, flow: &'a Flow, leaves: usize) -> Self {
        let mut done = Self { flow, leaves, slots: HashSet::new(), items: Vec::new(), reported: HashSet::new() };
        for happened in &history.events {
            match &happened.record {
                Record::Completed(completed) => {
                    done.slots.insert((completed.leaf, completed.path.as_slice()));
                }
                Record::ItemFailed { leaf, path, .. } => done.items.push((*leaf, path.as_slice())),
                Record::LeafCompleted(completed) => {
                    done.reported.insert(completed.leaf);
                }
                _ => {}
            }
        }
        done
    }

    fn keeps(&self, record: &Record) -> bool {
        match record {
            Record::Started(started) => self.has(started.leaf, &started.path),
            Record::Failed(failed) => self.has(failed.leaf, &failed.path),
            Record::Completed(completed) => self.is_before(completed.leaf),
            Record::LeafCompleted(completed) => self.is_before(completed.leaf),
            Record::Skipped { leaf, .. } | Record::ItemFailed { leaf, .. } => self.is_before(*leaf),
            Record::Unreached { leaf, .. } => self.is_before(*leaf) && self.reported.contains(leaf),
            Record::LoopCompleted { step, .. } => self.holds_loop(step),
            Record::RunStarted { .. }
            | Record::StepFailed { .. }
            | Record::StepPaused { .. }
            | Record::ToolPause(_)
            | Record::Finished { .. } => false,
        }
    }

    /// Whether the leaf is done in these iterations, or its item failed and stays so.
    fn has(&self, leaf: u32, path: &[u32]) -> bool {
        let failed_item =
            || self.items.iter().any(|(other, item)| self.share_loop(*other, leaf) && path.starts_with(item));
        self.is_before(leaf) && (self.slots.contains(&(leaf, path)) || failed_item())
    }

    fn share_loop(&self, one: u32, other: u32) -> bool {
        let outermost = |leaf: u32| self.flow.leaves.get(leaf as usize).and_then(|info| info.loops.first());
        outermost(one).is_some() && outermost(one) == outermost(other)
    }

    fn is_before(&self, leaf: u32) -> bool {
        (leaf as usize) < self.leaves
    }

    fn holds_loop(&self, id: &str) -> bool {
        self.flow.leaves.iter().take(self.leaves).any(|leaf| leaf.loops.iter().any(|other| other.as_ref() == id))
    }
}

/// How many leaves, from the first, give in `new` what they gave in `old`: those of the steps that both documents begin
/// with, where nothing else differs that a step depends on. `flow` is the checked `new`.
pub(crate) fn unchanged(old: &Value, new: &Value, flow: &Flow) -> usize {
    let rest = |document: &Value| {
        let mut rest = document.as_object().cloned().unwrap_or_default();
        rest.retain(|field, _| !ASIDE.contains(&field.as_str()));
        rest
    };
    if rest(old) != rest(new) {
        return 0;
    }
    let steps = |document: &Value| document.get("steps").and_then(Value::as_array).cloned().unwrap_or_default();
    let same = steps(old).iter().zip(&steps(new)).take_while(|(old, new)| old == new).count();
    flow.root.iter().take(same).next_back().map_or(0, |node| node.leaves.end)
}
