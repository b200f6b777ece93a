//! The use cases. Every door (HTTP, jobs, the command line, MCP) enters here.
//!
//! Knows no HTTP and no SQL. Ids and times are made here; the store keeps what it is given. Tenant scope is the
//! caller's, resolved once in `auth.rs`.

mod admission;
mod again;
mod attempts;
mod auth;
mod authoring;
mod beginnings;
mod budgets;
mod capture;
mod carry;
mod code;
mod error;
mod execute;
mod flows;
mod grants;
mod history;
mod idempotency;
mod identity;
mod inputs;
mod jobs;
mod keys;
mod nodes;
mod observer;
mod own_keys;
mod page;
mod pass;
mod provider_keys;
mod published;
mod rates;
mod record;
mod recorder;
mod redact;
mod replies;
mod resume;
mod retention;
mod retry;
mod sessions;
mod spend;
mod step;
mod test_cases;
mod traces;
mod upkeep;
mod usage;

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

pub use again::Ran;
pub(crate) use auth::sha256_hex;
pub use auth::{Audience, Caller, Identity, Member};
pub use authoring::{Author, FlowQuery, LogQuery, Reach};
pub use code::{BlockTrial, CodeRunner};
pub use error::AppError;
pub use execute::{ExecuteOutcome, RunOptions};
pub(crate) use flows::SLUG_RULE;
pub use flows::{FlowAddress, FlowInfo, Project, PutFlow, VersionSelector};
pub(crate) use grants::{
    Asked, Authorization, Client, CodeExchange, GrantError, GrantFault, RefreshExchange, Refusal, Registration,
    Resources, Tokens, scope_text,
};
pub use idempotency::{IdempotencyGuard, Idempotent, Reply};
pub use identity::Setup;
pub(crate) use identity::{Browser, csrf_token, is_csrf_token};
pub use keys::KeyRequest;
use noukai_api::{CaptureMode, Limits};
use noukai_engine::Clock;
use noukai_models::{Egress, Models};
use noukai_store::Store;
pub use observer::{EventStream, SeqEvent};
pub use page::Page;
pub use provider_keys::{KeyOwner, Resealed};
pub use published::PublishedTool;
pub use retention::Retention;
pub use retry::{RetryFrom, RetryOptions, RetryVersion};
pub use test_cases::junit;
use time::OffsetDateTime;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
pub use traces::{AttemptSelector, RunQuery, StepTraceReply};
pub use usage::{UsageCallsRequest, UsageRequest, name as usage_name, usage_csv};

use crate::vault::Vault;

/// How long runs have to be stored as ended once a stopping server's time is up.
const CUT_TIME: Duration = Duration::from_secs(5);

/// What the use cases are built on.
pub(crate) struct Parts {
    pub store: Arc<dyn Store>,
    pub model: Arc<Models>,
    pub egress: Egress,
    pub vault: Vault,
    pub code: CodeRunner,
    pub clock: Arc<dyn Clock>,
    pub limits: Limits,
    pub retention: Retention,
    /// Overrides the organisation's capture mode (`noukai dev`).
    pub capture: Option<CaptureMode>,
    pub data: PathBuf,
    /// Where people reach the server, where that is known.
    pub public_url: Option<String>,
}

