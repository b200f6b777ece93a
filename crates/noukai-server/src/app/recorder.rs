//! The recorder: the engine's event sink. Numbers events, stores them, and shows them to an observer once stored.
//!
//! Events are held back until a result must be known to be stored, so that a step's result and the next step's start
//! go into one write, and a quick run's beginning into that of its first result. Writes of many runs share commits; that
//! is the store's business.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use noukai_api::ErrorCode;
use noukai_engine::{Event, EventSink, SinkError};
use noukai_flow::Flow;
use noukai_store::{Lease, NewEvent, NewRun, ProjectId, RunChange, RunId, RunWrite, StoreError, UsageEntry};
use parking_lot::Mutex;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    App,
    capture::{Capture, Content},
    observer::Observer,
    record::{Record, RunView, Stored, numbered},
};

/// Resolves once a write, and with it every write of the run before it, is stored.
pub(crate) type WriteDone = Shared<BoxFuture<'static, Result<(), SinkError>>>;

/// Records one pass of one run.
pub(crate) struct Recorder {
    app: App,
    target: Target,
    capture: Capture,
    observer: Option<Observer>,
    held: Mutex<Held>,
}

/// Whose events these are.
pub(crate) struct Target {
    pub project_id: ProjectId,
    pub run_id: RunId,
    pub flow: Arc<Flow>,
    pub view: RunView,
    pub lease: Option<Lease>,
    /// Fires when the server ends what is under way.
    pub cutting: CancellationToken,
}

#[derive(Default)]
struct Held {
    last_seq: u64,
    create: Option<Box<NewRun>>,
    change: Option<RunChange>,
    events: Vec<NewEvent>,
    usage: Vec<Arc<UsageEntry>>,
    shown: Vec<(u64, noukai_api::StreamEvent)>,
    /// Whether a result is among the events held.
    has_result: bool,
    /// Whether a result was stored apart from its event.
    has_states: bool,
    /// Whether the run's beginning waits for its first result: nobody else waits for it.
    begins_later: bool,
    /// The newest write that carries a result, or what a model call took.
    results: Option<WriteDone>,
}

impl Recorder {
    pub fn new(app: App, target: Target, capture: Capture, observer: Option<Observer>, last_seq: u64) -> Self {
        Self { app, target, capture, observer, held: Mutex::new(Held { last_seq, ..Held::default() }) }
    }

    /// Creates the run with the first write.
    pub fn create(&self, run: NewRun, inputs: Option<Content>) {
        self.held.lock().create = Some(Box::new(run));
        self.started(inputs);
    }

    /// Leaves the beginning to the write of the first result, unless someone looks on; says whether it does. Whoever asks
    /// for this sees to it that [`Recorder::store_beginning`] is called soon.
    pub fn begin_later(&self) -> bool {
        let later = self.observer.is_none();
        self.held.lock().begins_later = later;
        later
    }

    /// Stores a beginning that is still left.
    pub fn store_beginning(&self) {
        let mut held = self.held.lock();
        held.begins_later = false;
        if held.create.is_some() {
            self.flush(&mut held, false);
        }
    }

    /// The run's first record, with what it took where that is kept.
    pub fn started(&self, inputs: Option<Content>) {
        self.record(Record::RunStarted { carried: 0, inputs }, Some(Record::RUN_STARTED), None);
    }

    /// Changes the run's status with the next write.
    pub fn change(&self, change: RunChange) {
        self.held.lock().change = Some(change);
    }

    /// Stores what is held, with a change of the run's status, and waits until it is stored.
    pub async fn finish(&self, change: RunChange) -> Result<(), SinkError> {
        self.change(change);
        let done = self.flush(&mut self.held.lock(), true);
        if let Some(done) = done { done.await } else { Ok(()) }
    }

    /// Stores what a model call took with the next write; if that fails, by itself.
    pub fn usage(&self, entry: Arc<UsageEntry>) {
        self.held.lock().usage.push(entry);
    }

    /// Stores what model calls took, and nothing else of what is held.
    pub async fn keep_usage(&self) -> Result<(), SinkError> {
        let done = {
            let mut held = self.held.lock();
            if held.usage.is_empty() {
                return Ok(());
            }
            held.events.clear();
            held.shown.clear();
            self.flush(&mut held, true)
        };
        if let Some(done) = done { done.await } else { Ok(()) }
    }

