//! One test case, run and judged.

use std::{sync::Arc, time::Duration};

use noukai_api::{
    CaptureMode, ErrorCode, Expectation, StepError, TestCheck, TestResult, TestStatus, Tokens, TriggerType,
};
use noukai_flow::Verdict;
use noukai_models::decimal_text;
use noukai_store::{RunId, TestCaseRecord};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    super::{
        App, AppError, RunOptions,
        admission::Permit,
        flows::Pinned,
        inputs::Sent,
        pass::{Ended, Pass},
    },
    cassette::{self, Player},
    definition::Definition,
    judge::{Judgement, step_error},
    scope::Tested,
};

/// How often a case that found no place for its run looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What became of the flow's run.
struct Ran {
    result: Result<Value, StepError>,
    /// Whether what went wrong is the flow's: it failed, and was not kept from running.
    by_flow: bool,
    cassette_faults: Vec<String>,
}

impl Ran {
    fn not(error: StepError) -> Self {
        Self { result: Err(error), by_flow: false, cassette_faults: Vec::new() }
    }
}

impl App {
    /// Runs a case on a pinned flow and looks at what it gives.
    pub(super) async fn test_one(&self, tested: &Tested, pinned: &Pinned, case: &TestCaseRecord) -> TestResult {
        let began = Instant::now();
        let id = Uuid::now_v7();
        let mut result = blank(case, TestStatus::Error);
        let mut runs = vec![id];
        match Definition::read(&case.definition) {
            Ok(definition) => {
                let ran = self.run_flow(tested, pinned, case, &definition, id).await;
                self.look(tested, &definition, ran, &mut result, &mut runs).await;
            }
            Err(error) => result.error = Some(step_error(&error)),
        }
        self.account(tested, &runs, &mut result).await;
        result.duration_ms = u64::try_from(began.elapsed().as_millis()).ok();
        result
    }

    async fn run_flow(
        &self,
        tested: &Tested,
        pinned: &Pinned,
        case: &TestCaseRecord,
        definition: &Definition,
        id: Uuid,
    ) -> Ran {
        let models = self.models_of(tested.project()).await;
        let player = match cassette::read(case.cassette.as_deref()) {
            Ok(cassette) => cassette.map(|cassette| Arc::new(Player::new(cassette, models.default_model()))),
            Err(error) => return Ran::not(step_error(&error)),
        };
        let pass = match self.test_pass(tested, pinned, definition, id).await {
            Ok(pass) => Pass { model: player.clone().map(|player| player as _), ..pass },
            Err(error) => return Ran::not(step_error(&error)),
        };
        let (result, by_flow) = match self.drive(pass).await {
            Ok(Ended::Completed(result)) => (Ok(result.as_ref().clone()), true),
            Ok(Ended::Failed(failure)) => {
                let by_flow = failure.error.code != ErrorCode::Interrupted;
                (Err(failure.error), by_flow)
            }
            Ok(_) => (Err(StepError::new(ErrorCode::Interrupted, "the run was ended early", None, 1)), false),
            Err(error) => (Err(step_error(&error)), false),
        };
        let cassette_faults = player.map(|player| player.faults()).unwrap_or_default();
        Ran { result, by_flow, cassette_faults }
    }

    /// An ordinary run, but for who asked for it and what is kept of it.
    async fn test_pass(
        &self,
        tested: &Tested,
        pinned: &Pinned,
        definition: &Definition,
        id: Uuid,
    ) -> Result<Pass, AppError> {
        let input = definition.input.clone();
        let sent = Sent {
            message: input.message,
            messages: input.messages,
            parameters: input.parameters,
            attachments: input.attachments,
            ..Sent::default()
        };
        let (flow, inputs) = self.prepare(&tested.caller, &pinned.flow, sent).await?;
        let permit = self.place(tested).await?;
        let options = RunOptions { run: Some(id), ..RunOptions::default() };
        let run = self.new_run(&tested.caller, pinned, TriggerType::Test, CaptureMode::Full, options);
        Ok(Pass::fresh(run, flow, inputs, Some(permit)))
    }

