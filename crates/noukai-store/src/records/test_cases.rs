//! Test cases, and what came of running them.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{FlowId, ProjectId, RunId};

/// A test case; time-ordered (UUID v7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TestCaseId(pub Uuid);

/// A test run; time-ordered (UUID v7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TestRunId(pub Uuid);

impl std::fmt::Display for TestCaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for TestRunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A test case of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCaseRecord {
    /// The case.
    pub id: TestCaseId,
    /// The tenant.
    pub project_id: ProjectId,
    /// The flow.
    pub flow_id: FlowId,
    /// Unique in the flow.
    pub name: String,
    /// What is sent and expected: versioned JSON, the caller's own.
    pub definition: String,
    /// Model replies as JSON; lists leave it out.
    pub cassette: Option<String>,
    /// How many replies those are; 0: there is no cassette.
    pub replies: u32,
    /// Counts changes, from 1.
    pub revision: u64,
    /// When.
    pub created_at: OffsetDateTime,
    /// By whom.
    pub created_by: String,
    /// When it was changed last.
    pub updated_at: OffsetDateTime,
    /// By whom.
    pub updated_by: String,
}

/// What became of a change of a test case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseChanged {
    /// It is stored, with the next revision, or deleted.
    Done,
    /// It has this revision by now; nothing was changed.
    Stale(u64),
    /// There is none.
    Missing,
}

/// What a flow's versions must pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateRecord {
    /// JSON, the caller's own.
    pub gate: String,
    /// From 1; one more each time it is set.
    pub revision: u64,
}

/// A gate to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateChange {
    /// The tenant.
    pub project_id: ProjectId,
    /// The flow.
    pub flow_id: FlowId,
    /// JSON, the caller's own.
    pub gate: String,
    /// Only where the one there is has this revision; 0: where none was ever set.
    pub on_revision: Option<u64>,
    /// Who sets it.
    pub by: String,
    /// When.
    pub at: OffsetDateTime,
}

/// What became of setting a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateChanged {
    /// Stored, with this revision.
    Done(u64),
    /// It has this revision by now, 0 where there is none; nothing was stored.
    Stale(u64),
}

/// Test cases of a flow that are run together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRunRecord {
    /// The test run.
    pub id: TestRunId,
    /// The tenant.
    pub project_id: ProjectId,
    /// The flow.
    pub flow_id: FlowId,
    /// The flow's slug when it began.
    pub flow_slug: String,
    /// Version that is tested; 0 is the draft.
    pub version: u32,
    /// Hash of the document that is tested.
    pub hash: String,
    /// As spelled on the wire.
    pub status: String,
    /// Cases.
    pub total: u32,
    /// Cases that passed.
    pub passed: u32,
    /// Cases that ended otherwise.
    pub failed: u32,
    /// When.
    pub started_at: OffsetDateTime,
    /// When it ended.
    pub completed_at: Option<OffsetDateTime>,
    /// Whoever runs it said last that it lives until then.
    pub alive_until: OffsetDateTime,
    /// By whom.
    pub created_by: String,
}

/// One case of a test run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResultRecord {
    /// Its place in the test run, from 0.
    pub position: u32,
    /// The case, which may be gone.
    pub case_id: TestCaseId,
    /// Its name when the test run began.
    pub case_name: String,
    /// As spelled on the wire.
    pub status: String,
    /// The run of the flow.
    pub run_id: Option<RunId>,
    /// How it went: versioned JSON, the caller's own.
    pub detail: Option<String>,
}

/// How far a test run has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestProgress {
    /// As spelled on the wire.
    pub status: String,
    /// Cases that passed.
    pub passed: u32,
    /// Cases that ended otherwise.
    pub failed: u32,
    /// When it ended.
    pub completed_at: Option<OffsetDateTime>,
    /// It lives until then.
    pub alive_until: OffsetDateTime,
}
