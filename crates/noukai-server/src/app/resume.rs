//! Going on after a pause for tools. The server holds the paused run; what the caller echoes is checked against it
//! and never trusted over it.

use std::sync::Arc;

use noukai_api::{ErrorCode, ExecuteRequest, RunStatus, TriggerType};
use noukai_engine::{DoneOutputs, Message, Slot, ToolPause, ToolResume, Until, results_for_calls};
use noukai_flow::Flow;
use noukai_store::{Resumed, RunId, RunRecord};
use serde_json::Value;
use uuid::Uuid;

use super::{
    App, AppError, Caller, FlowAddress, VersionSelector,
    inputs::{Overrides, RunInputs, tools, with_overrides},
    pass::{Begin, Pass},
};

/// What a caller says of the pause it answers.
pub(crate) struct Answer<'a> {
    pub messages: &'a [Value],
    pub iterations_used: u32,
    pub tools: Option<Vec<Value>>,
    pub tool_choice: Option<Value>,
}

impl App {
    /// Claims a paused execute run; the pass that goes on with it.
    pub(crate) async fn resume_execute(
        &self,
        caller: &Caller,
        address: &FlowAddress,
        mut request: ExecuteRequest,
        under: Option<Uuid>,
    ) -> Result<Pass, AppError> {
        let run = self.execute_run(caller, address, request.execution_id.as_deref()).await?;
        let pause = self.pause_of(&run).await?;
        if request.paused_at_step.as_deref() != Some(pause.step_id.as_str()) {
            let message = format!("the run is paused at step `{}`", pause.step_id);
            return Err(AppError::new(ErrorCode::PausedStepInvalid, message).of_run(run.id));
        }
        let messages = request.tool_call_messages.take().unwrap_or_default();
        let answer = Answer {
            messages: &messages,
            iterations_used: request.iterations_used,
            tools: request.tools,
            tool_choice: request.tool_choice,
        };
        let (flow, inputs) = self.stored_inputs(&run, &request.block_overrides).await?;
        let (resume, inputs) = self.answer(&run, &flow, inputs, pause, answer)?;
        let permit = self.admit(caller, &run.flow_slug, false).await?;
        let inputs = inputs.on_account_of(caller);
        let done = done_before(&flow, &resume.pause)?;
        // Last: whatever fails before it leaves the pause to be answered again.
        self.claim_pause(&run, under).await?;
        Ok(Pass {
            begin: Begin::Continue,
            done,
            cursor: resume.pause.leaf,
            until: Until::End,
            resume: Some(resume),
            keeps_result: under.is_some(),
            ..Pass::fresh(run, flow, inputs, Some(permit))
        })
    }

    /// The execute run that an id names, of this flow and no other.
    async fn execute_run(
        &self,
        caller: &Caller,
        address: &FlowAddress,
        id: Option<&str>,
    ) -> Result<RunRecord, AppError> {
        let record = self.flow_record(caller.scope(), &address.flow).await?;
        let invalid = || AppError::new(ErrorCode::ExecutionIdInvalid, "`executionId` is no paused run of this flow");
        let id = id.and_then(|id| Uuid::parse_str(id).ok()).ok_or_else(invalid)?;
        let run = self.store().run(caller.scope(), RunId(id)).await?.ok_or_else(invalid)?;
        if run.flow_id != record.id || run.trigger != TriggerType::Execute {
            return Err(invalid());
        }
        check_version(&run, address.version)?;
        match run.status {
            RunStatus::Paused => Ok(run),
            _ if run.pauses > 0 => Err(already_resumed(&run)),
            _ => Err(invalid()),
        }
    }

    /// The pause a run waits at.
    pub(crate) async fn pause_of(&self, run: &RunRecord) -> Result<ToolPause, AppError> {
        let text = self.store().pause(run.project_id, run.id).await?;
        let text = text.ok_or_else(|| already_resumed(run))?;
        serde_json::from_str(&text).map_err(AppError::internal)
    }

