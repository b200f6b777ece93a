//! A sink that keeps everything, stores it a moment later, and notices what is done too early.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use async_trait::async_trait;
use noukai_engine::{Event, EventSink, LoopPath, SinkError};
use noukai_flow::Flow;
use parking_lot::Mutex;

pub struct Sink {
    flow: Arc<Flow>,
    /// Which call of `settle` fails, from 1.
    fails_at: Option<usize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    /// Events up to here are stored.
    stored: usize,
    settles: usize,
    deltas: Vec<(usize, String)>,
    /// Per leaf: where its attempts began that have not called the model yet.
    uncalled: BTreeMap<usize, VecDeque<usize>>,
    faults: Vec<String>,
}

impl Sink {
    pub fn new(flow: Arc<Flow>) -> Self {
        Self { flow, fails_at: None, state: Mutex::default() }
    }

    /// The `nth` time that results are to be stored, from 1, they are not.
    pub fn failing_at(self, nth: usize) -> Self {
        Self { fails_at: Some(nth), ..self }
    }

    pub fn events(&self) -> Vec<Event> {
        self.state.lock().events.clone()
    }

    /// Model text as it came, per leaf.
    pub fn deltas(&self) -> Vec<(usize, String)> {
        self.state.lock().deltas.clone()
    }

    pub fn faults(&self) -> Vec<String> {
        self.state.lock().faults.clone()
    }

    /// Attempts that began and never ended.
    pub fn open_attempts(&self) -> Vec<(usize, LoopPath, u32)> {
        let mut open = BTreeSet::new();
        for event in &self.state.lock().events {
            match event {
                Event::AttemptStarted { leaf, path, attempt, .. } => {
                    open.insert((*leaf, path.clone(), *attempt));
                }
                Event::AttemptFailed { leaf, path, attempt, .. }
                | Event::AttemptCompleted { leaf, path, attempt, .. } => {
                    open.remove(&(*leaf, path.clone(), *attempt));
                }
                _ => {}
            }
        }
        open.into_iter().collect()
    }

    /// The model, or the cage, is called on behalf of the step with this id.
    pub fn called(&self, step: &str) {
        let Some(leaf) = self.flow.leaf_index(step) else { return };
        let mut state = self.state.lock();
        let State { events, stored, uncalled, faults, .. } = &mut *state;
        // A second call of one attempt, to repair a reply, builds on nothing new.
        let Some(began) = uncalled.get_mut(&leaf).and_then(VecDeque::pop_front) else { return };
        let early = |(at, event): (usize, &Event)| match event {
            Event::AttemptCompleted { leaf, path, .. } if at >= *stored => Some((*leaf, path.clone())),
            _ => None,
        };
        let unstored: Vec<_> = events.iter().take(began).enumerate().filter_map(early).collect();
        if !unstored.is_empty() {
            faults.push(format!("`{step}` made its call before these results were stored: {unstored:?}"));
        }
    }
}

#[async_trait]
impl EventSink for Sink {
    fn emit(&self, event: Event) {
        let mut state = self.state.lock();
        let at = state.events.len();
        if let Event::AttemptStarted { leaf, .. } = &event {
            state.uncalled.entry(*leaf).or_default().push_back(at);
        }
        state.events.push(event);
    }

    async fn settle(&self) -> Result<(), SinkError> {
        let (upto, nth) = {
            let mut state = self.state.lock();
            state.settles += 1;
            (state.events.len(), state.settles)
        };
        tokio::task::yield_now().await;
        if self.fails_at == Some(nth) {
            return Err(SinkError { message: "the disk is full".to_owned(), overloaded: false });
        }
        let mut state = self.state.lock();
        state.stored = state.stored.max(upto);
        Ok(())
    }

    fn delta(&self, leaf: usize, text: &str, restart: bool) {
        let text = if restart { format!("<restart>{text}") } else { text.to_owned() };
        self.state.lock().deltas.push((leaf, text));
    }
}
