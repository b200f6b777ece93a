//! The SQLite store: one file, one writer thread, one that keeps its log short, a few readers.
//!
//! Owns the handle that callers hold and how an operation reaches the writer or a reader. What an operation does
//! is in the file of its subject. The SQL keeps to what PostgreSQL also takes wherever the two agree: numbered
//! placeholders in order of first use, `ON CONFLICT`, `RETURNING`.

mod append;
mod authoring;
mod budgets;
mod cache;
mod claims;
mod drafts;
mod flows;
mod grants;
mod idempotency;
mod identity;
mod jobs;
mod journal;
mod keys;
mod log;
mod migrations;
mod models;
mod open;
mod packs;
mod projects;
mod provider_keys;
mod prune;
mod queues;
mod readers;
mod rows;
mod runs;
mod savepoint;
mod test_cases;
mod tools;
mod upkeep;
mod usage;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;

pub use self::tools::Inspection;

use self::{
    journal::{Journal, Owner},
    log::{Limits, Log},
    readers::Readers,
    writer::Writer,
};
use crate::{
    StoreError, Ticket,
    hub::{Effects, Hub},
};

/// How much of what was acknowledged survives what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Survives the end of the process, however sudden. A power cut or a crash of the operating system may take
    /// the last moments, never the consistency.
    #[default]
    Normal,
    /// Survives a power cut too: every group of writes waits for the disk.
    Full,
}

/// Where and how.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The file; made if missing, with its directories. `None`: a private one that goes with the store.
    pub path: Option<PathBuf>,
    /// What survives a power cut.
    pub durability: Durability,
    /// How many writes may wait; past it, appends fail with [`StoreError::Overloaded`]. At least 1.
    pub queue: usize,
    /// Whether no other process runs flows on it: then writes of runs are acknowledged once they stand in a journal of
    /// this process, and come into the database a few milliseconds later, unless someone reads before.
    pub alone: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { path: None, durability: Durability::Normal, queue: 16_384, alone: true }
    }
}

/// A database in one file. Cheap to clone; the last clone to go waits for what is queued and closes the file.
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

/// Fields are dropped in this order: readers first, so that the writer is the last connection and can tidy up.
struct Inner {
    readers: Readers,
    writer: Writer,
    journal: Option<Arc<Journal>>,
    hub: Arc<Hub>,
    path: PathBuf,
    _directory: Option<tempfile::TempDir>,
}

impl SqliteStore {
    /// Opens the file, made if missing, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for a file that is damaged, foreign or out of reach, [`StoreError::Newer`] for one
    /// that a newer release wrote; both say what to do.
    pub fn open(options: SqliteOptions) -> Result<Self, StoreError> {
        let (path, directory) = match options.path {
            Some(path) => (path, None),
            None => private_file()?,
        };
        let mut connection = open::writer(&path, options.durability)?;
        let queue = options.queue.max(1);
        let has_journal = options.alone && options.durability == Durability::Normal;
        let owner = if has_journal { Owner::Alone } else { Owner::Beside };
        let journal = journal::open(&path, &mut connection, owner, queue)?.map(Arc::new);
        let readers = Readers::open(&path)?;
        let log = Log::start(&path, &mut connection, Limits::USUAL)?;
        let hub = Arc::new(Hub::default());
        let writer = Writer::start(connection, log, Arc::clone(&hub), journal.clone(), queue)?;
        Ok(Self(Arc::new(Inner { readers, writer, journal, hub, path, _directory: directory })))
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Runs `work` in the next group commit and waits until that is stored.
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection, &mut Effects) -> Result<T, StoreError> + Send + 'static,
    {
        self.0.writer.call(work).await
    }

    /// Queues `work` for the next group commit.
    fn enqueue<F>(&self, work: F) -> Ticket
    where
        F: Fn(&Connection, &mut Effects) -> Result<(), StoreError> + Send + 'static,
    {
        self.0.writer.enqueue(work)
    }

    /// Looks one row up by an index, on the caller's own thread: it takes microseconds, less than the way to
    /// another thread and back.
    fn point<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.0.readers.point(work)
    }

    /// Waits until what was acknowledged of runs is in the database, for those who read it there.
    async fn applied(&self) -> Result<(), StoreError> {
        match &self.0.journal {
            Some(journal) if !journal.is_applied() => self.write(|_, _| Ok(())).await,
            _ => Ok(()),
        }
    }

    /// Reads many rows, on a thread that may block. Sees all that was acknowledged.
    async fn list<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.applied().await?;
        self.0.readers.list(work).await
    }
}

fn private_file() -> Result<(PathBuf, Option<tempfile::TempDir>), StoreError> {
    let directory = tempfile::Builder::new().prefix("noukai-").tempdir().map_err(database)?;
    Ok((directory.path().join("noukai.db"), Some(directory)))
}

fn database(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Database(Box::new(error))
}

/// What must be unique and is not is a conflict; everything else is the database's failure.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
        match error.sqlite_error().map(|e| e.extended_code) {
            Some(SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE) => Self::Conflict(error.to_string()),
            _ => database(error),
        }
    }
}
