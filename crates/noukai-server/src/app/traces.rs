//! Traces: a run, its steps, its events as they come.

use futures::{StreamExt, stream};
use noukai_api::{
    CaptureMode, ErrorCode, FlowRun, FlowRunList, RunStatus, Scope, StepAttempts, StepStatus, StepTrace, Trace,
    TriggerType,
};
use noukai_store::{FlowId, RunFilter, RunId, RunRecord};
use uuid::Uuid;

use super::{
    App, AppError, Caller, EventStream, SeqEvent,
    capture::Content,
    from_micros,
    history::{Happened, StepRow, latest, loop_indexes},
    iso,
    record::{Record, RunView, last_wire_id, numbered, record_before},
};

/// Events read at once while following a run.
const PAGE: u32 = 256;
const DEFAULT_LIMIT: u32 = 20;
const LIMITS: std::ops::RangeInclusive<u32> = 1..=100;

/// Which attempts of a step are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptSelector {
    /// The newest.
    Latest,
    /// Every one.
    All,
    /// One, from 1.
    Number(u32),
}

/// One attempt, or all.
#[derive(Debug, Clone)]
pub enum StepTraceReply {
    /// One.
    One(Box<StepTrace>),
    /// All.
    All(StepAttempts),
}

/// What a list of runs is narrowed to, as sent.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// One flow's, by its id.
    pub flow_id: Option<String>,
    /// In one status.
    pub status: Option<String>,
    /// Only jobs that were given up because they never came to an end.
    pub poison: bool,
    /// 1 to 100, default 20.
    pub limit: Option<u32>,
    /// As the page before gave it.
    pub cursor: Option<String>,
}

impl App {
    /// One run.
    ///
    /// # Errors
    /// `RUN_NOT_FOUND`, the same for foreign runs as for missing ones; `FLOW_NOT_FOUND` where a flow is named.
    pub async fn flow_run(&self, caller: &Caller, flow: Option<&str>, id: &str) -> Result<FlowRun, AppError> {
        self.linked(&self.owned_run(caller, flow, id).await?).await
    }

    /// One run with the latest attempt of each step.
    ///
    /// # Errors
    /// As [`App::flow_run`].
    pub async fn trace(&self, caller: &Caller, flow: Option<&str>, id: &str) -> Result<Trace, AppError> {
        self.trace_of(&self.owned_run(caller, flow, id).await?).await
    }

    /// The trace of a run that its caller may see.
    pub(crate) async fn trace_of(&self, run: &RunRecord) -> Result<Trace, AppError> {
        let rows = self.shown_rows(run).await?;
        let steps = step_traces(&latest(rows));
        Ok(Trace { flow_run: self.linked(run).await?, steps })
    }

    /// A run with the jobs it retries and is retried by.
    async fn linked(&self, run: &RunRecord) -> Result<FlowRun, AppError> {
        let shown = flow_run(run);
        if run.trigger != TriggerType::Job {
            return Ok(shown);
        }
        let job = self.store().job(run.project_id, run.id).await?;
        let id = |id: RunId| id.to_string();
        let (of, by) = job.map_or((None, None), |job| (job.retry_of.map(id), job.retried_by.map(id)));
        Ok(FlowRun { retry_of: of, retried_by: by, ..shown })
    }

    /// One step of a run.
    ///
    /// # Errors
    /// As [`App::flow_run`]; `STEP_NOT_FOUND` for a step, attempt or iteration the run does not have.
    pub async fn step_trace(
        &self,
        caller: &Caller,
        flow: Option<&str>,
        id: &str,
        step: &str,
        attempt: AttemptSelector,
        loop_index: Option<u32>,
    ) -> Result<StepTraceReply, AppError> {
        let run = self.owned_run(caller, flow, id).await?;
        let all = step_traces(&self.shown_rows(&run).await?);
        let matches =
            |trace: &StepTrace| trace.step_id == step && loop_index.is_none_or(|n| trace.loop_index == Some(n));
        let found: Vec<StepTrace> = all.into_iter().filter(matches).collect();
        if found.is_empty() {
            return Err(step_not_found(step));
        }
        match attempt {
            AttemptSelector::All => Ok(StepTraceReply::All(StepAttempts { step_id: step.to_owned(), attempts: found })),
            AttemptSelector::Latest => one(found.into_iter().next_back(), step),
            AttemptSelector::Number(number) => one(found.into_iter().rfind(|trace| trace.attempt == number), step),
        }
    }

