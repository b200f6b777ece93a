//! Test cases and test runs.

use async_trait::async_trait;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    rows::{self, clamp, get, micros, number, time, time_if},
    transact::{Params, Tx},
};
use crate::sql::{authoring::LOCK_FLOW_POSTGRES, test_cases as sql};
use crate::{
    CaseChanged, FlowFilter, FlowId, GateChange, GateChanged, GateRecord, ProjectId, RunId, StoreError, TestCaseId,
    TestCaseRecord, TestCases, TestProgress, TestResultRecord, TestRunId, TestRunRecord,
};

#[async_trait]
impl TestCases for PostgresStore {
    async fn add_test_case(&self, case: &TestCaseRecord, most: u32) -> Result<bool, StoreError> {
        let name = case.name.clone();
        let case = case.clone();
        let added = self.transact(move |tx| {
            let case = case.clone();
            Box::pin(async move { add(tx, &case, most).await })
        });
        added.await.map_err(|error| named(error, &name))
    }

    async fn test_case(
        &self,
        project: ProjectId,
        flow: FlowId,
        id: TestCaseId,
    ) -> Result<Option<TestCaseRecord>, StoreError> {
        rows::one(self.find(sql::ONE, &[&project.0, &flow.0, &id.0]).await?, test_case)
    }

    async fn test_cases(
        &self,
        project: ProjectId,
        flow: FlowId,
        after: Option<TestCaseId>,
        limit: u32,
    ) -> Result<Vec<TestCaseRecord>, StoreError> {
        let limit = i64::from(limit);
        let found = match after {
            None => self.query(sql::ALL, &[&project.0, &flow.0, &limit]).await?,
            Some(after) => self.query(sql::AFTER, &[&project.0, &flow.0, &after.0, &limit]).await?,
        };
        rows::all(&found, test_case)
    }

    async fn page_test_cases(&self, project: ProjectId, filter: FlowFilter) -> Result<Vec<TestCaseRecord>, StoreError> {
        self.flow_rows(project, filter, sql::PAGE_OF_CASES, test_case).await
    }

    async fn change_test_case(&self, case: &TestCaseRecord) -> Result<CaseChanged, StoreError> {
        let name = case.name.clone();
        let case = case.clone();
        let changed = self.transact(move |tx| {
            let case = case.clone();
            Box::pin(async move { change(tx, &case).await })
        });
        changed.await.map_err(|error| named(error, &name))
    }

    async fn remove_test_case(
        &self,
        project: ProjectId,
        flow: FlowId,
        id: TestCaseId,
        on_revision: Option<u64>,
    ) -> Result<CaseChanged, StoreError> {
        self.transact(move |tx| {
            Box::pin(async move {
                let row: Params<'_> = &[&project.0, &flow.0, &id.0, &on_revision.map(clamp)];
                match tx.execute(sql::REMOVE, row).await? {
                    0 => not_changed(tx, &[&project.0, &flow.0, &id.0]).await,
                    _ => Ok(CaseChanged::Done),
                }
            })
        })
        .await
    }

    async fn test_gate(&self, project: ProjectId, flow: FlowId) -> Result<Option<GateRecord>, StoreError> {
        let gate = |row: &Row| Ok(GateRecord { gate: get(row, 0)?, revision: number(row, 1)? });
        rows::one(self.find(sql::GATE, &[&project.0, &flow.0]).await?, gate)
    }

    async fn set_test_gate(&self, change: GateChange) -> Result<GateChanged, StoreError> {
        self.transact(move |tx| {
            let change = change.clone();
            Box::pin(async move { set_gate(tx, &change).await })
        })
        .await
    }

    async fn begin_test_run(
        &self,
        run: &TestRunRecord,
        results: &[TestResultRecord],
        keep: u32,
    ) -> Result<(), StoreError> {
        let (run, results) = (run.clone(), results.to_vec());
        self.transact(move |tx| {
            let (run, results) = (run.clone(), results.clone());
            Box::pin(async move {
                begin(tx, &run, &results).await?;
                forget(tx, &run, keep).await
            })
        })
        .await
    }

    async fn advance_test_run(
        &self,
        project: ProjectId,
        id: TestRunId,
        progress: &TestProgress,
        results: &[TestResultRecord],
    ) -> Result<bool, StoreError> {
        let (progress, results) = (progress.clone(), results.to_vec());
        self.transact(move |tx| {
            let (progress, results) = (progress.clone(), results.clone());
            Box::pin(async move {
                let advanced = advance(tx, project, id, &progress, &results).await?;
                tx.effects.run(RunId(id.0));
                Ok(advanced)
            })
        })
        .await
    }

