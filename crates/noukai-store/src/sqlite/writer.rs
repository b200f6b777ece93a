//! The writer: one thread that owns the one connection that writes, and groups what waits into one commit: what the
//! journal holds, then the operations. So an operation finds all that was acknowledged before it was queued.
//!
//! Knows nothing of what an operation does, but that what they leave to be summed up is so once for all of them. Nothing
//! else may write to the database.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    database,
    journal::{Batch, Journal},
    log::Log,
    savepoint::{apart, step},
    usage,
};
use crate::{
    StoreError, Ticket,
    hub::{Effects, Hub},
};

/// Most operations in one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 512;
/// Operations in one group that show that many write at once.
const BUSY: usize = 24;
/// How long a commit then waits for more to join: a commit costs several times what one more operation in it does.
const LINGER: Duration = Duration::from_micros(200);
/// How long after a transaction that failed what was acknowledged in it is tried again.
const AGAIN: Duration = Duration::from_millis(100);

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// The callers' end.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Message>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Its sender lives as long as the thread.
    ended: watch::Receiver<()>,
}

enum Message {
    Run(Box<dyn Operation>),
    Close,
}

impl Writer {
    pub(super) fn start(
        db: Connection,
        log: Log,
        hub: Arc<Hub>,
        journal: Option<Arc<Journal>>,
        queue: usize,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(queue);
        let (alive, ended) = watch::channel(());
        let worker = Worker {
            db,
            log,
            hub,
            journal,
            batch: Batch::default(),
            failed: None,
            queue: receiver,
            group: Vec::with_capacity(GROUP),
            effects: Effects::default(),
            busy: false,
        };
        let body = move || {
            let _closes = Closes(worker.journal.clone());
            worker.run();
            drop(alive);
        };
        let thread = thread::Builder::new().name("noukai-store-writer".into()).spawn(body).map_err(database)?;
        Ok(Self { queue: Some(sender), thread: Mutex::new(Some(thread)), ended })
    }

    /// Queues an operation, waiting for room, and waits until it is stored.
    pub(super) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection, &mut Effects) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, outcome) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(Message::Run(Call::boxed(work, reply))).await.map_err(|_| StoreError::Closed)?;
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Queues an operation without waiting for anything.
    pub(super) fn enqueue<F>(&self, work: F) -> Ticket
    where
        F: Fn(&Connection, &mut Effects) -> Result<(), StoreError> + Send + 'static,
    {
        let (reply, ticket) = Ticket::new();
        let Some(queue) = &self.queue else { return ticket };
        let (message, error) = match queue.try_send(Message::Run(Call::boxed(work, reply))) {
            Ok(()) => return ticket,
            Err(mpsc::error::TrySendError::Full(message)) => (message, StoreError::Overloaded),
            Err(mpsc::error::TrySendError::Closed(message)) => (message, StoreError::Closed),
        };
        if let Message::Run(operation) = message {
            operation.refuse(error);
        }
        ticket
    }

    pub(super) fn is_open(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !queue.is_closed())
    }

    /// Waits until everything queued is stored and the connection is closed.
    pub(super) async fn close(&self) {
        if let Some(queue) = &self.queue {
            // Refused only by a writer that is closing already.
            let _ = queue.send(Message::Close).await;
        }
        // Never sent to: it ends when the thread does.
        while self.ended.clone().changed().await.is_ok() {}
    }
}

impl Drop for Writer {
    /// Lets the thread see the end of the queue, and waits for it.
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.thread.lock().take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the database's writer thread ended in a panic");
        }
    }
}

/// Something to do in a transaction, and someone to tell how it went.
trait Operation: Send {
    /// Does it; false where it failed and must be undone. Done again after the whole group was undone.
    fn run(&mut self, db: &Connection, effects: &mut Effects) -> bool;

    /// Tells its caller, after the commit or its failure.
    fn answer(self: Box<Self>, failed: Option<&str>);

    /// Tells its caller that it was not done.
    fn refuse(self: Box<Self>, error: StoreError);
}

struct Call<T, F> {
    work: F,
    ran: bool,
    outcome: Result<T, StoreError>,
    reply: Reply<T>,
}

impl<T, F> Call<T, F>
where
    T: Send + 'static,
    F: Fn(&Connection, &mut Effects) -> Result<T, StoreError> + Send + 'static,
{
    fn boxed(work: F, reply: Reply<T>) -> Box<dyn Operation> {
        Box::new(Self { work, ran: false, outcome: Err(StoreError::Closed), reply })
    }
}

