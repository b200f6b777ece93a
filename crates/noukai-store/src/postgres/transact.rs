//! Transactions: begun, committed, undone, repeated, and known to be stored or not, also where the connection is lost in
//! the middle of a commit.
//!
//! Each transaction numbers itself in a row of `commit_marks` that is its slot's. Where the answer to a commit is lost,
//! the row tells whether it took place.

use std::time::Duration;

use deadpool_postgres::Object;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::{PostgresStore, fault::Fault, news};
use crate::{StoreError, hub::Effects};

/// How long what passes is waited out: longer than a database takes to restart.
const WRITES: Duration = Duration::from_secs(10);
/// The same for reads, which nobody loses anything by.
const READS: Duration = Duration::from_secs(3);
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

const MARK: &str = "UPDATE commit_marks SET number = $2, at = now() WHERE slot = $1";
const NEW_SLOT: &str = "INSERT INTO commit_marks (slot, number) VALUES ($1, 0)";
/// Waits for whoever may still be at it.
const MARKED: &str = "SELECT number FROM commit_marks WHERE slot = $1 FOR UPDATE";

/// Parameters of a statement.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Where a transaction's number is kept.
#[derive(Debug)]
pub(super) struct Slot {
    id: Uuid,
    number: i64,
}

impl Slot {
    pub(super) const fn id(&self) -> Uuid {
        self.id
    }
}

/// One transaction.
pub(super) struct Tx {
    /// Given back to the pool once the transaction has ended; closed where it has not.
    client: Option<Object>,
    node: Uuid,
    /// Who is told once it is stored.
    pub effects: Effects,
    /// What other nodes are told besides.
    pub news: Vec<news::News>,
}

impl Drop for Tx {
    fn drop(&mut self) {
        drop(self.client.take().map(Object::take));
    }
}

impl Tx {
    /// Whose transaction it is.
    pub(super) const fn node(&self) -> Uuid {
        self.node
    }

    /// Its connection, to send several statements at once.
    pub(super) fn client(&self) -> Result<&Object, Fault> {
        self.client.as_ref().ok_or_else(|| Fault::Lost("the transaction has ended".to_owned()))
    }

    pub(super) async fn query(&self, sql: &str, row: Params<'_>) -> Result<Vec<Row>, Fault> {
        query(self.client()?, sql, row).await
    }

    pub(super) async fn find(&self, sql: &str, row: Params<'_>) -> Result<Option<Row>, Fault> {
        Ok(self.query(sql, row).await?.into_iter().next())
    }

    pub(super) async fn execute(&self, sql: &str, row: Params<'_>) -> Result<u64, Fault> {
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.execute(&statement, row).await?)
    }

    async fn begin(client: Object, node: Uuid, slot: &Slot) -> Result<Self, Fault> {
        let tx = Self { client: Some(client), node, effects: Effects::default(), news: Vec::new() };
        let client = tx.client()?;
        let mark = client.prepare_cached(MARK).await?;
        let row: Params<'_> = &[&slot.id, &slot.number];
        let (begun, marked) = tokio::join!(client.batch_execute("BEGIN"), client.execute(&mark, row));
        begun?;
        if marked? == 1 { Ok(tx) } else { Err(Fault::Lost("the mark of the transaction is gone".to_owned())) }
    }

    /// Commits, and tells other nodes in the same breath.
    async fn commit(&self, told: &[String]) -> Result<(), Fault> {
        let client = self.client()?;
        if told.is_empty() {
            return Ok(client.batch_execute("COMMIT").await?);
        }
        let notify = client.prepare_cached(news::NOTIFY).await?;
        let row: Params<'_> = &[&told];
        let (notified, committed) = tokio::join!(client.query(&notify, row), client.batch_execute("COMMIT"));
        notified?;
        Ok(committed?)
    }

    async fn undo(mut self) {
        if let Some(client) = self.client.take() {
            match client.batch_execute("ROLLBACK").await {
                Ok(()) => drop(client),
                Err(_) => drop(Object::take(client)),
            }
        }
    }
}

