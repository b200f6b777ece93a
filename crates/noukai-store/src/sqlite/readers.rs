//! The connections that read. Owns how many there are and who waits for one; must not write.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::{database, open};
use crate::StoreError;

/// Two kinds, so that a lookup on an async thread never waits behind a long list.
pub(super) struct Readers {
    points: Pool,
    lists: Arc<Pool>,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { points: Pool::open(path, 2)?, lists: Arc::new(Pool::open(path, 2)?) })
    }

    /// For what takes microseconds.
    pub(super) fn point<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.points.with(work)
    }

    /// For everything else.
    pub(super) async fn list<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let pool = Arc::clone(&self.lists);
        tokio::task::spawn_blocking(move || pool.with(work)).await.map_err(database)?
    }

    /// Waits for who reads now; whoever comes later is refused.
    pub(super) fn close(&self) {
        self.points.close();
        self.lists.close();
    }
}

struct Pool {
    connections: Vec<Mutex<Option<Connection>>>,
    next: AtomicUsize,
}

impl Pool {
    fn open(path: &Path, size: usize) -> Result<Self, StoreError> {
        let connections = (0..size).map(|_| open::reader(path).map(Some).map(Mutex::new)).collect::<Result<_, _>>()?;
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    /// On the first connection that is free, or else on the one whose turn it is.
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let free = self.connections.iter().find_map(Mutex::try_lock);
        let connection = free.unwrap_or_else(|| self.turn().lock());
        connection.as_ref().map_or(Err(StoreError::Closed), work)
    }

    fn turn(&self) -> &Mutex<Option<Connection>> {
        &self.connections[self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len()]
    }

    fn close(&self) {
        for connection in &self.connections {
            *connection.lock() = None;
        }
    }
}
