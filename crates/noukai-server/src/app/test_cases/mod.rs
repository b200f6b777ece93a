//! Test cases: kept, run, judged, reported. A case is an ordinary run of its flow, marked `test`, whose result is held
//! against what is expected.

mod cassette;
mod definition;
mod gate;
mod judge;
mod one;
mod recorded;
mod report;
mod runs;
mod scope;

use noukai_api::{Cassette, CreateTestCase, ErrorCode, TestCase, TestCaseList, UpdateTestCase};
use noukai_store::{CaseChanged, TestCaseId, TestCaseRecord};
use uuid::Uuid;

use self::definition::Definition;
pub use self::report::junit;
pub(super) use self::scope::Tested;
use super::{
    App, AppError, Caller, iso,
    page::{self, Page},
};

/// Cases of one flow.
const CASES: u32 = 500;

impl App {
    /// Makes a test case, of what is sent or of a recorded run.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND`; `VALIDATION_ERROR`; `RUN_NOT_FOUND` and `RUN_NOT_RECORDED` for a run it cannot be made of;
    /// `CONFLICT` where the name is taken or the flow has its most cases.
    pub async fn create_test_case(
        &self,
        caller: &Caller,
        flow: &str,
        request: CreateTestCase,
    ) -> Result<TestCase, AppError> {
        let tested = self.tested(caller, flow).await?;
        let (name, definition, cassette) = self.new_case(&tested, request).await?;
        let (definition, replies) = definition::checked(&name, &definition, cassette.as_ref())?;
        let now = self.now();
        let record = TestCaseRecord {
            id: TestCaseId(Uuid::now_v7()),
            project_id: tested.project(),
            flow_id: tested.flow.id,
            name,
            definition,
            cassette: cassette.as_ref().map(json).transpose()?,
            replies,
            revision: 1,
            created_at: now,
            created_by: tested.who(),
            updated_at: now,
            updated_by: tested.who(),
        };
        if !self.store().add_test_case(&record, CASES).await? {
            let message = format!("the flow has {CASES} test cases, the most it may have; delete one first");
            return Err(AppError::new(ErrorCode::Conflict, message));
        }
        shown(record)
    }

    /// Name, definition and cassette of a case to be made.
    async fn new_case(
        &self,
        tested: &Tested,
        request: CreateTestCase,
    ) -> Result<(String, Definition, Option<Cassette>), AppError> {
        let name = request.name.map(|name| name.trim().to_owned());
        let Some(run) = request.from_run else {
            let definition = Definition::new(
                request.description,
                request.input.unwrap_or_default(),
                request.expect.unwrap_or_default(),
                None,
            );
            return Ok((name.unwrap_or_default(), definition, request.cassette));
        };
        let both = [("input", request.input.is_some()), ("cassette", request.cassette.is_some())];
        if let Some((field, _)) = both.iter().find(|(_, given)| *given) {
            return Err(AppError::invalid_field(
                &["body", field],
                "is taken from the run; leave it out with `from_run`",
            ));
        }
        let recorded = self.recorded(tested, &run, request.record.unwrap_or(true)).await?;
        let expect = request.expect.unwrap_or_else(|| recorded.expect());
        let name = name.unwrap_or_else(|| recorded.name());
        let definition = Definition::new(request.description, recorded.input, expect, Some(recorded.run));
        Ok((name, definition, recorded.cassette))
    }

    /// One test case, by its id or its name, with its cassette.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND`, `TEST_CASE_NOT_FOUND`.
    pub async fn test_case(&self, caller: &Caller, flow: &str, case: &str) -> Result<TestCase, AppError> {
        let tested = self.tested(caller, flow).await?;
        shown(self.case_record(&tested, case).await?)
    }

    /// The flow's test cases, in the order they were made in, without their cassettes.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND`; `VALIDATION_ERROR` for a page that is none.
    pub async fn test_cases(&self, caller: &Caller, flow: &str, page: &Page) -> Result<TestCaseList, AppError> {
        let tested = self.tested(caller, flow).await?;
        let (after, limit) = (page.cursor()?.map(TestCaseId), page.limit()?);
        let found = self.store().test_cases(tested.project(), tested.flow.id, after, limit + 1).await?;
        let (found, next_cursor) = page::cut(found, limit, |case| case.id.to_string());
        let test_cases = found.into_iter().map(shown).collect::<Result<_, _>>()?;
        Ok(TestCaseList { test_cases, next_cursor })
    }

