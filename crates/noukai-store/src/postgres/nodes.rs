//! Nodes: who works on the database at this time, by the database's own clock.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::sync::broadcast;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    news::News,
    rows::{self, get, micros, number, time},
    transact::{Params, Tx},
};
use crate::{Beat, NodeRecord, Nodes, StoreError};

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

const BEAT: &str = "INSERT INTO nodes (id, name, kind, release, started_at, alive_until) \
    VALUES ($1, $2, $3, $4, $5, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $6) \
    ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until RETURNING alive_until - $6, xmax::text = '0'";

const OTHERS: &str = "SELECT count(*) FILTER (WHERE alive_until > $2), count(*) FILTER (WHERE alive_until <= $2) \
    FROM nodes WHERE id <> $1";

const LIST: &str = "SELECT id, name, kind, release, started_at, alive_until FROM nodes ORDER BY started_at, id";

const LEAVE: &str = "DELETE FROM nodes WHERE id = $1";

const FORGET_DEAD: &str = "DELETE FROM nodes WHERE alive_until <= $1";

/// Whether other nodes are there to be told. Until it is known, they are.
#[derive(Default)]
pub(super) struct Peers {
    alone: AtomicBool,
}

impl Peers {
    pub(super) fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Relaxed)
    }

    pub(super) fn set_alone(&self, alone: bool) {
        self.alone.store(alone, Ordering::Relaxed);
    }
}

#[async_trait]
impl Nodes for PostgresStore {
    fn id(&self) -> Uuid {
        self.0.id
    }

    async fn beat(&self, node: &NodeRecord, alive: Duration) -> Result<Beat, StoreError> {
        let node = node.clone();
        let beat = self
            .transact(move |tx| {
                let node = node.clone();
                Box::pin(async move { beat(tx, &node, alive).await })
            })
            .await?;
        self.0.peers.set_alone(beat.others == 0);
        Ok(beat)
    }

    async fn list(&self) -> Result<Vec<NodeRecord>, StoreError> {
        rows::all(&self.query(LIST, &[]).await?, node)
    }

    async fn leave(&self) -> Result<(), StoreError> {
        self.transact(|tx| {
            Box::pin(async move {
                let node = tx.node();
                tx.execute(LEAVE, &[&node]).await?;
                tx.news.push(News::Nodes);
                Ok(())
            })
        })
        .await
    }

    fn news(&self) -> broadcast::Receiver<News> {
        self.0.news.subscribe()
    }
}

/// A node that comes is told of, so that others begin to tell it of their commits.
async fn beat(tx: &mut Tx, node: &NodeRecord, alive: Duration) -> Result<Beat, Fault> {
    let (id, alive) = (tx.node(), i64::try_from(alive.as_micros()).unwrap_or(i64::MAX / 4));
    let row: Params<'_> = &[&id, &node.name, &node.kind, &node.release, &micros(node.started_at), &alive];
    let beaten = tx.query(BEAT, row).await?;
    let beaten = beaten.first().ok_or_else(|| Fault::Lost("no beat".to_owned()))?;
    if get::<bool>(beaten, 1)? {
        tx.news.push(News::Nodes);
    }
    let others = tx.query(OTHERS, &[&id, &get::<i64>(beaten, 0)?]).await?;
    let count = |column| others.first().map_or(Ok(0), |row| number::<u32>(row, column));
    Ok(Beat { now: time(beaten, 0)?, others: count(0)?, dead: count(1)? })
}

fn node(row: &Row) -> Result<NodeRecord, Fault> {
    Ok(NodeRecord {
        id: get(row, 0)?,
        name: get(row, 1)?,
        kind: get(row, 2)?,
        release: get(row, 3)?,
        started_at: time(row, 4)?,
        alive_until: time(row, 5)?,
    })
}

/// The database's time in microseconds.
pub(super) async fn now(tx: &Tx) -> Result<i64, Fault> {
    let now = tx.find(NOW, &[]).await?;
    now.map_or_else(|| Ok(micros(OffsetDateTime::UNIX_EPOCH)), |row| get(&row, 0))
}

/// Once nothing is left of what they did.
pub(super) async fn forget_dead(tx: &Tx, now: i64) -> Result<(), Fault> {
    tx.execute(FORGET_DEAD, &[&now]).await.map(drop)
}
