//! One pass of one run: the engine on a recorder, and what its end means for the run.
//!
//! The only place that starts the engine. Execute, step, resume and jobs all come through [`App::drive`].

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use noukai_api::{CaptureMode, ErrorCode, RunStatus, RunSummary, StepError, Tokens, TriggerType};
use noukai_engine::{
    DoneOutputs, Failure, Model, Outcome, Ports, RunBounds, RunReport, RunSpec, SystemClock, ToolPause, ToolResume,
    Until, wire_turns,
};
use noukai_flow::Flow;
use noukai_models::decimal_text;
use noukai_store::{Charge, Lease, NewRun, RunChange, RunFinish, RunId, RunRecord, Spender};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    App, AppError, Caller, RunOptions,
    admission::Permit,
    capture::Capture,
    flows::Pinned,
    inputs::RunInputs,
    observer::Observer,
    record::{Record, RunView, ToolPaused},
    recorder::{Recorder, Target},
    spend::Metered,
};

/// What to run, and for whom.
pub(crate) struct Pass {
    pub run: RunRecord,
    pub begin: Begin,
    /// Overrides applied.
    pub flow: Arc<Flow>,
    pub inputs: RunInputs,
    pub done: DoneOutputs,
    /// Outputs to put in place of what leaves give.
    pub replacements: BTreeMap<usize, Arc<Value>>,
    pub cursor: usize,
    pub until: Until,
    pub resume: Option<ToolResume>,
    pub deltas: bool,
    pub lease: Option<Lease>,
    pub observer: Option<Observer>,
    /// Ends the pass early; without one, only the end of the server does.
    pub cancel: Option<CancellationToken>,
    pub permit: Option<Permit>,
    /// Its result is kept until the reply with it is.
    pub keeps_result: bool,
    /// Who answers its LLM blocks in place of the server's models.
    pub model: Option<Arc<dyn Model>>,
}

/// How the run enters the pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// It is created with the pass's first write.
    Create,
    /// It was queued and begins now.
    Start,
    /// The same, with what it took over from the job that it tries again: observers know that it began.
    TakeOver,
    /// It goes on.
    Continue,
}

/// How a pass ended, for its caller.
#[derive(Debug)]
pub(crate) enum Ended {
    Completed(Arc<Value>),
    Failed(Failure),
    Paused(Box<ToolPause>),
    /// A step call is done and more remains.
    Boundary,
    Cancelled,
    /// The server stopped; the job goes on elsewhere or later.
    GivenBack,
}

impl Pass {
    /// A new run of a pinned flow, from its beginning to its end.
    pub fn fresh(run: RunRecord, flow: Arc<Flow>, inputs: RunInputs, permit: Option<Permit>) -> Self {
        Self {
            run,
            begin: Begin::Create,
            flow,
            inputs,
            done: DoneOutputs::default(),
            replacements: BTreeMap::new(),
            cursor: 0,
            until: Until::End,
            resume: None,
            deltas: false,
            lease: None,
            observer: None,
            cancel: None,
            permit,
            keeps_result: false,
            model: None,
        }
    }

    /// Whether the run may end and go on later: an execute run without tools does neither pause nor survive a crash.
    fn may_go_on(&self) -> bool {
        !matches!(self.run.trigger, TriggerType::Execute | TriggerType::Test) || !self.inputs.tools.is_empty()
    }

    pub fn spec(&self, limits: &noukai_api::Limits) -> RunSpec {
        RunSpec {
            tenant: self.run.project_id.0,
            flow: self.flow.clone(),
            initial: self.inputs.initial.clone(),
            conversation: self.inputs.conversation.clone(),
            images: self.inputs.images.clone(),
            tools: self.inputs.tools.clone(),
            tool_choice: self.inputs.tool_choice.clone(),
            done: self.done.clone(),
            replacements: self.replacements.clone(),
            cursor: self.cursor,
            until: self.until,
            resume: self.resume.clone(),
            bounds: bounds(limits),
            deltas: self.deltas,
        }
    }
}

/// What the limits in force say of a run.
pub(crate) fn bounds(limits: &noukai_api::Limits) -> RunBounds {
    RunBounds {
        loop_items: limits.loop_items,
        loop_concurrency: limits.loop_concurrency,
        run_time: Duration::from_secs(limits.run_seconds),
        block_time: Duration::from_secs(limits.block_seconds),
        output_bytes: limits.step_output_bytes,
        attempts: limits.blocks_per_run,
        total_bytes: limits.run_output_bytes,
    }
}

