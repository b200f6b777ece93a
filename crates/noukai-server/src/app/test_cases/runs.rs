//! Test runs: several cases on one version of a flow, a few at the same time, each result stored as it comes.

use std::time::Duration;

use futures::{StreamExt, stream};
use noukai_api::{
    ErrorCode, Scope, StartTestRun, TestResult, TestRun, TestRunList, TestRunTrace, TestStatus, TestTrace,
};
use noukai_store::{
    ProjectId, RunId, TestCaseId, TestCaseRecord, TestProgress, TestResultRecord, TestRunId, TestRunRecord,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    super::{
        App, AppError, Author, Caller, FlowAddress, VersionSelector,
        flows::Pinned,
        iso,
        page::{self, Page},
    },
    CASES, case_not_found, json,
    judge::step_error,
    one::blank,
    scope::Tested,
};

/// Cases of one test run that run at the same time.
const AT_ONCE: usize = 4;
/// Test runs of a flow that are kept.
const KEPT: u32 = 500;
/// How long a test run counts as alive after its last sign of life, and how often it gives one.
const ALIVE: time::Duration = time::Duration::seconds(90);
const BEAT: Duration = Duration::from_secs(20);

impl App {
    /// Starts a test run and waits up to `wait` for its end; it goes on whether anyone waits or not.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND`, `VERSION_NOT_FOUND`, `INVALID_VERSION`; `INVALID_TREE` or `NO_STEPS` for a draft that cannot run;
    /// `TEST_CASE_NOT_FOUND` for a case that is none, or where there are none at all.
    pub async fn start_test_run(
        &self,
        caller: &Caller,
        flow: &str,
        request: StartTestRun,
        wait: Duration,
    ) -> Result<TestRun, AppError> {
        let tested = self.tested(caller, flow).await?;
        let version = version(request.version.as_deref())?;
        let cases = self.chosen(&tested, request.cases.as_deref()).await?;
        let id = self.begin_tests(&tested, version, cases).await?;
        self.await_test_run(tested.project(), id, wait).await
    }

    /// The cases that are meant, in the order they were made in.
    pub(super) async fn chosen(
        &self,
        tested: &Tested,
        wanted: Option<&[String]>,
    ) -> Result<Vec<TestCaseRecord>, AppError> {
        let all = self.all_cases(tested).await?;
        if all.is_empty() {
            let message = format!("the flow `{}` has no test cases; add one first", tested.flow.slug);
            return Err(AppError::new(ErrorCode::TestCaseNotFound, message));
        }
        let Some(wanted) = wanted else { return Ok(all) };
        if wanted.is_empty() {
            return Err(AppError::invalid_field(&["body", "cases"], "must name a case; leave it out for all of them"));
        }
        let is = |case: &TestCaseRecord, wanted: &String| case.name == *wanted || case.id.to_string() == *wanted;
        if let Some(missing) = wanted.iter().find(|wanted| !all.iter().any(|case| is(case, wanted))) {
            return Err(case_not_found(missing));
        }
        Ok(all.into_iter().filter(|case| wanted.iter().any(|wanted| is(case, wanted))).collect())
    }

    /// Stores a test run and sets it going.
    pub(super) async fn begin_tests(
        &self,
        tested: &Tested,
        version: VersionSelector,
        cases: Vec<TestCaseRecord>,
    ) -> Result<TestRunId, AppError> {
        let address = FlowAddress { flow: tested.flow.slug.clone(), version };
        let pinned = self.pin(&tested.caller, &address).await?;
        let now = self.shared_now();
        let run = TestRunRecord {
            id: TestRunId(Uuid::now_v7()),
            project_id: tested.project(),
            flow_id: pinned.flow_id,
            flow_slug: pinned.slug.clone(),
            version: pinned.version,
            hash: pinned.hash.clone(),
            status: TestStatus::Running.as_str().to_owned(),
            total: u32::try_from(cases.len()).unwrap_or(u32::MAX),
            passed: 0,
            failed: 0,
            started_at: now,
            completed_at: None,
            alive_until: now + ALIVE,
            created_by: tested.who(),
        };
        let pending: Vec<TestResultRecord> = (0..).zip(&cases).map(|(at, case)| pending(at, case)).collect();
        self.store().begin_test_run(&run, &pending, KEPT).await?;
        let id = run.id;
        let driver = Driver { app: self.clone(), tested: tested.clone(), pinned, id, passed: 0, failed: 0 };
        drop(self.spawn(driver.run(cases)));
        Ok(id)
    }

