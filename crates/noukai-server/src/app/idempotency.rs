//! Idempotency keys: the same key and body gives the first reply again, also while the first is still running.

use std::{collections::HashMap, sync::Arc, time::Duration};

use noukai_api::ErrorCode;
use noukai_store::{Begun, IdempotencyKey, IdempotencyRecord, StoredReply};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{App, AppError, Caller, auth::sha256_hex};

/// How long a reply is kept.
pub(crate) const KEPT: time::Duration = time::Duration::hours(24);
/// How often a reply that another process works on is looked for.
const POLL: Duration = Duration::from_millis(250);

/// A reply as a transport gave it.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The transport's status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// What a key stands for.
pub enum Idempotent {
    /// Nobody used it: do the work and give its reply to the guard.
    First(IdempotencyGuard),
    /// The first reply, again.
    Again(Reply),
}

/// The right to do the work of a key. Dropped without a reply it gives the key back.
pub struct IdempotencyGuard {
    app: App,
    key: Option<IdempotencyKey>,
}

/// Requests of this process that wait for another one's reply.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<HashMap<IdempotencyKey, Arc<Notify>>>);

impl Waiting {
    fn on(&self, key: &IdempotencyKey) -> Arc<Notify> {
        self.0.lock().entry(key.clone()).or_default().clone()
    }

    fn wake(&self, key: &IdempotencyKey) {
        if let Some(notify) = self.0.lock().remove(key) {
            notify.notify_waiters();
        }
    }
}

impl App {
    /// Takes a key, or waits for the reply it stands for.
    ///
    /// # Errors
    /// `IDEMPOTENCY_KEY_REUSED` for another body.
    pub async fn idempotent(
        &self,
        caller: &Caller,
        route: &str,
        key: &str,
        body: &[u8],
    ) -> Result<Idempotent, AppError> {
        let key = IdempotencyKey { project_id: caller.scope(), route: route.to_owned(), key: key.to_owned() };
        let hash = sha256_hex(body);
        loop {
            let waiting = self.inner.idempotency.on(&key);
            let woken = waiting.notified();
            let (app, taken, body_hash) = (self.clone(), key.clone(), hash.clone());
            // On a task of its own: a caller that goes away must not leave the key taken without a guard.
            let begun = self.spawn(async move { app.take_key(taken, &body_hash).await });
            match begun.await.map_err(AppError::internal)?? {
                Taken::First(guard) => return Ok(Idempotent::First(guard)),
                Taken::Before(record) if record.body_hash != hash => {
                    self.inner.idempotency.wake(&key);
                    return Err(reused());
                }
                Taken::Before(IdempotencyRecord { reply: Some(reply), .. }) => {
                    self.inner.idempotency.wake(&key);
                    return Ok(Idempotent::Again(reply.into()));
                }
                Taken::Before(_) => {
                    // Woken by this process, or time to look whether another process is done.
                    let _ = tokio::time::timeout(POLL, woken).await;
                }
            }
        }
    }

    async fn take_key(&self, key: IdempotencyKey, body_hash: &str) -> Result<Taken, AppError> {
        let begun = self.store().begin(&key, body_hash, self.now(), self.now() - KEPT).await?;
        Ok(match begun {
            Begun::First => Taken::First(IdempotencyGuard { app: self.clone(), key: Some(key) }),
            Begun::Before(record) => Taken::Before(record),
        })
    }
}

/// What the store says of a key.
enum Taken {
    First(IdempotencyGuard),
    Before(IdempotencyRecord),
}

impl IdempotencyGuard {
    /// Stores the reply for those who come again. Where that fails the key stays taken, because the work is done.
    pub async fn finish(mut self, reply: Reply) {
        let Some(key) = self.key.take() else { return };
        let stored = StoredReply { status: reply.status, content_type: reply.content_type, body: reply.body };
        if let Err(error) = self.app.store().finish(&key, &stored).await {
            tracing::error!(%error, "the reply of an idempotency key could not be stored");
        }
        self.app.inner.idempotency.wake(&key);
    }
}

impl Drop for IdempotencyGuard {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let app = self.app.clone();
        drop(self.app.spawn(async move {
            if let Err(error) = app.store().abandon(&key).await {
                tracing::warn!(%error, "an idempotency key could not be given back");
            }
            app.inner.idempotency.wake(&key);
        }));
    }
}

impl From<StoredReply> for Reply {
    fn from(reply: StoredReply) -> Self {
        Self { status: reply.status, content_type: reply.content_type, body: reply.body }
    }
}

fn reused() -> AppError {
    let message = "this Idempotency-Key was used with another body; use a fresh key for another request";
    AppError::new(ErrorCode::IdempotencyKeyReused, message)
}
