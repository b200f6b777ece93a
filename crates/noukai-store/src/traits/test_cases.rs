//! Test cases, test runs, and what must pass before a version is published.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    CaseChanged, FlowFilter, FlowId, GateChange, GateChanged, GateRecord, ProjectId, StoreError, TestCaseId,
    TestCaseRecord, TestProgress, TestResultRecord, TestRunId, TestRunRecord,
};

/// Test cases of flows, and test runs.
#[async_trait]
pub trait TestCases: Send + Sync {
    /// Adds a case unless the flow has `most` of them; false then. [`StoreError::Conflict`] where its name is taken.
    async fn add_test_case(&self, case: &TestCaseRecord, most: u32) -> Result<bool, StoreError>;

    /// One case, with its cassette.
    async fn test_case(
        &self,
        project: ProjectId,
        flow: FlowId,
        id: TestCaseId,
    ) -> Result<Option<TestCaseRecord>, StoreError>;

    /// The flow's cases after `after`, in the order they were made in, at most `limit`, without their cassettes.
    async fn test_cases(
        &self,
        project: ProjectId,
        flow: FlowId,
        after: Option<TestCaseId>,
        limit: u32,
    ) -> Result<Vec<TestCaseRecord>, StoreError>;

    /// Test cases of all flows on a page, in the order they were made in, without their cassettes.
    async fn page_test_cases(&self, project: ProjectId, filter: FlowFilter) -> Result<Vec<TestCaseRecord>, StoreError>;

    /// Stores name, definition, cassette and who changed them, where the case still has `case.revision`.
    /// [`StoreError::Conflict`] where the name is taken.
    async fn change_test_case(&self, case: &TestCaseRecord) -> Result<CaseChanged, StoreError>;

    /// Deletes a case, with `on_revision` only where it has that; its results stay.
    async fn remove_test_case(
        &self,
        project: ProjectId,
        flow: FlowId,
        id: TestCaseId,
        on_revision: Option<u64>,
    ) -> Result<CaseChanged, StoreError>;

    /// What the flow's versions must pass; `None` where nothing was ever set.
    async fn test_gate(&self, project: ProjectId, flow: FlowId) -> Result<Option<GateRecord>, StoreError>;

    /// Sets it.
    async fn set_test_gate(&self, change: GateChange) -> Result<GateChanged, StoreError>;

    /// Stores a test run with its cases, and deletes the oldest test runs of the flow past the newest `keep`.
    async fn begin_test_run(
        &self,
        run: &TestRunRecord,
        results: &[TestResultRecord],
        keep: u32,
    ) -> Result<(), StoreError>;

    /// Stores how far a test run has come, with the results that are new, and wakes who waits for it. No effect on one
    /// that has ended: false.
    async fn advance_test_run(
        &self,
        project: ProjectId,
        id: TestRunId,
        progress: &TestProgress,
        results: &[TestResultRecord],
    ) -> Result<bool, StoreError>;

    /// A test run of any project of the organisation; the caller's reach may be less than that.
    async fn test_run_of(&self, org: Uuid, id: TestRunId) -> Result<Option<TestRunRecord>, StoreError>;

    /// One test run.
    async fn test_run(&self, project: ProjectId, id: TestRunId) -> Result<Option<TestRunRecord>, StoreError>;

    /// Its cases from `from` on, in order, at most `limit`.
    async fn test_results(
        &self,
        project: ProjectId,
        id: TestRunId,
        from: u32,
        limit: u32,
    ) -> Result<Vec<TestResultRecord>, StoreError>;

    /// The flow's test runs before `before`, newest first, at most `limit`.
    async fn test_runs(
        &self,
        project: ProjectId,
        flow: FlowId,
        before: Option<TestRunId>,
        limit: u32,
    ) -> Result<Vec<TestRunRecord>, StoreError>;
}
