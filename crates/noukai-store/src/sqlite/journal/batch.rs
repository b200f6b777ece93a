//! What the writer applies in one transaction, the writes of one run made into one.

use std::collections::HashMap;

use rusqlite::Connection;

use super::super::{append, rows::clamp, savepoint, usage};
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

    /// Applies all, sums included, and notes how far the database then is. An error is to undo the transaction.
    pub(in super::super) fn apply(&self, db: &Connection, effects: &mut Effects) -> Result<(), StoreError> {
        for write in &self.writes {
            apply(db, effects, write)?;
        }
        self.conclude(db, effects)
    }

    /// The same, but for what something stands against: that is left out, and said in the log, as its caller has been
    /// answered. Its run was changed from outside.
    pub(in super::super) fn apply_apart(&self, db: &Connection, effects: &mut Effects) -> Result<(), StoreError> {
        for write in &self.writes {
            savepoint::apart(db, effects, |effects| match apply(db, effects, write) {
                Ok(()) => Ok(true),
                Err(StoreError::Conflict(error)) => {
                    tracing::error!(error, run = %write.run_id, "a journaled write was overtaken from outside");
                    Ok(false)
                }
                Err(error) => Err(error),
            })?;
        }
        self.conclude(db, effects)
    }

    fn conclude(&self, db: &Connection, effects: &mut Effects) -> Result<(), StoreError> {
        usage::settle(db, effects)?;
        db.prepare_cached(APPLIED)?.execute([clamp(self.number)])?;
        Ok(())
    }
}

/// Its watchers were told when it was acknowledged.
fn apply(db: &Connection, effects: &mut Effects, write: &RunWrite) -> Result<(), StoreError> {
    let mark = effects.mark();
    append::apply(db, effects, write)?;
    effects.are_known_since(mark);
    Ok(())
}

/// A run's next write onto what came before.
pub(super) fn join(first: &mut RunWrite, next: RunWrite) {
    first.change = next.change.or(first.change.take());
    first.events.extend(next.events);
    first.usage.extend(next.usage);
}