impl<T, F> Operation for Call<T, F>
where
    T: Send,
    F: Fn(&Connection, &mut Effects) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, db: &Connection, effects: &mut Effects) -> bool {
        self.ran = true;
        self.outcome = (self.work)(db, effects);
        self.outcome.is_ok()
    }

    fn answer(self: Box<Self>, failed: Option<&str>) {
        let outcome = match (self.outcome, failed) {
            (Ok(_), Some(failed)) => Err(StoreError::Database(failed.into())),
            (Err(_), Some(failed)) if !self.ran => Err(StoreError::Database(failed.into())),
            (outcome, _) => outcome,
        };
        // Nobody listens: the caller did not want to know.
        let _ = self.reply.send(outcome);
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

/// The thread's own.
struct Worker {
    db: Connection,
    log: Log,
    hub: Arc<Hub>,
    journal: Option<Arc<Journal>>,
    /// What of the journal is to be applied; what is left in it after a transaction has failed, and since when.
    batch: Batch,
    failed: Option<Instant>,
    queue: mpsc::Receiver<Message>,
    group: Vec<Box<dyn Operation>>,
    effects: Effects,
    /// Whether many write at once, so that a commit is worth waiting for company.
    busy: bool,
}

impl Worker {
    fn run(mut self) {
        let waker = Waker::from(Arc::new(Woken(thread::current())));
        if let Some(journal) = &self.journal {
            journal.applied_by(thread::current());
        }
        while let Some(next) = self.next(&mut Context::from_waker(&waker)) {
            if let Next::Message(first) = next {
                self.take(first);
                self.gather();
                if self.busy {
                    thread::sleep(LINGER);
                    self.gather();
                }
                self.busy = self.group.len() >= BUSY;
            }
            self.store();
        }
        self.end();
    }

    /// Waits for a message, or until the journal is to be applied; `None` once the queue has ended.
    fn next(&mut self, waking: &mut Context<'_>) -> Option<Next> {
        loop {
            if let Poll::Ready(message) = self.queue.poll_recv(waking) {
                return message.map(Next::Message);
            }
            match self.due() {
                None => thread::park(),
                Some(Duration::ZERO) => return Some(Next::Journal),
                Some(left) => thread::park_timeout(left),
            }
        }
    }

    fn due(&self) -> Option<Duration> {
        match self.failed {
            Some(failed) => Some(AGAIN.saturating_sub(failed.elapsed())),
            None => self.journal.as_ref()?.due(),
        }
    }

    /// Takes what waits.
    fn gather(&mut self) {
        while self.group.len() < GROUP {
            let Ok(next) = self.queue.try_recv() else { break };
            self.take(next);
        }
    }

    /// After a close the queue takes nothing new, and ends once it is empty.
    fn take(&mut self, message: Message) {
        match message {
            Message::Run(operation) => self.group.push(operation),
            Message::Close => self.queue.close(),
        }
    }

    /// Commits the group, then tells everyone. Watchers first: who has a ticket's answer may count on them.
    fn store(&mut self) {
        if let Some(journal) = &self.journal {
            // An operation finds all that was acknowledged before it.
            let everything = !self.group.is_empty() || self.queue.is_closed();
            journal.take(&mut self.batch, everything);
        }
        if self.group.is_empty() && self.batch.is_empty() {
            return;
        }
        let failed = self.transact().err().map(|error| error.to_string());
        match &failed {
            None => {
                self.hub.announce(&mut self.effects);
                self.applied();
            }
            Some(error) => {
                let (operations, journaled) = (self.group.len(), self.batch.writes().len());
                tracing::error!(error, operations, journaled, "a group of writes could not be stored");
                self.failed();
            }
        }
        for operation in self.group.drain(..) {
            operation.answer(failed.as_deref());
        }
        self.log.committed(&self.db);
    }

    fn applied(&mut self) {
        if let Some(journal) = &self.journal {
            journal.applied(self.batch.number());
        }
        self.batch.clear();
        self.failed = None;
    }

    /// What was acknowledged stays to be applied.
    fn failed(&mut self) {
        self.effects = Effects::default();
        self.failed = (!self.batch.is_empty()).then(Instant::now);
        self.journal.iter().for_each(|journal| journal.stuck());
    }

    fn transact(&mut self) -> Result<(), StoreError> {
        step(&self.db, "BEGIN IMMEDIATE")?;
        let outcome = self.run_all();
        self.roll_back()?;
        outcome
    }

    /// Unless the transaction is over: committed, or undone by SQLite itself.
    fn roll_back(&self) -> rusqlite::Result<()> {
        if self.db.is_autocommit() { Ok(()) } else { step(&self.db, "ROLLBACK") }
    }

    /// Leaves the transaction open where nothing of it is to stay.
    fn run_all(&mut self) -> Result<(), StoreError> {
        if let ([only], true) = (self.group.as_mut_slice(), self.batch.is_empty()) {
            if !only.run(&self.db, &mut self.effects) {
                self.effects = Effects::default();
                return Ok(());
            }
        } else if !self.run_together() {
            self.roll_back()?;
            step(&self.db, "BEGIN IMMEDIATE")?;
            self.run_group()?;
        }
        usage::settle(&self.db, &mut self.effects)?;
        Ok(step(&self.db, "COMMIT")?)
    }

    /// All of them without savepoints, which cost a copy of each page: nearly always all succeed. What is journaled goes
    /// first, sums included, as operations count on it. False where one did not succeed, so that the group must be undone
    /// and run anew.
    fn run_together(&mut self) -> bool {
        let (db, effects) = (&self.db, &mut self.effects);
        let journaled = self.batch.is_empty() || self.batch.apply(db, effects).is_ok();
        let all = journaled && self.group.iter_mut().all(|operation| operation.run(db, effects));
        if !all {
            self.effects = Effects::default();
        }
        all
    }

    /// Each in its own savepoint, so that one that fails undoes only itself. A failure so grave that SQLite has
    /// rolled all back by itself takes the savepoint with it, and so fails the group; as does what is journaled, unless
    /// something stands against it: it is applied later.
    fn run_group(&mut self) -> Result<(), StoreError> {
        let (db, effects) = (&self.db, &mut self.effects);
        if !self.batch.is_empty() {
            self.batch.apply_apart(db, effects)?;
        }
        for operation in &mut self.group {
            apart(db, effects, |effects| Ok(operation.run(db, effects)))?;
        }
        Ok(())
    }

    fn end(mut self) {
        if let Some(journal) = &self.journal {
            journal.close();
        }
        self.store();
        if let Some(journal) = &self.journal {
            journal.release();
        }
        drop(self.log);
        let folded = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = folded.and_then(|()| self.db.close().map_err(|(_, error)| error)) {
            tracing::warn!(%error, "the database was closed without its log folded in; the next start does it");
        }
    }
}

/// What the thread waits for.
enum Next {
    Message(Message),
    /// What is in the journal is to be applied.
    Journal,
}

/// However the thread ends, nothing is acknowledged any more that it would have to apply.
struct Closes(Option<Arc<Journal>>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.iter().for_each(|journal| journal.close());
    }
}

