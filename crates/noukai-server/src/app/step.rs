//! Step: one call of a run that its caller drives. The caller holds the cursor and the outputs; the server holds the
//! inputs, the pinned flow and the trace.

use std::{collections::BTreeMap, sync::Arc};

use noukai_api::{ErrorCode, RunStatus, Scope, StepRequest, StreamEvent, TriggerType};
use noukai_engine::{DoneOutputs, Failure, Until};
use noukai_flow::Flow;
use noukai_store::{Resumed, RunId, RunRecord};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    App, AppError, Caller, EventStream, FlowAddress, RunOptions,
    inputs::Sent,
    observer::observe,
    pass::{Begin, Pass},
    resume::{Answer, already_resumed, check_version},
};

impl App {
    /// Runs one step, or all that remain, and streams its events. The run does not depend on the stream.
    ///
    /// # Errors
    /// Everything that keeps the step from starting. What happens later is an event.
    pub async fn step(
        &self,
        caller: &Caller,
        address: &FlowAddress,
        request: StepRequest,
        options: RunOptions,
    ) -> Result<EventStream, AppError> {
        caller.require(Scope::Execute)?;
        let (app, caller, address) = (self.clone(), caller.clone(), address.clone());
        // On a task of its own: a caller that goes away must not leave a run claimed and unattended.
        let begun = self.spawn(async move { app.begin_step(&caller, &address, request, options).await });
        begun.await.map_err(AppError::internal)?
    }

    async fn begin_step(
        &self,
        caller: &Caller,
        address: &FlowAddress,
        request: StepRequest,
        options: RunOptions,
    ) -> Result<EventStream, AppError> {
        let until = if request.run_remaining { Until::End } else { Until::OneUnit };
        let deltas = options.deltas;
        let pass = match request.execution_id.clone().filter(|id| !id.is_empty()) {
            None => self.first_step(caller, address, request, options).await?,
            Some(id) => self.next_step(caller, address, request, &id, options.run).await?,
        };
        let (observer, open, events) = observe(pass.run.id.to_string().into());
        let pass = Pass { until, deltas, observer: Some(observer), ..pass };
        let step = pass.flow.leaves.get(pass.cursor).map(|leaf| (leaf.id.clone(), leaf.name.clone()));
        let app = self.clone();
        // The task is tracked; its end shows in the stream and in the store.
        drop(self.spawn(async move {
            if let Err(error) = app.drive(pass).await {
                tracing::error!(%error, context = error.context.as_deref(), "a step could not be recorded");
                open.end_with(not_recorded(step.unwrap_or_default(), &error));
            }
        }));
        Ok(events)
    }

    async fn first_step(
        &self,
        caller: &Caller,
        address: &FlowAddress,
        request: StepRequest,
        options: RunOptions,
    ) -> Result<Pass, AppError> {
        let pinned = self.pin(caller, address).await?;
        if request.step_index != 0 {
            let message = "the first call of a run (no `executionId`) has `stepIndex` 0";
            return Err(AppError::new(ErrorCode::InvalidFirstCall, message));
        }
        let sent = Sent {
            message: request.message,
            messages: request.messages,
            parameters: request.parameters,
            attachments: request.attachments,
            overrides: request.block_overrides,
            tools: request.tools,
            tool_choice: request.tool_choice,
        };
        let (flow, inputs) = self.prepare(caller, &pinned.flow, sent).await?;
        let permit = self.admit(caller, &pinned.slug, true).await?;
        let capture = self.capture_mode(caller, &flow, request.trace);
        let replacements = replacements(&flow, &request.input_overrides);
        let run = self.new_run(caller, &pinned, TriggerType::Step, capture, options);
        Ok(Pass { replacements, ..Pass::fresh(run, flow, inputs, Some(permit)) })
    }

    async fn next_step(
        &self,
        caller: &Caller,
        address: &FlowAddress,
        request: StepRequest,
        id: &str,
        under: Option<Uuid>,
    ) -> Result<Pass, AppError> {
        let mut run = self.step_run(caller, address, id).await?;
        let (flow, inputs) = self.stored_inputs(&run, &request.block_overrides).await?;
        let cursor = check_cursor(&flow, request.step_index)?;
        let mut done = DoneOutputs::from_outputs(&flow, &request.accumulated_outputs, cursor)
            .map_err(|step| missing_output(&step))?;
        let history = self.history(&run).await?;
        done.attempts = history.attempts();
        let answers = request.tool_call_messages.as_deref().filter(|messages| !messages.is_empty());
        let (resume, inputs) = match answers {
            Some(messages) => {
                let pause = self.pending_pause(&run, cursor).await?;
                let answer = Answer {
                    messages,
                    iterations_used: request.iterations_used,
                    tools: request.tools,
                    tool_choice: request.tool_choice,
                };
                let (resume, inputs) = self.answer(&run, &flow, inputs, pause, answer)?;
                (Some(resume), inputs)
            }
            None => (None, inputs),
        };
        let permit = self.admit(caller, &run.flow_slug, false).await?;
        self.claim_step(&run, resume.is_some(), under).await?;
        if resume.is_none() {
            let why = (ErrorCode::Cancelled, "left for another attempt");
            self.close_dangling(&mut run, &history, why, None).await?;
        }
        let replacements = replacements(&flow, &request.input_overrides);
        let inputs = inputs.on_account_of(caller);
        let pass = Pass::fresh(run, flow, inputs, Some(permit));
        Ok(Pass { begin: Begin::Continue, done, replacements, cursor, resume, ..pass })
    }

