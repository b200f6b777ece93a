//! The walk: what the node kinds share. Each kind has a file in `nodes/` with the same verb, `run`.

use std::{ops::Range, sync::Arc};

use futures::future::BoxFuture;
use noukai_api::{ErrorCode, StepError};
use noukai_flow::{Flow, LeafInfo, LoopItem, Node, NodeKind, Scope, StepOutput};
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    Event, Failure, LoopPath, Notes, Ports, RunBounds, RunSpec, ToolPause, Until, Usage, nodes, progress::Progress,
};

/// Why a walk ends before the end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// One unit is done; the next begins at this leaf.
    Boundary { next: usize },
    /// A block wants tools called.
    ToolPause(Box<ToolPause>),
    /// A node failed.
    Failed(Box<Failure>),
    /// The caller had enough.
    Cancelled,
}

pub(crate) type Ended = Result<Arc<Value>, Stop>;

/// Where the walk stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// Iterations, outermost first.
    pub path: LoopPath,
    /// Items of the innermost loop.
    pub total: Option<u32>,
    /// The innermost loop's item.
    pub item: Option<LoopItem>,
    /// Inside a loop or a parallel container, which run as one unit.
    pub in_unit: bool,
    /// The iteration's own input, and what events show of it: not the whole array again and again.
    pub own_input: Option<(Arc<Value>, Arc<Value>)>,
}

/// Outputs of earlier steps, as templates see them.
pub(crate) type Seen = Vec<StepOutput>;

pub(crate) struct Walk<'a> {
    pub spec: &'a RunSpec,
    pub ports: &'a Ports,
    progress: Mutex<Progress>,
    units_left: Mutex<Option<u32>>,
}

impl<'a> Walk<'a> {
    pub fn new(spec: &'a RunSpec, ports: &'a Ports, progress: Progress) -> Self {
        let units = (spec.until == Until::OneUnit).then_some(1);
        Self { spec, ports, progress: Mutex::new(progress), units_left: Mutex::new(units) }
    }

    pub async fn root(&self) -> Ended {
        let mut seen = Seen::new();
        nodes::sequence::run(self, &self.spec.flow.root, self.spec.initial.clone(), &mut seen, &Place::default()).await
    }

