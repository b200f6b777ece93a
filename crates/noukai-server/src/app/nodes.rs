//! This server among those that share its database: it says that it lives, hears what the others do, and takes over what
//! the dead leave behind. Where one server owns the database, there is nothing of this.

use std::{
    sync::atomic::{AtomicI64, AtomicU32, Ordering},
    time::{Duration, Instant},
};

use noukai_store::{Beat, News, NodeRecord};
use time::OffsetDateTime;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{MissedTickBehavior, interval},
};
use uuid::Uuid;

use super::{App, AppError};
use crate::server::Role;

/// How often a server says that it lives, and looks whether another has died.
const BEAT: Duration = Duration::from_secs(1);
/// What a server says of itself.
pub(crate) struct Node {
    record: NodeRecord,
    /// How long it lives without another word.
    lease: Duration,
    /// When it last did so.
    last: Option<Instant>,
    /// Whom it has not heard of may only have been cut off, as it was itself: nobody is dead to it until then.
    patient_until: Option<Instant>,
}

/// What is known of the others.
#[derive(Default)]
pub(crate) struct Others {
    /// How far the database's clock is ahead of this machine's, in microseconds.
    ahead: AtomicI64,
    /// How many there are.
    count: AtomicU32,
}

impl Node {
    /// Notes a beat; whether this server has heard from the database for so long that who is silent is dead.
    fn has_beaten(&mut self) -> bool {
        let now = Instant::now();
        if self.last.is_some_and(|last| now - last > self.lease / 2) {
            self.patient_until = Some(now + self.lease);
        }
        self.last = Some(now);
        self.patient_until.is_none_or(|until| now >= until)
    }
}

impl App {
    /// Takes over what earlier servers left behind, and from then on has its place among the living.
    pub(crate) async fn start(&self, mut node: Node) -> Result<(), AppError> {
        if self.store().nodes().is_none() {
            return self.recover().await;
        }
        let news = self.beat(&mut node).await?;
        drop(self.inner.background.spawn(self.clone().keep_alive(node)));
        drop(self.inner.background.spawn(self.clone().follow_news(news)));
        Ok(())
    }

    /// What this server says of itself.
    pub(crate) fn as_node(&self, name: &str, role: Role, lease: Duration) -> Node {
        let kind = match role {
            Role::Serve => "serve",
            Role::Work => "worker",
        };
        let (id, now, release) = (Uuid::nil(), self.now(), env!("CARGO_PKG_VERSION").to_owned());
        let (name, kind) = (name.to_owned(), kind.to_owned());
        Node {
            record: NodeRecord { id, name, kind, release, started_at: now, alive_until: now },
            lease,
            last: None,
            patient_until: None,
        }
    }

    /// The time by the clock that all servers on the database share: leases are kept by it. Each server measures how far
    /// its own clock is from the database's whenever it says that it lives.
    pub(crate) fn shared_now(&self) -> OffsetDateTime {
        self.now() + time::Duration::microseconds(self.inner.others.ahead.load(Ordering::Relaxed))
    }

    /// How many other servers work on the database, as last heard.
    pub fn others(&self) -> u32 {
        self.inner.others.count.load(Ordering::Relaxed)
    }

    /// Whether other servers work on the database at this time.
    pub(crate) fn has_company(&self) -> bool {
        self.others() > 0
    }

    /// Says that this server lives; what it hears from then on.
    async fn beat(&self, node: &mut Node) -> Result<Receiver<News>, AppError> {
        let nodes = self.store().nodes().ok_or_else(|| AppError::internal("the database has one server"))?;
        let news = nodes.news();
        let asked = self.now();
        let beat = nodes.beat(&node.record, node.lease).await?;
        let answered = self.now();
        self.learn(&beat, asked + (answered - asked) / 2);
        if node.has_beaten() && beat.dead > 0 {
            self.recover().await?;
        }
        Ok(news)
    }

    fn learn(&self, beat: &Beat, here: OffsetDateTime) {
        let ahead = i64::try_from((beat.now - here).whole_microseconds()).unwrap_or(0);
        self.inner.others.ahead.store(ahead, Ordering::Relaxed);
        self.inner.others.count.store(beat.others, Ordering::Relaxed);
    }

    /// Until nothing is under way any more: a server that stops must not be taken for dead meanwhile.
    async fn keep_alive(self, mut node: Node) {
        let closing = self.closing().clone();
        let mut every = interval(BEAT);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let beats = tokio::select! {
                _ = every.tick() => true,
                () = self.spare_places() => false,
                () = closing.cancelled() => return,
            };
            let told = async {
                if beats {
                    self.beat(&mut node).await?;
                }
                self.settle_places().await?;
                self.settle_tokens().await?;
                self.settle_credit().await
            };
            if let Some(Err(error)) = closing.run_until_cancelled(told).await {
                tracing::warn!(%error, context = error.context.as_deref(), "could not tell the database of this server");
            }
        }
    }

    /// Says that this server is gone, so that nobody waits for it.
    pub(crate) async fn leave(&self) {
        self.inner.background.close();
        self.inner.background.wait().await;
        if let Some(nodes) = self.store().nodes()
            && let Err(error) = nodes.leave().await
        {
            tracing::warn!(%error, "could not leave in order; the others notice in a moment");
        }
    }

    async fn follow_news(self, mut news: Receiver<News>) {
        let closing = self.closing().clone();
        while let Some(heard) = closing.run_until_cancelled(news.recv()).await {
            match heard {
                Ok(news) => self.heed(&news),
                Err(RecvError::Lagged(_)) => self.heed(&News::Missed),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn heed(&self, news: &News) {
        match news {
            News::Cancelled(run) => self.cancel_live(*run),
            News::Revoked(key) => self.forget_key(key),
            News::Budgets => drop(self.spawn(self.clone().hear_of_budgets())),
            News::Answered(project) => self.inner.idempotency.wake_project(Some(*project)),
            // Somebody may be there from now on; the next beat tells how many.
            News::Nodes => {
                self.inner.others.count.fetch_max(1, Ordering::Relaxed);
            }
            // What was cancelled meanwhile the next heartbeat tells.
            News::Missed => {
                self.inner.keys.clear();
                self.inner.idempotency.wake_project(None);
                drop(self.spawn(self.clone().hear_of_budgets()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_cut_off_takes_nobody_for_dead_at_once() {
        let record = NodeRecord {
            id: Uuid::nil(),
            name: String::new(),
            kind: String::new(),
            release: String::new(),
            started_at: OffsetDateTime::UNIX_EPOCH,
            alive_until: OffsetDateTime::UNIX_EPOCH,
        };
        let mut node = Node { record, lease: Duration::from_secs(60), last: None, patient_until: None };
        assert!(node.has_beaten() && node.has_beaten());
        node.last = Instant::now().checked_sub(Duration::from_secs(31));
        assert!(!node.has_beaten() && !node.has_beaten());
        node.patient_until = Some(Instant::now());
        assert!(node.has_beaten());
    }
}
