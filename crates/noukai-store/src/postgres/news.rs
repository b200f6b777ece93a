//! What nodes tell each other: written with the commit it is of (runs that moved: soon after it), heard on a connection of
//! its own.
//!
//! A message is `<sender> <kind> <words>`. The database delivers it to everyone, also to the sender, who has told its
//! own waiters already.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, broadcast},
    time::{interval, sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Inner, PostgresStore, connect::Target, fault::Fault, nodes::Peers};
use crate::{ProjectId, RunId, hub::Effects, hub::Hub};

/// One message per element.
pub(super) const NOTIFY: &str = "SELECT pg_notify('noukai', message) FROM unnest($1::text[]) AS message";
const LISTEN: &str = "LISTEN noukai";

/// The same of runs that moved, which nobody waits to see on the disk.
const NOTIFY_MOVED: &str = "SELECT pg_notify('noukai', message), set_config('synchronous_commit', 'off', true) \
     FROM unnest($1::text[]) AS message";

/// How long runs that move are gathered after others were told of.
const PACE: Duration = Duration::from_millis(5);

/// Runs named in one message: the database takes no more than 8,000 bytes.
const RUNS: usize = 200;
/// How often everyone looks anew although nothing was heard, while messages come and while none can.
const POLL: Duration = Duration::from_secs(10);
const POLL_DEAF: Duration = Duration::from_millis(500);
/// How long the connection may take to answer.
const PING: Duration = Duration::from_secs(5);
/// Messages a slow listener may be behind before it is told to look anew.
pub(super) const BEHIND: usize = 1_024;

/// What another node did that this one's memory has to know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A job's caller asked to cancel it.
    Cancelled(RunId),
    /// An API key was revoked.
    Revoked(String),
    /// A first request of the project's with an idempotency key has its reply, or gave the key back.
    Answered(ProjectId),
    /// Nodes came or went.
    Nodes,
    /// A budget was set or removed.
    Budgets,
    /// Something may have been missed: nothing held in memory is certain.
    Missed,
}

impl PostgresStore {
    /// What is to be told with a commit; nothing while no other node is there to hear it.
    pub(super) fn told(&self, effects: &Effects, news: &[News]) -> Vec<String> {
        if self.0.peers.is_alone() {
            return Vec::new();
        }
        let sender = self.0.id.simple();
        let job = effects.jobs().then(|| format!("{sender} job"));
        job.into_iter().chain(news.iter().map(|news| format!("{sender} {}", news.words()))).collect()
    }

    /// Runs that a commit moved are told of soon after it.
    pub(super) fn tell_soon(&self, effects: &Effects) {
        if !self.0.peers.is_alone() && !effects.runs().is_empty() {
            self.0.moved.runs.lock().extend_from_slice(effects.runs());
            self.0.moved.some.notify_one();
        }
    }

    /// Tells of the runs that moved. Where it fails, other nodes look by the clock.
    pub(super) async fn tell_moved(&self) {
        let mut runs = std::mem::take(&mut *self.0.moved.runs.lock());
        if runs.is_empty() {
            return;
        }
        runs.sort_unstable();
        runs.dedup();
        let sender = self.0.id.simple();
        let told: Vec<String> = runs.chunks(RUNS).map(|runs| format!("{sender} run{}", ids(runs))).collect();
        if let Err(error) = self.query(NOTIFY_MOVED, &[&told]).await {
            tracing::debug!(%error, "other nodes were not told of runs that moved");
        }
    }
}

/// Runs that moved and that other nodes were not told of yet.
///
/// The database lets transactions that tell something commit one after the other, on all nodes together, each for as long
/// as the disk takes. So the runs of many commits are told of in a transaction that waits for no disk.
#[derive(Default)]
pub(super) struct Moved {
    runs: Mutex<Vec<RunId>>,
    some: Notify,
}

/// Tells of runs that moved, at once where none did lately, until the store closes.
pub(super) async fn tell(moved: Arc<Moved>, inner: Weak<Inner>, closed: CancellationToken) {
    while closed.run_until_cancelled(moved.some.notified()).await.is_some() {
        let Some(inner) = inner.upgrade() else { return };
        PostgresStore(inner).tell_moved().await;
        sleep(PACE).await;
    }
}

