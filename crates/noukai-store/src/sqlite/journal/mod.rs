//! The journal: what is written of runs stands in files of its own from its acknowledgement to the database's next
//! commit.
//!
//! A commit costs as much for one row as for a hundred, and who waits for it waits for other threads to have their
//! turns. So a write of a run is acknowledged as soon as it is in the journal, which takes one copy on the caller's own
//! thread, and the writer takes what came together into one transaction (see [`waiting`]). After a sudden end the next
//! start applies what the database lacks. Owns which writes may be acknowledged so: those of runs that began here and
//! that nothing else has changed since, for of these it knows where they stand.
//! It survives what [`super::Durability::Normal`] survives; without that there is no journal.
//!
//! Must not touch the database, but for [`recovery`].

mod batch;
mod recovery;
mod segments;
mod waiting;

use std::{
    collections::HashMap,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::Thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

pub(super) use self::{
    batch::Batch,
    recovery::{Owner, open, peek, replay_into},
    segments::paths,
};
use self::{
    segments::{Record, Segments},
    waiting::Waiting,
};
use crate::{ProjectId, RunChange, RunId, RunWrite};

/// Most runs that are known at the same time; those that went on elsewhere are among them. When there are more, all are
/// forgotten.
const MOST_KNOWN: usize = 16_384;

/// The callers' end, and the writer's.
pub(super) struct Journal {
    state: Mutex<State>,
    /// The number of the last record, changed under the lock, and of the last one before which nothing is lacking in the
    /// database.
    last: AtomicU64,
    applied: AtomicU64,
    /// The database takes nothing just now: callers are to hear of it, so their writes go there.
    stuck: AtomicBool,
    /// Who applies.
    writer: OnceLock<Thread>,
}

struct State {
    segments: Segments,
    waiting: Waiting,
    /// Most runs that wait.
    most: usize,
    known: HashMap<RunId, Standing>,
    closed: bool,
}

/// Where a run that has not ended stands, in the database once all is applied.
enum Standing {
    Here {
        project: ProjectId,
        seq: u64,
    },
    /// The database alone knows. Noted, so that a run is created once.
    Elsewhere,
}

impl Journal {
    /// `last`: the number of the last record that is in the database; `most`: how many runs may wait.
    fn new(segments: Segments, last: u64, most: usize) -> Self {
        let state = State { segments, waiting: Waiting::default(), most, known: HashMap::new(), closed: false };
        Self {
            state: Mutex::new(state),
            last: AtomicU64::new(last),
            applied: AtomicU64::new(last),
            stuck: AtomicBool::new(false),
            writer: OnceLock::new(),
        }
    }

    /// Whom to wake. To be called once, before the first write.
    pub(super) fn applied_by(&self, writer: Thread) {
        // Only a second call would find it set.
        let _ = self.writer.set(writer);
    }

    /// Keeps the write, so that it can be acknowledged. Gives it back where it must go to the database itself: there it
    /// may yet be refused, and what follows it goes there, too.
    pub(super) fn append(&self, write: RunWrite) -> Option<RunWrite> {
        let record = (is_fit(&write) && !self.stuck.load(Ordering::Relaxed)).then(|| Record::of(&write)).flatten();
        let mut state = self.state.lock();
        let Some(record) = record else { return Some(state.leave(write)) };
        let number = self.last.load(Ordering::Relaxed) + 1;
        let is_due = match state.keep(number, write, record) {
            Ok(is_due) => is_due,
            Err(write) => return Some(*write),
        };
        self.last.store(number, Ordering::Release);
        drop(state);
        if let (true, Some(writer)) = (is_due, self.writer.get()) {
            writer.unpark();
        }
        None
    }

    /// Something else is about to change the run.
    pub(super) fn let_go(&self, run: RunId) {
        self.state.lock().known.remove(&run);
    }

    /// Whether the database has all that was acknowledged.
    pub(super) fn is_applied(&self) -> bool {
        self.applied.load(Ordering::Acquire) >= self.last.load(Ordering::Acquire)
    }

    /// How long until something that waits is to be applied; `None`: nothing waits.
    pub(super) fn due(&self) -> Option<Duration> {
        self.state.lock().waiting.due(Instant::now())
    }

    /// Adds what waits to what is to be applied next: what has waited long enough, or everything.
    pub(super) fn take(&self, batch: &mut Batch, everything: bool) {
        let mut state = self.state.lock();
        let stays = state.waiting.take(batch, everything, Instant::now());
        let next = self.last.load(Ordering::Relaxed) + 1;
        batch.reaches(stays.unwrap_or(next) - 1);
        // What the batch has is not in the database yet.
        let lacking = self.applied.load(Ordering::Acquire) + 1;
        state.segments.turn(lacking, next);
    }

    /// The database has everything up to the record.
    pub(super) fn applied(&self, number: u64) {
        self.applied.store(number, Ordering::Release);
        self.stuck.store(false, Ordering::Relaxed);
    }

    /// The database takes nothing.
    pub(super) fn stuck(&self) {
        self.stuck.store(true, Ordering::Relaxed);
    }

    /// From here on everything goes to the database.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.known.clear();
    }

    /// Lets others have the files, emptied where the database has all that is in them.
    pub(super) fn release(&self) {
        let is_applied = self.is_applied();
        self.state.lock().segments.release(is_applied);
    }
}