    async fn test_run_of(&self, org: Uuid, id: TestRunId) -> Result<Option<TestRunRecord>, StoreError> {
        rows::one(self.find(sql::RUN_OF, &[&org, &id.0]).await?, test_run)
    }

    async fn test_run(&self, project: ProjectId, id: TestRunId) -> Result<Option<TestRunRecord>, StoreError> {
        rows::one(self.find(sql::RUN, &[&project.0, &id.0]).await?, test_run)
    }

    async fn test_results(
        &self,
        project: ProjectId,
        id: TestRunId,
        from: u32,
        limit: u32,
    ) -> Result<Vec<TestResultRecord>, StoreError> {
        let (from, limit) = (i64::from(from), i64::from(limit));
        rows::all(&self.query(sql::RESULTS, &[&project.0, &id.0, &from, &limit]).await?, result)
    }

    async fn test_runs(
        &self,
        project: ProjectId,
        flow: FlowId,
        before: Option<TestRunId>,
        limit: u32,
    ) -> Result<Vec<TestRunRecord>, StoreError> {
        let limit = i64::from(limit);
        let found = match before {
            None => self.query(sql::RUNS, &[&project.0, &flow.0, &limit]).await?,
            Some(before) => self.query(sql::RUNS_BEFORE, &[&project.0, &flow.0, &before.0, &limit]).await?,
        };
        rows::all(&found, test_run)
    }
}

/// A name that is taken, in words.
fn named(error: StoreError, name: &str) -> StoreError {
    match error {
        StoreError::Conflict(_) => StoreError::Conflict(format!("the flow has a test case named `{name}` already")),
        other => other,
    }
}

/// One adds a case of a flow at a time, so that their number is right.
async fn add(tx: &Tx, case: &TestCaseRecord, most: u32) -> Result<bool, Fault> {
    let (project, flow) = (case.project_id.0, case.flow_id.0);
    tx.find(LOCK_FLOW_POSTGRES, &[&project, &flow]).await?;
    let there = tx.find(sql::COUNT, &[&project, &flow]).await?;
    let there: i64 = there.as_ref().map_or(Ok(0), |row| number(row, 0))?;
    if there >= i64::from(most) {
        return Ok(false);
    }
    let (replies, created_at) = (i64::from(case.replies), micros(case.created_at));
    let TestCaseRecord { name, definition, cassette, created_by, .. } = case;
    tx.execute(sql::ADD, &[&case.id.0, &project, &flow, name, definition, cassette, &replies, &created_at, created_by])
        .await?;
    Ok(true)
}

async fn change(tx: &Tx, case: &TestCaseRecord) -> Result<CaseChanged, Fault> {
    let (replies, updated_at, revision) = (i64::from(case.replies), micros(case.updated_at), clamp(case.revision));
    let (project, flow, id) = (case.project_id.0, case.flow_id.0, case.id.0);
    let TestCaseRecord { name, definition, cassette, updated_by, .. } = case;
    let changed = tx
        .execute(
            sql::CHANGE,
            &[name, definition, cassette, &replies, &updated_at, updated_by, &project, &flow, &id, &revision],
        )
        .await?;
    if changed > 0 {
        return Ok(CaseChanged::Done);
    }
    not_changed(tx, &[&project, &flow, &id]).await
}

/// Why nothing was done to a case: its project, flow and id.
async fn not_changed(tx: &Tx, scope: Params<'_>) -> Result<CaseChanged, Fault> {
    let found = tx.find(sql::REVISION, scope).await?;
    let revision = found.as_ref().map(|row| number(row, 0)).transpose()?;
    Ok(revision.map_or(CaseChanged::Missing, CaseChanged::Stale))
}

async fn set_gate(tx: &Tx, change: &GateChange) -> Result<GateChanged, Fault> {
    let GateChange { project_id, flow_id, gate, on_revision, by, at } = change;
    let row: Params<'_> = &[&flow_id.0, &project_id.0, gate, &micros(*at), by, &on_revision.map(clamp)];
    if let Some(set) = tx.find(sql::SET_GATE, row).await? {
        return Ok(GateChanged::Done(number(&set, 0)?));
    }
    let found = tx.find(sql::GATE, &[&project_id.0, &flow_id.0]).await?;
    Ok(GateChanged::Stale(found.as_ref().map_or(Ok(0), |row| number(row, 1))?))
}

