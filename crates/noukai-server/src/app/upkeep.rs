//! Upkeep: what a start finds cut off, what waits too long, what is old enough to go.

use std::{sync::Arc, time::Duration};

use noukai_api::{ErrorCode, RunStatus, RunSummary, StepError, Tokens, TriggerType};
use noukai_engine::ToolPause;
use noukai_models::decimal_text;
use noukai_store::{Lease, NewEvent, RunChange, RunFinish, RunRecord, RunWrite};
use rust_decimal::Decimal;

use super::{
    App, AppError,
    history::{History, StepRow},
    record::{Failed, Record, Stored, Used, micros},
    retention::Pruning,
};

/// How often upkeep is done.
const EVERY: Duration = Duration::from_secs(60);
/// Waits before a run's end is tried to be stored again.
const CONCLUDE_AFTER: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(3)];
const CONCLUDE_EVERY: Duration = Duration::from_secs(10);
/// Runs that are ended at once, so that upkeep never holds up others.
const BATCH: u32 = 200;

impl App {
    /// Ends the execute and step runs that servers left running which are no more. Jobs go on by themselves.
    pub(crate) async fn recover(&self) -> Result<(), AppError> {
        let message = "the server stopped while the run was going on";
        for run in self.store().recover(self.shared_now()).await? {
            let id = run.id;
            match self.end_run(run, Verdict::new(ErrorCode::Interrupted, message)).await {
                Ok(()) => tracing::info!(run = %id, "ended a run that was interrupted"),
                // Another server was faster.
                Err(error) if error.code == ErrorCode::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends a run whose end could not be stored, as soon as it can be.
    pub(crate) async fn conclude_later(self, run: RunRecord) {
        let message = "the end of the run could not be stored";
        for wait in CONCLUDE_AFTER.iter().chain(std::iter::repeat(&CONCLUDE_EVERY)) {
            tokio::select! {
                () = tokio::time::sleep(*wait) => {}
                // The next start finds it.
                () = self.stopping().cancelled() => return,
            }
            match self.conclude(&run, message).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(run = %run.id, %error, "a run's end still cannot be stored"),
            }
        }
    }

    async fn conclude(&self, run: &RunRecord, message: &str) -> Result<(), AppError> {
        match self.store().run(run.project_id, run.id).await? {
            Some(stored) if stored.status == RunStatus::Running => {
                self.end_run(stored, Verdict::new(ErrorCode::InternalError, message)).await
            }
            // It was never stored, or has ended all the same.
            _ => Ok(()),
        }
    }

    /// Upkeep until the server stops.
    pub(crate) async fn keep_up(self) {
        let stopping = self.stopping().clone();
        let mut every = tokio::time::interval(EVERY);
        let mut pruning = Pruning::default();
        while stopping.run_until_cancelled(every.tick()).await.is_some() {
            let Some(done) = stopping.run_until_cancelled(self.tidy_up(&mut pruning)).await else { return };
            if let Err(error) = done {
                tracing::warn!(%error, context = error.context.as_deref(), "upkeep failed; it is tried again");
            }
        }
    }

    /// Ends runs whose callers did not come back, and deletes what is past its time.
    async fn tidy_up(&self, pruning: &mut Pruning) -> Result<(), AppError> {
        let seconds = i64::try_from(self.limits().pause_seconds).unwrap_or(i64::MAX / 2);
        let paused_before = self.now().saturating_sub(time::Duration::seconds(seconds));
        loop {
            let runs = self.store().paused_since(paused_before, BATCH).await?;
            let last = runs.len() < BATCH as usize;
            for run in runs {
                self.end_run(run, Verdict::new(ErrorCode::Expired, "the run was paused for too long")).await?;
            }
            if last {
                break;
            }
        }
        self.note_used_keys().await?;
        self.prune(pruning).await
    }

    /// Ends a run that cannot go on: nobody works on it, or only the holder of the verdict's lease.
    pub(crate) async fn end_run(&self, mut run: RunRecord, verdict: Verdict<'_>) -> Result<(), AppError> {
        let Verdict { code, message, lease, poison } = verdict;
        // As it stands now: a worker may have stored more since it was claimed.
        run = self.store().run(run.project_id, run.id).await?.unwrap_or(run);
        let history = self.history(&run).await?;
        let dangling = history.dangling();
        let used = self.used_before_pause(&run).await?.filter(|_| !dangling.is_empty()).unwrap_or_default();
        let blamed = match dangling.first() {
            Some(row) => Some(Blamed::of(row)),
            None => self.next_step_of(&run, &history).await,
        };
        let at = self.now();
        let kept = run.trigger == TriggerType::Job && self.keeps_for_retry();
        let end = Ending { code, message, blamed, sums: sums(&history, &used), at, kept, poison };
        let mut events: Vec<Record> = dangling.iter().map(|row| closed(row, code, message, used.clone(), at)).collect();
        events.extend(end.records(&run));
        let finish = end.finish(&run);
        self.write(&mut run, events, Some(RunChange::Finished(Box::new(finish))), lease).await
    }

    /// What a paused attempt used before its pause: no event tells that yet.
    async fn used_before_pause(&self, run: &RunRecord) -> Result<Option<Used>, AppError> {
        let pause = self.store().pause(run.project_id, run.id).await?;
        let pause = pause.and_then(|text| serde_json::from_str::<ToolPause>(&text).ok());
        Ok(pause.map(|pause| Used {
            tokens: Some(pause.tokens),
            cost_usd: pause.cost.as_ref().map(decimal_text),
            ..Used::default()
        }))
    }

    /// The step a run that stands between two steps would have gone on with.
    async fn next_step_of(&self, run: &RunRecord, history: &History) -> Option<Blamed> {
        let flow = self.checked(run.project_id, &run.hash).await.ok()?;
        let next = history.rows().iter().map(|row| row.leaf as usize + 1).max().unwrap_or(0);
        let leaf = flow.leaves.get(next).or_else(|| flow.leaves.last())?;
        Some(Blamed { step: leaf.id.clone(), name: leaf.name.clone(), attempt: 1 })
    }

    /// Ends attempts that will not go on, before the next ones begin.
    pub(crate) async fn close_dangling(
        &self,
        run: &mut RunRecord,
        history: &History,
        (code, message): (ErrorCode, &str),
        lease: Option<Lease>,
    ) -> Result<(), AppError> {
        let events = history.closing(self.now(), (code, message));
        if events.is_empty() {
            return Ok(());
        }
        self.write(run, events, None, lease).await
    }

    async fn write(
        &self,
        run: &mut RunRecord,
        records: Vec<Record>,
        change: Option<RunChange>,
        fence: Option<Lease>,
    ) -> Result<(), AppError> {
        let numbered = records.into_iter().map(|record| {
            run.last_seq += 1;
            NewEvent { seq: run.last_seq, kind: record.kind().into(), payload: Stored::text(record), state: None }
        });
        let events = numbered.collect();
        let (project_id, run_id, usage) = (run.project_id, run.id, Vec::new());
        let write = RunWrite { project_id, run_id, create: None, change, events, usage, fence };
        Ok(self.store().append(write).stored().await?)
    }
}

impl History {
    /// The ends of attempts that will not go on.
    pub fn closing(&self, at: time::OffsetDateTime, (code, message): (ErrorCode, &str)) -> Vec<Record> {
        self.dangling().iter().map(|row| closed(row, code, message, Used::default(), at)).collect()
    }
}

/// Why a run ends that no pass ends.
pub(crate) struct Verdict<'a> {
    pub code: ErrorCode,
    pub message: &'a str,
    /// Where a worker ends its job.
    pub lease: Option<Lease>,
    /// Whether it is a job that never came to an end.
    pub poison: bool,
}

impl<'a> Verdict<'a> {
    /// Of a run that nobody works on.
    pub const fn new(code: ErrorCode, message: &'a str) -> Self {
        Self { code, message, lease: None, poison: false }
    }
}

/// The step that a run's end is told at.
struct Blamed {
    step: Arc<str>,
    name: Arc<str>,
    attempt: u32,
}

impl Blamed {
    fn of(row: &StepRow) -> Self {
        Self { step: row.step.as_str().into(), name: row.name.as_str().into(), attempt: row.attempt }
    }
}

/// How a run ends that no pass ends.
struct Ending<'a> {
    code: ErrorCode,
    message: &'a str,
    blamed: Option<Blamed>,
    sums: (Tokens, Decimal),
    at: time::OffsetDateTime,
    kept: bool,
    poison: bool,
}