    /// A place for one more run of the project; waits for one as long as a run may take.
    pub(super) async fn place(&self, tested: &Tested) -> Result<Permit, AppError> {
        let until = Instant::now() + Duration::from_secs(self.limits().run_seconds);
        loop {
            let refused = match self.admit(&tested.caller, &tested.flow.slug, true).await {
                Ok(permit) => return Ok(permit),
                Err(refused) if !matches!(refused.code, ErrorCode::RateLimited | ErrorCode::Overloaded) => {
                    return Err(refused);
                }
                Err(refused) => refused,
            };
            if Instant::now() >= until {
                return Err(refused);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.stopping().cancelled() => return Err(refused),
            }
        }
    }

    /// Holds what a flow gave against what is expected.
    async fn look(
        &self,
        tested: &Tested,
        definition: &Definition,
        ran: Ran,
        result: &mut TestResult,
        runs: &mut Vec<Uuid>,
    ) {
        result.cassette_faults = ran.cassette_faults;
        match ran.result {
            Err(error) => {
                result.status = match error.code {
                    ErrorCode::Interrupted => TestStatus::Interrupted,
                    _ if ran.by_flow => TestStatus::Failed,
                    _ => TestStatus::Error,
                };
                result.error = Some(error);
            }
            Ok(output) => {
                let checked = self.check_all(tested, definition, &output, runs).await;
                let is_whole = checked.error.is_none();
                let holds = checked.checks.iter().all(|check| check.passed) && result.cassette_faults.is_empty();
                result.status = match (is_whole, holds) {
                    (true, true) => TestStatus::Passed,
                    (true, false) => TestStatus::Failed,
                    (false, _) => TestStatus::Error,
                };
                (result.checks, result.error) = (checked.checks, checked.error);
                result.output = self.capture_of(CaptureMode::Full).content(&Arc::new(output)).into_kept();
            }
        }
    }

    async fn check_all(
        &self,
        tested: &Tested,
        definition: &Definition,
        output: &Value,
        runs: &mut Vec<Uuid>,
    ) -> Checked {
        let mut checked = Checked::default();
        for expectation in &definition.expect {
            let mut check = TestCheck {
                kind: expectation.kind().to_owned(),
                at: expectation.at().map(str::to_owned),
                passed: false,
                differences: Vec::new(),
                reason: None,
            };
            match noukai_flow::evaluate(expectation, output) {
                Verdict::Holds => check.passed = true,
                Verdict::Differs(differences) => check.differences = differences,
                Verdict::AskModel(part) => match self.ask(tested, expectation, &part).await {
                    Ok(verdict) => {
                        (check.passed, check.reason) = (verdict.pass, Some(verdict.reason));
                        runs.push(verdict.run);
                    }
                    Err(error) => {
                        check.reason = Some(format!("could not be judged: {}", error.message));
                        checked.error.get_or_insert(error);
                    }
                },
            }
            checked.checks.push(check);
        }
        checked
    }

    async fn ask(&self, tested: &Tested, expectation: &Expectation, part: &Value) -> Result<Judgement, StepError> {
        let Expectation::Rubric { rubric, model, .. } = expectation else {
            return Err(StepError::new(ErrorCode::InternalError, "only a rubric is for a model", None, 1));
        };
        self.judge(tested, rubric, model.as_deref(), part).await
    }

    /// What the runs of a case used, as far as they are stored.
    async fn account(&self, tested: &Tested, runs: &[Uuid], result: &mut TestResult) {
        let (mut tokens, mut cost) = (Tokens::default(), None);
        for (index, id) in runs.iter().enumerate() {
            let Ok(Some(run)) = self.store().run(tested.project(), RunId(*id)).await else { continue };
            if index == 0 {
                result.execution_id = Some(id.to_string());
            }
            tokens += run.tokens;
            if let Some(more) = run.cost_usd.as_deref().and_then(|cost| cost.parse::<Decimal>().ok()) {
                cost = Some(cost.unwrap_or_default() + more);
            }
        }
        result.tokens = (tokens.total > 0).then_some(tokens);
        result.cost_usd = cost.as_ref().map(decimal_text);
    }
}

/// A result before there is one.
pub(super) fn blank(case: &TestCaseRecord, status: TestStatus) -> TestResult {
    TestResult {
        case_id: case.id.to_string(),
        name: case.name.clone(),
        status,
        execution_id: None,
        replayed: case.replies > 0,
        duration_ms: None,
        tokens: None,
        cost_usd: None,
        output: None,
        error: None,
        checks: Vec::new(),
        cassette_faults: Vec::new(),
    }
}

#[derive(Default)]
struct Checked {
    checks: Vec<TestCheck>,
    /// Why some could not be looked at.
    error: Option<StepError>,
}
