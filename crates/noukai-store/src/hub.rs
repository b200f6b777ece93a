//! Who waits for which run, in this process. Owns the watch channels; must not touch the database.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Charge, RunId, UsageEntry};

const SHARDS: usize = 16;

/// What an operation wants made known once it is committed.
#[derive(Default)]
pub(crate) struct Effects {
    runs: Vec<RunId>,
    jobs: bool,
    usage: Vec<Arc<UsageEntry>>,
    charges: Vec<Charge>,
}

/// Where [`Effects`] stand.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    runs: usize,
    jobs: bool,
    usage: usize,
    charges: usize,
}

impl Effects {
    /// Something of the run was stored.
    pub(crate) fn run(&mut self, id: RunId) {
        self.runs.push(id);
    }

    /// A job may be claimed.
    pub(crate) fn job(&mut self) {
        self.jobs = true;
    }

    /// The entry was stored; it is still to be summed up and charged.
    pub(crate) fn usage(&mut self, entry: &Arc<UsageEntry>) {
        self.usage.push(entry.clone());
    }

    /// This is still to be charged.
    pub(crate) fn charge(&mut self, charges: &[Charge]) {
        self.charges.extend_from_slice(charges);
    }

    /// Entries that were stored.
    pub(crate) fn entries(&self) -> &[Arc<UsageEntry>] {
        &self.usage
    }

    /// Charges besides those of entries.
    pub(crate) fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// Entries and charges are summed up.
    pub(crate) fn settled(&mut self) {
        self.usage.clear();
        self.charges.clear();
    }

    /// The runs of which something was stored.
    pub(crate) fn runs(&self) -> &[RunId] {
        &self.runs
    }

    /// Whether a job may be claimed.
    pub(crate) const fn jobs(&self) -> bool {
        self.jobs
    }

    /// Where it stands, to come back to.
    pub(crate) fn mark(&self) -> Mark {
        Mark { runs: self.runs.len(), jobs: self.jobs, usage: self.usage.len(), charges: self.charges.len() }
    }

    /// The runs that came after the mark have been made known before.
    pub(crate) fn are_known_since(&mut self, mark: Mark) {
        self.runs.truncate(mark.runs);
    }

    /// Forgets what came after the mark.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.runs.truncate(mark.runs);
        self.jobs = mark.jobs;
        self.usage.truncate(mark.usage);
        self.charges.truncate(mark.charges);
    }
}

/// A run's channel exists only while someone listens.
pub(crate) struct Hub {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    jobs: watch::Sender<u64>,
}

#[derive(Default)]
struct Shard {
    senders: HashMap<RunId, watch::Sender<u64>>,
    sweep_at: usize,
}

impl Default for Hub {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { shards, hasher: RandomState::new(), jobs: watch::Sender::new(0) }
    }
}

impl Hub {
    pub(crate) fn watch(&self, id: RunId) -> watch::Receiver<u64> {
        let mut shard = self.shard(id).lock();
        shard.sweep();
        shard.senders.entry(id).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    pub(crate) fn watch_jobs(&self) -> watch::Receiver<u64> {
        self.jobs.subscribe()
    }

    /// Wakes those who wait; called by the writer after a commit.
    pub(crate) fn announce(&self, effects: &mut Effects) {
        for id in effects.runs.drain(..) {
            self.wake(id);
        }
        if std::mem::take(&mut effects.jobs) {
            self.wake_jobs();
        }
        effects.settled();
    }

    /// Wakes those who wait for jobs.
    pub(crate) fn wake_jobs(&self) {
        self.jobs.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Wakes everyone.
    pub(crate) fn wake_all(&self) {
        for shard in &self.shards {
            shard.lock().senders.values().for_each(|sender| sender.send_modify(|count| *count = count.wrapping_add(1)));
        }
        self.wake_jobs();
    }

    /// Wakes those who wait for a run.
    pub(crate) fn wake(&self, id: RunId) {
        let mut shard = self.shard(id).lock();
        let Some(sender) = shard.senders.get(&id) else { return };
        if sender.receiver_count() == 0 {
            shard.senders.remove(&id);
        } else {
            sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    fn shard(&self, id: RunId) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(id) as usize;
        &self.shards[hash % SHARDS]
    }
}

impl Shard {
    /// Lets go of channels nobody listens to, once their number has doubled since the last time.
    fn sweep(&mut self) {
        if self.senders.len() >= self.sweep_at {
            self.senders.retain(|_, sender| sender.receiver_count() > 0);
            self.sweep_at = (self.senders.len() * 2).max(64);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn channels_go_with_their_listeners() {
        let hub = Hub::default();
        let id = RunId(Uuid::now_v7());
        let receiver = hub.watch(id);
        drop(receiver);
        let mut effects = Effects::default();
        effects.run(id);
        hub.announce(&mut effects);
        for _ in 0..10_000 {
            let _ = hub.watch(RunId(Uuid::now_v7()));
        }
        let left: usize = hub.shards.iter().map(|shard| shard.lock().senders.len()).sum();
        assert!(left <= SHARDS * 64, "{left} channels left");
    }
}
