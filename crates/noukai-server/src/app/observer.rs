//! One caller watching one pass: events in order, each shown only once it is stored.
//!
//! The run never waits for its observer: events are kept until the observer takes them, and are dropped with it. What
//! is kept is bounded by what the run itself holds.

use std::{collections::VecDeque, sync::Arc};

use futures::stream::{self, BoxStream, StreamExt};
use noukai_api::StreamEvent;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::recorder::WriteDone;

/// One event on its way to a caller.
#[derive(Debug, Clone)]
pub struct SeqEvent {
    /// Its number in the run; `None` for what is never stored.
    pub seq: Option<u64>,
    /// The run.
    pub execution_id: Arc<str>,
    /// The event.
    pub event: StreamEvent,
}

/// Events for a caller, in order. Ends after the terminator.
pub type EventStream = BoxStream<'static, SeqEvent>;

struct Shown {
    after: Option<WriteDone>,
    seq: Option<u64>,
    event: StreamEvent,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Shown>,
    /// Nothing more will come.
    closed: bool,
    /// Nobody looks any more.
    abandoned: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
}

/// The recorder's end of the stream.
pub(crate) struct Observer(Arc<Shared>);

/// Keeps the stream open. Dropped by who started the run, once the run is over.
pub(crate) struct Open(Arc<Shared>);

/// The caller's end. Dropping it tells the run that nobody looks any more.
struct Watching(Arc<Shared>);

impl Drop for Watching {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        queue.abandoned = true;
        queue.events.clear();
    }
}

/// An observer, the stream of what it is shown, and what keeps that open.
pub(crate) fn observe(execution_id: Arc<str>) -> (Observer, Open, EventStream) {
    let shared = Arc::new(Shared::default());
    let watching = Watching(shared.clone());
    let events = stream::unfold(watching, |watching| async move {
        let shown = watching.0.next().await?;
        Some((shown, watching))
    });
    let named =
        events.map(move |shown| SeqEvent { seq: shown.seq, execution_id: execution_id.clone(), event: shown.event });
    (Observer(shared.clone()), Open(shared), named.boxed())
}

impl Observer {
    /// Shows events once `after` is done. Events of a write that failed are never shown.
    pub fn show(&self, after: WriteDone, events: Vec<(u64, StreamEvent)>) {
        let shown = |(seq, event)| Shown { after: Some(after.clone()), seq: Some(seq), event };
        self.0.push(events.into_iter().map(shown));
    }

    /// Shows an event that is not stored.
    pub fn show_now(&self, event: StreamEvent) {
        self.0.push(std::iter::once(Shown { after: None, seq: None, event }));
    }
}

impl Open {
    /// Ends the stream with an event, where what should have ended it could not be stored.
    pub fn end_with(self, event: StreamEvent) {
        self.0.push(std::iter::once(Shown { after: None, seq: None, event }));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.queue.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn push(&self, events: impl Iterator<Item = Shown>) {
        let mut queue = self.queue.lock();
        if !queue.abandoned {
            queue.events.extend(events);
            self.changed.notify_one();
        }
    }

    async fn next(&self) -> Option<Shown> {
        loop {
            let (next, closed) = {
                let mut queue = self.queue.lock();
                (queue.events.pop_front(), queue.closed)
            };
            match next {
                Some(shown) if shown.is_stored().await => return Some(shown),
                Some(_) => {}
                None if closed => return None,
                None => self.changed.notified().await,
            }
        }
    }
}

impl Shown {
    async fn is_stored(&self) -> bool {
        match &self.after {
            Some(after) => after.clone().await.is_ok(),
            None => true,
        }
    }
}
