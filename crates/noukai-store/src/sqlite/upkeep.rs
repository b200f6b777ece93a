//! Start, upkeep, end: readiness, recovery after a restart, what is deleted and when space is given back.

use async_trait::async_trait;
use rusqlite::{Connection, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{SqliteStore, claims, idempotency, migrations, rows::Micros, runs};
use crate::sql::upkeep as sql;
use crate::{RunRecord, StoreError, Upkeep};

/// Most runs that one operation deletes: other writes wait no longer than that takes.
const BATCH: u32 = 64;

/// Gives pages back to the file system, so many that other writes do not wait long.
const GIVE_BACK: &str = "PRAGMA incremental_vacuum(256)";
const GIVEN_BACK: u32 = 256;
/// Of the pages that are free, the part that is given back each time; the rest is for the runs to come.
const SHARE: u32 = 16;
/// Most of them at a time: 16 MB.
const MOST_PAGES: u32 = 4_096;

#[async_trait]
impl Upkeep for SqliteStore {
    async fn ready(&self) -> Result<(), StoreError> {
        if !self.0.writer.is_open() {
            return Err(StoreError::Closed);
        }
        let found = self.point(|db| Ok(migrations::number(db)?))?;
        if found == migrations::CURRENT {
            return Ok(());
        }
        Err(StoreError::Newer(format!(
            "the schema of {} became {found} while this release, which knows {}, has it open: restart with the release \
             that changed it",
            self.path().display(),
            migrations::CURRENT
        )))
    }

    async fn recover(&self) -> Result<Vec<RunRecord>, StoreError> {
        self.write(|db, effects| {
            claims::release_all(db, effects)?;
            idempotency::forget_unanswered(db)?;
            Ok(runs::many(db, sql::INTERRUPTED_SQLITE, &[])?)
        })
        .await
    }

    async fn paused_since(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        self.list(move |db| Ok(runs::many(db, sql::PAUSED_SINCE, params![Micros(before), limit])?)).await
    }

    async fn prune(&self, before: OffsetDateTime, keys_before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        let runs = self.in_batches(prune_runs, before, limit).await?;
        let keys = self.in_batches(idempotency::forget_old, keys_before, limit).await?;
        self.give_back().await?;
        Ok(runs.max(keys))
    }

    async fn close(&self) {
        let store = self.clone();
        // Fails only where the runtime itself ends, and then the drop of the last handle closes.
        let _ = tokio::task::spawn_blocking(move || store.0.readers.close()).await;
        self.0.writer.close().await;
    }
}

/// Deletes some of what is older than a time: at most so many; how many went.
type Delete = fn(&Connection, OffsetDateTime, u32) -> Result<u32, StoreError>;

impl SqliteStore {
    /// Deletes a batch at a time until `limit` are gone, or none is left to go.
    async fn in_batches(&self, delete: Delete, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        let mut gone = 0;
        while gone < limit {
            let some = BATCH.min(limit - gone);
            let went = self.write(move |db, _| delete(db, before, some)).await?;
            gone += went;
            if went < some {
                break;
            }
        }
        Ok(gone)
    }

    /// The more is free, the more goes.
    async fn give_back(&self) -> Result<(), StoreError> {
        let free: u32 = self.write(|db, _| Ok(db.query_row("PRAGMA freelist_count", [], |row| row.get(0))?)).await?;
        for _ in 0..(free / SHARE).min(MOST_PAGES).div_ceil(GIVEN_BACK) {
            self.write(|db, _| Ok(db.execute_batch(GIVE_BACK)?)).await?;
        }
        Ok(())
    }
}

/// Above every id made up to the millisecond of `time`: the first 48 bits of an id are the milliseconds of its making.
fn first_id_after(time: OffsetDateTime) -> Uuid {
    let millis = u64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000) + 1).unwrap_or(0);
    Uuid::from_u128(u128::from(millis.min((1 << 48) - 1)) << 80)
}

fn prune_runs(db: &Connection, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
    let mut ended = db.prepare_cached(sql::ENDED_BEFORE)?;
    let row = params![first_id_after(before), Micros(before), limit];
    let ids = ended.query_map(row, |row| row.get(0))?.collect::<Result<Vec<Uuid>, _>>()?;
    for id in &ids {
        for sql in sql::DELETE_RUN {
            db.prepare_cached(sql)?.execute([id])?;
        }
    }
    Ok(u32::try_from(ids.len()).unwrap_or(u32::MAX))
}