    /// Whether results were stored apart from their events.
    pub fn has_stored_states(&self) -> bool {
        self.held.lock().has_states
    }

    /// Adds a record. `shown` is what the observer gets to see of it, contents whole.
    pub fn record(&self, stored: Record, shown: Option<Record>, result: Option<&Value>) {
        // An event that keeps its content whole needs no copy of it.
        let state =
            result.filter(|_| stored.held_result().is_none()).and_then(|result| serde_json::to_string(result).ok());
        let is_result = result.is_some();
        let mut held = self.held.lock();
        held.has_states |= state.is_some();
        held.last_seq += 1;
        let seq = held.last_seq;
        held.events.push(NewEvent { seq, kind: stored.kind().into(), payload: Stored::text(stored), state });
        held.has_result |= is_result;
        if let (Some(_), Some(shown)) = (&self.observer, shown) {
            held.shown.extend(numbered(seq, shown.wire(&self.target.view)));
        }
    }

    /// Queues what is held as one write; what is to be waited for until it is stored, if anything.
    fn flush(&self, held: &mut Held, always: bool) -> Option<WriteDone> {
        if !always && held.events.is_empty() && held.create.is_none() {
            return None;
        }
        let usage = std::mem::take(&mut held.usage);
        let awaited = std::mem::take(&mut held.has_result) || !usage.is_empty();
        let ticket = self.app.store().append(RunWrite {
            project_id: self.target.project_id,
            run_id: self.target.run_id,
            create: held.create.take(),
            change: held.change.take(),
            events: std::mem::take(&mut held.events),
            usage: usage.clone(),
            fence: self.target.lease.clone(),
        });
        if ticket.is_kept() && self.observer.is_none() {
            return held.results.clone();
        }
        let app = self.app.clone();
        let stored = ticket.stored().map(move |stored| {
            if stored.is_err() && !usage.is_empty() {
                app.usage_was_not_stored(usage);
            }
            stored.map_err(|error| sink_error(&error))
        });
        let done: WriteDone = stored.boxed().shared();
        if awaited {
            held.results = Some(done.clone());
        }
        if let Some(observer) = &self.observer {
            observer.show(done.clone(), std::mem::take(&mut held.shown));
        }
        Some(done)
    }
}

#[async_trait]
impl EventSink for Recorder {
    fn emit(&self, event: Event) {
        let event = if self.target.cutting.is_cancelled() { interrupted(event) } else { event };
        let result = result_of(&event);
        let whole = |_: &Observer| Record::of_event(event.clone(), &self.target.flow, &Capture::WHOLE);
        let shown = self.observer.as_ref().map(whole);
        self.record(Record::of_event(event, &self.target.flow, &self.capture), shown, result.as_deref());
    }

    async fn settle(&self) -> Result<(), SinkError> {
        let results = {
            let mut held = self.held.lock();
            if !held.begins_later || held.has_result || !held.usage.is_empty() {
                held.begins_later = false;
                self.flush(&mut held, false);
            }
            held.results.clone()
        };
        match results {
            Some(results) => results.await,
            None => Ok(()),
        }
    }

    fn delta(&self, leaf: usize, text: &str, restart: bool) {
        let Some(observer) = &self.observer else { return };
        let mut held = self.held.lock();
        // What comes before the text must be shown before it.
        self.flush(&mut held, false);
        let step_id = self.target.flow.leaves[leaf].id.to_string();
        observer.show_now(noukai_api::StreamEvent::StepDelta { step_id, text: text.to_owned(), restart });
    }
}

/// An attempt that is cut off because the server stops says so, as does its run.
fn interrupted(mut event: Event) -> Event {
    if let Event::AttemptFailed { error, .. } = &mut event
        && error.code == ErrorCode::Cancelled
    {
        error.code = ErrorCode::Interrupted;
        error.message = "the server stopped while the step was going on".to_owned();
    }
    event
}

fn sink_error(error: &StoreError) -> SinkError {
    SinkError { message: error.to_string(), overloaded: matches!(error, StoreError::Overloaded) }
}

/// The result that the run needs to go on from here, whatever capture says.
fn result_of(event: &Event) -> Option<Arc<Value>> {
    match event {
        Event::AttemptCompleted { output, .. } | Event::LeafCompleted { output, .. } => Some(output.clone()),
        Event::ItemFailed { error, .. } => Some(error.clone()),
        Event::Skipped { .. } => Some(Arc::new(Value::Null)),
        _ => None,
    }
}