/// Wakes the thread.
struct Woken(Thread);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use uuid::Uuid;

    use super::{super::log::Limits, *};
    use crate::RunId;

    const TABLES: &str = "PRAGMA foreign_keys = ON; CREATE TABLE parents (id INTEGER PRIMARY KEY); \
        CREATE TABLE notes (text TEXT, parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);";

    fn start(path: &Path) -> (Writer, Arc<Hub>) {
        let mut db = Connection::open(path).unwrap();
        db.execute_batch(TABLES).unwrap();
        db.busy_timeout(Duration::ZERO).unwrap();
        let hub = Arc::new(Hub::default());
        let log = Log::start(path, &mut db, Limits::USUAL).unwrap();
        (Writer::start(db, log, Arc::clone(&hub), None, 100).unwrap(), hub)
    }

    /// Holds the writer in an operation, already under way, until dropped: what is queued meanwhile is one group.
    fn hold(writer: &Writer) -> std::sync::mpsc::Sender<()> {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (enter, entered) = std::sync::mpsc::channel();
        let _ = writer.enqueue(move |_, _| {
            enter.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        });
        entered.recv().unwrap();
        release
    }

    fn note(writer: &Writer, run: RunId, parent: Option<i64>) -> Ticket {
        writer.enqueue(move |db, effects| {
            db.execute("INSERT INTO notes (text, parent) VALUES ('x', $1)", [parent])?;
            effects.run(run);
            Ok(())
        })
    }

    fn notes(path: &Path) -> i64 {
        Connection::open(path).unwrap().query_row("SELECT count(*) FROM notes", [], |row| row.get(0)).unwrap()
    }

    /// The constraint is looked at in the commit, when every operation has gone well.
    #[tokio::test]
    async fn a_failed_commit_fails_the_whole_group() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let (writer, hub) = start(&path);
        let run = RunId(Uuid::now_v7());
        let watch = hub.watch(run);
        let held = hold(&writer);
        let tickets: Vec<Ticket> = (0..10).map(|number| note(&writer, run, (number == 5).then_some(404))).collect();
        drop(held);
        for ticket in tickets {
            let outcome = ticket.stored().await;
            assert!(matches!(outcome, Err(StoreError::Database(_))), "{outcome:?}");
        }
        assert_eq!(notes(&path), 0);
        assert!(!watch.has_changed().unwrap());
        note(&writer, run, None).stored().await.unwrap();
        assert_eq!(notes(&path), 1);
        assert!(watch.has_changed().unwrap());
    }

    #[tokio::test]
    async fn a_group_that_cannot_begin_fails_and_the_next_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let (writer, _hub) = start(&path);
        let run = RunId(Uuid::now_v7());
        let lock = Connection::open(&path).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let outcome = note(&writer, run, None).stored().await;
        assert!(matches!(outcome, Err(StoreError::Database(_))), "{outcome:?}");
        lock.execute_batch("ROLLBACK").unwrap();
        note(&writer, run, None).stored().await.unwrap();
        assert_eq!(notes(&path), 1);
    }
}
