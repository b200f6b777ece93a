//! What is done: by leaf and iteration, and as reported.
//!
//! One representation serves a step call (outputs held by the caller), a resume (held by the server) and a recovery
//! after a crash (read from the store).
//!
//! Kept in ordered maps: most runs have a handful of slots, for which hashing costs more than finding.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use noukai_api::Tokens;
use noukai_flow::Flow;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::Usage;

/// Iterations a leaf stands in, outermost first; empty outside loops.
pub type LoopPath = Vec<u32>;

/// A leaf in one iteration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Leaf index.
    pub leaf: usize,
    /// Iterations.
    pub path: LoopPath,
}

/// A result that need not be worked for again.
#[derive(Debug, Clone)]
pub enum Done {
    /// The leaf gave this.
    Output(Arc<Value>),
    /// The leaf failed its item in a loop that goes on; the value is `{"error": ...}`. Stands at the item's own path,
    /// which is shorter than the leaf's where loops are nested.
    ItemFailed(Arc<Value>),
}

/// All results known before a pass begins.
#[derive(Debug, Clone, Default)]
pub struct DoneOutputs {
    /// By leaf and iteration.
    pub slots: BTreeMap<Slot, Done>,
    /// What observers were told of each leaf; `null` for a skipped one.
    pub reported: BTreeMap<usize, Arc<Value>>,
    /// Leaves that observers have seen begin.
    pub announced: BTreeSet<usize>,
    /// The highest attempt so far.
    pub attempts: BTreeMap<Slot, u32>,
}

impl DoneOutputs {
    /// Reads the outputs a caller holds, `{stepId: output}`, for the leaves before `cursor`.
    ///
    /// # Errors
    /// The id of the first leaf whose output is missing, or is no list although the leaf stands in a loop.
    pub fn from_outputs(flow: &Flow, outputs: &Map<String, Value>, cursor: usize) -> Result<Self, String> {
        let mut done = Self::default();
        for (leaf, info) in flow.leaves.iter().enumerate().take(cursor) {
            let output = outputs.get(info.id.as_ref()).ok_or_else(|| info.id.to_string())?;
            if output.is_null() && !info.in_branch {
                return Err(info.id.to_string());
            }
            done.reported.insert(leaf, Arc::new(output.clone()));
            done.announced.insert(leaf);
            done.expand(leaf, info.loops.len(), &mut Vec::new(), output).ok_or_else(|| info.id.to_string())?;
        }
        Ok(done)
    }

    /// Puts a leaf's reported output into its slots, one level of lists per loop. The mark of a failed item may stand
    /// at any level.
    fn expand(&mut self, leaf: usize, depth: usize, path: &mut LoopPath, output: &Value) -> Option<()> {
        if output.is_null() {
            return Some(());
        }
        let failed = !path.is_empty() && is_item_error(output);
        if depth > 0 && !failed {
            for (index, item) in output.as_array()?.iter().enumerate() {
                path.push(u32::try_from(index).ok()?);
                self.expand(leaf, depth - 1, path, item)?;
                path.pop();
            }
            return Some(());
        }
        let value = Arc::new(output.clone());
        let done = if failed { Done::ItemFailed(value) } else { Done::Output(value) };
        self.slots.insert(Slot { leaf, path: path.clone() }, done);
        Some(())
    }
}

/// Whether a value is the mark that a failed item leaves: `{"error": {"code", "message", "attempt", ...}}`.
fn is_item_error(value: &Value) -> bool {
    let Some(error) = value.as_object().filter(|object| object.len() == 1).and_then(|object| object.get("error"))
    else {
        return false;
    };
    ["code", "message", "attempt"].iter().all(|field| error.get(field).is_some())
}

/// What a pass knows and learns. Shared by the branches of the walk; locked only for moments.
pub(crate) struct Progress {
    done: DoneOutputs,
    /// Items of each loop, by loop id and enclosing iterations.
    loop_counts: BTreeMap<(Arc<str>, LoopPath), u32>,
    /// Attempts that have begun and not ended.
    active: BTreeMap<Slot, Active>,
    /// Use and time of leaves inside loops, summed over iterations.
    sums: BTreeMap<usize, Sum>,
    /// Attempts begun in this pass.
    begun: u32,
    /// Bytes of the outputs of this pass.
    kept_bytes: u64,
    pub tokens: Tokens,
    pub cost: Decimal,
}

/// An attempt that a pause interrupted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Continued {
    pub attempt: u32,
    /// Its time before the pause.
    pub elapsed: Duration,
}

/// An attempt that has begun.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    pub attempt: u32,
    pub since: Instant,
}

/// Sum over the iterations of a leaf.
#[derive(Debug, Clone)]
pub(crate) struct Sum {
    pub usage: Usage,
    pub first: Instant,
    pub last: Instant,
}

impl Progress {
    pub fn new(done: DoneOutputs) -> Self {
        Self {
            done,
            loop_counts: BTreeMap::new(),
            active: BTreeMap::new(),
            sums: BTreeMap::new(),
            begun: 0,
            kept_bytes: 0,
            tokens: Tokens::default(),
            cost: Decimal::ZERO,
        }
    }

    pub fn slot(&self, slot: &Slot) -> Option<&Done> {
        self.done.slots.get(slot)
    }

