//! What is in the journal and not yet in the database, by run. Owns how long a write waits: that of a run that goes on waits
//! for the run's next ones, since a short run then becomes rows once, as a whole; that of a run that has ended for other
//! runs' ends.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    time::{Duration, Instant},
};

use super::batch::{Batch, join};
use crate::{RunId, RunWrite};

/// How long the first run that has ended waits for others. What comes together in 10 ms keeps a processor so long that
/// calls feel it (measured: a fifth at the 99th percentile); below, it costs the same.
const PACE: Duration = Duration::from_millis(3);

/// How long a run that goes on waits for its next write.
const HOLD: Duration = Duration::from_millis(50);

/// Most bytes that wait.
const MOST_BYTES: usize = 64 << 20;

#[derive(Default)]
pub(super) struct Waiting {
    open: HashMap<RunId, Held>,
    /// Those that went on when they came, oldest first; some have ended since.
    order: VecDeque<(u64, RunId)>,
    ended: Vec<RunWrite>,
    /// When the first of those that have ended did.
    ended_since: Option<Instant>,
    bytes: usize,
}

struct Held {
    write: RunWrite,
    /// The first record's.
    number: u64,
    since: Instant,
    bytes: usize,
}

impl Waiting {
    /// Whether no more than `most` runs wait, and not too much of them.
    pub(super) fn has_room(&self, most: usize) -> bool {
        self.open.len() + self.ended.len() < most && self.bytes < MOST_BYTES
    }

    /// Adds a write that has `bytes` in record `number`. Whether it is due sooner than everything before.
    pub(super) fn push(&mut self, write: RunWrite, number: u64, bytes: usize, now: Instant) -> bool {
        let was_empty = self.open.is_empty() && self.ended.is_empty();
        self.bytes += bytes;
        let ends = write.is_last();
        match self.open.entry(write.run_id) {
            Entry::Occupied(mut held) => {
                join(&mut held.get_mut().write, write);
                held.get_mut().bytes += bytes;
                if ends {
                    self.ended.push(held.remove().write);
                }
            }
            Entry::Vacant(_) if ends => self.ended.push(write),
            Entry::Vacant(place) => {
                self.order.push_back((number, write.run_id));
                place.insert(Held { write, number, since: now, bytes });
            }
        }
        if ends && self.ended_since.is_none() {
            self.ended_since = Some(now);
            return true;
        }
        was_empty
    }

    /// How long until something is to be applied; `None`: nothing waits.
    pub(super) fn due(&mut self, now: Instant) -> Option<Duration> {
        let ended = self.ended_since.map(|since| since + PACE);
        let open = self.oldest().map(|held| held.since + HOLD);
        let next = ended.into_iter().chain(open).min()?;
        Some(next.saturating_duration_since(now))
    }

    /// Adds to the batch what has waited long enough, or everything. The first record of what stays is left.
    pub(super) fn take(&mut self, batch: &mut Batch, everything: bool, now: Instant) -> Option<u64> {
        self.ended_since = None;
        batch.add(self.ended.drain(..));
        if everything {
            batch.add(self.open.drain().map(|(_, held)| held.write));
            self.order.clear();
        }
        while let Some(run) = self.oldest().filter(|held| held.since + HOLD <= now).map(|held| held.write.run_id) {
            batch.add(self.open.remove(&run).map(|held| held.write));
        }
        self.bytes = self.open.values().map(|held| held.bytes).sum();
        self.oldest().map(|held| held.number)
    }

    /// Of the runs that go on, the one that has waited longest.
    fn oldest(&mut self) -> Option<&Held> {
        while let Some((number, run)) = self.order.front() {
            if self.open.get(run).is_some_and(|held| held.number == *number) {
                break;
            }
            self.order.pop_front();
        }
        self.order.front().and_then(|(_, run)| self.open.get(run))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{super::tests::write, *};

    fn taken(waiting: &mut Waiting, everything: bool, now: Instant) -> (Vec<(RunId, usize)>, Option<u64>) {
        let mut batch = Batch::default();
        let left = waiting.take(&mut batch, everything, now);
        let mut runs: Vec<_> = batch.writes().iter().map(|write| (write.run_id, write.events.len())).collect();
        runs.sort();
        (runs, left)
    }

    #[test]
    fn ended_runs_go_first_and_whole() {
        let (start, mut waiting) = (Instant::now(), Waiting::default());
        let [long, short] = [1, 2].map(|id| RunId(Uuid::from_u128(id)));
        assert_eq!(waiting.due(start), None);
        assert!(waiting.push(write(long, 1, false), 1, 10, start), "the first is due");
        assert_eq!(waiting.due(start), Some(HOLD));
        assert!(!waiting.push(write(short, 1, false), 2, 10, start));
        assert!(waiting.push(write(short, 2, true), 3, 10, start + PACE), "an end is due sooner");
        assert_eq!(waiting.due(start + PACE), Some(PACE));
        assert_eq!(taken(&mut waiting, false, start + PACE * 2), (vec![(short, 2)], Some(1)));
        assert_eq!(waiting.due(start + PACE), Some(HOLD - PACE));
        assert_eq!(taken(&mut waiting, false, start + HOLD), (vec![(long, 1)], None));
        assert_eq!((waiting.due(start), waiting.bytes), (None, 0));
    }

    #[test]
    fn whoever_cannot_wait_gets_everything() {
        let (start, mut waiting) = (Instant::now(), Waiting::default());
        let runs = [1, 2, 3].map(|id| RunId(Uuid::from_u128(id)));
        for (number, run) in (1..).zip(runs) {
            waiting.push(write(run, 1, run == runs[1]), number, 10, start);
        }
        assert!(waiting.has_room(4) && !waiting.has_room(3));
        assert_eq!(taken(&mut waiting, true, start), (runs.map(|run| (run, 1)).to_vec(), None));
        assert!(waiting.has_room(1));
        waiting.push(write(runs[0], 2, false), 4, 10, start);
        assert_eq!(taken(&mut waiting, false, start + PACE), (vec![], Some(4)), "it waits anew");
    }
}