fn ids(runs: &[RunId]) -> String {
    runs.iter().fold(String::with_capacity(runs.len() * 33), |text, run| text + " " + &run.0.simple().to_string())
}

impl News {
    fn words(&self) -> String {
        match self {
            Self::Cancelled(run) => format!("cancel {}", run.0.simple()),
            Self::Revoked(key) => format!("revoke {key}"),
            Self::Answered(project) => format!("answer {}", project.0.simple()),
            Self::Nodes => "nodes".to_owned(),
            Self::Budgets => "budgets".to_owned(),
            Self::Missed => "missed".to_owned(),
        }
    }
}

/// Where what is heard goes.
#[derive(Clone)]
pub(super) struct Ears {
    /// Whose own messages are passed over.
    pub id: Uuid,
    pub hub: Arc<Hub>,
    pub news: broadcast::Sender<News>,
    pub peers: Arc<Peers>,
    /// Fires once it listens for the first time, or cannot.
    pub ready: CancellationToken,
}

impl Ears {
    fn hear(&self, message: &str) {
        let mut words = message.split(' ');
        let sender = words.next().and_then(|word| Uuid::parse_str(word).ok());
        if sender == Some(self.id) {
            return;
        }
        let id = |word: &str| Uuid::parse_str(word).ok();
        let news = match words.next() {
            Some("run") => return words.filter_map(id).for_each(|run| self.hub.wake(RunId(run))),
            Some("job") => return self.hub.wake_jobs(),
            Some("cancel") => words.next().and_then(id).map(|run| News::Cancelled(RunId(run))),
            Some("revoke") => words.next().map(|key| News::Revoked(key.to_owned())),
            Some("answer") => words.next().and_then(id).map(|project| News::Answered(ProjectId(project))),
            Some("budgets") => Some(News::Budgets),
            Some("nodes") => {
                // Until the next beat tells how many there are.
                self.peers.set_alone(false);
                Some(News::Nodes)
            }
            // A newer release may tell what this one does not know.
            _ => None,
        };
        // Nobody listens: there is nothing in memory to put right.
        news.map(|news| self.news.send(news).ok());
    }

    /// Everyone looks for themselves.
    fn look_anew(&self) {
        self.hub.wake_all();
        // As above.
        let _ = self.news.send(News::Missed);
    }
}

/// Listens until the store closes, over and over where the connection is lost.
pub(super) async fn listen(target: Target, ears: Ears, inner: Weak<Inner>, closed: CancellationToken) {
    while let Some(heard) = closed.run_until_cancelled(listen_once(&target, &ears, &inner)).await {
        if let Err(fault) = heard {
            tracing::warn!(?fault, "no wake-ups from the database; looking by the clock until there are again");
        }
        ears.ready.cancel();
        ears.hub.wake_all();
        if closed.run_until_cancelled(sleep(POLL_DEAF)).await.is_none() {
            return;
        }
    }
}

async fn listen_once(target: &Target, ears: &Ears, inner: &Weak<Inner>) -> Result<(), Fault> {
    let heard = {
        let ears = ears.clone();
        move |message| {
            if let AsyncMessage::Notification(notification) = message {
                ears.hear(notification.payload());
            }
        }
    };
    let (client, connection) = target.listen(heard).await?;
    // Its end is the client's end.
    let connection = tokio::spawn(connection);
    let listened = keep_listening(&client, ears, inner).await;
    connection.abort();
    listened
}

async fn keep_listening(client: &Client, ears: &Ears, inner: &Weak<Inner>) -> Result<(), Fault> {
    client.batch_execute(LISTEN).await?;
    // What was told before is not heard any more.
    ears.look_anew();
    ears.ready.cancel();
    let mut poll = interval(POLL);
    poll.tick().await;
    loop {
        poll.tick().await;
        if inner.strong_count() == 0 {
            return Ok(());
        }
        let answered = timeout(PING, client.batch_execute("SELECT 1")).await;
        answered.map_err(|_| Fault::Lost("the listening connection is silent".to_owned()))??;
        ears.hub.wake_all();
    }
}
