//! What is stored. Records are the store's own; they carry what they are given and make up nothing: ids and
//! times come from the caller.

mod authoring;
mod cache;
mod identity;
mod jobs;
mod provider_keys;
mod test_cases;
mod usage;

use std::{borrow::Cow, sync::Arc};

pub use authoring::*;
pub use cache::*;
pub use identity::*;
pub use jobs::*;
use noukai_api::{CaptureMode, RunStatus, Scope, Tokens, TriggerType};
pub use provider_keys::*;
use serde::{Deserialize, Serialize};
pub use test_cases::*;
use time::OffsetDateTime;
pub use usage::*;
use uuid::Uuid;

/// A project; the tenant scope of nearly every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProjectId(pub Uuid);

/// A flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FlowId(pub Uuid);

/// A run; time-ordered (UUID v7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub Uuid);

macro_rules! display_as_uuid {
    ($($name:ident),+) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
    )+};
}
display_as_uuid!(ProjectId, FlowId, RunId);

/// A project with its organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRecord {
    /// The project.
    pub id: ProjectId,
    /// Unique in the organisation.
    pub slug: String,
    /// The organisation.
    pub org_id: Uuid,
    /// Unique.
    pub org_slug: String,
    /// The organisation's default for its flows.
    pub trace_capture: CaptureMode,
    /// What people see.
    pub settings: ProjectSettings,
    /// Counts the changes of its object models.
    pub models_revision: u64,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A flow as listed and resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRecord {
    /// The flow.
    pub id: FlowId,
    /// Its project.
    pub project_id: ProjectId,
    /// Unique in the project.
    pub slug: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// Hash of the draft's document, as it runs: with its object models filled in.
    pub draft_hash: String,
    /// Hash of the draft's document as written.
    pub source_hash: String,
    /// Counts the changes of the draft, from 1.
    pub revision: u64,
    /// The last line of its log; 0: none.
    pub last_seq: u64,
    /// The production version and the hash of its document.
    pub production: Option<(u32, String)>,
    /// Highest published version; 0: none.
    pub latest_version: u32,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When its draft was last changed.
    pub updated_at: OffsetDateTime,
}

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRecord {
    /// From 1.
    pub number: u32,
    /// Hash of its document, as it runs.
    pub hash: String,
    /// Hash of its document as written.
    pub source_hash: String,
    /// The publisher's words.
    pub note: String,
    /// Who published it, and when.
    pub by: Signature,
    /// Not to be used any more: since when, and why.
    pub deprecated: Option<(OffsetDateTime, String)>,
    /// From 1; one more each time it is marked as no longer to be used, or that is taken back.
    pub revision: u64,
}

/// An API key. Only a hash of the secret is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Eight characters.
    pub key_id: String,
    /// The one project it is for.
    pub project_id: ProjectId,
    /// SHA-256 of the secret, in hex.
    pub secret_hash: String,
    /// `live` or `test`.
    pub environment: String,
    /// For people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When.
    pub created_at: OffsetDateTime,
    /// By whom.
    pub created_by: String,
    /// Refused from then on.
    pub expires_at: Option<OffsetDateTime>,
    /// Refused since.
    pub revoked_at: Option<OffsetDateTime>,
}

/// A run without its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run.
    pub id: RunId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its flow.
    pub flow_id: FlowId,
    /// The flow's slug when the run began.
    pub flow_slug: String,
    /// Version that runs; 0 is the draft.
    pub version: u32,
    /// Hash of the document that runs.
    pub hash: String,
    /// By which door.
    pub trigger: TriggerType,
    /// Where it stands.
    pub status: RunStatus,
    /// What is kept of contents.
    pub capture: CaptureMode,
    /// Its session.
    pub session_id: Option<String>,
    /// Leaf blocks in the flow.
    pub step_count: u32,
    /// When it began, or was queued.
    pub started_at: OffsetDateTime,
    /// When it ended.
    pub completed_at: Option<OffsetDateTime>,
    /// Milliseconds from start to end.
    pub duration_ms: Option<u64>,
    /// Tokens of all attempts so far.
    pub tokens: Tokens,
    /// US dollars as a decimal string; `None`: unknown.
    pub cost_usd: Option<String>,
    /// Sequence number of the last event.
    pub last_seq: u64,
    /// How often the run has paused for tools.
    pub pauses: u32,
    /// Why it ended without its result: a JSON `StepError`.
    pub error: Option<String>,
}

