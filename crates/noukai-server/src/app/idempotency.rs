//! Idempotency keys: the same key and body gives the first reply again, also while the first is still running.

use std::{collections::HashMap, sync::Arc, time::Duration};

use noukai_api::ErrorCode;
use noukai_store::{Begun, IdempotencyKey, IdempotencyRecord, ProjectId, RunId, StoredReply};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, futures::Notified},
    time::Instant,
};

use uuid::Uuid;

use super::{App, AppError, Caller, again::Ran, auth::sha256_hex};

/// How long a reply is kept.
pub(crate) const KEPT: time::Duration = time::Duration::hours(24);
/// How often a reply that another process works on is looked for.
const POLL: Duration = Duration::from_millis(250);
/// Most time between two attempts to give a key back.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// What a first request may take beyond the time of its run: its last writes, and its reply's own.
const MARGIN: Duration = Duration::from_secs(60);

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
    /// No reply is stored, and the run of the first request is at rest: it tells the reply.
    Ran(Box<Ran>),
}

/// The right to do the work of a key. Dropped without a reply it gives the key back.
pub struct IdempotencyGuard {
    app: App,
    key: Option<IdempotencyKey>,
    run: Uuid,
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

    /// Those of one project's keys, or of all.
    pub fn wake_project(&self, project: Option<ProjectId>) {
        let waiting = self.0.lock();
        let meant = waiting.iter().filter(|(key, _)| project.is_none_or(|project| project == key.project_id));
        meant.for_each(|(_, notify)| notify.notify_waiters());
    }

    fn leave(&self, key: &IdempotencyKey) {
        let mut waiting = self.0.lock();
        if waiting.get(key).is_some_and(|notify| Arc::strong_count(notify) == 1) {
            waiting.remove(key);
        }
    }
}

/// One request's part in the waiting. The last one to go takes the entry along, however its request ended.
struct Looking<'a> {
    waiting: &'a Waiting,
    key: &'a IdempotencyKey,
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.waiting.leave(self.key);
    }
}

impl App {
    /// Takes a key, or waits for the reply it stands for.
    ///
    /// # Errors
    /// `IDEMPOTENCY_KEY_REUSED` for another body; `CONFLICT` where the first request gives no reply in the time a run may
    /// take; `OVERLOADED` where the server stops meanwhile.
    pub async fn idempotent(
        &self,
        caller: &Caller,
        route: &str,
        key: &str,
        body: &[u8],
    ) -> Result<Idempotent, AppError> {
        let key = IdempotencyKey { project_id: caller.scope(), route: route.to_owned(), key: key.to_owned() };
        let hash = sha256_hex(body);
        let _looking = Looking { waiting: &self.inner.idempotency, key: &key };
        // Bounded: a reply that could not be stored never comes.
        let until = Instant::now() + Duration::from_secs(self.limits().run_seconds) + MARGIN;
        loop {
            let waiting = self.inner.idempotency.on(&key);
            let woken = waiting.notified();
            let (app, taken, body_hash) = (self.clone(), key.clone(), hash.clone());
            // On a task of its own: a caller that goes away must not leave the key taken without a guard.
            let begun = self.spawn(async move { app.take_key(taken, &body_hash).await });
            match begun.await.map_err(AppError::internal)?? {
                Taken::First(guard) => return Ok(Idempotent::First(guard)),
                Taken::Before(record) if record.body_hash != hash => return Err(reused()),
                Taken::Before(IdempotencyRecord { reply: Some(reply), .. }) => {
                    return Ok(Idempotent::Again(reply.into()));
                }
                Taken::Before(record) => {
                    if let Some(ran) = self.ran(key.project_id, record).await? {
                        return Ok(Idempotent::Ran(Box::new(ran)));
                    }
                    if Instant::now() >= until {
                        return Err(no_reply());
                    }
                    self.wait_for(woken).await?;
                }
            }
        }
    }

    /// Until woken by this process, or until it is time to look whether another process is done.
    async fn wait_for(&self, woken: Notified<'_>) -> Result<(), AppError> {
        tokio::select! {
            () = woken => Ok(()),
            () = tokio::time::sleep(POLL) => Ok(()),
            () = self.stopping().cancelled() => Err(AppError::overloaded("the server is stopping; repeat the request")),
        }
    }