    /// The rows a trace shows. Where nothing is captured only failures are.
    async fn shown_rows(&self, run: &RunRecord) -> Result<Vec<StepRow>, AppError> {
        let rows = self.history(run).await?.rows();
        let shown = |row: &StepRow| run.capture != CaptureMode::Off || row.status == StepStatus::Failed;
        Ok(rows.into_iter().filter(shown).collect())
    }

    /// A run of the caller's project, of the named flow.
    pub(crate) async fn owned_run(&self, caller: &Caller, flow: Option<&str>, id: &str) -> Result<RunRecord, AppError> {
        caller.require(Scope::Execute)?;
        let flow = match flow {
            Some(slug) => Some(self.flow_record(caller.scope(), slug).await?.id),
            None => None,
        };
        let not_found = || AppError::new(ErrorCode::RunNotFound, "the project has no such run");
        let id = Uuid::parse_str(id).map_err(|_| not_found())?;
        let run = self.store().run(caller.scope(), RunId(id)).await?;
        run.filter(|run| flow.is_none_or(|flow| flow == run.flow_id)).ok_or_else(not_found)
    }

    /// The caller's runs, newest first.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for a filter that is none.
    pub async fn flow_runs(&self, caller: &Caller, query: RunQuery) -> Result<FlowRunList, AppError> {
        caller.require(Scope::Execute)?;
        let filter = run_filter(query)?;
        let limit = filter.limit;
        let wider = RunFilter { limit: limit + 1, ..filter };
        let mut runs = self.store().runs(caller.scope(), &wider).await?;
        let more = runs.len() > limit as usize;
        runs.truncate(limit as usize);
        let next_cursor = runs.last().filter(|_| more).map(|run| run.id.to_string());
        Ok(FlowRunList { flow_runs: runs.iter().map(flow_run).collect(), next_cursor })
    }

    /// A run's events after a wire id: the stored ones, then the coming ones, until the run ends.
    ///
    /// # Errors
    /// As [`App::flow_run`].
    pub async fn follow(
        &self,
        caller: &Caller,
        flow: Option<&str>,
        id: &str,
        after: u64,
    ) -> Result<EventStream, AppError> {
        let run = self.owned_run(caller, flow, id).await?;
        let changed = self.store().watch(run.id);
        // Never behind the end: who claims to have seen more waits for what is new, or is done.
        // Nobody has seen what has not happened yet.
        let after = after.min(last_wire_id(run.last_seq));
        let stored = record_before(after);
        let follower = Follower { app: self.clone(), view: view(&run), run, changed, after, stored, ended: false };
        Ok(stream::unfold(follower, Follower::next).flat_map(stream::iter).boxed())
    }
}

/// Reads a run's events as they are stored. Always from the store, so that nothing is lost or seen twice.
struct Follower {
    app: App,
    view: RunView,
    run: RunRecord,
    changed: tokio::sync::watch::Receiver<u64>,
    /// The last wire id the caller has.
    after: u64,
    /// The last record read.
    stored: u64,
    ended: bool,
}

impl Follower {
    async fn next(mut self) -> Option<(Vec<SeqEvent>, Self)> {
        while !self.ended {
            self.changed.mark_unchanged();
            let run = self.app.store().run(self.run.project_id, self.run.id).await.ok()??;
            let events = self.read().await?;
            if !events.is_empty() {
                return Some((events, self));
            }
            if run.status.is_final() && self.stored >= run.last_seq {
                self.ended = true;
            } else if self.stored >= run.last_seq && !self.wait().await {
                return None;
            }
        }
        None
    }

    /// Waits for news; false where there will be none. What is stored until then is shown first.
    async fn wait(&mut self) -> bool {
        let closing = self.app.closing().clone();
        tokio::select! {
            biased;
            changed = self.changed.changed() => changed.is_ok(),
            () = closing.cancelled() => false,
        }
    }

    async fn read(&mut self) -> Option<Vec<SeqEvent>> {
        let page = self.app.store().events(self.run.project_id, self.run.id, self.stored, PAGE).await.ok()?;
        let mut shown = Vec::new();
        for event in page {
            let happened = Happened::read(event).ok()?;
            self.stored = happened.seq;
            self.show(happened.seq, happened.record, &mut shown);
        }
        Some(shown)
    }