    /// Runs a node on its pipeline input, and shows its output to what comes after.
    pub fn node<'w>(
        &'w self,
        node: &'w Node,
        input: Arc<Value>,
        seen: &'w mut Seen,
        place: &'w Place,
    ) -> BoxFuture<'w, Ended> {
        Box::pin(async move {
            let output = match &node.kind {
                NodeKind::Leaf(leaf) => {
                    let output = nodes::leaf::run(self, node, leaf, input, seen, place).await?;
                    self.replaced(node, place, output)
                }
                NodeKind::Sequence(steps) => nodes::sequence::run(self, steps, input, seen, place).await?,
                NodeKind::Parallel(children) => nodes::parallel::run(self, node, children, input, seen, place).await?,
                NodeKind::Loop(each) => nodes::each::run(self, node, each, input, seen, place).await?,
                NodeKind::Branch(branch) => nodes::branch::run(self, node, branch, input, seen, place).await?,
            };
            seen.push(StepOutput { id: node.id.clone(), name: node.name.clone(), output: output.clone() });
            Ok(output)
        })
    }

    /// What goes on from a leaf: its output, or what the caller put in its place. For a leaf in a loop that is a list,
    /// one level per loop.
    fn replaced(&self, node: &Node, place: &Place, output: Arc<Value>) -> Arc<Value> {
        let Some(replacement) = self.spec.replacements.get(&node.leaves.start) else { return output };
        let item = place.path.iter().try_fold(replacement.as_ref(), |value, index| value.get(*index as usize));
        match item {
            Some(_) if place.path.is_empty() => replacement.clone(),
            Some(item) => Arc::new(item.clone()),
            None => output,
        }
    }

    /// Spends one unit of the pass, unless the node lies before the cursor or inside a unit.
    pub fn enter_unit(&self, node: &Node, place: &Place) -> Result<(), Stop> {
        if place.in_unit || node.leaves.is_empty() || self.is_before_cursor(node) {
            return Ok(());
        }
        match &mut *self.units_left.lock() {
            Some(0) => Err(Stop::Boundary { next: node.leaves.start }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Stops before a node that is no unit itself but must not be looked into once the pass is spent.
    pub fn stop_if_spent(&self, node: &Node, place: &Place) -> Result<(), Stop> {
        let spent = !place.in_unit && *self.units_left.lock() == Some(0);
        if spent && node.leaves.start >= self.spec.cursor && !node.leaves.is_empty() {
            return Err(Stop::Boundary { next: node.leaves.start });
        }
        Ok(())
    }

    pub fn is_before_cursor(&self, node: &Node) -> bool {
        node.leaves.end <= self.spec.cursor
    }

    pub fn flow(&self) -> &Flow {
        &self.spec.flow
    }

    pub fn bounds(&self) -> &RunBounds {
        &self.spec.bounds
    }

    /// What is known of a leaf. Indexes come from the flow itself.
    pub fn info(&self, leaf: usize) -> &LeafInfo {
        &self.spec.flow.leaves[leaf]
    }

    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock()
    }

    pub fn emit(&self, event: Event) {
        self.ports.sink.emit(event);
    }

    pub fn now(&self) -> OffsetDateTime {
        self.ports.clock.now()
    }

    /// Refuses a node whose output would be larger than any output may be, before it is put together.
    pub fn within_size(&self, node: &Node, bytes: u64) -> Result<(), Stop> {
        let limit = self.bounds().output_bytes;
        if bytes <= limit {
            return Ok(());
        }
        let message = format!("the output has {bytes} bytes or more; the limit of a step's output is {limit}");
        Err(Stop::Failed(node_failure(node, ErrorCode::LimitExceeded, message)))
    }

    /// What events show of an input.
    pub fn shown(place: &Place, input: &Arc<Value>) -> Arc<Value> {
        match &place.own_input {
            Some((whole, shown)) if Arc::ptr_eq(whole, input) => shown.clone(),
            _ => input.clone(),
        }
    }

    /// Refuses another attempt in a pass that has made, or kept, more than any may.
    pub fn within_totals(&self, node: &Node) -> Result<(), Stop> {
        let (attempts, bytes) = self.progress().totals();
        let bounds = self.bounds();
        let message = if attempts > bounds.attempts {
            format!("the run made {} block runs, its limit", bounds.attempts)
        } else if bytes > bounds.total_bytes {
            format!("the outputs of the run's blocks have {bytes} bytes; the limit is {}", bounds.total_bytes)
        } else {
            return Ok(());
        };
        Err(Stop::Failed(node_failure(node, ErrorCode::LimitExceeded, message)))
    }

    /// What a template of a node sees.
    pub fn scope(&self, input: &Arc<Value>, seen: &Seen, place: &Place) -> Scope {
        Scope {
            pipeline: input.clone(),
            item: place.item.clone(),
            steps: seen.clone(),
            initial: self.spec.initial.clone(),
        }
    }

    /// Ends the attempts that are under way at these leaves in these iterations.
    pub fn cut_off(&self, leaves: &Range<usize>, within: &[u32], why: &str) {
        let active = self.progress().drain_active(leaves, within);
        for (slot, active) in active {
            let id = self.info(slot.leaf).id.to_string();
            let error = StepError::new(ErrorCode::Cancelled, why, Some(id), active.attempt);
            self.emit(Event::AttemptFailed {
                leaf: slot.leaf,
                path: slot.path,
                attempt: active.attempt,
                error,
                usage: Usage::default(),
                notes: Notes::default(),
                duration: active.since.elapsed(),
                at: self.now(),
            });
        }
    }

    /// Waits until all results so far are stored.
    pub async fn settle(&self) -> Result<(), Stop> {
        self.ports.sink.settle().await.map_err(|error| {
            Stop::Failed(Box::new(Failure::of_run(
                ErrorCode::InternalError,
                format!("results could not be stored: {}", error.message),
            )))
        })
    }
}

/// A failure of a node itself.
pub(crate) fn node_failure(node: &Node, code: ErrorCode, message: impl Into<String>) -> Box<Failure> {
    let error = StepError::new(code, message, Some(node.id.to_string()), 1);
    Box::new(Failure { node_id: Some(node.id.clone()), name: node.name.clone(), error })
}