async fn begin(tx: &Tx, run: &TestRunRecord, results: &[TestResultRecord]) -> Result<(), Fault> {
    let (version, total) = (i64::from(run.version), i64::from(run.total));
    let (passed, failed) = (i64::from(run.passed), i64::from(run.failed));
    let (started_at, alive_until) = (micros(run.started_at), micros(run.alive_until));
    let completed_at = run.completed_at.map(micros);
    tx.execute(
        sql::BEGIN,
        &[
            &run.id.0,
            &run.project_id.0,
            &run.flow_id.0,
            &run.flow_slug,
            &version,
            &run.hash,
            &run.status,
            &total,
            &passed,
            &failed,
            &started_at,
            &completed_at,
            &alive_until,
            &run.created_by,
        ],
    )
    .await?;
    for result in results {
        let TestResultRecord { position, case_id, case_name, status, run_id, detail } = result;
        let (position, run_id) = (i64::from(*position), run_id.map(|id| id.0));
        tx.execute(sql::ADD_RESULT, &[&run.id.0, &position, &case_id.0, case_name, status, &run_id, detail]).await?;
    }
    Ok(())
}

async fn forget(tx: &Tx, run: &TestRunRecord, keep: u32) -> Result<(), Fault> {
    let (project, flow) = (run.project_id.0, run.flow_id.0);
    if let Some(past) = tx.find(sql::PAST_KEPT, &[&project, &flow, &i64::from(keep)]).await? {
        let past: Uuid = get(&past, 0)?;
        tx.execute(sql::FORGET_RESULTS, &[&project, &flow, &past]).await?;
        tx.execute(sql::FORGET_RUNS, &[&project, &flow, &past]).await?;
    }
    Ok(())
}

async fn advance(
    tx: &Tx,
    project: ProjectId,
    id: TestRunId,
    progress: &TestProgress,
    results: &[TestResultRecord],
) -> Result<bool, Fault> {
    let (passed, failed) = (i64::from(progress.passed), i64::from(progress.failed));
    let (completed_at, alive_until) = (progress.completed_at.map(micros), micros(progress.alive_until));
    let advanced = tx
        .execute(sql::ADVANCE, &[&progress.status, &passed, &failed, &completed_at, &alive_until, &project.0, &id.0])
        .await?;
    if advanced == 0 {
        return Ok(false);
    }
    for result in results {
        let (run_id, position) = (result.run_id.map(|id| id.0), i64::from(result.position));
        tx.execute(sql::SET_RESULT, &[&result.status, &run_id, &result.detail, &id.0, &position]).await?;
    }
    Ok(true)
}

fn test_case(row: &Row) -> Result<TestCaseRecord, Fault> {
    Ok(TestCaseRecord {
        id: TestCaseId(get(row, 0)?),
        project_id: ProjectId(get(row, 1)?),
        flow_id: FlowId(get(row, 2)?),
        name: get(row, 3)?,
        definition: get(row, 4)?,
        cassette: get(row, 5)?,
        replies: number(row, 6)?,
        revision: number(row, 7)?,
        created_at: time(row, 8)?,
        created_by: get(row, 9)?,
        updated_at: time(row, 10)?,
        updated_by: get(row, 11)?,
    })
}

fn test_run(row: &Row) -> Result<TestRunRecord, Fault> {
    Ok(TestRunRecord {
        id: TestRunId(get(row, 0)?),
        project_id: ProjectId(get(row, 1)?),
        flow_id: FlowId(get(row, 2)?),
        flow_slug: get(row, 3)?,
        version: number(row, 4)?,
        hash: get(row, 5)?,
        status: get(row, 6)?,
        total: number(row, 7)?,
        passed: number(row, 8)?,
        failed: number(row, 9)?,
        started_at: time(row, 10)?,
        completed_at: time_if(row, 11)?,
        alive_until: time(row, 12)?,
        created_by: get(row, 13)?,
    })
}

fn result(row: &Row) -> Result<TestResultRecord, Fault> {
    Ok(TestResultRecord {
        position: number(row, 0)?,
        case_id: TestCaseId(get(row, 1)?),
        case_name: get(row, 2)?,
        status: get(row, 3)?,
        run_id: get::<Option<Uuid>>(row, 4)?.map(RunId),
        detail: get(row, 5)?,
    })
}