async fn query(client: &Object, sql: &str, row: Params<'_>) -> Result<Vec<Row>, Fault> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, row).await?)
}

impl PostgresStore {
    /// Does `work` in a transaction, again where what stood in its way passes, and tells who waits for its effects.
    pub(super) async fn transact<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, Fault>> + Send + Sync,
        T: Send,
    {
        let until = Instant::now() + WRITES;
        let mut wait = FIRST_WAIT;
        loop {
            match self.attempt(&work, until).await {
                Err(fault) if fault.passes() && Instant::now() + wait < until => {
                    tracing::debug!(?fault, "a transaction is tried again");
                    sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                done => return Ok(done?),
            }
        }
    }

    async fn attempt<T, F>(&self, work: &F, until: Instant) -> Result<T, Fault>
    where
        F: for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, Fault>> + Send + Sync,
        T: Send,
    {
        let mut slot = self.slot().await?;
        slot.number += 1;
        let mut tx = Tx::begin(self.client().await?, self.0.id, &slot).await?;
        let value = match work(&mut tx).await {
            Ok(value) => value,
            Err(fault) => {
                tx.undo().await;
                self.give_back(slot);
                return Err(fault);
            }
        };
        let told = self.told(&tx.effects, &tx.news);
        let committed = tx.commit(&told).await;
        match committed {
            Ok(()) => drop(tx.client.take()),
            Err(lost) if lost.is_lost() => {
                if !self.took_place(&slot, until).await? {
                    return Err(lost);
                }
            }
            Err(fault) => return Err(fault),
        }
        self.give_back(slot);
        self.tell_soon(&tx.effects);
        self.0.hub.announce(&mut tx.effects);
        Ok(value)
    }

    /// Whether the transaction that has the slot's number was committed.
    async fn took_place(&self, slot: &Slot, until: Instant) -> Result<bool, Fault> {
        loop {
            let row: Params<'_> = &[&slot.id];
            let asked = async { query(&self.client().await?, MARKED, row).await };
            match asked.await {
                Ok(rows) => return Ok(rows.first().is_some_and(|row| row.get::<_, i64>(0) == slot.number)),
                Err(fault) if fault.passes() && Instant::now() < until => sleep(LONGEST_WAIT / 2).await,
                Err(fault) => {
                    let why = format!("whether a write was stored cannot be told: {}", StoreError::from(fault));
                    return Err(StoreError::Database(why.into()).into());
                }
            }
        }
    }

    async fn slot(&self) -> Result<Slot, Fault> {
        if let Some(slot) = self.0.slots.lock().pop() {
            return Ok(slot);
        }
        let slot = Slot { id: Uuid::now_v7(), number: 0 };
        query(&self.client().await?, NEW_SLOT, &[&slot.id]).await?;
        Ok(slot)
    }

    fn give_back(&self, slot: Slot) {
        self.0.slots.lock().push(slot);
    }

    /// Rows of a statement that only reads.
    pub(super) async fn query(&self, sql: &str, row: Params<'_>) -> Result<Vec<Row>, StoreError> {
        let until = Instant::now() + READS;
        let mut wait = FIRST_WAIT;
        loop {
            let asked = async { query(&self.client().await?, sql, row).await };
            match asked.await {
                Err(fault) if fault.is_nul() => return Ok(Vec::new()),
                Err(fault) if fault.passes() && Instant::now() + wait < until => {
                    sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                done => return Ok(done?),
            }
        }
    }

    /// The first row, if there is one.
    pub(super) async fn find(&self, sql: &str, row: Params<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, row).await?.into_iter().next())
    }

    /// A connection of the pool's.
    pub(super) async fn client(&self) -> Result<Object, Fault> {
        Ok(self.0.pool.get().await?)
    }
}
