//! Retention: what is past its time goes, a little at a time.

use std::time::Duration;

use noukai_store::{KeptSince, RunId};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{App, AppError, idempotency::KEPT};

/// Rows that go at once, so that this never holds up runs.
const BATCH: u32 = 200;
/// How often all runs are looked at anew: those that were kept longer than others when they were passed.
const ANEW: Duration = Duration::from_secs(24 * 3_600);

/// How many days what is kept, after its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Runs with their contents.
    pub full_days: u32,
    /// Runs with masked contents.
    pub redacted_days: u32,
    /// Runs without contents.
    pub metadata_only_days: u32,
    /// Runs without steps.
    pub off_days: u32,
    /// Runs of a session, whatever their capture; `None`: as their capture says.
    pub session_days: Option<u32>,
    /// What a failed or cancelled job needs to be retried; 0: nothing.
    pub retry_days: u32,
    /// Single entries of the ledger; their sums stay.
    pub usage_days: u32,
}

impl Retention {
    /// The same for all runs.
    pub const fn all(days: u32) -> Self {
        Self {
            full_days: days,
            redacted_days: days,
            metadata_only_days: days,
            off_days: days,
            session_days: None,
            retry_days: days,
            usage_days: days,
        }
    }

    fn kept_since(&self, now: OffsetDateTime) -> KeptSince {
        KeptSince {
            session: self.session_days.map(|days| before(now, days)),
            full: before(now, self.full_days),
            redacted: before(now, self.redacted_days),
            metadata_only: before(now, self.metadata_only_days),
            off: before(now, self.off_days),
        }
    }
}

fn before(now: OffsetDateTime, days: u32) -> OffsetDateTime {
    now.saturating_sub(time::Duration::days(i64::from(days)))
}

/// How far the look for old runs has come.
#[derive(Debug, Default)]
pub(crate) struct Pruning {
    after: Option<RunId>,
    begun: Option<Instant>,
}

impl App {
    /// Whether what a retry needs outlives a job.
    pub(crate) fn keeps_for_retry(&self) -> bool {
        self.inner.parts.retention.retry_days > 0
    }

    /// Deletes what is past its time.
    pub(crate) async fn prune(&self, pruning: &mut Pruning) -> Result<(), AppError> {
        let retention = &self.inner.parts.retention;
        if pruning.begun.is_none_or(|begun| begun.elapsed() >= ANEW) {
            *pruning = Pruning { after: None, begun: Some(Instant::now()) };
        }
        let kept = retention.kept_since(self.now());
        loop {
            let pruned = self.store().prune_runs(kept, pruning.after, BATCH).await?;
            pruning.after = pruned.seen;
            if pruned.done {
                break;
            }
        }
        let retries_before = before(self.now(), retention.retry_days);
        while self.store().forget_retries(retries_before, BATCH).await? == BATCH {}
        while self.store().prune_keys(self.now() - KEPT, BATCH).await? == BATCH {}
        while self.store().prune_replies(self.shared_now(), BATCH).await? == BATCH {}
        // Void things are kept a day longer, so that their use is noticed for what it is.
        let void_before = self.now() - time::Duration::DAY;
        while self.store().prune_identities(void_before, BATCH).await? >= BATCH {}
        let usage_before = before(self.now(), retention.usage_days);
        while self.store().prune_usage(usage_before, BATCH).await? == BATCH {}
        Ok(self.store().give_back_space().await?)
    }
}