/// A run to be created.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewRun {
    /// Its row; `last_seq` and `pauses` are 0.
    pub record: RunRecord,
    /// What the run needs to go on after a pause or a crash: versioned JSON, the caller's own. Kept while the run
    /// may go on. `None` for a run that can do neither.
    pub inputs: Option<String>,
    /// Queue it as a job, in the same transaction.
    #[serde(skip)]
    pub job: Option<NewJob>,
    /// What its beginning takes from budgets, in the same transaction.
    pub charges: Vec<Charge>,
}

/// An event to be stored. `seq` starts at 1 and has no gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// Position in the run.
    pub seq: u64,
    /// Kind, for filters.
    pub kind: Cow<'static, str>,
    /// Versioned JSON, as capture allows it.
    pub payload: String,
    /// The whole result of a finished step as JSON, whatever capture says; cleared when the run ends.
    pub state: Option<String>,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Position in the run.
    pub seq: u64,
    /// Kind.
    pub kind: String,
    /// Versioned JSON.
    pub payload: String,
    /// The whole result of a finished step, while the run may go on; only [`crate::Runs::events_with_state`] reads it.
    pub state: Option<String>,
}

/// One step of a run's life. All of it is stored in one transaction, or nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunWrite {
    /// The tenant.
    pub project_id: ProjectId,
    /// The run.
    pub run_id: RunId,
    /// Create the run first.
    pub create: Option<Box<NewRun>>,
    /// New status with its particulars.
    pub change: Option<RunChange>,
    /// Events, in order.
    pub events: Vec<NewEvent>,
    /// What the run's model calls took since the last write. May be given again by [`crate::Ledger::add_usage`].
    pub usage: Vec<Arc<UsageEntry>>,
    /// Set when a job's worker writes: refused with [`crate::StoreError::Fenced`] if the lease is no longer its own.
    #[serde(skip)]
    pub fence: Option<Lease>,
}

impl RunWrite {
    /// Whether it ends its run.
    pub(crate) const fn is_last(&self) -> bool {
        matches!(self.change, Some(RunChange::Finished(_)))
    }

    /// Whether it ends its run, and not as cancelled.
    pub(crate) fn ends_otherwise_than_cancelled(&self) -> bool {
        matches!(&self.change, Some(RunChange::Finished(finish)) if finish.status != RunStatus::Cancelled)
    }
}

/// A change of a run's status.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum RunChange {
    /// It goes on (from pending or paused).
    Running,
    /// It waits for the caller. `pause` is versioned JSON where it waits for tools; that also counts `pauses` up.
    Paused {
        /// Tokens so far.
        tokens: Tokens,
        /// Cost so far.
        cost_usd: Option<String>,
        /// When.
        at: OffsetDateTime,
        /// The pause for tools.
        pause: Option<String>,
    },
    /// It ended: the step states are cleared, the job (if any) is done, its lease released.
    Finished(Box<RunFinish>),
}

/// How a run ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunFinish {
    /// `completed`, `failed` or `cancelled`.
    pub status: RunStatus,
    /// When.
    pub at: OffsetDateTime,
    /// Milliseconds from start to end.
    pub duration_ms: u64,
    /// Tokens of all attempts.
    pub tokens: Tokens,
    /// US dollars as a decimal string.
    pub cost_usd: Option<String>,
    /// Why it ended without its result: a JSON `StepError`.
    pub error: Option<String>,
    /// The result as JSON: kept with the job where the run is one, else with the idempotency key that it was made under
    /// and that still waits for its reply.
    pub result: Option<String>,
    /// Leave the inputs alone: the caller may still go back (step runs), or none were stored.
    pub keep_inputs: bool,
    /// Clear step results that earlier writes stored as the run's own state. False only where there are none.
    pub clear_states: bool,
    /// Keep everything that the run would need to go on, step results of this write included: a job that may be
    /// retried. Wins over the two above.
    pub keep_for_retry: bool,
    /// The job was given up because it never came to an end.
    pub poison: bool,
}

