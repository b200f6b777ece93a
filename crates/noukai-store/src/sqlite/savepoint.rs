//! A part of a transaction that can be undone alone.

use rusqlite::Connection;

use crate::{StoreError, hub::Effects};

/// In a savepoint: what says that it failed is undone. An error is to undo the whole transaction.
pub(super) fn apart(
    db: &Connection,
    effects: &mut Effects,
    work: impl FnOnce(&mut Effects) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let mark = effects.mark();
    step(db, "SAVEPOINT operation")?;
    if !work(effects)? {
        step(db, "ROLLBACK TO operation")?;
        effects.back_to(mark);
    }
    Ok(step(db, "RELEASE operation")?)
}

/// A statement that moves a transaction on.
pub(super) fn step(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}