    fn show(&self, seq: u64, record: Record, shown: &mut Vec<SeqEvent>) {
        let coming = numbered(seq, record.wire(&self.view)).filter(|(id, _)| *id > self.after);
        shown.extend(coming.map(|(seq, event)| SeqEvent {
            seq: Some(seq),
            execution_id: self.view.run_id.clone(),
            event,
        }));
    }
}

/// What the wire says of a run in its events.
pub(super) fn view(run: &RunRecord) -> RunView {
    RunView {
        run_id: run.id.to_string().into(),
        flow_id: run.flow_id.to_string().into(),
        step_count: run.step_count,
        version: run.version,
    }
}

fn one(found: Option<StepTrace>, step: &str) -> Result<StepTraceReply, AppError> {
    found.map(|trace| StepTraceReply::One(Box::new(trace))).ok_or_else(|| step_not_found(step))
}

fn step_not_found(step: &str) -> AppError {
    let shown: String = step.chars().take(64).collect();
    AppError::new(ErrorCode::StepNotFound, format!("the run has no such step, attempt or iteration of `{shown}`"))
}

fn run_filter(query: RunQuery) -> Result<RunFilter, AppError> {
    let wrong = |field: &str, msg: &str| AppError::invalid_field(&["query", field], msg);
    let uuid = |field: &str, text: &str| Uuid::parse_str(text).map_err(|_| wrong(field, "is no id"));
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !LIMITS.contains(&limit) {
        return Err(wrong("limit", "must be between 1 and 100"));
    }
    let status = |text: &str| {
        RunStatus::parse(text)
            .ok_or_else(|| wrong("status", "must be one of pending, running, paused, completed, failed, cancelled"))
    };
    Ok(RunFilter {
        flow_id: query.flow_id.as_deref().map(|id| uuid("flow_id", id)).transpose()?.map(FlowId),
        status: query.status.as_deref().map(status).transpose()?,
        poison: query.poison,
        before: query.cursor.as_deref().map(|id| uuid("cursor", id)).transpose()?.map(RunId),
        limit,
    })
}

/// A run as traces and lists show it.
pub(crate) fn flow_run(run: &RunRecord) -> FlowRun {
    FlowRun {
        id: run.id.to_string(),
        flow_id: run.flow_id.to_string(),
        status: run.status,
        trigger_type: run.trigger,
        started_at: iso(run.started_at),
        completed_at: run.completed_at.map(iso),
        duration_ms: run.duration_ms,
        step_count: run.step_count,
        version: run.version,
        session_id: run.session_id.clone(),
        tokens: (run.tokens.total > 0).then_some(run.tokens),
        cost_usd: run.cost_usd.clone(),
        retry_of: None,
        retried_by: None,
    }
}

fn step_traces(rows: &[StepRow]) -> Vec<StepTrace> {
    rows.iter().zip(loop_indexes(rows)).map(|(row, loop_index)| step_trace(row, loop_index)).collect()
}

fn step_trace(row: &StepRow, loop_index: Option<u32>) -> StepTrace {
    let skipped = row.status == StepStatus::Skipped;
    StepTrace {
        step_id: row.step.clone(),
        name: row.name.clone(),
        attempt: row.attempt,
        loop_index,
        status: row.status,
        started_at: iso(from_micros(row.started_at)),
        completed_at: row.completed_at.map(|at| iso(from_micros(at))),
        duration_ms: row.duration_ms,
        model_used: row.used.model.clone(),
        provider: row.used.provider.clone(),
        tokens: row.used.tokens,
        token_details: Some(row.used.details).filter(|details| !details.is_empty()),
        cost_usd: row.used.cost_usd.clone(),
        hedged: row.used.hedged,
        cached: row.used.cached,
        input_context: row.input.kept(),
        output_context: row.output.as_ref().and_then(Content::kept),
        error_context: row.error.clone(),
        rendered_prompt: row.prompt.as_ref().and_then(|prompt| prompt.as_str().map(str::to_owned)),
        printed: row.printed.as_ref().and_then(|printed| printed.value.as_ref()?.as_str().map(str::to_owned)),
        input_size_bytes: (!skipped).then_some(row.input.bytes),
        output_size_bytes: row.output.as_ref().map(|output| output.bytes),
        truncated: row.truncated(),
        carried: row.carried,
    }
}
