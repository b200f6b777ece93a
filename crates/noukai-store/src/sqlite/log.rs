//! Keeps SQLite's log (the `-wal` file) short without keeping the writer waiting: a thread of its own copies what is
//! in the log into the database's file, and waits for the disk, while the writer goes on.
//!
//! The log starts over only once all of it is copied, and while writes keep coming the thread never has all of it. So
//! past some size, when the thread has left little, the writer itself copies the rest between two commits.
//! Must not be asked to do so within a transaction.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;

use super::{database, open};
use crate::StoreError;

/// Pages that the log grows by between two passes of the thread: 16 MB. A page that is written often meanwhile is
/// copied once.
const PASS: u32 = 4_000;
/// From this many pages the log is to start over: 48 MB, so that it seldom grows past its file's limit.
const LONG: u32 = 12_000;
/// Pages that the writer may copy itself: a few milliseconds, and how often it tries.
const REST: u32 = 500;
/// From this many pages the writer waits for the thread, and copies however much is left: 256 MB.
const TOO_LONG: u32 = 64_000;

/// Copies what it can without waiting for anyone: whether someone else does it just now, the log's pages, and how
/// many of them are copied.
const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// The writer's end; dropping it ends the thread, and waits for it.
pub(super) struct Log {
    shared: Arc<Shared>,
    tell: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// The log's pages when last looked at, when the thread was last told and when the writer last copied.
    seen: u32,
    told: u32,
    tried: u32,
}

#[derive(Default)]
struct Shared {
    /// In the log since it started over.
    pages: AtomicU32,
    /// Of them in the database's file.
    copied: AtomicU32,
    /// Held by who copies.
    copying: Mutex<()>,
}

impl Log {
    /// Starts the thread. `writer` must have no other hook on its log.
    pub(super) fn start(path: &Path, writer: &mut Connection) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        let counted = Arc::clone(&shared);
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            counted.pages.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let db = open::copier(path)?;
        let (tell, told) = mpsc::sync_channel(1);
        let worker = Arc::clone(&shared);
        let body = move || worker.run(&db, &told);
        let thread = thread::Builder::new().name("noukai-store-log".into()).spawn(body).map_err(database)?;
        Ok(Self { shared, tell: Some(tell), thread: Some(thread), seen: 0, told: 0, tried: 0 })
    }

    /// To be called after each commit, once its callers have their answers.
    pub(super) fn committed(&mut self, writer: &Connection) {
        let pages = self.shared.pages.load(Ordering::Relaxed);
        if pages < self.seen {
            (self.told, self.tried) = (0, 0);
            self.shared.copied.store(0, Ordering::Relaxed);
        }
        self.seen = pages;
        if pages >= LONG && pages - self.tried >= REST && self.copy_rest(writer) {
            self.tried = pages;
            return;
        }
        if pages - self.told >= if pages < LONG { PASS } else { REST } {
            self.told = pages;
            // Full: it has been told already, and looks at the log as it then is.
            let _ = self.tell.as_ref().map(|tell| tell.try_send(()));
        }
    }

    /// Copies what the thread has left, unless that is much; then the log starts over with the next write, or where
    /// a reader still needs it, with a later one.
    fn copy_rest(&self, writer: &Connection) -> bool {
        let Some(_copying) = self.turn() else { return false };
        let left = self.seen.saturating_sub(self.shared.copied.load(Ordering::Relaxed));
        let copies = left <= REST || self.seen >= TOO_LONG;
        if copies {
            self.shared.copy(writer);
        }
        copies
    }

    fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        if self.seen >= TOO_LONG { Some(self.shared.copying.lock()) } else { self.shared.copying.try_lock() }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.tell = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that keeps the database's log short ended in a panic");
        }
    }
}

impl Shared {
    fn run(&self, db: &Connection, told: &mpsc::Receiver<()>) {
        while told.recv().is_ok() {
            let _copying = self.copying.lock();
            self.copy(db);
        }
    }

    /// A failure costs nothing but the log's length: what is in it is stored.
    fn copy(&self, db: &Connection) {
        let row = db.prepare_cached(COPY).and_then(|mut copy| copy.query_row([], |row| row.get::<_, i64>(2)));
        match row {
            Ok(copied) => self.copied.store(u32::try_from(copied).unwrap_or(0), Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "the database's log could not be copied into its file; it is tried again"),
        }
    }
}
