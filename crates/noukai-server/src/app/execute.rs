//! Execute and enqueue: a run from its beginning, in one call or in the queue.

use noukai_api::{ErrorCode, ExecuteReply, ExecuteRequest, JobAccepted, PausedReply, RunStatus, Scope, TriggerType};
use noukai_engine::{Failure, ToolPause, wire_turns};
use noukai_store::{NewEvent, NewJob, NewRun, RunId, RunRecord, RunWrite};

use uuid::Uuid;

use super::{
    App, AppError, Caller, FlowAddress,
    inputs::{RunInputs, Sent, refuse_tools},
    pass::{Ended, Pass},
};

/// What a request's headers and query say of a run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Tags the run with a session.
    pub session_id: Option<String>,
    /// Hand over model text as it comes (step streams).
    pub deltas: bool,
    /// The id of the run, where it was decided on beforehand: a repeated request finds the run by it. A request that
    /// goes on with a run has it bound to that run.
    pub run: Option<Uuid>,
}

/// How an execute call ended.
#[derive(Debug, Clone)]
pub enum ExecuteOutcome {
    /// The run ended.
    Done(ExecuteReply),
    /// The run waits for tool results.
    Paused(PausedReply),
}

impl From<ExecuteRequest> for Sent {
    fn from(request: ExecuteRequest) -> Self {
        Self {
            message: request.message,
            messages: request.messages,
            parameters: request.parameters,
            attachments: request.attachments,
            overrides: request.block_overrides,
            tools: request.tools,
            tool_choice: request.tool_choice,
        }
    }
}

impl App {
    /// Runs a flow to its end or to a pause; or goes on from a pause, where the request carries its answers.
    ///
    /// # Errors
    /// Everything that keeps a run from starting; `BYOK_KEY_REJECTED` and `TOOL_ITERATION_LIMIT` also for a run that
    /// failed by them. A block that fails otherwise is no error but a reply with status `failed`.
    pub async fn execute(
        &self,
        caller: &Caller,
        address: &FlowAddress,
        request: ExecuteRequest,
        options: RunOptions,
    ) -> Result<ExecuteOutcome, AppError> {
        caller.require(Scope::Execute)?;
        let (app, caller, address) = (self.clone(), caller.clone(), address.clone());
        // On a task of its own from the first: a caller that goes away must not leave a run claimed and unattended.
        let executed = self.spawn(async move {
            let pass = if is_resume(&request) {
                app.resume_execute(&caller, &address, request, options.run).await?
            } else {
                app.begin_execute(&caller, &address, request, options).await?
            };
            let run = pass.run.clone();
            reply(&run, app.drive(pass).await?)
        });
        executed.await.map_err(AppError::internal)?
    }

    async fn begin_execute(
        &self,
        caller: &Caller,
        address: &FlowAddress,
        request: ExecuteRequest,
        options: RunOptions,
    ) -> Result<Pass, AppError> {
        let pinned = self.pin(caller, address).await?;
        let trace = request.trace;
        let (flow, inputs) = self.prepare(caller, &pinned.flow, request.into()).await?;
        let permit = self.admit(caller, &pinned.slug, true).await?;
        let capture = self.capture_mode(caller, &flow, trace);
        let keeps_result = options.run.is_some();
        let run = self.new_run(caller, &pinned, TriggerType::Execute, capture, options);
        Ok(Pass { keeps_result, ..Pass::fresh(run, flow, inputs, Some(permit)) })
    }

    /// Queues a run. Once this returns, the job survives a crash.
    ///
    /// # Errors
    /// Everything that keeps a run from starting; `TOOLS_REQUIRE_SYNC_EXECUTE`; `RATE_LIMITED` for a full queue of the
    /// project, `OVERLOADED` for one of the server.
    pub async fn enqueue(
        &self,
        caller: &Caller,
        address: &FlowAddress,
        request: ExecuteRequest,
        options: RunOptions,
    ) -> Result<JobAccepted, AppError> {
        caller.require(Scope::Execute)?;
        let pinned = self.pin(caller, address).await?;
        refuse_tools(request.tools.as_ref())?;
        let trace = request.trace;
        let (flow, inputs) = self.prepare(caller, &pinned.flow, request.into()).await?;
        let capture = self.capture_mode(caller, &flow, trace);
        let run = self.new_run(caller, &pinned, TriggerType::Job, capture, options);
        self.queue_run(caller, run, &inputs, None, Vec::new()).await
    }