impl App {
    /// The row of a new run.
    pub(crate) fn new_run(
        &self,
        caller: &Caller,
        pinned: &Pinned,
        trigger: TriggerType,
        capture: CaptureMode,
        options: RunOptions,
    ) -> RunRecord {
        let queued = trigger == TriggerType::Job;
        RunRecord {
            id: RunId(options.run.unwrap_or_else(Uuid::now_v7)),
            project_id: caller.scope(),
            flow_id: pinned.flow_id,
            flow_slug: pinned.slug.clone(),
            version: pinned.version,
            hash: pinned.hash.clone(),
            trigger,
            status: if queued { RunStatus::Pending } else { RunStatus::Running },
            capture,
            session_id: options.session_id,
            step_count: u32::try_from(pinned.flow.leaves.len()).unwrap_or(u32::MAX),
            started_at: self.now(),
            completed_at: None,
            duration_ms: None,
            tokens: Tokens::default(),
            cost_usd: None,
            last_seq: 0,
            pauses: 0,
            error: None,
        }
    }

    /// Runs a pass to its end. Callers are tasks of their own, so that no connection can cut it off.
    pub(crate) async fn drive(&self, mut pass: Pass) -> Result<Ended, AppError> {
        let run_id = pass.run.id;
        // Held until the run is stored as ended.
        let mut place = pass.permit.take();
        let charges = place.as_mut().map(Permit::spend).unwrap_or_default();
        let spec = pass.spec(self.limits());
        let recorder = Arc::new(self.recorder(&mut pass));
        let ports = Ports {
            model: self.models_for(&pass, &recorder).await,
            code: self.code().port(),
            sink: recorder.clone(),
            clock: Arc::new(SystemClock),
        };
        begin(&pass, &recorder, self.capture_of(pass.run.capture), charges);
        if pass.begin == Begin::Create && recorder.begin_later() {
            self.inner.beginnings.add(self, &recorder);
        }
        let cancel = pass.cancel.clone().unwrap_or_else(|| self.cutting().clone());
        let walked = AssertUnwindSafe(noukai_engine::run(spec, &ports, &cancel)).catch_unwind().await;
        let report = walked.unwrap_or_else(|_| panicked());
        let end = End { app: self, pass: &pass, recorder: &recorder };
        let ended = end.conclude(report).await;
        ended.map_err(|error| {
            if pass.lease.is_none() {
                drop(self.spawn(self.clone().conclude_later(pass.run.clone())));
            }
            let refused = if error.overloaded {
                AppError::overloaded("the server has no room to record the run; try again in a moment")
            } else {
                AppError::internal(error.message)
            };
            refused.of_run(run_id)
        })
    }

    /// Who answers in place of models costs nothing, and is on nobody's account.
    async fn models_for(&self, pass: &Pass, recorder: &Arc<Recorder>) -> Arc<dyn Model> {
        match &pass.model {
            Some(model) => model.clone(),
            None => Arc::new(Metered::new(self.clone(), recorder.clone(), spender(pass)).await),
        }
    }

    pub(crate) fn recorder(&self, pass: &mut Pass) -> Recorder {
        let run = &pass.run;
        let view = RunView {
            run_id: run.id.to_string().into(),
            flow_id: run.flow_id.to_string().into(),
            step_count: run.step_count,
            version: run.version,
        };
        let target = Target {
            project_id: run.project_id,
            run_id: run.id,
            flow: pass.flow.clone(),
            view,
            lease: pass.lease.clone(),
            cutting: self.cutting().clone(),
        };
        let capture = self.capture_of(run.capture);
        Recorder::new(self.clone(), target, capture, pass.observer.take(), run.last_seq)
    }

    pub(crate) fn capture_of(&self, mode: CaptureMode) -> Capture {
        Capture { mode, limit: self.limits().trace_content_bytes }
    }
}

fn begin(pass: &Pass, recorder: &Recorder, capture: Capture, charges: Vec<Charge>) {
    let kept = || (capture.mode == CaptureMode::Full).then(|| capture.content(&Arc::new(pass.inputs.value())));
    match pass.begin {
        Begin::Create => {
            let inputs = pass.may_go_on().then(|| pass.inputs.text());
            recorder.create(NewRun { record: pass.run.clone(), inputs, job: None, charges }, kept());
        }
        Begin::Start => {
            recorder.started(kept());
            recorder.change(RunChange::Running);
        }
        Begin::TakeOver => recorder.change(RunChange::Running),
        Begin::Continue => {}
    }
}

/// Whose account the pass's model calls are on.
pub(crate) fn spender(pass: &Pass) -> Spender {
    let run = &pass.run;
    Spender {
        project_id: run.project_id,
        run_id: run.id,
        flow_id: run.flow_id,
        flow_slug: run.flow_slug.clone(),
        version: run.version,
        session_id: run.session_id.clone(),
        key_id: pass.inputs.key.clone(),
    }
}

