//! What the writer applies in one transaction, the writes of one run made into one.

use std::collections::HashMap;

use rusqlite::Connection;

use super::super::{append, rows::clamp};
use crate::{RunId, RunWrite, StoreError, hub::Effects};

const APPLIED: &str = "UPDATE run_journal SET applied = $1";

/// Empty where there is nothing to apply.
#[derive(Default)]
pub(in super::super) struct Batch {
    writes: Vec<RunWrite>,
    at: HashMap<RunId, usize>,
    number: u64,
}

impl Batch {
    pub(super) fn add(&mut self, writes: impl IntoIterator<Item = RunWrite>) {
        for write in writes {
            match self.at.get(&write.run_id) {
                Some(&place) => join(&mut self.writes[place], write),
                None => {
                    self.at.insert(write.run_id, self.writes.len());
                    self.writes.push(write);
                }
            }
        }
    }

    /// With it the database has every record up to that number.
    pub(super) const fn reaches(&mut self, number: u64) {
        self.number = number;
    }

    pub(in super::super) const fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Up to which record the database has all with it.
    pub(in super::super) const fn number(&self) -> u64 {
        self.number
    }

    pub(in super::super) fn writes(&self) -> &[RunWrite] {
        &self.writes
    }

    pub(in super::super) fn clear(&mut self) {
        self.writes.clear();
        self.at.clear();
    }

    /// Notes in the same transaction how far the database is.
    pub(in super::super) fn mark(&self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached(APPLIED)?.execute([clamp(self.number)]).map(drop)
    }
}

/// Applies one. What stands against it is for the log, as its caller has been answered: its run was changed from outside.
/// Every other error is the database's, and the write is to be applied later.
pub(in super::super) fn apply(db: &Connection, effects: &mut Effects, write: &RunWrite) -> Result<(), StoreError> {
    let mark = effects.mark();
    let applied = append::apply(db, effects, write);
    effects.are_known_since(mark);
    if let Err(error @ StoreError::Conflict(_)) = &applied {
        tracing::error!(%error, run = %write.run_id, "what stands against a journaled write came from outside");
    }
    applied
}

/// A run's next write onto what came before.
pub(super) fn join(first: &mut RunWrite, next: RunWrite) {
    first.change = next.change.or(first.change.take());
    first.events.extend(next.events);
    first.usage.extend(next.usage);
}
