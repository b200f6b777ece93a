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
    PostgresStore, budgets,
    fault::Fault,
    news::News,
    rows::{self, get, micros, number, time},
    transact::{Params, Tx},
};
use crate::{Beat, Credit, NodeRecord, Nodes, Pace, ProjectId, StoreError};

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

const BEAT: &str = "INSERT INTO nodes (id, name, kind, release, started_at, alive_until) \
    VALUES ($1, $2, $3, $4, $5, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $6) \
    ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until RETURNING alive_until - $6, xmax::text = '0'";

/// While the database was down nobody could say that they live: until it has been up for a lease, nobody is dead.
const OTHERS: &str = "SELECT count(*) FILTER (WHERE alive_until > $2), count(*) FILTER (WHERE alive_until <= $2 \
    AND (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint + $3 <= $2) FROM nodes WHERE id <> $1";

const LIST: &str = "SELECT id, name, kind, release, started_at, alive_until FROM nodes ORDER BY started_at, id";

const LEAVE: &str = "DELETE FROM nodes WHERE id = $1";

const FORGET_DEAD: &str = "DELETE FROM nodes WHERE alive_until <= $1";

/// One node at a time counts a project's places.
const LOCK_PLACES: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))";

const HOLD_PLACES: &str = "INSERT INTO run_places (project_id, node, places) \
    SELECT $1, $2, LEAST($3, GREATEST($4 - COALESCE(sum(p.places), 0)::bigint, 0)) FROM run_places p \
    JOIN nodes n ON n.id = p.node AND n.alive_until > $5 WHERE p.project_id = $1 AND p.node <> $2 \
    ON CONFLICT (project_id, node) DO UPDATE SET places = excluded.places RETURNING places";

const FORGET_PLACES: &str = "DELETE FROM run_places p WHERE NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = p.node)";

/// $2: how long what was done takes, in microseconds.
const OWE: &str = "WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) \
    INSERT INTO request_rates AS r (key_id, until) SELECT $1, now + $2 FROM clock ON CONFLICT (key_id) \
    DO UPDATE SET until = GREATEST(r.until, excluded.until - $2) + $2 RETURNING 1";

/// $2: how long what is to be done takes, $3: how long all may take together that comes at once, in microseconds.
const KEEP_PACE: &str = "WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) \
    INSERT INTO request_rates AS r (key_id, until) SELECT $1, now + $2 FROM clock ON CONFLICT (key_id) \
    DO UPDATE SET until = GREATEST(r.until, excluded.until - $2) + $2 \
    WHERE GREATEST(r.until, excluded.until - $2) + $2 <= excluded.until - $2 + $3 RETURNING 1";

/// How far too early it is; less than nothing where it is not.
const TOO_EARLY: &str = "SELECT until + $2::bigint - $3::bigint \
    - (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM request_rates WHERE key_id = $1";

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
                tx.execute(FORGET_PLACES, &[]).await?;
                tx.news.push(News::Nodes);
                Ok(())
            })
        })
        .await
    }

    async fn hold_places(&self, project: ProjectId, wanted: u32, most: u32) -> Result<u32, StoreError> {
        let (wanted, most) = (i64::from(wanted), i64::from(most));
        self.transact(move |tx| {
            Box::pin(async move {
                tx.query(LOCK_PLACES, &[&project.0.to_string()]).await?;
                let (node, now) = (tx.node(), now(tx).await?);
                let held = tx.query(HOLD_PLACES, &[&project.0, &node, &wanted, &most, &now]).await?;
                held.first().map_or(Ok(0), |row| number(row, 0))
            })
        })
        .await
    }

    async fn keep_pace(&self, subject: &str, pace: Pace) -> Result<Duration, StoreError> {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 8).min(i64::MAX / 8);
        let (owed, takes, at_once) = (micros(pace.owed), micros(pace.takes), micros(pace.at_once));
        if owed > 0 {
            self.find(OWE, &[&subject, &owed]).await?;
        }
        if takes > 0 && self.find(KEEP_PACE, &[&subject, &takes, &at_once]).await?.is_some() {
            return Ok(Duration::ZERO);
        }
        let early = self.find(TOO_EARLY, &[&subject, &takes, &at_once]).await?;
        let early: i64 = early.map_or(Ok(0), |row| get(&row, 0)).map_err(StoreError::from)?;
        // What was refused waits, even where its time has come since.
        let early = early.max(i64::from(takes > 0));
        Ok(Duration::from_micros(u64::try_from(early).unwrap_or_default()))
    }

    async fn hold_credit(&self, budget: Uuid, period: i64, limit: i64, wanted: i64) -> Result<Credit, StoreError> {
        self.transact(move |tx| Box::pin(async move { budgets::hold(tx, budget, period, limit, wanted).await })).await
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
    let others = tx.query(OTHERS, &[&id, &get::<i64>(beaten, 0)?, &alive]).await?;
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
    tx.execute(FORGET_DEAD, &[&now]).await?;
    tx.execute(FORGET_PLACES, &[]).await.map(drop)
}