/// The engine broke an invariant of its own. The run ends; nobody waits for ever.
fn panicked() -> RunReport {
    tracing::error!("the engine panicked; the run is failed");
    let failure = Failure::of_run(ErrorCode::InternalError, "something went wrong in the server");
    RunReport { outcome: Outcome::Failed(failure), tokens: Tokens::default(), cost: Decimal::ZERO, steps: 0 }
}

/// The end of a pass: what is stored of it, and what its caller hears.
struct End<'a> {
    app: &'a App,
    pass: &'a Pass,
    recorder: &'a Recorder,
}

type Stored<T> = Result<T, noukai_engine::SinkError>;

impl End<'_> {
    async fn conclude(&self, report: RunReport) -> Stored<Ended> {
        let sums = Sums::of(&self.pass.run, &report, self.app);
        match report.outcome {
            Outcome::Completed { result } => self.completed(result, &sums).await,
            Outcome::Boundary { done, next } => self.boundary(done, next, &sums).await,
            Outcome::ToolPause(pause) => self.paused(pause, &sums).await,
            Outcome::Failed(failure) => self.failed(failure, &sums).await,
            Outcome::Cancelled { leaf } if self.app.cutting().is_cancelled() => self.cut(leaf, &sums).await,
            Outcome::Cancelled { .. } => self.cancelled(&sums).await,
        }
    }

    async fn completed(&self, result: Arc<Value>, sums: &Sums) -> Stored<Ended> {
        let capture = self.app.capture_of(self.pass.run.capture);
        let last = self.pass.flow.root.last().map(|node| node.id.clone());
        let finished = |capture: Capture| Record::Finished {
            result: capture.content(&result),
            summary: sums.summary(None, None),
            last: last.clone(),
        };
        let (stored, shown) = (finished(capture), finished(Capture::WHOLE));
        self.recorder.record(stored, Some(shown), None);
        let kept = (self.pass.lease.is_some() || self.pass.keeps_result).then(|| result.to_string());
        self.recorder.finish(self.finish(RunStatus::Completed, sums, None, kept)).await?;
        Ok(Ended::Completed(result))
    }

    async fn boundary(&self, done: usize, next: usize, sums: &Sums) -> Stored<Ended> {
        let leaf = &self.pass.flow.leaves[done];
        let record = Record::StepPaused { step: leaf.id.clone(), leaf: index(done), next: index(next) };
        self.recorder.record(record.clone(), Some(record), None);
        self.recorder.finish(self.pause(sums, None)).await?;
        Ok(Ended::Boundary)
    }

    async fn paused(&self, pause: Box<ToolPause>, sums: &Sums) -> Stored<Ended> {
        let shown = tool_paused(&pause, &self.pass.flow);
        let keeps = self.pass.run.capture.keeps_contents();
        let stored = if keeps { captured(&shown, self.app.capture_of(self.pass.run.capture)) } else { emptied(&shown) };
        self.recorder.record(Record::ToolPause(Box::new(stored)), Some(Record::ToolPause(Box::new(shown))), None);
        let text = serde_json::to_string(&pause)
            .map_err(|error| noukai_engine::SinkError { message: error.to_string(), overloaded: false })?;
        self.recorder.finish(self.pause(sums, Some(text))).await?;
        Ok(Ended::Paused(pause))
    }

    async fn failed(&self, mut failure: Failure, sums: &Sums) -> Stored<Ended> {
        if failure.node_id.is_none() {
            self.blame_leaf(&mut failure, self.pass.cursor);
        }
        let summary = sums.summary(failure.node_id.as_ref().map(ToString::to_string), None);
        // A step stream ends with `step_error`; followers of the stored events see the end of the run as well.
        self.recorder.record(Record::ended_early(summary), None, None);
        // A job's poll is owed the whole error, as it is the whole result.
        let capture =
            if self.pass.lease.is_some() { Capture::WHOLE } else { self.app.capture_of(self.pass.run.capture) };
        let kept = capture.error(&failure.error);
        self.recorder.finish(self.finish(RunStatus::Failed, sums, Some(&kept), None)).await?;
        Ok(Ended::Failed(failure))
    }

    /// A failure of the run as a whole stands at the leaf it had come to, so that its stream ends as any other.
    fn blame_leaf(&self, failure: &mut Failure, leaf: usize) {
        let Some(info) = self.pass.flow.leaves.get(leaf) else { return };
        failure.error.step_id = Some(info.id.to_string());
        (failure.node_id, failure.name) = (Some(info.id.clone()), info.name.clone());
        let record =
            Record::StepFailed { step: info.id.clone(), name: info.name.clone(), error: failure.error.clone() };
        self.recorder.record(record.clone(), Some(record), None);
    }

    /// The server stops before the run is done. A job goes on with the next claim; anything else ends here.
    async fn cut(&self, leaf: Option<usize>, sums: &Sums) -> Stored<Ended> {
        if self.pass.lease.is_some() {
            self.recorder.keep_usage().await?;
            return Ok(Ended::GivenBack);
        }
        let mut failure = Failure::of_run(ErrorCode::Interrupted, "the server stopped while the run was going on");
        self.blame_leaf(&mut failure, leaf.unwrap_or(self.pass.cursor));
        self.failed(failure, sums).await
    }

    async fn cancelled(&self, sums: &Sums) -> Stored<Ended> {
        let error = Failure::of_run(ErrorCode::Cancelled, "the run was cancelled").error;
        let summary = sums.summary(None, Some(error.clone()));
        self.recorder.record(Record::ended_early(summary), None, None);
        self.recorder.finish(self.finish(RunStatus::Cancelled, sums, Some(&error), None)).await?;
        Ok(Ended::Cancelled)
    }

    fn pause(&self, sums: &Sums, pause: Option<String>) -> RunChange {
        RunChange::Paused { tokens: sums.tokens, cost_usd: Some(sums.cost_usd.clone()), at: self.app.now(), pause }
    }

    fn finish(&self, status: RunStatus, sums: &Sums, error: Option<&StepError>, result: Option<String>) -> RunChange {
        RunChange::Finished(Box::new(RunFinish {
            status,
            at: self.app.now(),
            duration_ms: sums.duration_ms,
            tokens: sums.tokens,
            cost_usd: Some(sums.cost_usd.clone()),
            error: error.and_then(|error| serde_json::to_string(error).ok()),
            result,
            keep_inputs: self.pass.run.trigger == TriggerType::Step || !self.pass.may_go_on(),
            clear_states: self.pass.begin != Begin::Create || self.recorder.has_stored_states(),
            keep_for_retry: self.pass.lease.is_some() && status != RunStatus::Completed && self.app.keeps_for_retry(),
            poison: false,
        }))
    }
}