    /// Changes what is sent of a test case.
    ///
    /// # Errors
    /// As for [`App::create_test_case`]; `TEST_CASE_NOT_FOUND`; `CONFLICT` where it has changed meanwhile.
    pub async fn update_test_case(
        &self,
        caller: &Caller,
        flow: &str,
        case: &str,
        request: UpdateTestCase,
    ) -> Result<TestCase, AppError> {
        let tested = self.tested(caller, flow).await?;
        let mut record = self.case_record(&tested, case).await?;
        if let Some(wanted) = request.on_revision.filter(|wanted| *wanted != record.revision) {
            return Err(stale(&record.name, wanted, record.revision));
        }
        if let Some(name) = &request.name {
            name.trim().clone_into(&mut record.name);
        }
        let definition = Definition::read(&record.definition)?.changed(&request);
        let cassette = match request.cassette {
            Some(cassette) => cassette,
            None => cassette::read(record.cassette.as_deref())?,
        };
        (record.definition, record.replies) = definition::checked(&record.name, &definition, cassette.as_ref())?;
        record.cassette = cassette.as_ref().map(json).transpose()?;
        (record.updated_at, record.updated_by) = (self.now(), tested.who());
        match self.store().change_test_case(&record).await? {
            CaseChanged::Done => shown(TestCaseRecord { revision: record.revision + 1, ..record }),
            CaseChanged::Stale(now) => Err(stale(&record.name, record.revision, now)),
            CaseChanged::Missing => Err(case_not_found(case)),
        }
    }

    /// Deletes a test case; what came of its runs stays.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND`, `TEST_CASE_NOT_FOUND`; `CONFLICT` where it has another revision than `on_revision`.
    pub async fn delete_test_case(
        &self,
        caller: &Caller,
        flow: &str,
        case: &str,
        on_revision: Option<u64>,
    ) -> Result<TestCase, AppError> {
        let tested = self.tested(caller, flow).await?;
        let record = self.case_record(&tested, case).await?;
        match self.store().remove_test_case(tested.project(), tested.flow.id, record.id, on_revision).await? {
            CaseChanged::Done => shown(TestCaseRecord { cassette: None, ..record }),
            CaseChanged::Stale(now) => Err(stale(&record.name, on_revision.unwrap_or(record.revision), now)),
            CaseChanged::Missing => Err(case_not_found(case)),
        }
    }

    /// A case by its id, or else by its name.
    async fn case_record(&self, tested: &Tested, case: &str) -> Result<TestCaseRecord, AppError> {
        let id = match Uuid::parse_str(case) {
            Ok(id) => TestCaseId(id),
            Err(_) => {
                let all = self.all_cases(tested).await?;
                all.into_iter().find(|found| found.name == case).ok_or_else(|| case_not_found(case))?.id
            }
        };
        let found = self.store().test_case(tested.project(), tested.flow.id, id).await?;
        found.ok_or_else(|| case_not_found(case))
    }

    /// All cases of a flow, without their cassettes.
    async fn all_cases(&self, tested: &Tested) -> Result<Vec<TestCaseRecord>, AppError> {
        Ok(self.store().test_cases(tested.project(), tested.flow.id, None, CASES).await?)
    }
}

/// A case as the wire has it; its cassette only where it was read.
pub(super) fn shown(record: TestCaseRecord) -> Result<TestCase, AppError> {
    let definition = Definition::read(&record.definition)?;
    Ok(TestCase {
        id: record.id.to_string(),
        flow_id: record.flow_id.to_string(),
        name: record.name,
        description: definition.description,
        input: definition.input,
        expect: definition.expect,
        from_run: definition.from_run,
        recorded_replies: record.replies,
        cassette: cassette::read(record.cassette.as_deref())?,
        revision: record.revision,
        created_at: iso(record.created_at),
        created_by: record.created_by,
        updated_at: iso(record.updated_at),
        updated_by: record.updated_by,
    })
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, AppError> {
    serde_json::to_string(value).map_err(AppError::internal)
}

fn case_not_found(case: &str) -> AppError {
    let case: String = case.chars().take(100).collect();
    AppError::new(ErrorCode::TestCaseNotFound, format!("the flow has no test case `{case}`"))
}

fn stale(name: &str, wanted: u64, now: u64) -> AppError {
    let message =
        format!("the test case `{name}` is at revision {now}, not {wanted}; read it again and send the change on top");
    AppError::new(ErrorCode::Conflict, message).at_revision(now)
}
