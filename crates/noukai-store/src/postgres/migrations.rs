//! The schema's history: what each number adds, in order. Owns `schema_migrations`.
//!
//! A migration that has been released must not change.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;

use super::{fault::Fault, rows};
use crate::{SchemaState, StoreError};

struct Migration {
    number: u32,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "start", sql: include_str!("migrations/0001_start.sql") },
    Migration { number: 2, name: "cached_replies", sql: include_str!("migrations/0002_cached_replies.sql") },
    Migration { number: 3, name: "test cases", sql: include_str!("migrations/0003_test_cases.sql") },
    Migration { number: 4, name: "identity", sql: include_str!("migrations/0004_identity.sql") },
    Migration { number: 5, name: "provider_keys", sql: include_str!("migrations/0005_provider_keys.sql") },
    Migration { number: 6, name: "authoring", sql: include_str!("migrations/0006_authoring.sql") },
    Migration { number: 7, name: "usage", sql: include_str!("migrations/0007_usage.sql") },
    Migration { number: 8, name: "keys of calls", sql: include_str!("migrations/0008_keys_of_calls.sql") },
    Migration { number: 9, name: "revisions", sql: include_str!("migrations/0009_revisions.sql") },
];

/// The schema that this release knows.
pub(super) const CURRENT: u32 = MIGRATIONS[MIGRATIONS.len() - 1].number;

/// The oldest server whose dialect this is.
const OLDEST: i64 = 13;
/// Held while the schema is brought up to date: `Noukai` in ASCII.
const LOCK: &str = "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(86206270399849)";
const VERSION: &str = "SELECT current_setting('server_version_num')::bigint / 10000";
const APPLIED: &str = "SELECT to_regclass('schema_migrations') IS NOT NULL";
const APPLY: &str = "INSERT INTO schema_migrations (number, name, release) VALUES ($1, $2, $3)";
/// The number of the schema, and the release that brought it there.
pub(super) const LATEST: &str = "SELECT number, release FROM schema_migrations ORDER BY number DESC LIMIT 1";

/// How long a database that is starting is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(200);

/// Brings the schema up to date, each migration in its own transaction.
pub(super) async fn apply(pool: &Pool, shown: &str) -> Result<(), StoreError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match apply_all(pool, shown).await {
            Err(fault) if fault.passes() && Instant::now() < until => sleep(AGAIN).await,
            done => return done.map_err(|fault| explain(fault, shown)),
        }
    }
}

async fn apply_all(pool: &Pool, shown: &str) -> Result<(), Fault> {
    let mut client = pool.get().await?;
    check_server(&client, shown).await?;
    for migration in MIGRATIONS {
        apply_one(&mut client, migration, shown).await?;
    }
    Ok(())
}

/// Where the schema stands; changes nothing.
pub(super) async fn state(pool: &Pool, shown: &str) -> Result<SchemaState, StoreError> {
    look(pool, shown).await.map_err(|fault| explain(fault, shown))
}

async fn look(pool: &Pool, shown: &str) -> Result<SchemaState, Fault> {
    let client = pool.get().await?;
    check_server(&client, shown).await?;
    let made: bool = rows::get(&client.query_one(APPLIED, &[]).await?, 0)?;
    let latest = if made { client.query_opt(LATEST, &[]).await? } else { None };
    let found: u32 = latest.as_ref().map_or(Ok(0), |row| rows::number(row, 0))?;
    if let Some(latest) = latest.filter(|_| found > CURRENT) {
        return Err(newer(shown, found, rows::get(&latest, 1)?).into());
    }
    let later = MIGRATIONS.iter().filter(|migration| migration.number > found);
    let pending = later.map(|migration| (migration.number, migration.name)).collect();
    Ok(SchemaState { found, current: CURRENT, pending })
}

async fn check_server(client: &Object, shown: &str) -> Result<(), Fault> {
    let version: i64 = rows::get(&client.query_one(VERSION, &[]).await?, 0)?;
    if version >= OLDEST {
        return Ok(());
    }
    Err(unusable(shown, &format!("it is PostgreSQL {version}, and Noukai needs {OLDEST} or newer")).into())
}

/// The number is read under the lock, as another node may be at it too.
async fn apply_one(client: &mut Object, migration: &Migration, shown: &str) -> Result<(), Fault> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(LOCK).await?;
    let latest = if rows::get(&transaction.query_one(APPLIED, &[]).await?, 0)? {
        transaction.query_opt(LATEST, &[]).await?
    } else {
        None
    };
    let number: u32 = latest.as_ref().map_or(Ok(0), |row| rows::number(row, 0))?;
    if let Some(latest) = latest.filter(|_| number > CURRENT) {
        return Err(newer(shown, number, rows::get(&latest, 1)?).into());
    }
    if number < migration.number {
        transaction.batch_execute(migration.sql).await?;
        let row = (i64::from(migration.number), migration.name, env!("CARGO_PKG_VERSION"));
        transaction.execute(APPLY, &[&row.0, &row.1, &row.2]).await?;
    }
    Ok(transaction.commit().await?)
}

fn newer(shown: &str, number: u32, release: &str) -> StoreError {
    StoreError::Newer(format!(
        "the database {shown} was written by Noukai {release} (schema {number}), this is {} (schema {CURRENT}): upgrade \
         to {release} or newer, or restore a backup made before that upgrade",
        env!("CARGO_PKG_VERSION")
    ))
}

fn unusable(shown: &str, why: &str) -> StoreError {
    StoreError::Unusable(format!("the database {shown} cannot be used: {why}"))
}

/// What a failure means at the start.
fn explain(fault: Fault, shown: &str) -> StoreError {
    match fault {
        Fault::Lost(why) => unusable(
            shown,
            &format!("it does not answer ({why}): check host, port and `sslmode` of its URL, and that it runs"),
        ),
        Fault::Untrusted(why) => {
            unusable(shown, &format!("it cannot be trusted ({why}): check `sslmode` and `sslrootcert` of its URL"))
        }
        Fault::Server(error) => {
            let told = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
            unusable(shown, &format!("{told}; {}", advice(error.code())))
        }
        Fault::Refused(error) => error,
    }
}

fn advice(code: Option<&SqlState>) -> &'static str {
    let Some(code) = code else { return "check its URL" };
    match code {
        code if [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code) => {
            "check user and password of its URL"
        }
        code if *code == SqlState::INVALID_CATALOG_NAME => "make it (CREATE DATABASE), or name another in its URL",
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "its user needs the right to create tables there (GRANT CREATE ON SCHEMA public), or to own the database"
        }
        _ => "if another program uses it, name an empty database",
    }
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
}