/// What a list of runs is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// One flow's.
    pub flow_id: Option<FlowId>,
    /// In one status.
    pub status: Option<RunStatus>,
    /// Only jobs that were given up because they never came to an end.
    pub poison: bool,
    /// Older than this run (exclusive).
    pub before: Option<RunId>,
    /// At most so many.
    pub limit: u32,
}

/// Where a database's schema stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaState {
    /// The database's; 0: there is none yet.
    pub found: u32,
    /// The one that this release knows.
    pub current: u32,
    /// Migrations that the next start applies, by number and name.
    pub pending: Vec<(u32, &'static str)>,
}

/// From when on ended runs are kept; what ended before is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptSince {
    /// Runs of a session, whatever their capture.
    pub session: Option<OffsetDateTime>,
    /// Runs with their contents.
    pub full: OffsetDateTime,
    /// Runs with masked contents.
    pub redacted: OffsetDateTime,
    /// Runs without contents.
    pub metadata_only: OffsetDateTime,
    /// Runs without steps.
    pub off: OffsetDateTime,
}

impl KeptSince {
    /// The same for all runs.
    pub const fn all(since: OffsetDateTime) -> Self {
        Self { session: None, full: since, redacted: since, metadata_only: since, off: since }
    }

    /// No run that ended at that time or later is deleted.
    pub fn latest(&self) -> OffsetDateTime {
        let captures = self.full.max(self.redacted).max(self.metadata_only).max(self.off);
        self.session.map_or(captures, |session| session.max(captures))
    }

    /// Whether a run that ended at `ended` may be deleted.
    pub fn is_over(&self, capture: CaptureMode, in_session: bool, ended: OffsetDateTime) -> bool {
        let of_capture = match capture {
            CaptureMode::Full => self.full,
            CaptureMode::Redacted => self.redacted,
            CaptureMode::MetadataOnly => self.metadata_only,
            CaptureMode::Off => self.off,
        };
        ended < self.session.filter(|_| in_session).unwrap_or(of_capture)
    }
}

/// How far a look for old runs went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// How many were deleted.
    pub gone: u32,
    /// The last run that was looked at; go on behind it.
    pub seen: Option<RunId>,
    /// Nothing behind it is old enough.
    pub done: bool,
}

/// What became of a claim on a paused run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// It is the caller's; the run is `running` again.
    Claimed,
    /// Someone else was first, or the run is in another status.
    Lost,
}

/// What an idempotency key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// SHA-256 of the first body, in hex.
    pub body_hash: String,
    /// The first reply, once there is one.
    pub reply: Option<StoredReply>,
    /// The run that its first request makes, whether it has by now or not, or goes on with.
    pub run: Option<RunId>,
    /// The run's last event before that request; 0 where it makes the run.
    pub begun_after: u64,
    /// The result of that run as JSON, where it has completed, is no job, and the reply is not stored.
    pub result: Option<String>,
}

/// A reply to give again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// What a key's first use found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nobody used it before: it is the caller's.
    First,
    /// It was used before.
    Before(IdempotencyRecord),
}

/// Names an idempotency key: project, route, key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// The tenant.
    pub project_id: ProjectId,
    /// The route and its address, such as `execute acme/demo/triage v0`.
    pub route: String,
    /// As sent.
    pub key: String,
}

/// A server among those that share a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// The node: a new one with each start.
    pub id: Uuid,
    /// For people: where it runs.
    pub name: String,
    /// `serve` or `worker`.
    pub kind: String,
    /// The release it runs.
    pub release: String,
    /// When it began.
    pub started_at: OffsetDateTime,
    /// Given up for dead from then on, by the database's clock.
    pub alive_until: OffsetDateTime,
}

/// What a node learns when it says that it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// The database's time.
    pub now: OffsetDateTime,
    /// How many others live.
    pub others: u32,
    /// How many others are dead and may have left something behind.
    pub dead: u32,
}
