//! Beginnings of runs that wait a moment for the run's first result, so that one write stores both.
//!
//! Nobody has heard of such a run yet: its caller is told of it with its end, and nobody follows it. What a model takes
//! longer for than [`DELAY`] is in the store meanwhile.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{self, Instant};

use super::{App, recorder::Recorder};

/// How long a run may go on before it is stored. A server that is killed meanwhile has no trace of it.
const DELAY: Duration = Duration::from_millis(10);

/// Those that wait. While there are any, one task stores those whose time has come.
#[derive(Default)]
pub(crate) struct Beginnings {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In the order of their times.
    waiting: VecDeque<(Instant, Weak<Recorder>)>,
    /// Whether the task goes on.
    goes_on: bool,
}

impl Beginnings {
    /// Has it stored when its time has come, unless its first result is there by then.
    pub fn add(&self, app: &App, recorder: &Arc<Recorder>) {
        let mut state = self.state.lock();
        state.waiting.push_back((Instant::now() + DELAY, Arc::downgrade(recorder)));
        if !state.goes_on {
            state.goes_on = true;
            let owned = app.clone();
            drop(app.spawn(async move { owned.inner.beginnings.store_in_time().await }));
        }
    }

    async fn store_in_time(&self) {
        while let Some(until) = self.next() {
            time::sleep_until(until).await;
            while let Some(recorder) = self.take_due(until) {
                if let Some(recorder) = recorder.upgrade() {
                    recorder.store_beginning();
                }
            }
        }
    }

    /// When the next one is due; the task ends where there is none.
    fn next(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        let next = state.waiting.front().map(|(until, _)| *until);
        state.goes_on = next.is_some();
        next
    }

    fn take_due(&self, now: Instant) -> Option<Weak<Recorder>> {
        let (_, recorder) = self.state.lock().waiting.pop_front_if(|(until, _)| *until <= now)?;
        Some(recorder)
    }
}
