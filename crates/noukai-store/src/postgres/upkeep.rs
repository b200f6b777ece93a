//! Start, upkeep, end: readiness, what nodes that are no more left behind, what is deleted.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    PostgresStore, claims,
    fault::Fault,
    migrations, nodes, prune,
    rows::{self, micros},
    transact::Tx,
};
use crate::sql::{idempotency, upkeep as sql};
use crate::{KeptSince, Nodes, Pruned, RunId, RunRecord, StoreError, Upkeep};

/// How long readiness waits for an answer.
const READY: Duration = Duration::from_secs(2);

const FORGET_MARKS: &str = "DELETE FROM commit_marks WHERE at < now() - interval '1 day'";
const FORGET_SLOTS: &str = "DELETE FROM commit_marks WHERE slot = ANY($1)";

#[async_trait]
impl Upkeep for PostgresStore {
    async fn ready(&self) -> Result<(), StoreError> {
        let asked = timeout(READY, self.query(migrations::LATEST, &[])).await;
        let found = asked.map_err(|_| StoreError::Unreachable(format!("{} is silent", self.0.shown)))??;
        let number: u32 = found.first().map_or(Ok(0), |row| rows::number(row, 0))?;
        if number == migrations::CURRENT {
            return Ok(());
        }
        Err(StoreError::Newer(format!(
            "the schema of {} became {number} while this release, which knows {}, has it open: restart with the release \
             that changed it",
            self.0.shown,
            migrations::CURRENT
        )))
    }

    async fn recover(&self, at: OffsetDateTime) -> Result<Vec<RunRecord>, StoreError> {
        self.transact(move |tx| Box::pin(recover(tx, at))).await
    }

    async fn paused_since(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        rows::all(&self.query(sql::PAUSED_SINCE, &[&micros(before), &i64::from(limit)]).await?, rows::run)
    }

    async fn prune_runs(&self, kept: KeptSince, after: Option<RunId>, limit: u32) -> Result<Pruned, StoreError> {
        prune::runs(self, kept, after, limit).await
    }

    async fn prune_keys(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        self.transact(move |tx| Box::pin(prune::keys(tx, before, limit))).await
    }

    async fn forget_retries(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        self.transact(move |tx| Box::pin(prune::retries(tx, before, limit))).await
    }

    /// The database's own vacuum does it.
    async fn give_back_space(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) {
        self.0.writer.close().await;
        self.tell_moved().await;
        let slots: Vec<Uuid> = self.0.slots.lock().drain(..).map(|slot| slot.id()).collect();
        if let Ok(client) = self.client().await {
            // What is left of them goes in a day.
            let _ = client.execute(FORGET_SLOTS, &[&slots]).await;
        }
        self.0.closed.cancel();
        self.0.pool.close();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn nodes(&self) -> Option<&dyn Nodes> {
        Some(self)
    }
}

async fn recover(tx: &mut Tx, at: OffsetDateTime) -> Result<Vec<RunRecord>, Fault> {
    claims::release_left(tx, at).await?;
    let now = nodes::now(tx).await?;
    tx.execute(idempotency::FORGET_UNANSWERED_POSTGRES, &[&now]).await?;
    tx.execute(FORGET_MARKS, &[]).await?;
    let runs = tx.query(sql::INTERRUPTED_POSTGRES, &[&now]).await?;
    if runs.is_empty() {
        nodes::forget_dead(tx, now).await?;
    }
    runs.iter().map(rows::run).collect()
}