impl Ending<'_> {
    fn error(&self) -> StepError {
        let step = self.blamed.as_ref().map(|blamed| blamed.step.to_string());
        error(self.code, self.message, step, self.blamed.as_ref().map_or(1, |blamed| blamed.attempt))
    }

    /// The last events: the step that failed, the end.
    fn records(&self, run: &RunRecord) -> Vec<Record> {
        let error = self.error();
        let failed = self.blamed.as_ref().map(|blamed| Record::StepFailed {
            step: blamed.step.clone(),
            name: blamed.name.clone(),
            error: error.clone(),
        });
        let summary = RunSummary {
            duration_ms: self.duration_ms(run),
            tokens: self.sums.0,
            cost_usd: decimal_text(&self.sums.1),
            steps: 0,
            failed_at_step: error.step_id.clone(),
            error: error.step_id.is_none().then_some(error),
        };
        failed.into_iter().chain([Record::ended_early(summary)]).collect()
    }

    fn finish(&self, run: &RunRecord) -> RunFinish {
        RunFinish {
            status: RunStatus::Failed,
            at: self.at,
            duration_ms: self.duration_ms(run),
            tokens: self.sums.0,
            cost_usd: Some(decimal_text(&self.sums.1)),
            error: serde_json::to_string(&self.error()).ok(),
            result: None,
            // A step run that was cut off may be taken up again by its caller; one that expired may not.
            keep_inputs: run.trigger == TriggerType::Step && self.code != ErrorCode::Expired,
            clear_states: true,
            keep_for_retry: self.kept,
            poison: self.poison,
        }
    }

    fn duration_ms(&self, run: &RunRecord) -> u64 {
        u64::try_from((self.at - run.started_at).whole_milliseconds()).unwrap_or(0)
    }
}

/// What all attempts used, and what one that paused used before.
fn sums(history: &History, before_pause: &Used) -> (Tokens, Decimal) {
    let (mut tokens, mut cost) = history.used();
    tokens += before_pause.tokens.unwrap_or_default();
    let paused = before_pause.cost_usd.as_deref().and_then(|cost| cost.parse::<Decimal>().ok());
    cost += paused.unwrap_or_default();
    (tokens, cost)
}

fn error(code: ErrorCode, message: &str, step_id: Option<String>, attempt: u32) -> StepError {
    StepError::new(code, message, step_id, attempt)
}

fn closed(row: &StepRow, code: ErrorCode, message: &str, used: Used, at: time::OffsetDateTime) -> Record {
    Record::Failed(Failed {
        leaf: row.leaf,
        path: row.path.clone(),
        attempt: row.attempt,
        error: error(code, message, Some(row.step.clone()), row.attempt),
        printed: None,
        used,
        duration_ms: u64::try_from((micros(at) - row.started_at) / 1_000).unwrap_or(0),
        at: micros(at),
    })
}
