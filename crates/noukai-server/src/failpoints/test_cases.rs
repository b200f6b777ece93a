//! Test cases have no failpoints: nothing that was acknowledged to a run's caller depends on them.

use async_trait::async_trait;
use noukai_store::{
    CaseChanged, FlowFilter, FlowId, GateChange, GateChanged, GateRecord, ProjectId, StoreError, TestCaseId,
    TestCaseRecord, TestCases, TestProgress, TestResultRecord, TestRunId, TestRunRecord,
};
use uuid::Uuid;

use super::FailingStore;

#[async_trait]
impl TestCases for FailingStore {
    async fn add_test_case(&self, case: &TestCaseRecord, most: u32) -> Result<bool, StoreError> {
        self.inner.add_test_case(case, most).await
    }

    async fn test_case(
        &self,
        project: ProjectId,
        flow: FlowId,
        id: TestCaseId,
    ) -> Result<Option<TestCaseRecord>, StoreError> {
        self.inner.test_case(project, flow, id).await
    }

    async fn test_cases(
        &self,
        project: ProjectId,
        flow: FlowId,
        after: Option<TestCaseId>,
        limit: u32,
    ) -> Result<Vec<TestCaseRecord>, StoreError> {
        self.inner.test_cases(project, flow, after, limit).await
    }

    async fn page_test_cases(&self, project: ProjectId, filter: FlowFilter) -> Result<Vec<TestCaseRecord>, StoreError> {
        self.inner.page_test_cases(project, filter).await
    }

    async fn change_test_case(&self, case: &TestCaseRecord) -> Result<CaseChanged, StoreError> {
        self.inner.change_test_case(case).await
    }

    async fn remove_test_case(
        &self,
        project: ProjectId,
        flow: FlowId,
        id: TestCaseId,
        on_revision: Option<u64>,
    ) -> Result<CaseChanged, StoreError> {
        self.inner.remove_test_case(project, flow, id, on_revision).await
    }

    async fn test_gate(&self, project: ProjectId, flow: FlowId) -> Result<Option<GateRecord>, StoreError> {
        self.inner.test_gate(project, flow).await
    }

    async fn set_test_gate(&self, change: GateChange) -> Result<GateChanged, StoreError> {
        self.inner.set_test_gate(change).await
    }

    async fn begin_test_run(
        &self,
        run: &TestRunRecord,
        results: &[TestResultRecord],
        keep: u32,
    ) -> Result<(), StoreError> {
        self.inner.begin_test_run(run, results, keep).await
    }

    async fn advance_test_run(
        &self,
        project: ProjectId,
        id: TestRunId,
        progress: &TestProgress,
        results: &[TestResultRecord],
    ) -> Result<bool, StoreError> {
        self.inner.advance_test_run(project, id, progress, results).await
    }

    async fn test_run_of(&self, org: Uuid, id: TestRunId) -> Result<Option<TestRunRecord>, StoreError> {
        self.inner.test_run_of(org, id).await
    }

    async fn test_run(&self, project: ProjectId, id: TestRunId) -> Result<Option<TestRunRecord>, StoreError> {
        self.inner.test_run(project, id).await
    }

    async fn test_results(
        &self,
        project: ProjectId,
        id: TestRunId,
        from: u32,
        limit: u32,
    ) -> Result<Vec<TestResultRecord>, StoreError> {
        self.inner.test_results(project, id, from, limit).await
    }

    async fn test_runs(
        &self,
        project: ProjectId,
        flow: FlowId,
        before: Option<TestRunId>,
        limit: u32,
    ) -> Result<Vec<TestRunRecord>, StoreError> {
        self.inner.test_runs(project, flow, before, limit).await
    }
}
