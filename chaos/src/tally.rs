//! What was done, in numbers.

use std::time::Duration;

use parking_lot::Mutex;

/// Numbers of one case, or of many.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

/// Each of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Processes killed, or ended by a failpoint.
    pub kills: u64,
    /// Errands of clients.
    pub requests: u64,
    /// Jobs acknowledged.
    pub jobs: u64,
    /// Runs looked at from all sides.
    pub runs: u64,
    /// Calls of the model.
    pub calls: u64,
    /// Results known to be stored at a kill.
    pub facts: u64,
    /// Events of streams compared.
    pub events: u64,
    /// The longest time until all jobs of a dead server went on.
    pub went_on: Option<Duration>,
}

impl Tally {
    /// Changes the numbers.
    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock());
    }

    /// The numbers.
    pub fn counts(&self) -> Counts {
        *self.0.lock()
    }

    /// Adds another's.
    pub fn add(&self, other: &Self) {
        let other = other.counts();
        self.count(|counts| {
            counts.kills += other.kills;
            counts.requests += other.requests;
            counts.jobs += other.jobs;
            counts.runs += other.runs;
            counts.calls += other.calls;
            counts.facts += other.facts;
            counts.events += other.events;
            counts.went_on = counts.went_on.max(other.went_on);
        });
    }
}

impl Clone for Tally {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.counts()))
    }
}
