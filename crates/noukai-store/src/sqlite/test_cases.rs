//! Test cases and test runs.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{
    SqliteStore,
    rows::{self, Micros},
};
use crate::sql::test_cases as sql;
use crate::{
    CaseChanged, FlowFilter, FlowId, GateChange, GateChanged, GateRecord, ProjectId, RunId, StoreError, TestCaseId,
    TestCaseRecord, TestCases, TestProgress, TestResultRecord, TestRunId, TestRunRecord,
};

#[async_trait]
impl TestCases for SqliteStore {
    async fn add_test_case(&self, case: &TestCaseRecord, most: u32) -> Result<bool, StoreError> {
        let case = case.clone();
        self.write(move |db, _| add(db, &case, most)).await
    }

    async fn test_case(
        &self,
        project: ProjectId,
        flow: FlowId,
        id: TestCaseId,
    ) -> Result<Option<TestCaseRecord>, StoreError> {
        self.point(|db| {
            Ok(db.prepare_cached(sql::ONE)?.query_row(params![project.0, flow.0, id.0], test_case).optional()?)
        })
    }

    async fn test_cases(
        &self,
        project: ProjectId,
        flow: FlowId,
        after: Option<TestCaseId>,
        limit: u32,
    ) -> Result<Vec<TestCaseRecord>, StoreError> {
        self.list(move |db| match after {
            None => collect(db, sql::ALL, params![project.0, flow.0, limit], test_case),
            Some(after) => collect(db, sql::AFTER, params![project.0, flow.0, after.0, limit], test_case),
        })
        .await
    }

    async fn page_test_cases(&self, project: ProjectId, filter: FlowFilter) -> Result<Vec<TestCaseRecord>, StoreError> {
        self.flow_rows(project, filter, sql::PAGE_OF_CASES, test_case).await
    }

    async fn change_test_case(&self, case: &TestCaseRecord) -> Result<CaseChanged, StoreError> {
        let case = case.clone();
        self.write(move |db, _| change(db, &case)).await
    }

    async fn remove_test_case(
        &self,
        project: ProjectId,
        flow: FlowId,
        id: TestCaseId,
        on_revision: Option<u64>,
    ) -> Result<CaseChanged, StoreError> {
        self.write(move |db, _| {
            let scope = [project.0, flow.0, id.0];
            let row = params![project.0, flow.0, id.0, on_revision.map(rows::clamp)];
            match db.prepare_cached(sql::REMOVE)?.execute(row)? {
                0 => not_changed(db, scope),
                _ => Ok(CaseChanged::Done),
            }
        })
        .await
    }

    async fn test_gate(&self, project: ProjectId, flow: FlowId) -> Result<Option<GateRecord>, StoreError> {
        self.point(|db| find_gate(db, project, flow))
    }

    async fn set_test_gate(&self, change: GateChange) -> Result<GateChanged, StoreError> {
        self.write(move |db, _| {
            let GateChange { project_id, flow_id, gate, on_revision, by, at } = &change;
            let row = params![flow_id.0, project_id.0, gate, Micros(*at), by, on_revision.map(rows::clamp)];
            let set = db.prepare_cached(sql::SET_GATE)?.query_row(row, |row| rows::count(row, 0)).optional()?;
            Ok(match set {
                Some(revision) => GateChanged::Done(revision),
                None => GateChanged::Stale(find_gate(db, *project_id, *flow_id)?.map_or(0, |gate| gate.revision)),
            })
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
        self.write(move |db, _| {
            begin(db, &run, &results)?;
            forget(db, &run, keep)
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
        self.write(move |db, effects| {
            let advanced = advance(db, project, id, &progress, &results)?;
            effects.run(RunId(id.0));
            Ok(advanced)
        })
        .await
    }

    async fn test_run_of(&self, org: Uuid, id: TestRunId) -> Result<Option<TestRunRecord>, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::RUN_OF)?.query_row([org, id.0], test_run).optional()?))
    }

    async fn test_run(&self, project: ProjectId, id: TestRunId) -> Result<Option<TestRunRecord>, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::RUN)?.query_row([project.0, id.0], test_run).optional()?))
    }

    async fn test_results(
        &self,
        project: ProjectId,
        id: TestRunId,
        from: u32,
        limit: u32,
    ) -> Result<Vec<TestResultRecord>, StoreError> {
        self.list(move |db| collect(db, sql::RESULTS, params![project.0, id.0, from, limit], result)).await
    }

    async fn test_runs(
        &self,
        project: ProjectId,
        flow: FlowId,
        before: Option<TestRunId>,
        limit: u32,
    ) -> Result<Vec<TestRunRecord>, StoreError> {
        self.list(move |db| match before {
            None => collect(db, sql::RUNS, params![project.0, flow.0, limit], test_run),
            Some(before) => collect(db, sql::RUNS_BEFORE, params![project.0, flow.0, before.0, limit], test_run),
        })
        .await
    }
}

fn collect<T>(
    db: &Connection,
    sql: &str,
    row: &[&dyn rusqlite::ToSql],
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    Ok(db.prepare_cached(sql)?.query_map(row, read)?.collect::<Result<_, _>>()?)
}

fn add(db: &Connection, case: &TestCaseRecord, most: u32) -> Result<bool, StoreError> {
    let scope = [case.project_id.0, case.flow_id.0];
    let there: i64 = db.prepare_cached(sql::COUNT)?.query_row(scope, |row| row.get(0))?;
    if there >= i64::from(most) {
        return Ok(false);
    }
    let row = params![
        case.id.0,
        case.project_id.0,
        case.flow_id.0,
        case.name,
        case.definition,
        case.cassette,
        case.replies,
        Micros(case.created_at),
        case.created_by,
    ];
    db.prepare_cached(sql::ADD)?.execute(row).map_err(|error| named(error, &case.name))?;
    Ok(true)
}

