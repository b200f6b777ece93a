//! The writer: one task that groups what waits into one transaction.
//!
//! A group holds at most one write of a run; the run's next one waits for the next group, so that the order of each
//! run's writes is kept.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Weak},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{Inner, PostgresStore, append};
use crate::{RunWrite, StoreError, Ticket};

/// Most writes in one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 512;

type Reply = oneshot::Sender<Result<(), StoreError>>;

pub(super) struct Pending {
    write: RunWrite,
    reply: Reply,
}

enum Message {
    Store(Box<Pending>),
    Close,
}

/// The callers' end.
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    /// Its sender lives as long as the task.
    ended: watch::Receiver<()>,
}

/// The task's end.
pub(super) struct Queue {
    messages: mpsc::Receiver<Message>,
    waiting: VecDeque<Pending>,
    _alive: watch::Sender<()>,
}

impl Writer {
    pub(super) fn new(queue: usize) -> (Self, Queue) {
        let (sender, messages) = mpsc::channel(queue);
        let (alive, ended) = watch::channel(());
        (Self { queue: sender, ended }, Queue { messages, waiting: VecDeque::new(), _alive: alive })
    }

    /// Queues a write without waiting for anything.
    pub(super) fn enqueue(&self, write: RunWrite) -> Ticket {
        let (reply, ticket) = Ticket::new();
        let (message, error) = match self.queue.try_send(Message::Store(Box::new(Pending { write, reply }))) {
            Ok(()) => return ticket,
            Err(mpsc::error::TrySendError::Full(message)) => (message, StoreError::Overloaded),
            Err(mpsc::error::TrySendError::Closed(message)) => (message, StoreError::Closed),
        };
        if let Message::Store(pending) = message {
            // Nobody listens: the caller did not want to know.
            let _ = pending.reply.send(Err(error));
        }
        ticket
    }

    /// Waits until everything queued is stored or has failed.
    pub(super) async fn close(&self) {
        // Refused only by a writer that is closing already.
        let _ = self.queue.send(Message::Close).await;
        // Never sent to: it ends when the task does.
        while self.ended.clone().changed().await.is_ok() {}
    }
}

impl Queue {
    /// Takes what waits; false once there will be nothing more.
    async fn gather(&mut self) -> bool {
        if self.waiting.is_empty() {
            let Some(first) = self.messages.recv().await else { return false };
            self.take(first);
        }
        while self.waiting.len() < GROUP {
            let Ok(next) = self.messages.try_recv() else { break };
            self.take(next);
        }
        true
    }

    /// After a close the queue takes nothing new, and ends once it is empty.
    fn take(&mut self, message: Message) {
        match message {
            Message::Store(pending) => self.waiting.push_back(*pending),
            Message::Close => self.messages.close(),
        }
    }

    /// The first write of each run that waits. A retry of a job goes alone.
    fn group(&mut self) -> Vec<Pending> {
        if self.waiting.front().is_some_and(|first| append::retried(&first.write).is_some()) {
            return self.waiting.pop_front().into_iter().collect();
        }
        let mut runs = HashSet::with_capacity(self.waiting.len());
        let mut group = Vec::with_capacity(self.waiting.len());
        for pending in std::mem::take(&mut self.waiting) {
            let alone = append::retried(&pending.write).is_some();
            if runs.insert(pending.write.run_id) && !alone {
                group.push(pending);
            } else {
                self.waiting.push_back(pending);
            }
        }
        group
    }
}

/// Stores groups until the queue is closed and empty, or the store is gone.
pub(super) async fn run(mut queue: Queue, store: Weak<Inner>) {
    while queue.gather().await {
        let group = queue.group();
        let Some(inner) = store.upgrade() else { return };
        if !group.is_empty() {
            PostgresStore(inner).store(group).await;
        }
    }
}

impl PostgresStore {
    /// Stores a group, and tells each caller what became of its write.
    async fn store(&self, group: Vec<Pending>) {
        let (writes, replies): (Vec<RunWrite>, Vec<Reply>) =
            group.into_iter().map(|pending| (pending.write, pending.reply)).unzip();
        let writes = Arc::new(writes);
        let outcomes = match self.store_together(writes.clone()).await {
            Ok(outcomes) => outcomes,
            Err(error) if is_ones_own(&error) && writes.len() > 1 => self.store_apart(&writes).await,
            Err(error) if writes.len() == 1 => vec![Err(error)],
            Err(error) => writes.iter().map(|_| Err(same(&error))).collect(),
        };
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // Nobody listens: the caller did not want to know.
            let _ = reply.send(outcome);
        }
    }

    async fn store_together(&self, writes: Arc<Vec<RunWrite>>) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        self.transact(move |tx| {
            let writes = writes.clone();
            Box::pin(async move { append::store(tx, &writes).await })
        })
        .await
    }

    /// One that the database cannot take at all fails alone.
    async fn store_apart(&self, writes: &[RunWrite]) -> Vec<Result<(), StoreError>> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            let stored = self.store_together(Arc::new(vec![write.clone()])).await;
            outcomes.push(stored.and_then(|mut outcome| outcome.pop().unwrap_or(Ok(()))));
        }
        outcomes
    }
}

/// Whether one write of a group may be the reason, so that the others are to be tried without it.
const fn is_ones_own(error: &StoreError) -> bool {
    matches!(error, StoreError::Database(_) | StoreError::Conflict(_))
}

fn same(error: &StoreError) -> StoreError {
    match error {
        StoreError::Closed => StoreError::Closed,
        StoreError::Unreachable(why) => StoreError::Unreachable(why.clone()),
        StoreError::Conflict(why) => StoreError::Conflict(why.clone()),
        other => StoreError::Database(other.to_string().into()),
    }
}
