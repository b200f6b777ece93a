//! The schema's history: what each number adds, in order. Owns `schema_migrations`.
//!
//! A migration that has been released must not change.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::open;
use crate::StoreError;

struct Migration {
    number: u32,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "start", sql: include_str!("migrations/0001_start.sql") },
    Migration { number: 2, name: "queues", sql: include_str!("migrations/0002_queues.sql") },
    Migration { number: 3, name: "keys", sql: include_str!("migrations/0003_keys.sql") },
    Migration { number: 4, name: "cached_replies", sql: include_str!("migrations/0004_cached_replies.sql") },
    Migration { number: 5, name: "test cases", sql: include_str!("migrations/0005_test_cases.sql") },
    Migration { number: 6, name: "identity", sql: include_str!("migrations/0006_identity.sql") },
    Migration { number: 7, name: "provider_keys", sql: include_str!("migrations/0007_provider_keys.sql") },
    Migration { number: 8, name: "authoring", sql: include_str!("migrations/0008_authoring.sql") },
    Migration { number: 9, name: "usage", sql: include_str!("migrations/0009_usage.sql") },
    Migration { number: 10, name: "keys of calls", sql: include_str!("migrations/0010_keys_of_calls.sql") },
    Migration { number: 11, name: "packs", sql: include_str!("migrations/0011_packs.sql") },
    Migration { number: 12, name: "revisions", sql: include_str!("migrations/0012_revisions.sql") },
    Migration { number: 13, name: "journal", sql: include_str!("migrations/0013_journal.sql") },
    Migration { number: 14, name: "packed events", sql: include_str!("migrations/0014_packed_events.sql") },
];

/// The schema that this release knows.
pub(super) const CURRENT: u32 = MIGRATIONS[MIGRATIONS.len() - 1].number;

const LATEST: &str = "SELECT number, release FROM schema_migrations ORDER BY number DESC LIMIT 1";

const APPLIED: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'";

/// Refuses a file of ours whose schema this release does not know.
pub(super) fn check(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let (number, release) = latest(db)
        .map_err(|error| open::fault(path, error))?
        .ok_or_else(|| open::damaged(path, "it does not say which schema it has"))?;
    if number <= CURRENT {
        return Ok(());
    }
    Err(StoreError::Newer(format!(
        "the database {} was written by Noukai {release} (schema {number}), this is {} (schema {CURRENT}): upgrade to \
         {release} or newer, or restore a backup made before that upgrade",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )))
}

/// The number of the schema.
pub(super) fn number(db: &Connection) -> rusqlite::Result<u32> {
    Ok(latest(db)?.map_or(0, |(number, _)| number))
}

/// What comes after a number, by number and name.
pub(super) fn after(number: u32) -> Vec<(u32, &'static str)> {
    let later = MIGRATIONS.iter().filter(|migration| migration.number > number);
    later.map(|migration| (migration.number, migration.name)).collect()
}

fn latest(db: &Connection) -> rusqlite::Result<Option<(u32, String)>> {
    if db.query_row(APPLIED, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(None);
    }
    db.query_row(LATEST, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Brings the schema up to date, each migration in its own transaction.
pub(super) fn apply(db: &mut Connection, application_id: i32) -> rusqlite::Result<()> {
    if number(db)? == CURRENT {
        return Ok(());
    }
    MIGRATIONS.iter().try_for_each(|migration| apply_one(db, migration, application_id))
}

/// The number is read inside the transaction, as another process may be at it too.
fn apply_one(db: &mut Connection, migration: &Migration, application_id: i32) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if number(&transaction)? < migration.number {
        transaction.execute_batch(migration.sql)?;
        transaction.pragma_update(None, "application_id", application_id)?;
        transaction.execute(
            "INSERT INTO schema_migrations (number, name, release) VALUES ($1, $2, $3)",
            params![migration.number, migration.name, env!("CARGO_PKG_VERSION")],
        )?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_gaps() {
        for (position, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.number as usize, position + 1);
        }
    }

    #[test]
    fn applying_again_changes_nothing() {
        let mut db = Connection::open_in_memory().unwrap();
        apply(&mut db, 1).unwrap();
        let changes = db.total_changes();
        apply(&mut db, 1).unwrap();
        assert_eq!(db.total_changes(), changes);
        assert_eq!(number(&db).unwrap(), CURRENT);
    }
}