/// A name that is taken, in words.
fn named(error: rusqlite::Error, name: &str) -> StoreError {
    match StoreError::from(error) {
        StoreError::Conflict(_) => StoreError::Conflict(format!("the flow has a test case named `{name}` already")),
        other => other,
    }
}

fn change(db: &Connection, case: &TestCaseRecord) -> Result<CaseChanged, StoreError> {
    let row = params![
        case.name,
        case.definition,
        case.cassette,
        case.replies,
        Micros(case.updated_at),
        case.updated_by,
        case.project_id.0,
        case.flow_id.0,
        case.id.0,
        rows::clamp(case.revision),
    ];
    if db.prepare_cached(sql::CHANGE)?.execute(row).map_err(|error| named(error, &case.name))? > 0 {
        return Ok(CaseChanged::Done);
    }
    not_changed(db, [case.project_id.0, case.flow_id.0, case.id.0])
}

/// Why nothing was done to a case: its project, flow and id.
fn not_changed(db: &Connection, scope: [Uuid; 3]) -> Result<CaseChanged, StoreError> {
    let revision = db.prepare_cached(sql::REVISION)?.query_row(scope, |row| rows::count(row, 0)).optional()?;
    Ok(revision.map_or(CaseChanged::Missing, CaseChanged::Stale))
}

fn find_gate(db: &Connection, project: ProjectId, flow: FlowId) -> Result<Option<GateRecord>, StoreError> {
    let gate = |row: &Row<'_>| Ok(GateRecord { gate: row.get(0)?, revision: rows::count(row, 1)? });
    Ok(db.prepare_cached(sql::GATE)?.query_row([project.0, flow.0], gate).optional()?)
}

fn begin(db: &Connection, run: &TestRunRecord, results: &[TestResultRecord]) -> Result<(), StoreError> {
    let row = params![
        run.id.0,
        run.project_id.0,
        run.flow_id.0,
        run.flow_slug,
        run.version,
        run.hash,
        run.status,
        run.total,
        run.passed,
        run.failed,
        Micros(run.started_at),
        run.completed_at.map(Micros),
        Micros(run.alive_until),
        run.created_by,
    ];
    db.prepare_cached(sql::BEGIN)?.execute(row)?;
    for result in results {
        let TestResultRecord { position, case_id, case_name, status, run_id, detail } = result;
        let row = params![run.id.0, position, case_id.0, case_name, status, run_id.map(|id| id.0), detail];
        db.prepare_cached(sql::ADD_RESULT)?.execute(row)?;
    }
    Ok(())
}

fn forget(db: &Connection, run: &TestRunRecord, keep: u32) -> Result<(), StoreError> {
    let (project, flow) = (run.project_id.0, run.flow_id.0);
    let past = db
        .prepare_cached(sql::PAST_KEPT)?
        .query_row(params![project, flow, keep], |row| row.get::<_, uuid::Uuid>(0))
        .optional()?;
    if let Some(past) = past {
        db.prepare_cached(sql::FORGET_RESULTS)?.execute([project, flow, past])?;
        db.prepare_cached(sql::FORGET_RUNS)?.execute([project, flow, past])?;
    }
    Ok(())
}

fn advance(
    db: &Connection,
    project: ProjectId,
    id: TestRunId,
    progress: &TestProgress,
    results: &[TestResultRecord],
) -> Result<bool, StoreError> {
    let TestProgress { status, passed, failed, completed_at, alive_until } = progress;
    let row = params![status, passed, failed, completed_at.map(Micros), Micros(*alive_until), project.0, id.0];
    if db.prepare_cached(sql::ADVANCE)?.execute(row)? == 0 {
        return Ok(false);
    }
    for result in results {
        let row = params![result.status, result.run_id.map(|id| id.0), result.detail, id.0, result.position];
        db.prepare_cached(sql::SET_RESULT)?.execute(row)?;
    }
    Ok(true)
}

fn test_case(row: &Row<'_>) -> rusqlite::Result<TestCaseRecord> {
    Ok(TestCaseRecord {
        id: TestCaseId(row.get(0)?),
        project_id: ProjectId(row.get(1)?),
        flow_id: FlowId(row.get(2)?),
        name: row.get(3)?,
        definition: row.get(4)?,
        cassette: row.get(5)?,
        replies: row.get(6)?,
        revision: rows::count(row, 7)?,
        created_at: rows::time(row, 8)?,
        created_by: row.get(9)?,
        updated_at: rows::time(row, 10)?,
        updated_by: row.get(11)?,
    })
}

fn test_run(row: &Row<'_>) -> rusqlite::Result<TestRunRecord> {
    Ok(TestRunRecord {
        id: TestRunId(row.get(0)?),
        project_id: ProjectId(row.get(1)?),
        flow_id: FlowId(row.get(2)?),
        flow_slug: row.get(3)?,
        version: row.get(4)?,
        hash: row.get(5)?,
        status: row.get(6)?,
        total: row.get(7)?,
        passed: row.get(8)?,
        failed: row.get(9)?,
        started_at: rows::time(row, 10)?,
        completed_at: rows::time_if(row, 11)?,
        alive_until: rows::time(row, 12)?,
        created_by: row.get(13)?,
    })
}

fn result(row: &Row<'_>) -> rusqlite::Result<TestResultRecord> {
    Ok(TestResultRecord {
        position: row.get(0)?,
        case_id: TestCaseId(row.get(1)?),
        case_name: row.get(2)?,
        status: row.get(3)?,
        run_id: row.get::<_, Option<uuid::Uuid>>(4)?.map(RunId),
        detail: row.get(5)?,
    })
}
