//! One narrow trait per subject. Tenant scope comes first in every call that a caller's input reaches; the few
//! calls without one say why.

mod authoring;
mod identity;
mod test_cases;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
pub use authoring::*;
pub use identity::*;
use noukai_api::CaptureMode;
use time::OffsetDateTime;
use tokio::sync::{broadcast, oneshot, watch};
use uuid::Uuid;

use crate::{
    Beat, Begun, BudgetRecord, CachedReply, Cancellation, ChangedKey, Claim, ClaimedJob, Credit, EventRecord, FlowId,
    FlowRecord, IdempotencyKey, JobRecord, KeptSince, KeyRecord, Lease, NewProject, News, NodeRecord,
    OrganisationRecord, Pace, ProjectId, ProjectRecord, ProjectSettings, ProviderKeyRecord, Pruned, QueueRecord,
    Release, Resumed, RunFilter, RunId, RunRecord, RunWrite, Sealed, StoreError, StoredReply, UsageEntry, UsageGroup,
    UsageQuery, VersionRecord,
};

pub use self::test_cases::TestCases;

/// Everything a server needs of one database.
pub trait Store:
    Projects
    + Flows
    + Authoring
    + ObjectModels
    + Keys
    + Identities
    + Grants
    + Runs
    + Jobs
    + Idempotency
    + ReplyCache
    + ProviderKeys
    + TestCases
    + Ledger
    + Budgets
    + Upkeep
{
}

impl<T> Store for T where
    T: Projects
        + Flows
        + Authoring
        + ObjectModels
        + Keys
        + Identities
        + Grants
        + Runs
        + Jobs
        + Idempotency
        + ReplyCache
        + ProviderKeys
        + TestCases
        + Ledger
        + Budgets
        + Upkeep
{
}

/// Organisations and projects.
#[async_trait]
pub trait Projects: Send + Sync {
    /// The project of that address, made if missing. `id` and `org_id` are used only where something is made.
    async fn ensure_project(
        &self,
        org_slug: &str,
        slug: &str,
        org_id: Uuid,
        id: ProjectId,
        at: OffsetDateTime,
    ) -> Result<ProjectRecord, StoreError>;

    /// By id.
    async fn project(&self, id: ProjectId) -> Result<Option<ProjectRecord>, StoreError>;

    /// By address; unscoped, for the command line and the start of the server.
    async fn project_at(&self, org_slug: &str, slug: &str) -> Result<Option<ProjectRecord>, StoreError>;

    /// All of them; unscoped, for the command line.
    async fn projects(&self) -> Result<Vec<ProjectRecord>, StoreError>;

    /// The organisation's default capture mode; unscoped by project, as the setting is the organisation's.
    /// [`StoreError::Conflict`] where there is no such organisation.
    async fn set_trace_capture(&self, org_id: Uuid, mode: CaptureMode) -> Result<(), StoreError>;

    /// An organisation; unscoped by project, as it is above them.
    async fn organisation(&self, org_id: Uuid) -> Result<Option<OrganisationRecord>, StoreError>;

    /// What people call it; false where there is no such organisation.
    async fn rename_organisation(&self, org_id: Uuid, name: &str) -> Result<bool, StoreError>;

    /// An organisation's projects behind the slug `after`, by slug, at most `limit`.
    async fn projects_of(
        &self,
        org_id: Uuid,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ProjectRecord>, StoreError>;

    /// Makes a project; false where the organisation is not there or has another one of that slug.
    async fn create_project(&self, project: NewProject) -> Result<bool, StoreError>;

    /// Replaces its settings; false where the organisation has no such project.
    async fn update_project(&self, org_id: Uuid, id: ProjectId, settings: &ProjectSettings)
    -> Result<bool, StoreError>;
}

/// Flows, their documents (by content hash) and versions.
#[async_trait]
pub trait Flows: Send + Sync {
    /// By slug. On the path of every run: must be quick.
    async fn flow(&self, project: ProjectId, slug: &str) -> Result<Option<FlowRecord>, StoreError>;