    /// A test run with its results; waits up to `wait` for its end.
    ///
    /// # Errors
    /// `TEST_RUN_NOT_FOUND`, the same for foreign ones as for missing ones.
    pub async fn test_run(&self, caller: &Caller, id: &str, wait: Duration) -> Result<TestRun, AppError> {
        let run = self.test_run_in_reach(caller, id).await?;
        self.await_test_run(run.project_id, run.id, wait).await
    }

    async fn test_run_in_reach(&self, caller: &Caller, id: &str) -> Result<TestRunRecord, AppError> {
        let author = Author::from(caller);
        author.require(Scope::Author)?;
        let id = Uuid::parse_str(id).map_err(|_| run_not_found())?;
        let found = self.store().test_run_of(author.org_id, TestRunId(id)).await?;
        found.filter(|run| author.reaches(run.project_id.0)).ok_or_else(run_not_found)
    }

    pub(super) async fn await_test_run(
        &self,
        project: ProjectId,
        id: TestRunId,
        wait: Duration,
    ) -> Result<TestRun, AppError> {
        let deadline = Instant::now() + wait;
        // A test run wakes who waits for it as a run of its id does.
        let mut changed = self.store().watch(RunId(id.0));
        loop {
            changed.mark_unchanged();
            let run = self.test_run_record(project, id).await?;
            let news = if self.status_of(&run).is_final() || wait.is_zero() {
                false
            } else {
                tokio::select! {
                    news = changed.changed() => news.is_ok(),
                    () = tokio::time::sleep_until(deadline) => false,
                    () = self.stopping().cancelled() => false,
                }
            };
            if !news {
                let run = self.test_run_record(project, id).await?;
                let results = self.store().test_results(run.project_id, id, 0, CASES).await?;
                let results = results.iter().map(shown_result).collect::<Result<_, _>>()?;
                return Ok(TestRun { results: Some(results), ..self.shown_run(&run) });
            }
        }
    }

    async fn test_run_record(&self, project: ProjectId, id: TestRunId) -> Result<TestRunRecord, AppError> {
        self.store().test_run(project, id).await?.ok_or_else(run_not_found)
    }

    /// The flow's test runs, newest first, without their results.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND`; `VALIDATION_ERROR` for a page that is none.
    pub async fn test_runs(&self, caller: &Caller, flow: &str, page: &Page) -> Result<TestRunList, AppError> {
        let tested = self.tested(caller, flow).await?;
        let (before, limit) = (page.cursor()?.map(TestRunId), page.limit()?);
        let found = self.store().test_runs(tested.project(), tested.flow.id, before, limit + 1).await?;
        let (found, next_cursor) = page::cut(found, limit, |run| run.id.to_string());
        Ok(TestRunList { test_runs: found.iter().map(|run| self.shown_run(run)).collect(), next_cursor })
    }

    /// A test run's cases with the traces of their runs.
    ///
    /// # Errors
    /// `TEST_RUN_NOT_FOUND`; `VALIDATION_ERROR` for a page that is none.
    pub async fn test_run_trace(&self, caller: &Caller, id: &str, page: &Page) -> Result<TestRunTrace, AppError> {
        let run = self.test_run_in_reach(caller, id).await?;
        let (from, limit) = (page.from()?, page.limit()?);
        let found = self.store().test_results(run.project_id, run.id, from, limit + 1).await?;
        let (found, next_cursor) = page::cut(found, limit, |last| (last.position + 1).to_string());
        let mut cases = Vec::with_capacity(found.len());
        for result in &found {
            let ran = match result.run_id {
                Some(id) => self.store().run(run.project_id, id).await?,
                None => None,
            };
            let trace = match ran {
                Some(ran) => Some(self.trace_of(&ran).await?),
                None => None,
            };
            cases.push(TestTrace { result: shown_result(result)?, trace });
        }
        Ok(TestRunTrace { test_run_id: run.id.to_string(), status: self.status_of(&run), cases, next_cursor })
    }

    /// As stored; but one that gave no sign of life for long was cut off.
    fn status_of(&self, run: &TestRunRecord) -> TestStatus {
        let stored = TestStatus::parse(&run.status).unwrap_or(TestStatus::Error);
        let is_dead = !stored.is_final() && run.alive_until < self.shared_now();
        if is_dead { TestStatus::Interrupted } else { stored }
    }