/// Sums over the whole run, earlier passes included.
struct Sums {
    tokens: Tokens,
    cost_usd: String,
    duration_ms: u64,
    steps: u32,
}

impl Sums {
    fn of(run: &RunRecord, report: &RunReport, app: &App) -> Self {
        let before = run.cost_usd.as_deref().and_then(|cost| cost.parse::<Decimal>().ok()).unwrap_or_default();
        let mut tokens = run.tokens;
        tokens += report.tokens;
        let elapsed = app.now() - run.started_at;
        Self {
            tokens,
            cost_usd: decimal_text(&(before + report.cost)),
            duration_ms: u64::try_from(elapsed.whole_milliseconds()).unwrap_or(0),
            steps: report.steps,
        }
    }

    fn summary(&self, failed_at_step: Option<String>, error: Option<StepError>) -> RunSummary {
        RunSummary {
            duration_ms: self.duration_ms,
            tokens: self.tokens,
            cost_usd: self.cost_usd.clone(),
            steps: self.steps,
            failed_at_step,
            error,
        }
    }
}

fn index(leaf: usize) -> u32 {
    u32::try_from(leaf).unwrap_or(u32::MAX)
}

fn tool_paused(pause: &ToolPause, flow: &Flow) -> ToolPaused {
    ToolPaused {
        step: flow.leaves[pause.leaf].id.clone(),
        leaf: index(pause.leaf),
        iterations_used: pause.iterations_used,
        messages: wire_turns(&pause.turns),
        calls: pause.tool_calls.clone(),
        outputs: pause.outputs.clone(),
    }
}

/// Contents as capture allows; a call's arguments are contents too.
fn captured(pause: &ToolPaused, capture: Capture) -> ToolPaused {
    let keep = |value: &Value| capture.content(&Arc::new(value.clone())).into_kept().unwrap_or_default();
    let calls = pause.calls.iter().cloned().map(|mut call| {
        if let Value::String(text) = keep(&Value::String(call.function.arguments.clone())) {
            call.function.arguments = text;
        }
        call
    });
    ToolPaused {
        messages: pause.messages.iter().map(keep).collect(),
        calls: calls.collect(),
        outputs: pause.outputs.iter().map(|(step, output)| (step.clone(), keep(output))).collect(),
        ..pause.clone()
    }
}

fn emptied(pause: &ToolPaused) -> ToolPaused {
    ToolPaused { messages: Vec::new(), calls: Vec::new(), outputs: Map::new(), ..pause.clone() }
}
