//! Start, upkeep, end: readiness, recovery after a restart, space that is given back. What is deleted is in `prune`.

use async_trait::async_trait;
use rusqlite::{Connection, params};
use time::OffsetDateTime;

use super::{SqliteStore, claims, idempotency, migrations, prune, rows::Micros, runs};
use crate::sql::upkeep as sql;
use crate::{KeptSince, Pruned, RunId, RunRecord, StoreError, Upkeep};

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

    async fn recover(&self, at: OffsetDateTime) -> Result<Vec<RunRecord>, StoreError> {
        self.write(move |db, effects| {
            claims::release_all(db, effects, at)?;
            idempotency::forget_unanswered(db)?;
            Ok(runs::many(db, sql::INTERRUPTED_SQLITE, &[])?)
        })
        .await
    }

    async fn paused_since(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        self.list(move |db| Ok(runs::many(db, sql::PAUSED_SINCE, params![Micros(before), limit])?)).await
    }

    async fn prune_runs(&self, kept: KeptSince, after: Option<RunId>, limit: u32) -> Result<Pruned, StoreError> {
        prune::runs(self, kept, after, limit).await
    }

    async fn prune_keys(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        prune::in_batches(self, idempotency::forget_old, before, limit).await
    }

    async fn forget_retries(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        prune::in_batches(self, prune::retries, before, limit).await
    }

    /// The more is free, the more goes.
    async fn give_back_space(&self) -> Result<(), StoreError> {
        let free: u32 = self.write(|db, _| Ok(db.query_row("PRAGMA freelist_count", [], |row| row.get(0))?)).await?;
        for _ in 0..(free / SHARE).min(MOST_PAGES).div_ceil(GIVEN_BACK) {
            self.write(|db, _| Ok(give_back(db)?)).await?;
        }
        Ok(())
    }

    async fn close(&self) {
        let store = self.clone();
        // Fails only where the runtime itself ends, and then the drop of the last handle closes.
        let _ = tokio::task::spawn_blocking(move || store.0.readers.close()).await;
        self.0.writer.close().await;
    }
}

/// Each step of the statement gives one page back.
fn give_back(db: &Connection) -> rusqlite::Result<()> {
    let mut pages = db.prepare_cached(GIVE_BACK)?;
    let mut pages = pages.query([])?;
    while pages.next()?.is_some() {}
    Ok(())
}
