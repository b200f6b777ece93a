//! What an operator asks of a database without a server. Changes nothing.

use deadpool_postgres::Pool;
use time::OffsetDateTime;

use super::{PostgresStore, connect::Target, fault::Fault, migrations, rows};
use crate::{Inspection, StoreError};

const SIZE: &str = "SELECT pg_database_size(current_database())";
const NEWEST: &str = "SELECT started_at FROM runs ORDER BY id DESC LIMIT 1";

impl PostgresStore {
    /// Looks at a database that may be in use. Whether its pages are whole is PostgreSQL's own business.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn inspect(url: &str) -> Result<Inspection, StoreError> {
        let target = Target::parse(url)?;
        let shown = target.shown();
        let pool = target.pool(1)?;
        let schema = migrations::standing(&pool, &shown).await?;
        let facts = facts(&pool, schema > 0).await.map_err(|fault| migrations::explain(fault, &shown));
        pool.close();
        let (bytes, newest_run) = facts?;
        let (current, pending) = (migrations::CURRENT, migrations::after(schema));
        Ok(Inspection { schema, current, pending, damage: None, bytes, newest_run })
    }
}

async fn facts(pool: &Pool, has_runs: bool) -> Result<(u64, Option<OffsetDateTime>), Fault> {
    let client = pool.get().await?;
    let bytes = rows::number(&client.query_one(SIZE, &[]).await?, 0)?;
    let newest = if has_runs { client.query_opt(NEWEST, &[]).await? } else { None };
    Ok((bytes, newest.map(|row| rows::time(&row, 0)).transpose()?))
}
