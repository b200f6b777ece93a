//! One caller watching one pass: events in order, each shown only once it is stored.
//!
//! The run never waits for its observer: events are kept until the observer takes them, and are dropped with it. What
//! is kept for an observer that takes nothing is bounded:
//! - Model text still in the queue grows in place instead of in number, up to a budget; past it, text is dropped. The
//!   step's output has all of it.
//! - The flow itself bounds stored events, a few per leaf, but for the progress of loops, one per iteration: past a count,
//!   that is dropped. It stays in the trace. Nothing else ever is: clients count what starts and completes, and wait for
//!   the end.

use std::{collections::VecDeque, sync::Arc};

use futures::stream::{self, BoxStream, StreamExt};
use noukai_api::StreamEvent;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::recorder::WriteDone;

/// Bytes of model text kept.
const TEXT_KEPT: usize = 1_000_000;
/// What a piece of text in the queue takes beside its bytes, about. Bounds the number of short ones.
const PIECE: usize = 256;
/// Events kept, past which progress is dropped.
const EVENTS_KEPT: usize = 20_000;

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
    /// What the text among the events takes.
    text: usize,
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
        queue.events = VecDeque::new();
    }
}

impl Queue {
    fn push(&mut self, shown: Shown) {
        match &shown.event {
            StreamEvent::StepDelta { restart: true, .. } => self.restart(shown),
            StreamEvent::StepDelta { step_id, text, .. } => {
                if !self.lengthen(step_id, text) {
                    self.push_text(shown);
                }
            }
            StreamEvent::StepProgress { .. } if self.events.len() >= EVENTS_KEPT => {}
            _ => self.events.push_back(shown),
        }
    }

    /// Adds text to what waits of the same step, where nothing but text came since. False where nothing waits.
    fn lengthen(&mut self, step: &str, more: &str) -> bool {
        let mut waiting = self.events.iter_mut().rev().map_while(Shown::as_text);
        let Some((_, text)) = waiting.find(|(of, _)| *of == step) else { return false };
        if self.text + more.len() <= TEXT_KEPT {
            self.text += more.len();
            text.push_str(more);
        }
        true
    }

    /// What waits of the step's text is void. The event itself is never dropped: without it, what follows would be taken
    /// for more of the old text.
    fn restart(&mut self, mut shown: Shown) {
        let StreamEvent::StepDelta { step_id: step, .. } = &shown.event else { return };
        self.events
            .retain(|waiting| !matches!(&waiting.event, StreamEvent::StepDelta { step_id, .. } if step_id == step));
        self.text = self.events.iter().map(Shown::text_takes).sum();
        if let (true, Some((_, text))) = (self.text + shown.text_takes() > TEXT_KEPT, shown.as_text()) {
            text.clear();
        }
        self.text += shown.text_takes();
        self.events.push_back(shown);
    }

    fn push_text(&mut self, shown: Shown) {
        let takes = shown.text_takes();
        if self.text + takes <= TEXT_KEPT {
            self.text += takes;
            self.events.push_back(shown);
        }
    }

