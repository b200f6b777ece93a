//! A block at work: its attempts, their timeouts, and what is kept of them.

use std::{sync::Arc, time::Duration};

use noukai_api::{ErrorCode, StepError};
use noukai_flow::{Block, Leaf, Node};
use rand::Rng;
use serde_json::Value;

use crate::{
    Event, Failure, Notes, Slot, Usage, json_size, llm,
    nodes::code,
    progress::{Continued, Done},
    walk::{Ended, Place, Seen, Stop, Walk, node_failure},
};

pub(crate) async fn run(
    walk: &Walk<'_>,
    node: &Node,
    leaf: &Leaf,
    input: Arc<Value>,
    seen: &Seen,
    place: &Place,
) -> Ended {
    let work = Work { walk, node, leaf, input, place };
    if let Some(known) = work.known()? {
        return Ok(known);
    }
    walk.enter_unit(node, place)?;
    match &leaf.block {
        Block::Llm(block) => llm::run(&work, block, seen).await,
        Block::Passthrough => work.pass_through().await,
        Block::Code(block) => code::run(&work, block, seen).await,
    }
}

/// A leaf on its input, in one iteration.
pub(crate) struct Work<'w, 'a> {
    pub walk: &'w Walk<'a>,
    pub node: &'w Node,
    pub leaf: &'w Leaf,
    pub input: Arc<Value>,
    pub place: &'w Place,
}

impl Work<'_, '_> {
    pub fn slot(&self) -> Slot {
        Slot { leaf: self.index(), path: self.place.path.clone() }
    }

    pub fn index(&self) -> usize {
        self.node.leaves.start
    }

    /// The result of an earlier pass.
    fn known(&self) -> Result<Option<Arc<Value>>, Stop> {
        let slot = self.slot();
        let known = self.walk.progress().slot(&slot).cloned();
        match known {
            Some(Done::Output(output) | Done::ItemFailed(output)) => Ok(Some(output)),
            None if self.walk.is_before_cursor(self.node) => Err(Stop::Failed(self.missing_output())),
            None => Ok(None),
        }
    }

    /// The caller's outputs now lead where this leaf was not run.
    fn missing_output(&self) -> Box<Failure> {
        let message = format!(
            "there is no output of `{}`, which lies before the cursor; go back to step index {}",
            self.node.id,
            self.index()
        );
        node_failure(self.node, ErrorCode::InvalidStepIndex, message)
    }

    pub fn failure(&self, error: StepError) -> Box<Failure> {
        Box::new(Failure { node_id: Some(self.node.id.clone()), name: self.node.name.clone(), error })
    }

    /// Begins an attempt, or goes on with one that a pause interrupted, once all earlier results are stored.
    pub async fn begin(&self, continued: Option<Continued>) -> Result<u32, Stop> {
        let (attempt, announce) = self.walk.progress().begin(&self.slot(), continued);
        if continued.is_none() {
            self.walk.emit(Event::AttemptStarted {
                leaf: self.index(),
                path: self.place.path.clone(),
                attempt,
                input: Walk::shown(self.place, &self.input),
                announce,
                at: self.walk.now(),
            });
        }
        self.walk.within_totals(self.node)?;
        self.walk.settle().await?;
        Ok(attempt)
    }

    /// Ends an attempt with the leaf's output.
    pub fn complete(&self, attempt: u32, output: Value, usage: Usage, notes: Notes) -> Arc<Value> {
        let output = Arc::new(output);
        let slot = self.slot();
        let mut progress = self.walk.progress();
        let duration = progress.end(&slot, &usage);
        progress.complete(slot, &output, json_size(&output));
        drop(progress);
        self.walk.emit(Event::AttemptCompleted {
            leaf: self.index(),
            path: self.place.path.clone(),
            attempt,
            output: output.clone(),
            usage,
            total: self.place.total,
            notes,
            duration,
            at: self.walk.now(),
        });
        output
    }

    /// Ends an attempt without one.
    pub fn fail(&self, attempt: u32, error: &StepError, usage: Usage, notes: Notes) {
        let duration = self.walk.progress().end(&self.slot(), &usage);
        self.walk.emit(Event::AttemptFailed {
            leaf: self.index(),
            path: self.place.path.clone(),
            attempt,
            error: error.clone(),
            usage,
            notes,
            duration,
            at: self.walk.now(),
        });
    }

    /// How long to wait after the attempt of that number, from 1, before the next; `None`: there is no next.
    pub fn backoff(&self, round: u32) -> Option<Duration> {
        let retry = self.leaf.retry;
        if round >= retry.max_attempts {
            return None;
        }
        let backoff = retry.initial_ms.saturating_mul(1 << (round - 1).min(20)).min(retry.max_ms);
        Some(Duration::from_millis(rand::rng().random_range(backoff / 2..=backoff)))
    }

    pub fn error(&self, code: ErrorCode, message: impl Into<String>, attempt: u32) -> StepError {
        StepError::new(code, message, Some(self.node.id.to_string()), attempt)
    }

    async fn pass_through(&self) -> Ended {
        let attempt = self.begin(None).await?;
        Ok(self.complete(attempt, self.input.as_ref().clone(), Usage::default(), Notes::default()))
    }
}