    /// Queues a run, perhaps one that tries another again and has some of its events.
    pub(super) async fn queue_run(
        &self,
        caller: &Caller,
        run: RunRecord,
        inputs: &RunInputs,
        retry_of: Option<RunId>,
        events: Vec<NewEvent>,
    ) -> Result<JobAccepted, AppError> {
        let accepted = accepted(&run, retry_of);
        let credit = self.admit_queued(caller, &run.flow_slug).await?;
        let charges = credit.iter().map(|hold| hold.charge(1)).collect();
        let job = NewJob { bounds: self.queue_bounds(), retry_of };
        let create = NewRun { inputs: Some(inputs.text()), job: Some(job), charges, record: run };
        let write = RunWrite {
            project_id: create.record.project_id,
            run_id: create.record.id,
            create: Some(Box::new(create)),
            change: None,
            events,
            usage: Vec::new(),
            fence: None,
        };
        self.store().append(write).stored().await.map_err(|error| self.queue_refusal(error))?;
        credit.into_iter().for_each(|hold| hold.settle(1));
        Ok(accepted)
    }
}

/// What the caller of a queued run hears.
pub(super) fn accepted(run: &RunRecord, retry_of: Option<RunId>) -> JobAccepted {
    JobAccepted {
        execution_id: run.id.to_string(),
        status: "started".to_owned(),
        flow_id: run.flow_id.to_string(),
        block_count: run.step_count,
        retry_of: retry_of.map(|id| id.to_string()),
    }
}

/// All three fields present make a resume.
fn is_resume(request: &ExecuteRequest) -> bool {
    request.execution_id.is_some() && request.paused_at_step.is_some() && request.tool_call_messages.is_some()
}

/// What a caller hears of how its pass ended.
pub(super) fn reply(run: &RunRecord, ended: Ended) -> Result<ExecuteOutcome, AppError> {
    match ended {
        Ended::Completed(result) => Ok(done(run, RunStatus::Completed, result.as_ref().clone())),
        Ended::Paused(pause) => Ok(ExecuteOutcome::Paused(paused(run, *pause))),
        Ended::Failed(failure) => failed(run, &failure),
        Ended::Cancelled => failed(run, &Failure::of_run(ErrorCode::Cancelled, "the run was cancelled")),
        Ended::Boundary | Ended::GivenBack => {
            Err(AppError::internal("an execute pass ended as none does").of_run(run.id))
        }
    }
}

fn done(run: &RunRecord, status: RunStatus, result: serde_json::Value) -> ExecuteOutcome {
    ExecuteOutcome::Done(ExecuteReply {
        status,
        result,
        flow_id: run.flow_id.to_string(),
        block_count: run.step_count,
        execution_id: run.id.to_string(),
    })
}

/// A failed block is a reply; a refused key and a used-up tool limit are errors, as published clients expect.
fn failed(run: &RunRecord, failure: &Failure) -> Result<ExecuteOutcome, AppError> {
    match failure.error.code {
        ErrorCode::ByokKeyRejected | ErrorCode::ToolIterationLimit => {
            Err(AppError::new(failure.error.code, failure.error.message.clone()).of_run(run.id))
        }
        ErrorCode::InternalError => Err(AppError::internal(&failure.error.message).of_run(run.id)),
        _ => Ok(done(run, RunStatus::Failed, failure.as_result())),
    }
}

fn paused(run: &RunRecord, pause: ToolPause) -> PausedReply {
    PausedReply {
        status: "tool_calls_required".to_owned(),
        execution_id: run.id.to_string(),
        paused_at_step: pause.step_id,
        iterations_used: pause.iterations_used,
        tool_call_messages: wire_turns(&pause.turns),
        tool_calls: pause.tool_calls,
        accumulated_outputs: pause.outputs,
        flow_id: run.flow_id.to_string(),
        block_count: run.step_count,
    }
}