/// The use cases over one database. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    flows: flows::FlowCache,
    keys: auth::KeyCache,
    passwords: identity::Passwords,
    own_keys: own_keys::OwnKeys,
    admission: admission::Admission,
    rates: rates::Rates,
    spend: spend::Spend,
    idempotency: idempotency::Waiting,
    live: jobs::LiveJobs,
    beginnings: beginnings::Beginnings,
    others: nodes::Others,
    tracker: TaskTracker,
    /// What goes on until nothing is under way any more.
    background: TaskTracker,
    /// The server will stop: others should send what is new elsewhere.
    draining: CancellationToken,
    /// The server begins to stop: nothing new.
    stopping: CancellationToken,
    /// Its time is up: what is still under way is ended.
    cutting: CancellationToken,
    /// Nothing is under way any more: who follows a run sees what is stored, and no more.
    closing: CancellationToken,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        let admission = admission::Admission::new(&parts.limits);
        Self {
            inner: Arc::new(Inner {
                flows: flows::FlowCache::new(),
                keys: auth::KeyCache::default(),
                passwords: identity::Passwords::default(),
                own_keys: own_keys::OwnKeys::default(),
                admission,
                rates: rates::Rates::new(&parts.limits),
                spend: spend::Spend::default(),
                idempotency: idempotency::Waiting::default(),
                live: jobs::LiveJobs::default(),
                beginnings: beginnings::Beginnings::default(),
                others: nodes::Others::default(),
                tracker: TaskTracker::new(),
                background: TaskTracker::new(),
                draining: CancellationToken::new(),
                stopping: CancellationToken::new(),
                cutting: CancellationToken::new(),
                closing: CancellationToken::new(),
                parts,
            }),
        }
    }

    /// Limits in force.
    pub fn limits(&self) -> &Limits {
        &self.inner.parts.limits
    }

    /// Whether the store answers and is current.
    ///
    /// # Errors
    /// `OVERLOADED` where it does not.
    pub async fn ready(&self) -> Result<(), AppError> {
        if self.inner.draining.is_cancelled() || self.stopping().is_cancelled() {
            return Err(stopping());
        }
        self.store().ready().await.map_err(|error| AppError {
            context: Some(error.to_string()),
            ..AppError::overloaded("the store does not answer")
        })
    }

    /// Runs work that must not end with the request that began it. Shutdown waits for it.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // Boxed, because a run's future is large: moved into the task as it is, it would be copied and over-aligned.
        self.inner.tracker.spawn(Box::pin(work))
    }

    /// Lets what is under way come to its end within a moment, ends the rest, then closes the store.
    pub async fn close(&self) {
        self.finish_by(Instant::now() + Duration::from_secs(5)).await;
        self.close_store().await;
    }

    /// Says that the server is not ready for anything new, and takes it on all the same: who sends it may not know yet.
    pub(crate) fn drain(&self) {
        self.inner.draining.cancel();
    }

    /// Takes on nothing new, and lets what is under way come to its end until `deadline`. What is not done then is ended:
    /// runs as interrupted, jobs given back for the next start or another server.
    pub(crate) async fn finish_by(&self, deadline: Instant) {
        self.inner.stopping.cancel();
        self.inner.tracker.close();
        if tokio::time::timeout_at(deadline, self.inner.tracker.wait()).await.is_err() {
            self.inner.cutting.cancel();
            // Only a store that does not answer takes longer; the next start finds what is left.
            let _ = tokio::time::timeout(CUT_TIME, self.inner.tracker.wait()).await;
        }
        self.inner.closing.cancel();
    }

    /// Once nobody asks for anything any more.
    pub(crate) async fn close_store(&self) {
        if let Err(error) = self.note_used_keys().await {
            tracing::warn!(%error, "which provider keys were used could not be noted");
        }
        self.leave().await;
        self.store().close().await;
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.inner.parts.store
    }

    pub(crate) fn model(&self) -> &Arc<Models> {
        &self.inner.parts.model
    }

    pub(crate) fn egress(&self) -> &Egress {
        &self.inner.parts.egress
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.inner.parts.vault
    }

    pub(crate) fn rates(&self) -> &rates::Rates {
        &self.inner.rates
    }

    /// Code blocks as this installation runs them.
    pub fn code(&self) -> &CodeRunner {
        &self.inner.parts.code
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.inner.parts.clock.now()
    }

    /// Fires when the server begins to stop.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// Fires when a stopping server's time is up.
    pub(crate) fn cutting(&self) -> &CancellationToken {
        &self.inner.cutting
    }

    /// Fires when nothing is under way any more.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.inner.closing
    }

    /// Where people reach the server, where that is known: without a slash at its end.
    pub fn public_url(&self) -> Option<&str> {
        self.inner.parts.public_url.as_deref()
    }

    /// Where this installation keeps its files.
    pub fn data_dir(&self) -> &std::path::Path {
        &self.inner.parts.data
    }
}

/// What who comes too late is told.
pub(crate) fn stopping() -> AppError {
    AppError::overloaded("the server is stopping; try again in a moment")
}

/// ISO 8601 in UTC, with microseconds.
pub(crate) fn iso(at: OffsetDateTime) -> String {
    use time::macros::format_description;
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    at.to_offset(time::UtcOffset::UTC).format(&format).unwrap_or_default()
}

/// As stored: microseconds since the epoch.
pub(crate) fn from_micros(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