    /// Begins an attempt, or goes on with one that a pause interrupted: its number, and whether observers have yet
    /// to hear of the leaf.
    pub fn begin(&mut self, slot: &Slot, continued: Option<Continued>) -> (u32, bool) {
        let next = || self.done.attempts.get(slot).copied().unwrap_or(0) + 1;
        let attempt = continued.map_or_else(next, |continued| continued.attempt);
        let before = continued.map_or(Duration::ZERO, |continued| continued.elapsed);
        let since = Instant::now().checked_sub(before).unwrap_or_else(Instant::now);
        self.begun += 1;
        self.done.attempts.insert(slot.clone(), attempt);
        self.active.insert(slot.clone(), Active { attempt, since });
        let announce = self.done.announced.insert(slot.leaf) && continued.is_none();
        (attempt, announce)
    }

    /// Marks a leaf as known to observers; whether it was not before.
    pub fn announce(&mut self, leaf: usize) -> bool {
        self.done.announced.insert(leaf)
    }

    /// How long an attempt has been going on.
    pub fn elapsed(&self, slot: &Slot) -> Duration {
        self.active.get(slot).map_or(Duration::ZERO, |active| active.since.elapsed())
    }

    /// Ends an attempt; how long it took.
    pub fn end(&mut self, slot: &Slot, usage: &Usage) -> Duration {
        let now = Instant::now();
        let since = self.active.remove(slot).map_or(now, |active| active.since);
        if let Some(tokens) = usage.tokens {
            self.tokens += tokens;
        }
        self.cost += usage.cost.unwrap_or_default();
        if !slot.path.is_empty() {
            let fresh = Sum { usage: Usage::default(), first: since, last: now };
            let sum = self.sums.entry(slot.leaf).or_insert(fresh);
            sum.usage.add(usage);
            sum.first = sum.first.min(since);
            sum.last = sum.last.max(now);
        }
        now - since
    }

    /// Keeps a leaf's output; outside loops that is also what is reported.
    pub fn complete(&mut self, slot: Slot, output: &Arc<Value>, bytes: u64) {
        self.kept_bytes += bytes;
        if slot.path.is_empty() {
            self.report(slot.leaf, output.clone());
        }
        self.done.slots.insert(slot, Done::Output(output.clone()));
    }

    pub fn fail_item(&mut self, slot: Slot, error: Arc<Value>) {
        self.done.slots.insert(slot, Done::ItemFailed(error));
    }

    /// The error of an item that an earlier pass saw fail, marked at one of the loop's leaves.
    pub fn item_error(&self, mut leaves: Range<usize>, path: &LoopPath) -> Option<Arc<Value>> {
        leaves.find_map(|leaf| match self.done.slots.get(&Slot { leaf, path: path.clone() }) {
            Some(Done::ItemFailed(error)) => Some(error.clone()),
            _ => None,
        })
    }

    /// The last leaf that observers were told of.
    pub fn last_reported(&self) -> usize {
        self.done.reported.last_key_value().map_or(0, |(leaf, _)| *leaf)
    }

    pub fn is_reported(&self, leaf: usize) -> bool {
        self.done.reported.contains_key(&leaf)
    }

    pub fn report(&mut self, leaf: usize, output: Arc<Value>) {
        self.done.reported.insert(leaf, output);
    }

    pub fn count_loop(&mut self, loop_id: &Arc<str>, path: &LoopPath, count: u32) {
        self.loop_counts.insert((loop_id.clone(), path.clone()), count);
    }

    pub fn sum(&self, leaf: usize) -> Option<Sum> {
        self.sums.get(&leaf).cloned()
    }

    /// A leaf's outputs over all iterations of `loops`, as nested lists.
    pub fn collect(&self, leaf: usize, loops: &[Arc<str>], path: &mut LoopPath) -> Value {
        let found = self.done.slots.get(&Slot { leaf, path: path.clone() });
        if let Some(Done::Output(value) | Done::ItemFailed(value)) = found {
            return value.as_ref().clone();
        }
        let Some((first, rest)) = loops.split_first() else { return Value::Null };
        let count = self.loop_counts.get(&(first.clone(), path.clone())).copied().unwrap_or(0);
        let items = (0..count).map(|index| {
            path.push(index);
            let item = self.collect(leaf, rest, path);
            path.pop();
            item
        });
        Value::Array(items.collect())
    }

    /// Reported outputs by step id.
    pub fn outputs(&self, flow: &Flow) -> Map<String, Value> {
        let named = |(leaf, output): (&usize, &Arc<Value>)| {
            flow.leaves.get(*leaf).map(|info| (info.id.to_string(), output.as_ref().clone()))
        };
        self.done.reported.iter().filter_map(named).collect()
    }

    /// Leaves that are done, skipped ones not counted.
    pub fn steps(&self) -> u32 {
        let count = self.done.reported.values().filter(|output| !output.is_null()).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Whether an LLM leaf is done.
    pub fn any_done(&self, leaves: impl Fn(usize) -> bool) -> bool {
        self.done.slots.keys().any(|slot| leaves(slot.leaf))
    }

    /// The first attempt under way, in tree order.
    pub fn first_active(&self) -> Option<(usize, u32)> {
        self.active.first_key_value().map(|(slot, active)| (slot.leaf, active.attempt))
    }

    /// Attempts begun, and bytes of outputs kept, in this pass.
    pub const fn totals(&self) -> (u32, u64) {
        (self.begun, self.kept_bytes)
    }

    /// Attempts under way at these leaves in these iterations, in tree order: they were cut off.
    pub fn drain_active(&mut self, leaves: &Range<usize>, within: &[u32]) -> Vec<(Slot, Active)> {
        let meant = |slot: &Slot| leaves.contains(&slot.leaf) && slot.path.starts_with(within);
        self.active.extract_if(.., |slot, _| meant(slot)).collect()
    }
}