impl State {
    /// Whether the writer has something to do sooner than before.
    fn keep(&mut self, number: u64, write: RunWrite, mut record: Record) -> Result<bool, Box<RunWrite>> {
        let Some(standing) = self.after(&write) else { return Err(Box::new(self.leave(write))) };
        if let Err(error) = self.segments.append(number, &mut record) {
            tracing::error!(%error, "a write of a run could not be journaled; it goes to the database at once");
            return Err(Box::new(self.leave(write)));
        }
        if write.is_last() {
            self.known.remove(&write.run_id);
        } else {
            self.note(write.run_id, standing);
        }
        Ok(self.waiting.push(write, number, record.len(), Instant::now()))
    }

    /// Leaves it, and what follows it, to the database.
    fn leave(&mut self, write: RunWrite) -> RunWrite {
        let run = write.run_id;
        if write.is_last() {
            self.known.remove(&run);
        } else if self.known.contains_key(&run) || write.create.as_ref().is_some_and(|new| new.job.is_none()) {
            self.note(run, Standing::Elsewhere);
        }
        write
    }

    /// A run that is not known any more goes on in the database.
    fn note(&mut self, run: RunId, standing: Standing) {
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(run, standing);
    }

    /// Where its run stands after the write, where that is certain.
    fn after(&self, write: &RunWrite) -> Option<Standing> {
        if self.closed || !self.waiting.has_room(self.most) {
            return None;
        }
        let from = match (&write.create, self.known.get(&write.run_id)) {
            (Some(_), None) => 0,
            (None, Some(Standing::Here { project, seq })) if *project == write.project_id => *seq,
            _ => return None,
        };
        let follow = write.events.iter().zip(from + 1..).all(|(event, expected)| event.seq == expected);
        follow.then(|| Standing::Here { project: write.project_id, seq: from + write.events.len() as u64 })
    }
}

/// Whether nothing that only the database knows can stand against it: a lease, the queue of jobs, a status.
fn is_fit(write: &RunWrite) -> bool {
    let is_run = write.create.as_ref().is_none_or(|new| new.job.is_none() && !new.record.status.is_final());
    let is_plain = match &write.change {
        None => true,
        Some(RunChange::Finished(finish)) => finish.status.is_final(),
        Some(RunChange::Running | RunChange::Paused { .. }) => false,
    };
    write.fence.is_none() && is_run && is_plain
}

#[cfg(test)]
mod tests;
