//! The PostgreSQL store: a pool of connections, one task that groups the writes of runs, one that listens to other
//! nodes.
//!
//! Owns the handle that callers hold. What an operation does is in the file of its subject; its SQL is in `sql` where
//! SQLite shares it.

mod append;
mod authoring;
mod budgets;
mod cache;
mod claims;
mod columns;
mod connect;
mod drafts;
mod fault;
mod flows;
mod grants;
mod idempotency;
mod identity;
mod jobs;
mod keys;
mod migrations;
mod models;
mod news;
mod nodes;
mod projects;
mod provider_keys;
mod prune;
mod queues;
mod rows;
mod runs;
mod test_cases;
mod tls;
mod transact;
mod upkeep;
mod usage;
mod writer;

use std::sync::Arc;

use deadpool_postgres::Pool;
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

pub use self::news::News;
use self::{
    connect::Target,
    news::{Ears, Moved},
    nodes::Peers,
    transact::Slot,
    writer::Writer,
};
use crate::{SchemaState, StoreError, hub::Hub};

/// Where and how.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:5432/database?sslmode=verify-full`. `sslmode` as elsewhere, `sslrootcert` for
    /// authorities of one's own. Secret: it may hold a password.
    pub url: String,
    /// Connections at the same time, at least 4; one more listens.
    pub connections: usize,
    /// How many writes may wait; past it, appends fail with [`StoreError::Overloaded`]. At least 1.
    pub queue: usize,
}

impl PostgresOptions {
    /// The usual sizes.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), connections: 16, queue: 16_384 }
    }
}

/// A PostgreSQL database, which other nodes may work on as well. Cheap to clone; the last clone to go ends its tasks.
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

struct Inner {
    /// This store among all that work on the database.
    id: Uuid,
    shown: String,
    pool: Pool,
    writer: Writer,
    hub: Arc<Hub>,
    news: broadcast::Sender<News>,
    peers: Arc<Peers>,
    moved: Arc<Moved>,
    slots: Mutex<Vec<Slot>>,
    closed: CancellationToken,
    tasks: TaskTracker,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

impl PostgresStore {
    /// Where the schema stands; changes nothing.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn schema(options: &PostgresOptions) -> Result<SchemaState, StoreError> {
        let target = Target::parse(&options.url)?;
        migrations::state(&target.pool(1)?, &target.shown()).await
    }

    /// Connects, and brings the schema up to date. Several may do so at once.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for a database that cannot be reached or is another program's, [`StoreError::Newer`]
    /// for one that a newer release wrote; both say what to do.
    pub async fn open(options: PostgresOptions) -> Result<Self, StoreError> {
        let target = Target::parse(&options.url)?;
        let shown = target.shown();
        let pool = target.pool(options.connections.max(4))?;
        migrations::apply(&pool, &shown).await?;
        let (hub, id, closed) = (Arc::new(Hub::default()), Uuid::now_v7(), CancellationToken::new());
        let (news, _) = broadcast::channel(news::BEHIND);
        let (writer, queue) = Writer::new(options.queue.max(1));
        let ready = CancellationToken::new();
        let (peers, moved) = (Arc::new(Peers::default()), Arc::new(Moved::default()));
        let ears = Ears { id, peers: peers.clone(), hub: hub.clone(), news: news.clone(), ready: ready.clone() };
        let store = Self(Arc::new(Inner {
            id,
            shown,
            pool,
            writer,
            hub,
            news,
            peers,
            moved: moved.clone(),
            slots: Mutex::default(),
            closed: closed.clone(),
            tasks: TaskTracker::new(),
        }));
        let weak = Arc::downgrade(&store.0);
        store.0.tasks.spawn(news::listen(target, ears, weak.clone(), closed.clone()));
        store.0.tasks.spawn(news::tell(moved, weak.clone(), closed));
        store.0.tasks.spawn(writer::run(queue, weak));
        // Whoever registers from now on misses nothing.
        ready.cancelled().await;
        Ok(store)
    }
}