    async fn take_key(&self, key: IdempotencyKey, body_hash: &str) -> Result<Taken, AppError> {
        let run = Uuid::now_v7();
        let begun = self.store().begin(&key, body_hash, RunId(run), self.now(), self.now() - KEPT).await?;
        Ok(match begun {
            Begun::First => Taken::First(IdempotencyGuard { app: self.clone(), key: Some(key), run }),
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
    /// The id for the run that the work makes, if it makes one.
    pub const fn run(&self) -> Uuid {
        self.run
    }

    /// Stores the reply for those who come again. Where that fails the key stays taken, because the work is done; the
    /// run tells the reply.
    pub async fn finish(mut self, reply: Reply) {
        let Some(key) = self.key.take() else { return };
        let stored = StoredReply { status: reply.status, content_type: reply.content_type, body: reply.body };
        if let Err(error) = self.app.store().finish(&key, &stored).await {
            tracing::error!(%error, "the reply of an idempotency key could not be stored");
        }
        self.app.inner.idempotency.wake(&key);
    }
}

impl IdempotencyGuard {
    /// Gives the key back: who is refused may use it again at once.
    pub async fn give_back(mut self) {
        let Some(key) = self.key.take() else { return };
        match self.app.store().abandon(&key).await {
            Ok(()) => self.app.inner.idempotency.wake(&key),
            Err(_) => {
                let app = self.app.clone();
                drop(self.app.spawn(async move { give_back(&app, &key).await }));
            }
        }
    }
}

impl Drop for IdempotencyGuard {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let app = self.app.clone();
        drop(self.app.spawn(async move { give_back(&app, &key).await }));
    }
}

/// Tried again until it is done: as long as the key is taken, its caller cannot go on.
async fn give_back(app: &App, key: &IdempotencyKey) {
    let mut wait = POLL;
    while let Err(error) = app.store().abandon(key).await {
        tracing::warn!(%error, "an idempotency key could not be given back; it is tried again");
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(LONGEST_WAIT),
            // The next start does it.
            () = app.stopping().cancelled() => break,
        }
    }
    app.inner.idempotency.wake(key);
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

fn no_reply() -> AppError {
    let message = "the first request with this Idempotency-Key has given no reply yet; look for its run, or use a fresh \
                   key for another one";
    AppError::new(ErrorCode::Conflict, message)
}

#[cfg(test)]
mod tests {
    use noukai_api::Scope;
    use noukai_store::ProjectRecord;

    use super::*;
    use crate::{Config, Overrides};

    async fn app(data: &tempfile::TempDir) -> (App, Caller) {
        let overrides = Overrides { data: Some(data.path().to_owned()), ..Overrides::default() };
        let app = App::open(&Config::load(None, overrides).unwrap()).await.unwrap();
        let project = app.ensure_project("acme", "demo").await.unwrap();
        let record: ProjectRecord = project.record.clone();
        let caller =
            Caller::new(("k".to_owned(), "k".to_owned()), "test".to_owned(), vec![Scope::Execute], Arc::new(record));
        (app, caller)
    }

    async fn code(app: &App, caller: &Caller) -> Option<ErrorCode> {
        app.idempotent(caller, "r", "k-1", b"{}").await.err().map(|error| error.code)
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_a_reply_that_never_comes() {
        let data = tempfile::tempdir().unwrap();
        let (app, caller) = app(&data).await;
        let Ok(Idempotent::First(first)) = app.idempotent(&caller, "r", "k-1", b"{}").await else {
            panic!("the key is new");
        };
        let begun = Instant::now();
        assert_eq!(code(&app, &caller).await, Some(ErrorCode::Conflict));
        assert!(begun.elapsed() >= Duration::from_secs(app.limits().run_seconds));
        assert!(app.inner.idempotency.0.lock().is_empty());
        drop(first);
        app.close().await;
    }

    #[tokio::test]
    async fn nobody_waits_in_a_server_that_stops() {
        let data = tempfile::tempdir().unwrap();
        let (app, caller) = app(&data).await;
        let first = app.idempotent(&caller, "r", "k-1", b"{}").await;
        let stop = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            app.stopping().cancel();
        };
        let (refused, ()) = tokio::join!(code(&app, &caller), stop);
        assert_eq!(refused, Some(ErrorCode::Overloaded));
        drop(first);
        app.close().await;
    }
}