    fn shown_run(&self, run: &TestRunRecord) -> TestRun {
        let took = run.completed_at.map(|at| (at - run.started_at).whole_milliseconds());
        TestRun {
            id: run.id.to_string(),
            flow_id: run.flow_id.to_string(),
            flow: run.flow_slug.clone(),
            version: run.version,
            hash: run.hash.clone(),
            status: self.status_of(run),
            total: run.total,
            passed: run.passed,
            failed: run.failed,
            started_at: iso(run.started_at),
            completed_at: run.completed_at.map(iso),
            duration_ms: took.and_then(|took| u64::try_from(took).ok()),
            created_by: run.created_by.clone(),
            results: None,
        }
    }
}

/// Runs the cases of one test run.
struct Driver {
    app: App,
    tested: Tested,
    pinned: Pinned,
    id: TestRunId,
    passed: u32,
    failed: u32,
}

impl Driver {
    async fn run(mut self, cases: Vec<TestCaseRecord>) {
        let (app, tested, pinned) = (self.app.clone(), self.tested.clone(), self.pinned.clone());
        let one = |(position, case): (u32, TestCaseRecord)| {
            let (app, tested, pinned) = (&app, &tested, &pinned);
            async move { (position, app.test_named(tested, pinned, &case).await) }
        };
        let mut results = stream::iter((0..).zip(cases)).map(one).buffer_unordered(AT_ONCE);
        let mut beat = tokio::time::interval(BEAT);
        let mut interrupted = false;
        loop {
            tokio::select! {
                next = results.next() => match next {
                    Some((position, result)) => {
                        interrupted |= result.status == TestStatus::Interrupted;
                        self.keep(position, &result).await;
                    }
                    None => break,
                },
                _ = beat.tick() => self.advance(TestStatus::Running, &[]).await,
            }
        }
        let status = match (interrupted, self.failed) {
            (true, _) => TestStatus::Interrupted,
            (false, 0) => TestStatus::Passed,
            (false, _) => TestStatus::Failed,
        };
        self.advance(status, &[]).await;
    }

    async fn keep(&mut self, position: u32, result: &TestResult) {
        if result.status == TestStatus::Passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
        let run = result.execution_id.as_deref().and_then(|id| Uuid::parse_str(id).ok());
        let record = TestResultRecord {
            position,
            case_id: TestCaseId(Uuid::parse_str(&result.case_id).unwrap_or_default()),
            case_name: result.name.clone(),
            status: result.status.as_str().to_owned(),
            run_id: run.map(RunId),
            detail: json(result).ok(),
        };
        self.advance(TestStatus::Running, &[record]).await;
    }

    async fn advance(&self, status: TestStatus, results: &[TestResultRecord]) {
        let now = self.app.shared_now();
        let progress = TestProgress {
            status: status.as_str().to_owned(),
            passed: self.passed,
            failed: self.failed,
            completed_at: status.is_final().then_some(now),
            alive_until: now + ALIVE,
        };
        let stored = self.app.store().advance_test_run(self.tested.project(), self.id, &progress, results).await;
        if let Err(error) = stored {
            tracing::warn!(test_run = %self.id, %error, "the state of a test run could not be stored");
        }
    }
}

impl App {
    /// A case as it is now, with its cassette; none begins once the server stops.
    async fn test_named(&self, tested: &Tested, pinned: &Pinned, case: &TestCaseRecord) -> TestResult {
        if self.stopping().is_cancelled() {
            return blank(case, TestStatus::Interrupted);
        }
        let found = self.store().test_case(tested.project(), tested.flow.id, case.id).await;
        let error = match found {
            Ok(Some(case)) => return self.test_one(tested, pinned, &case).await,
            Ok(None) => AppError::new(ErrorCode::TestCaseNotFound, "the test case was deleted before it ran"),
            Err(error) => error.into(),
        };
        TestResult { error: Some(step_error(&error)), ..blank(case, TestStatus::Error) }
    }
}

fn pending(position: u32, case: &TestCaseRecord) -> TestResultRecord {
    TestResultRecord {
        position,
        case_id: case.id,
        case_name: case.name.clone(),
        status: TestStatus::Pending.as_str().to_owned(),
        run_id: None,
        detail: json(&blank(case, TestStatus::Pending)).ok(),
    }
}

fn shown_result(record: &TestResultRecord) -> Result<TestResult, AppError> {
    serde_json::from_str(record.detail.as_deref().unwrap_or_default()).map_err(AppError::internal)
}

fn run_not_found() -> AppError {
    AppError::new(ErrorCode::TestRunNotFound, "the project has no such test run")
}

/// `draft`, `production` or `vN`.
fn version(text: Option<&str>) -> Result<VersionSelector, AppError> {
    match text {
        None | Some("draft") => Ok(VersionSelector::Draft),
        Some("production") => Ok(VersionSelector::Production),
        Some(text) => VersionSelector::parse(text),
    }
}
