//! Jobs as they are stored: how a run is queued, claimed, given back, cancelled and tried again.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{RunId, RunRecord};

/// How a run is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewJob {
    /// Most jobs that may wait. Where they do already, the write fails with [`crate::StoreError::QueueFull`].
    pub bounds: QueueBounds,
    /// The ended job that this one tries again. [`crate::StoreError::Conflict`] unless that job is the project's and
    /// can be retried; afterwards it cannot be retried again, and what was kept of it for a retry is gone.
    pub retry_of: Option<RunId>,
}

/// Most jobs that may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueBounds {
    /// Of one project.
    pub project: u32,
    /// Of all projects together.
    pub server: u32,
}

impl QueueBounds {
    /// As many as there are.
    pub const NONE: Self = Self { project: u32::MAX, server: u32::MAX };
}

/// The right to work on a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The worker.
    pub owner: Uuid,
    /// Which claim of the job this is, from 1: also the number of the attempt.
    pub claim: u32,
}

/// What a worker asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The worker.
    pub owner: Uuid,
    /// At most so many jobs.
    pub limit: u32,
    /// Jobs of one project that may be worked on at the same time, by all workers together.
    pub per_project: u32,
    /// When.
    pub now: OffsetDateTime,
    /// Others may claim the jobs from then on.
    pub lease_until: OffsetDateTime,
}

/// How a claim ends that does not end its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// The worker stops; the job may be claimed again at once, and nothing is held against it.
    Clean,
    /// Something went wrong, which is noted.
    Failed {
        /// What, in one sentence.
        message: String,
        /// When.
        at: OffsetDateTime,
        /// The job may be claimed again from then on.
        again_at: OffsetDateTime,
    },
}

/// A claim that ended badly, and not with the end of its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFault {
    /// Which claim, from 1.
    pub claim: u32,
    /// When this was noticed.
    pub at: OffsetDateTime,
    /// The number of the run's last event then.
    pub last_seq: u64,
    /// What happened.
    pub kind: FaultKind,
    /// The worker's words, where it lived to say any.
    pub message: Option<String>,
}

/// How a claim ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The process that held it ended without giving it back.
    Stopped,
    /// Its lease ran out.
    Lapsed,
    /// Its worker gave it back with an error.
    Failed,
}

impl FaultKind {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Lapsed => "lapsed",
            Self::Failed => "failed",
        }
    }

    /// The kind that is spelled `text`, if there is one.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Stopped, Self::Lapsed, Self::Failed].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A job as polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// Its run.
    pub run: RunRecord,
    /// The result as JSON, once completed.
    pub result: Option<String>,
    /// Whether its caller asked to cancel it.
    pub cancel_requested: bool,
    /// Where it stands among the jobs that wait; only where nobody has claimed it yet.
    pub place: Option<QueuePlace>,
    /// Its claims that ended badly, oldest first.
    pub faults: Vec<JobFault>,
    /// Whether it was given up because it never came to an end.
    pub poison: bool,
    /// Whether what a retry needs is still there.
    pub retryable: bool,
    /// The job that this one tries again.
    pub retry_of: Option<RunId>,
    /// The job that tries this one again.
    pub retried_by: Option<RunId>,
}

/// How a job ends that is cancelled while nobody works on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// Why it ended without its result: a JSON `StepError`.
    pub error: String,
    /// Kind of its last event.
    pub event_kind: &'static str,
    /// Its last event: versioned JSON.
    pub event_payload: String,
    /// When.
    pub at: OffsetDateTime,
    /// As in [`crate::RunFinish::keep_for_retry`].
    pub keep_for_retry: bool,
    /// What was begun and cut off: needed where the run has begun.
    pub cut_off: Option<CutOff>,
}

/// The ends of attempts that a crash left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutOff {
    /// The run's last event when they were looked for.
    pub as_of: u64,
    /// Kind and payload of each event.
    pub events: Vec<(&'static str, String)>,
}

/// A waiting job's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuePlace {
    /// From 1: how many of its project's waiting jobs are claimed before it at the most, itself counted. Lower than that
    /// where jobs between were cancelled.
    pub position: u32,
    /// How many of the project's jobs wait.
    pub depth: u32,
}

/// A project's queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueRecord {
    /// Jobs that wait to be claimed.
    pub waiting: u32,
    /// Jobs that were given back with an error and wait until they may be claimed again.
    pub delayed: u32,
    /// Jobs that workers hold.
    pub running: u32,
    /// When the one that waits the longest was queued.
    pub oldest_at: Option<OffsetDateTime>,
}

/// A job that a worker has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// Its run, still `pending` or `running`.
    pub run: RunRecord,
    /// As stored at submit.
    pub inputs: String,
    /// The right to work on it.
    pub lease: Lease,
    /// Whether its caller asked to cancel it meanwhile.
    pub cancel_requested: bool,
    /// Its earlier claims that ended badly, oldest first.
    pub faults: Vec<JobFault>,
}
