//! What must pass before a version is published.

use std::time::Duration;

use noukai_api::{ErrorCode, FieldError, Gate, TestRun, TestStatus};
use noukai_store::{GateChange, GateChanged};

use super::{
    super::{App, AppError, Caller, VersionSelector},
    json,
    scope::Tested,
};

/// How long one look at a test run waits.
const LOOK: Duration = Duration::from_secs(30);

impl App {
    /// What the flow's versions must pass, and its revision: 0 where it was never set.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND`.
    pub async fn publish_gate(&self, caller: &Caller, flow: &str) -> Result<(Gate, u64), AppError> {
        let tested = self.tested(caller, flow).await?;
        self.gate_of(&tested).await
    }

    /// Sets what the flow's versions must pass from now on; with `on_revision` only where it has that revision. Its next
    /// one.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND`; `TEST_CASE_NOT_FOUND` for a case that is none; `CONFLICT` with the current revision.
    pub async fn set_publish_gate(
        &self,
        caller: &Caller,
        flow: &str,
        on_revision: Option<u64>,
        gate: &Gate,
    ) -> Result<u64, AppError> {
        let tested = self.tested(caller, flow).await?;
        if !gate.cases.is_empty() {
            self.chosen(&tested, Some(&gate.cases)).await?;
        }
        let change = GateChange {
            project_id: tested.project(),
            flow_id: tested.flow.id,
            gate: json(gate)?,
            on_revision,
            by: tested.who(),
            at: self.now(),
        };
        match self.store().set_test_gate(change).await? {
            GateChanged::Done(revision) => Ok(revision),
            GateChanged::Stale(now) => Err(AppError::meanwhile("the gate was set", now)),
        }
    }

    async fn gate_of(&self, tested: &Tested) -> Result<(Gate, u64), AppError> {
        let Some(stored) = self.store().test_gate(tested.project(), tested.flow.id).await? else {
            return Ok((Gate::default(), 0));
        };
        Ok((serde_json::from_str(&stored.gate).map_err(AppError::internal)?, stored.revision))
    }

    /// Runs what must pass on the flow's draft: what the flow's own gate names, and what this call asks for besides. The
    /// hash of the draft that passed; `None` where nothing had to.
    ///
    /// # Errors
    /// `TESTS_FAILED` with the cases that did not pass; everything of [`App::start_test_run`].
    pub(crate) async fn pass_gate(&self, tested: &Tested, asked: Option<&Gate>) -> Result<Option<String>, AppError> {
        let (own, _) = self.gate_of(tested).await?;
        let gates: Vec<&Gate> = asked.into_iter().chain([&own]).filter(|gate| !gate.is_open()).collect();
        if gates.is_empty() {
            return Ok(None);
        }
        let all = gates.iter().any(|gate| gate.all);
        let named: Vec<String> = gates.iter().flat_map(|gate| gate.cases.iter().cloned()).collect();
        let cases = self.chosen(tested, (!all).then_some(named.as_slice())).await?;
        let id = self.begin_tests(tested, VersionSelector::Draft, cases).await?;
        loop {
            let run = self.await_test_run(tested.project(), id, LOOK).await?;
            match run.status {
                TestStatus::Passed => return Ok(Some(run.hash)),
                status if status.is_final() => return Err(refusal(&run)),
                _ if self.stopping().is_cancelled() => return Err(super::super::stopping()),
                _ => {}
            }
        }
    }
}

fn refusal(run: &TestRun) -> AppError {
    let failing = || run.results.iter().flatten().filter(|result| result.status != TestStatus::Passed);
    let names = failing().take(5).map(|result| format!("`{}`", result.name)).collect::<Vec<_>>().join(", ");
    let message = format!(
        "{} of {} test cases that must pass do not: {names}; nothing was published (test run {})",
        failing().count(),
        run.total,
        run.id
    );
    let errors = failing().map(|result| FieldError {
        loc: vec!["test_cases".to_owned(), result.name.clone()],
        msg: result.reasons().into_iter().next().unwrap_or_else(|| result.status.as_str().to_owned()),
    });
    AppError { errors: errors.collect(), ..AppError::new(ErrorCode::TestsFailed, message) }
}
