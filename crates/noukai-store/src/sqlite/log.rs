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

/// When what is done, in pages of 4 KB.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// The log grows by so much between two passes of the thread. A page that is written often meanwhile is copied
    /// once.
    pass: u32,
    /// From here the log is to start over.
    long: u32,
    /// So much the writer may copy itself, and the log grows by before it tries again.
    rest: u32,
    /// From here the writer waits for the thread, and copies however much is left.
    too_long: u32,
}

impl Limits {
    /// 2 MB, 128 MB, 2 MB, 256 MB. A pass keeps a processor for as long as it has pages to copy, and calls feel that:
    /// with passes of 32 MB they took a fifth longer at the 99th percentile, 16 at a time (8 MB: a tenth). Each start over
    /// makes the writer wait for the disk three times, for milliseconds: under load so seldom that it touches fewer than
    /// one write in a hundred. Under less, a pass has all of the log, and SQLite starts over by itself, with one wait. The
    /// file keeps its length (`journal_size_limit` is higher), for making room anew costs more than writing.
    pub(super) const USUAL: Self = Self { pass: 500, long: 32_000, rest: 500, too_long: 64_000 };
}

/// Copies what it can without waiting for anyone: whether someone else does it just now, the log's pages, and how
/// many of them are copied.
const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// The writer's end; dropping it ends the thread, and waits for it.
pub(super) struct Log {
    shared: Arc<Shared>,
    limits: Limits,
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
    /// Starts the thread. `writer` must have its automatic checkpoints off, and no other hook on its log.
    pub(super) fn start(path: &Path, writer: &mut Connection, limits: Limits) -> Result<Self, StoreError> {
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
        Ok(Self { shared, limits, tell: Some(tell), thread: Some(thread), seen: 0, told: 0, tried: 0 })
    }

    /// To be called after each commit, once its callers have their answers.
    pub(super) fn committed(&mut self, writer: &Connection) {
        let Limits { pass, long, rest, .. } = self.limits;
        let pages = self.shared.pages.load(Ordering::Relaxed);
        if pages < self.seen {
            (self.told, self.tried) = (0, 0);
            self.shared.copied.store(0, Ordering::Relaxed);
        }
        self.seen = pages;
        if pages >= long && pages - self.tried >= rest && self.copy_rest(writer) {
            self.tried = pages;
            return;
        }
        if pages - self.told >= if pages < long { pass } else { rest } {
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
        let copies = left <= self.limits.rest || self.is_too_long();
        if copies {
            self.shared.copy(writer);
        }
        copies
    }

    fn is_too_long(&self) -> bool {
        self.seen >= self.limits.too_long
    }

    fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        if self.is_too_long() { Some(self.shared.copying.lock()) } else { self.shared.copying.try_lock() }
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
            Err(error) => tracing::warn!(%error, "the database's log was not copied into its file; it is tried again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits { pass: 40, long: 160, rest: 20, too_long: 640 };

    fn start(path: &Path) -> (Connection, Log) {
        let mut db = Connection::open(path).unwrap();
        let settings = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE notes (text BLOB)";
        db.execute_batch(settings).unwrap();
        let log = Log::start(path, &mut db, SMALL).unwrap();
        (db, log)
    }

    /// Writes so many times three pages or so; the longest that the log got.
    fn fill(db: &Connection, log: &mut Log, times: u32) -> u32 {
        let mut longest = 0;
        for _ in 0..times {
            db.execute("INSERT INTO notes VALUES (zeroblob(8000))", []).unwrap();
            log.committed(db);
            longest = longest.max(log.seen);
        }
        longest
    }

    #[test]
    fn the_log_starts_over_however_fast_it_grows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let (db, mut log) = start(&path);
        let longest = fill(&db, &mut log, 3_000);
        assert!((SMALL.long..SMALL.too_long + 20).contains(&longest), "{longest} pages");
        let size = std::fs::metadata(path.with_file_name("db-wal")).unwrap().len();
        assert!(size < u64::from(SMALL.too_long + 20) * 4_200, "{size} bytes");
        drop(log);
        let count: u32 = db.query_row("SELECT count(*) FROM notes", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 3_000);
    }

    #[test]
    fn a_reader_keeps_the_log_only_while_it_reads() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let (db, mut log) = start(&path);
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM notes").unwrap();
        assert!(fill(&db, &mut log, 1_000) > SMALL.too_long * 2);
        reader.execute_batch("COMMIT").unwrap();
        fill(&db, &mut log, 100);
        assert!(log.seen < SMALL.too_long, "{} pages", log.seen);
    }
}