    /// All of the project's, in order of their slugs.
    async fn flows(&self, project: ProjectId) -> Result<Vec<FlowRecord>, StoreError>;

    /// A document of the project's, by hash, as JSON.
    async fn document(&self, project: ProjectId, hash: &str) -> Result<Option<String>, StoreError>;

    /// Keeps a document for good, as a run is about to have it; false where it is gone: the draft that had it has
    /// changed.
    async fn keep_document(&self, project: ProjectId, hash: &str) -> Result<bool, StoreError>;

    /// A published version.
    async fn version(&self, project: ProjectId, flow: FlowId, number: u32)
    -> Result<Option<VersionRecord>, StoreError>;
}

/// API keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Adds a key unless `max_active` neither revoked nor expired ones exist; false then.
    async fn add_key(&self, key: &KeyRecord, max_active: u32, now: OffsetDateTime) -> Result<bool, StoreError>;

    /// By id; unscoped, because it is what finds the scope.
    async fn key(&self, key_id: &str) -> Result<Option<KeyRecord>, StoreError>;

    /// The project's, newest first, revoked ones included: those older than the one that was made then and has that id, at
    /// most `limit`.
    async fn keys(
        &self,
        project: ProjectId,
        before: Option<(OffsetDateTime, String)>,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, StoreError>;

    /// Revokes; the time it was revoked at (first), or `None` where the project has no such key.
    async fn revoke_key(
        &self,
        project: ProjectId,
        key_id: &str,
        at: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, StoreError>;
}

/// Runs and their events.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Queues one step of a run's life for the next group commit and returns at once. Writes of one run are
    /// stored in the order of the calls. Await the ticket to know it is stored. The queue is bounded: past its
    /// bound the ticket fails with [`StoreError::Overloaded`].
    ///
    /// [`StoreError::Conflict`], with nothing of the write stored: events that do not follow the last stored one,
    /// a status that the change may not come from, anything at all for a run that has ended or is missing, the
    /// creation of a run that exists, another end than `cancelled` of a job whose cancellation was asked for.
    fn append(&self, write: RunWrite) -> Ticket;

    /// One run.
    async fn run(&self, project: ProjectId, id: RunId) -> Result<Option<RunRecord>, StoreError>;

    /// What was stored at its creation, while the run may go on.
    async fn run_inputs(&self, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError>;

    /// The pause for tools it waits at, as stored. Still there after [`Runs::resume`], for the one who won, until the
    /// run pauses again or ends.
    async fn pause(&self, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError>;

    /// Events after `after`, in order, at most `limit` of them, as a trace shows them: without their states.
    async fn events(
        &self,
        project: ProjectId,
        id: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError>;

    /// As [`Runs::events`], with what each keeps for a run that may go on.
    async fn events_with_state(
        &self,
        project: ProjectId,
        id: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError>;

    /// Newest first.
    async fn runs(&self, project: ProjectId, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError>;

    /// Every run of a session, of whatever project, oldest first, at most `limit`; unscoped so that the caller can
    /// tell a foreign session from a missing one.
    async fn session_runs(&self, session_id: &str, limit: u32) -> Result<Vec<RunRecord>, StoreError>;

    /// Takes a waiting run on, as it stood when its `last_seq` was read: one caller of many wins, and none that looked
    /// too long ago. `from_final` allows a completed or failed run too (a step run whose caller goes back), never a
    /// cancelled one. `under` is the run that an idempotency key was begun with: the key then stands for what the winner
    /// makes of this run.
    async fn resume(
        &self,
        project: ProjectId,
        id: RunId,
        last_seq: u64,
        from_final: bool,
        under: Option<RunId>,
        at: OffsetDateTime,
    ) -> Result<Resumed, StoreError>;

    /// Wakes whenever something of the run is committed. Register before you query. The value has no meaning.
    fn watch(&self, id: RunId) -> watch::Receiver<u64>;
}

/// Jobs. They are created and finished through [`Runs::append`].
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Claims jobs that nobody holds a live lease on; unscoped, for workers. Those whose lease ran out come first, and
    /// the end of the earlier claim is noted as a fault. Then the projects take turns: each next job is one of the
    /// project with the fewest jobs in work, among equals of the one that was served the longest ago; of a project, the
    /// job that was queued first. So a project with many jobs starves no other. What a claim costs does not depend on
    /// how many jobs or projects wait.
    async fn claim_jobs(&self, claim: Claim) -> Result<Vec<ClaimedJob>, StoreError>;

    /// Prolongs the owner's leases; the runs among them whose cancellation was asked for.
    async fn heartbeat(&self, owner: Uuid, lease_until: OffsetDateTime) -> Result<Vec<RunId>, StoreError>;

    /// Gives one claimed job back, unfinished; [`StoreError::Fenced`] where the lease is no longer the caller's.
    async fn release_job(&self, id: RunId, lease: &Lease, how: Release) -> Result<(), StoreError>;

    /// One job.
    async fn job(&self, project: ProjectId, id: RunId) -> Result<Option<JobRecord>, StoreError>;

    /// Asks for its cancellation. A job that nobody works on, as nobody claimed it or the lease ran out, is cancelled
    /// here and now; its last event follows those it has. One that was begun is so only by who has seen all of its
    /// events ([`crate::CutOff`]); else [`StoreError::Conflict`]. One that has ended stays as it is. The job as it stands
    /// then; `None` where there is none.
    async fn cancel_job(
        &self,
        project: ProjectId,
        id: RunId,
        cancellation: Cancellation,
    ) -> Result<Option<JobRecord>, StoreError>;

    /// The project's queue.
    async fn queue(&self, project: ProjectId) -> Result<QueueRecord, StoreError>;

    /// Wakes whenever a job may have become claimable. Register before you query.
    fn watch_jobs(&self) -> watch::Receiver<u64>;
}

/// Idempotency keys.
#[async_trait]
pub trait Idempotency: Send + Sync {
    /// Takes the key for a request that will make `run` (or none), or says what it stands for already. Keys older than
    /// `expired_before` count as unused.
    async fn begin(
        &self,
        key: &IdempotencyKey,
        body_hash: &str,
        run: RunId,
        at: OffsetDateTime,
        expired_before: OffsetDateTime,
    ) -> Result<Begun, StoreError>;

    /// Stores the reply; [`StoreError::Conflict`] where the key waits for none.
    async fn finish(&self, key: &IdempotencyKey, reply: &StoredReply) -> Result<(), StoreError>;

    /// Gives the key back, so that another request may use it. No effect once its run is there: something was done.
    async fn abandon(&self, key: &IdempotencyKey) -> Result<(), StoreError>;
}

/// Model replies that are given again for the same request.
#[async_trait]
pub trait ReplyCache: Send + Sync {
    /// The reply under a key, where it was kept at `since` or later and its time is not up.
    async fn cached_reply(
        &self,
        project: ProjectId,
        key: &str,
        since: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Option<String>, StoreError>;

    /// Keeps a reply in place of the one under its key. Of what the project keeps beyond `most_bytes`, the oldest goes.
    async fn cache_reply(&self, reply: CachedReply, most_bytes: u64) -> Result<(), StoreError>;

    /// Deletes replies whose time is up, at most `limit`; how many went. Of all projects, for upkeep.
    async fn prune_replies(&self, now: OffsetDateTime, limit: u32) -> Result<u32, StoreError>;
}

/// Keys for model providers, sealed with a master key that the store does not have.
#[async_trait]
pub trait ProviderKeys: Send + Sync {
    /// Adds a key unless its project, or else its organisation as such, has `most` of them; false then.
    async fn add_provider_key(&self, key: &ProviderKeyRecord, most: u32) -> Result<bool, StoreError>;

    /// One of an organisation's.
    async fn provider_key(&self, org: Uuid, id: Uuid) -> Result<Option<ProviderKeyRecord>, StoreError>;

    /// Those that the project's calls may use: its own, then its organisation's, each in the order they were made in.
    /// On the path of runs: must be quick.
    async fn provider_keys(&self, project: ProjectId) -> Result<Vec<ProviderKeyRecord>, StoreError>;

    /// Replaces a key's secret; false where the organisation has no such key.
    async fn change_provider_key(&self, org: Uuid, id: Uuid, to: &ChangedKey) -> Result<bool, StoreError>;

    /// Deletes a key; false where the organisation has no such key.
    async fn remove_provider_key(&self, org: Uuid, id: Uuid) -> Result<bool, StoreError>;

    /// Notes that keys were sent about `at`; unscoped, for what the server itself has sent.
    async fn provider_keys_used(&self, ids: &[Uuid], at: OffsetDateTime) -> Result<(), StoreError>;

    /// Keys that another master key than this one opens, after `after` in the order of their ids; unscoped, for the
    /// change of the master key.
    async fn sealed_otherwise(&self, than: &str, after: Uuid, limit: u32)
    -> Result<Vec<ProviderKeyRecord>, StoreError>;

    /// Seals a key anew; false where it is no longer sealed as it was. Unscoped, for the change of the master key.
    async fn reseal(&self, id: Uuid, from: &Sealed, to: &Sealed) -> Result<bool, StoreError>;

    /// How many keys each master key opens; unscoped, for the operator.
    async fn sealed_with(&self) -> Result<Vec<(String, u64)>, StoreError>;
}

/// What model calls took. Most of it is stored by [`Runs::append`].
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Stores entries that no write of a run carried, or one that failed; unscoped, as each names its project. An entry
    /// that is stored already stays as it is, and is neither summed up nor charged again.
    async fn add_usage(&self, entries: Vec<Arc<UsageEntry>>) -> Result<(), StoreError>;

    /// Sums, in order of what they are grouped by. What it costs depends on hours and groups, not on calls, but for
    /// sessions.
    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageGroup>, StoreError>;

    /// Single entries that ended from `from` to before `to` and come after `after`, oldest first, at most `limit`.
    /// Their charges are not read.
    async fn usage_entries(
        &self,
        project: ProjectId,
        (from, to): (OffsetDateTime, OffsetDateTime),
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<UsageEntry>, StoreError>;

    /// Deletes single entries of before `before`, at most `limit`; how many went. Their sums stay.
    async fn prune_usage(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError>;
}

/// Budgets.
#[async_trait]
pub trait Budgets: Send + Sync {
    /// Makes the budget, or gives the one of the same scope, period and unit its amount, its warning level and its last
    /// author. A new one counts what the ledger has from hour `since` on in `period`, the one that goes on. As it stands
    /// then.
    async fn put_budget(&self, budget: &BudgetRecord, period: i64, since: i64) -> Result<BudgetRecord, StoreError>;

    /// All of them; unscoped, as every run is held against those that concern it.
    async fn budgets(&self) -> Result<Vec<BudgetRecord>, StoreError>;

    /// Removes an organisation's budget and what it counted; false where it has none of that id.
    async fn remove_budget(&self, org_id: Uuid, id: Uuid) -> Result<bool, StoreError>;

    /// What is spent of each budget in the period of that number, in the same order; unscoped, as ids come from
    /// [`Budgets::budgets`].
    async fn spent(&self, of: &[(Uuid, i64)]) -> Result<Vec<i64>, StoreError>;
}

/// Start, upkeep, end.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Whether the database answers and its schema is current.
    async fn ready(&self) -> Result<(), StoreError>;

    /// Takes over what servers left behind that are no more: their leases are void, which is noted as a fault of their
    /// jobs at `at`; their keys without a reply and without their run are forgotten; the execute and step runs that they were running are
    /// returned, for the caller to finish them.
    ///
    /// A database that one server owns ([`Upkeep::nodes`] is `None`) takes every earlier server for dead: called once,
    /// at the start. Where several share it, those are dead whose [`Nodes::beat`] is overdue: called again and again.
    async fn recover(&self, at: OffsetDateTime) -> Result<Vec<RunRecord>, StoreError>;

    /// Runs paused since before `before`, at most `limit`; unscoped.
    async fn paused_since(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<RunRecord>, StoreError>;

    /// Deletes finished runs that ended too long ago, in the order they began in: at most `limit`, none up to `after`.
    /// Looks at a bounded number of runs and deletes in small batches, so that runs never wait long.
    async fn prune_runs(&self, kept: KeptSince, after: Option<RunId>, limit: u32) -> Result<Pruned, StoreError>;

    /// Deletes idempotency keys made before `before`, at most `limit`; how many went.
    async fn prune_keys(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError>;

    /// Forgets what was kept for a retry of jobs that ended before `before`, at most `limit`; of how many. They can no
    /// longer be retried.
    async fn forget_retries(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError>;

    /// Gives free space back to the file system, some of it, in small steps. Nothing where the database does so itself.
    async fn give_back_space(&self) -> Result<(), StoreError>;

    /// What servers that share the database need of each other; `None` where one owns it.
    fn nodes(&self) -> Option<&dyn Nodes> {
        None
    }

    /// Waits for everything queued to be stored, then closes: every later call fails with [`StoreError::Closed`].
    async fn close(&self);
}

/// Servers that share a database.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// This server among them; also the owner of its jobs' leases, or they count as a dead one's.
    fn id(&self) -> Uuid;

    /// Says that this server lives, and will for the given time to come, by the database's clock. Of the record, the
    /// id and the end are the store's own.
    async fn beat(&self, node: &NodeRecord, alive: Duration) -> Result<Beat, StoreError>;

    /// All that are known, the dead included until nothing is left of what they did; oldest first.
    async fn list(&self) -> Result<Vec<NodeRecord>, StoreError>;

    /// This server has ended what it did and goes.
    async fn leave(&self) -> Result<(), StoreError>;

    /// Holds so many of the project's `most` places for runs at the same time, or as many as the others leave; how many.
    /// They are held until the next call for the project, or this server's end.
    async fn hold_places(&self, project: ProjectId, wanted: u32, most: u32) -> Result<u32, StoreError>;

    /// Counts what is done at a pace that all servers keep together; how long to wait where it is too early. What was
    /// done already (`owed`) is counted whatever comes of it.
    async fn keep_pace(&self, subject: &str, pace: Pace) -> Result<Duration, StoreError>;

    /// So much of a budget's `limit` that this server may take altogether in the period, what it has taken included: at
    /// most `wanted`, and no more than others leave, which is what they have spent and, while they live, what they hold.
    /// It is held until the next call for the budget and period, or this server's end.
    async fn hold_credit(&self, budget: Uuid, period: i64, limit: i64, wanted: i64) -> Result<Credit, StoreError>;

    /// What other servers do that this one's memory has to know of. One that lags behind looks anew.
    fn news(&self) -> broadcast::Receiver<News>;
}

/// A promise that a write is stored. Dropping it does not undo the write.
#[must_use = "a write is only known to be stored once its ticket is awaited"]
pub struct Ticket(Option<oneshot::Receiver<Result<(), StoreError>>>);

impl Ticket {
    /// For stores: the other end of the promise.
    pub fn new() -> (oneshot::Sender<Result<(), StoreError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(Some(receiver)))
    }

    /// For a write that is stored already.
    pub(crate) const fn kept() -> Self {
        Self(None)
    }

    /// Whether the write is known to be stored, so that there is nothing to wait for.
    pub const fn is_kept(&self) -> bool {
        self.0.is_none()
    }

    /// Waits until the write is stored.
    pub async fn stored(self) -> Result<(), StoreError> {
        match self.0 {
            Some(outcome) => outcome.await.unwrap_or(Err(StoreError::Closed)),
            None => Ok(()),
        }
    }
}