    /// The inputs stored with a run, and its flow with overrides: the request's own, else the first request's.
    pub(crate) async fn stored_inputs(
        &self,
        run: &RunRecord,
        overrides: &Overrides,
    ) -> Result<(Arc<Flow>, RunInputs), AppError> {
        let text = self.store().run_inputs(run.project_id, run.id).await?;
        let text = text.ok_or_else(|| match run.trigger {
            // Someone else was so much faster that the run has ended since it was looked at.
            TriggerType::Execute => already_resumed(run),
            _ => {
                let message = "the run's inputs are no longer kept; begin a new run";
                AppError::new(ErrorCode::RunNotFound, message).of_run(run.id)
            }
        })?;
        let mut inputs = RunInputs::read(&text)?;
        if !overrides.is_empty() {
            inputs.overrides.clone_from(overrides);
        }
        let flow = self.checked(run.project_id, &run.hash).await?;
        Ok((with_overrides(&flow, &inputs.overrides)?, inputs))
    }

    /// Checks the answer against the pause.
    pub(crate) fn answer(
        &self,
        run: &RunRecord,
        flow: &Flow,
        mut inputs: RunInputs,
        mut pause: ToolPause,
        answer: Answer<'_>,
    ) -> Result<(ToolResume, RunInputs), AppError> {
        if (1..pause.iterations_used).contains(&answer.iterations_used) {
            return Err(already_resumed(run));
        }
        let answered: Vec<String> = pause.turns.iter().filter_map(answered_call).collect();
        let results = results_for_calls(answer.messages, &pause.tool_calls, &answered)
            .map_err(|error| AppError::new(ErrorCode::ToolResultsMismatch, error.0).of_run(run.id))?;
        let (sent, choice) = match answer.tools.filter(|tools| !tools.is_empty()) {
            Some(sent) => tools(flow, Some(sent), answer.tool_choice, self.limits())?,
            None => {
                let held = pause.tools.iter().filter_map(|tool| serde_json::to_value(tool).ok()).collect();
                tools(flow, Some(held), answer.tool_choice, self.limits())?
            }
        };
        inputs.tools = sent;
        inputs.tool_choice = choice.or_else(|| pause.tool_choice.take());
        Ok((ToolResume { pause, results }, inputs))
    }

    /// Takes the pause; one caller wins.
    pub(crate) async fn claim_pause(&self, run: &RunRecord, under: Option<Uuid>) -> Result<(), AppError> {
        let under = under.map(RunId);
        let claimed = self.store().resume(run.project_id, run.id, run.last_seq, false, under, self.now()).await?;
        match claimed {
            Resumed::Claimed => Ok(()),
            Resumed::Lost => Err(already_resumed(run)),
        }
    }
}

fn answered_call(turn: &Message) -> Option<String> {
    match turn {
        Message::Tool { call_id, .. } => Some(call_id.clone()),
        _ => None,
    }
}

/// Everything before the paused leaf, and the attempt that goes on.
pub(crate) fn done_before(flow: &Flow, pause: &ToolPause) -> Result<DoneOutputs, AppError> {
    let mut done = DoneOutputs::from_outputs(flow, &pause.outputs, pause.leaf)
        .map_err(|step| AppError::internal(format!("the stored pause lacks the output of {step}")))?;
    done.attempts.insert(Slot { leaf: pause.leaf, path: Vec::new() }, pause.attempt);
    Ok(done)
}

/// A run goes on with the version it began with; an address that names another is stale.
pub(crate) fn check_version(run: &RunRecord, version: VersionSelector) -> Result<(), AppError> {
    let named = match version {
        VersionSelector::Production => return Ok(()),
        VersionSelector::Draft => 0,
        VersionSelector::Number(number) => number,
    };
    if named == run.version {
        return Ok(());
    }
    let message =
        format!("the run was started with version {}, not {named}; go on with that or begin a new run", run.version);
    Err(AppError::new(ErrorCode::StaleTree, message).of_run(run.id))
}

pub(crate) fn already_resumed(run: &RunRecord) -> AppError {
    AppError::new(ErrorCode::AlreadyResumed, "this pause has been resumed already").of_run(run.id)
}