    fn pop(&mut self) -> Option<Shown> {
        let shown = self.events.pop_front()?;
        self.text -= shown.text_takes();
        Some(shown)
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
            events.for_each(|shown| queue.push(shown));
            self.changed.notify_one();
        }
    }

    async fn next(&self) -> Option<Shown> {
        loop {
            let (next, closed) = {
                let mut queue = self.queue.lock();
                let next = queue.pop();
                if next.is_none() {
                    // A model may think for long, and many runs may wait for theirs.
                    queue.events = VecDeque::new();
                }
                (next, queue.closed)
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
    /// The step and the text, where it is text.
    fn as_text(&mut self) -> Option<(&str, &mut String)> {
        match &mut self.event {
            StreamEvent::StepDelta { step_id, text, .. } => Some((step_id, text)),
            _ => None,
        }
    }

    /// What it takes of the budget for text.
    fn text_takes(&self) -> usize {
        match &self.event {
            StreamEvent::StepDelta { text, .. } => PIECE + text.len(),
            _ => 0,
        }
    }

    async fn is_stored(&self) -> bool {
        match &self.after {
            Some(after) => after.clone().await.is_ok(),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn delta(step: &str, text: &str) -> StreamEvent {
        StreamEvent::StepDelta { step_id: step.to_owned(), text: text.to_owned(), restart: false }
    }

    fn progress(loop_index: u32) -> StreamEvent {
        StreamEvent::StepProgress { step_id: "s".to_owned(), loop_index, total: u32::MAX, duration_ms: 1 }
    }

    fn loop_completed() -> StreamEvent {
        StreamEvent::LoopCompleted { step_id: "s".to_owned(), iterations: 1 }
    }

    fn stored() -> WriteDone {
        futures::future::ready(Ok(())).boxed().shared()
    }

    /// What an observer gets that takes nothing until everything has been shown.
    async fn late(show: impl FnOnce(&Observer)) -> Vec<StreamEvent> {
        let (observer, open, events) = observe("run-1".into());
        show(&observer);
        drop(open);
        events.map(|shown| shown.event).collect().await
    }

    #[tokio::test]
    async fn text_that_waits_grows_together_and_stays_in_order() {
        let events = late(|observer| {
            for (step, text) in [("a", "1"), ("b", "x"), ("a", "2"), ("b", "y")] {
                observer.show_now(delta(step, text));
            }
            observer.show(stored(), vec![(1, loop_completed())]);
            observer.show_now(delta("a", "3"));
        });
        assert_eq!(events.await, [delta("a", "12"), delta("b", "xy"), loop_completed(), delta("a", "3")]);
    }

    #[tokio::test]
    async fn text_that_begins_anew_voids_what_waits_of_its_step() {
        let restart =
            |text: &str| StreamEvent::StepDelta { step_id: "a".to_owned(), text: text.to_owned(), restart: true };
        let events = late(|observer| {
            observer.show_now(delta("a", "old"));
            observer.show_now(delta("b", "x"));
            observer.show(stored(), vec![(1, loop_completed())]);
            observer.show_now(delta("a", "older"));
            observer.show_now(restart("new"));
            observer.show_now(delta("a", "er"));
        });
        assert_eq!(events.await, [delta("b", "x"), loop_completed(), restart("newer")]);
        let full = late(|observer| {
            observer.show_now(delta("b", &"x".repeat(TEXT_KEPT - PIECE)));
            observer.show_now(restart("new"));
        });
        assert_eq!(full.await.last(), Some(&restart("")));
    }

    #[tokio::test]
    async fn text_is_bounded_in_bytes_and_in_number() {
        let long = late(|observer| (0..10).for_each(|_| observer.show_now(delta("a", &"x".repeat(300_000))))).await;
        assert_eq!(long, [delta("a", &"x".repeat(900_000))]);
        let short = late(|observer| {
            for seq in 0..10_000 {
                observer.show_now(delta("a", "x"));
                observer.show(stored(), vec![(seq, loop_completed())]);
            }
        });
        let (text, others): (Vec<_>, Vec<_>) =
            short.await.into_iter().partition(|event| matches!(event, StreamEvent::StepDelta { .. }));
        assert!(text.len() <= TEXT_KEPT / PIECE, "{}", text.len());
        assert_eq!(others.len(), 10_000);
    }

    #[tokio::test]
    async fn text_that_was_taken_makes_room() {
        let (observer, open, mut events) = observe("run-1".into());
        for _ in 0..5 {
            observer.show_now(delta("a", &"x".repeat(900_000)));
            assert!(events.next().await.is_some());
        }
        drop(open);
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn of_too_many_events_only_progress_is_dropped() {
        let events = late(|observer| {
            let all = (0..50_000).map(|index| (u64::from(index), progress(index)));
            observer.show(stored(), all.collect());
            observer.show(stored(), (0..5).map(|seq| (seq, loop_completed())).collect());
        });
        let events = events.await;
        assert_eq!(events.len(), EVENTS_KEPT + 5);
        assert!(events.ends_with(&[loop_completed(), loop_completed()]));
    }
}
