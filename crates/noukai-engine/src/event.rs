//! What the engine says while it walks, and the ports it says it through.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use noukai_api::{StepError, TokenDetails, Tokens};
use rust_decimal::Decimal;
use serde_json::Value;
use time::OffsetDateTime;

use crate::LoopPath;

/// One thing that happened. Leaves are named by their index in tree order.
#[derive(Debug, Clone)]
pub enum Event {
    /// An attempt at a leaf begins.
    AttemptStarted {
        /// The leaf.
        leaf: usize,
        /// Iterations it stands in, outermost first.
        path: LoopPath,
        /// From 1, per leaf and iteration.
        attempt: u32,
        /// Its pipeline input.
        input: Arc<Value>,
        /// Whether this is the leaf's first sign of life in this pass, so that observers are told.
        announce: bool,
        /// When.
        at: OffsetDateTime,
    },
    /// An attempt failed. Alone it is no end: another attempt, or [`Event::StepFailed`], follows.
    AttemptFailed {
        /// The leaf.
        leaf: usize,
        /// Iterations it stands in.
        path: LoopPath,
        /// Which attempt.
        attempt: u32,
        /// Why.
        error: StepError,
        /// What it used all the same.
        usage: Usage,
        /// What traces alone keep of it.
        notes: Notes,
        /// How long it took.
        duration: Duration,
        /// When.
        at: OffsetDateTime,
    },
    /// An attempt gave the leaf's output. Outside loops that completes the leaf.
    AttemptCompleted {
        /// The leaf.
        leaf: usize,
        /// Iterations it stands in.
        path: LoopPath,
        /// Which attempt.
        attempt: u32,
        /// The output.
        output: Arc<Value>,
        /// What it used.
        usage: Usage,
        /// Inside a loop: how many iterations there are.
        total: LoopTotal,
        /// What traces alone keep of it.
        notes: Notes,
        /// How long it took.
        duration: Duration,
        /// When.
        at: OffsetDateTime,
    },
    /// A leaf inside a loop that no iteration reached: it begins for observers, and completes at once.
    Unreached {
        /// The leaf.
        leaf: usize,
        /// When.
        at: OffsetDateTime,
    },
    /// All iterations of a leaf inside a loop are done.
    LeafCompleted {
        /// The leaf.
        leaf: usize,
        /// The list of its outputs, nested as the loops are.
        output: Arc<Value>,
        /// Sum over the iterations.
        usage: Usage,
        /// From the first start to the last end.
        duration: Duration,
    },
    /// A leaf on a branch that was not taken.
    Skipped {
        /// The leaf.
        leaf: usize,
        /// When.
        at: OffsetDateTime,
    },
    /// An item of a loop with `on_item_error: continue` failed at this leaf.
    ItemFailed {
        /// The leaf.
        leaf: usize,
        /// Iterations it stands in.
        path: LoopPath,
        /// The error as it stands in the item's place.
        error: Arc<Value>,
    },
    /// A loop is done.
    LoopCompleted {
        /// The loop.
        node_id: Arc<str>,
        /// Items.
        iterations: u32,
    },
    /// A node failed for good, and the run with it.
    StepFailed {
        /// The node: a leaf, or a loop or branch whose own input was wrong.
        node_id: Arc<str>,
        /// Its name.
        name: Arc<str>,
        /// Why.
        error: StepError,
    },
}

/// What an attempt used.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// The model that answered, or was asked.
    pub model: Option<String>,
    /// The provider that answered, or was asked.
    pub provider: Option<String>,
    /// LLM blocks only.
    pub tokens: Option<Tokens>,
    /// Cached tokens and thoughts among them.
    pub details: TokenDetails,
    /// US dollars, where a price is known.
    pub cost: Option<Decimal>,
    /// Whether a second call was made beside a slow one, whose use is not known.
    pub hedged: bool,
    /// Whether all replies had been given before, so that no model was called.
    pub cached: bool,
}

impl Usage {
    /// Adds another call's use to this one's.
    pub fn add(&mut self, other: &Self) {
        if other.model.is_some() {
            self.model.clone_from(&other.model);
        }
        if other.provider.is_some() {
            self.provider.clone_from(&other.provider);
        }
        self.details += other.details;
        self.hedged |= other.hedged;
        self.cached = other.cached && (self.cached || self.tokens.is_none());
        if let Some(tokens) = other.tokens {
            *self.tokens.get_or_insert_default() += tokens;
        }
        if let Some(cost) = other.cost {
            self.cost = Some(self.cost.unwrap_or_default() + cost);
        }
    }
}

/// What traces alone keep of an attempt.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// The prompt as rendered (LLM blocks).
    pub prompt: Option<Arc<str>>,
    /// What the function printed, if anything (code blocks).
    pub printed: Option<Printed>,
}

/// What a function printed.
#[derive(Debug, Clone)]
pub struct Printed {
    /// As far as it is kept.
    pub text: Arc<str>,
    /// Whether there was more.
    pub truncated: bool,
}

/// Iterations of the innermost loop around a leaf; `None` outside loops.
pub type LoopTotal = Option<u32>;

/// Takes events, in order. Implementations store results and tell observers.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Takes an event. Must not block.
    fn emit(&self, event: Event);

    /// Waits until every result emitted so far is stored. The engine calls it after it said that an attempt begins
    /// and before the attempt does anything, so that both can be stored at once.
    async fn settle(&self) -> Result<(), SinkError>;

    /// Takes model text as it comes. Never stored. With `restart`, what was shown of the leaf before is void: its text
    /// begins anew, for another attempt said something else.
    fn delta(&self, leaf: usize, text: &str, restart: bool);
}

/// Results could not be stored; the run must not go on.
#[derive(Debug, Clone)]
pub struct SinkError {
    /// Why, for the log.
    pub message: String,
    /// Whether there was merely no room, so that another try makes sense.
    pub overloaded: bool,
}

/// The wall clock. Durations and timeouts use the runtime's clock, which tests can pause.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}