    /// The step run that an id names, of this flow and no other, not going on at this moment.
    async fn step_run(&self, caller: &Caller, address: &FlowAddress, id: &str) -> Result<RunRecord, AppError> {
        let record = self.flow_record(caller.scope(), &address.flow).await?;
        let missing = || AppError::new(ErrorCode::RunNotFound, "`executionId` is no step run of this flow");
        let id = Uuid::parse_str(id).map_err(|_| missing())?;
        let run = self.store().run(caller.scope(), RunId(id)).await?.ok_or_else(missing)?;
        if run.flow_id != record.id || run.trigger != TriggerType::Step {
            return Err(missing());
        }
        check_version(&run, address.version)?;
        if run.status == RunStatus::Running {
            return Err(busy(&run));
        }
        Ok(run)
    }

    async fn pending_pause(&self, run: &RunRecord, cursor: usize) -> Result<noukai_engine::ToolPause, AppError> {
        if run.pauses == 0 {
            let message = "the run is not paused for tools; send no `toolCallMessages`";
            return Err(AppError::new(ErrorCode::PausedStepInvalid, message).of_run(run.id));
        }
        let pause = self.pause_of(run).await?;
        if pause.leaf != cursor {
            let message = format!("the run is paused at step index {}", pause.leaf);
            return Err(AppError::new(ErrorCode::PausedStepInvalid, message).of_run(run.id));
        }
        Ok(pause)
    }

    async fn claim_step(&self, run: &RunRecord, is_resume: bool, under: Option<Uuid>) -> Result<(), AppError> {
        let (seq, under) = (run.last_seq, under.map(RunId));
        let claimed = self.store().resume(run.project_id, run.id, seq, !is_resume, under, self.now()).await?;
        match claimed {
            Resumed::Claimed => Ok(()),
            Resumed::Lost if is_resume => Err(already_resumed(run)),
            Resumed::Lost => Err(busy(run)),
        }
    }
}

/// Ends a stream whose own end could not be stored. Without a terminator, published clients call again for ever.
fn not_recorded((step, name): (Arc<str>, Arc<str>), error: &AppError) -> StreamEvent {
    let failure = Failure::of_run(error.code, error.message.clone());
    StreamEvent::StepError { step_id: step.to_string(), name: name.to_string(), error: failure.error }
}

fn busy(run: &RunRecord) -> AppError {
    AppError::new(ErrorCode::Conflict, "another call of this run is still going on; wait for its stream to end")
        .of_run(run.id)
}

/// The cursor as a leaf index: inside the flow, and not within a loop or parallel container.
fn check_cursor(flow: &Arc<Flow>, index: u32) -> Result<usize, AppError> {
    let cursor = index as usize;
    let invalid = |message: String| Err(AppError::new(ErrorCode::InvalidStepIndex, message));
    let Some(leaf) = flow.leaves.get(cursor) else {
        return invalid(format!("`stepIndex` is {index}, but the flow has {} steps", flow.leaves.len()));
    };
    if leaf.unit.start != cursor {
        let message = format!(
            "step `{}` runs together with its loop or parallel container; its first step has index {}",
            leaf.id, leaf.unit.start
        );
        return invalid(message);
    }
    Ok(cursor)
}

/// `inputOverrides` by leaf index. Clients send them with every call; names of other steps mean nothing here.
fn replacements(flow: &Flow, overrides: &Map<String, Value>) -> BTreeMap<usize, Arc<Value>> {
    let by_leaf = |(step, output): (&String, &Value)| Some((flow.leaf_index(step)?, Arc::new(output.clone())));
    overrides.iter().filter_map(by_leaf).collect()
}

fn missing_output(step: &str) -> AppError {
    let message = format!("`accumulatedOutputs` lacks a fitting output of step `{step}`, which lies before the cursor");
    AppError::new(ErrorCode::InvalidStepIndex, message)
}
