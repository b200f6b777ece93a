//! Upkeep: what a start finds cut off, what waits too long, what is old enough to go.

use std::time::Duration;

use noukai_api::{ErrorCode, RunStatus, RunSummary, StepError, TriggerType};
use noukai_models::decimal_text;
use noukai_store::{Lease, NewEvent, RunChange, RunFinish, RunRecord, RunWrite};

use super::{
    App, AppError,
    history::{History, StepRow},
    idempotency::KEPT,
    record::{Failed, Record, Stored, Used, micros},
};

/// How often upkeep is done.
const EVERY: Duration = Duration::from_secs(60);
/// Rows that go at once, so that upkeep never holds up runs.
const BATCH: u32 = 200;

impl App {
    /// Ends the execute and step runs that an earlier process left running. Jobs go on by themselves.
    pub(crate) async fn recover(&self) -> Result<(), AppError> {
        let message = "the server stopped while the run was going on";
        for run in self.store().recover().await? {
            let id = run.id;
            self.end_run(run, ErrorCode::Interrupted, message, None).await?;
            tracing::info!(run = %id, "ended a run that was interrupted");
        }
        Ok(())
    }

    /// Upkeep until the server stops.
    pub(crate) async fn keep_up(self) {
        let stopping = self.stopping().clone();
        let mut every = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stopping.cancelled() => return,
            }
            if let Err(error) = self.tidy_up().await {
                tracing::warn!(%error, context = error.context.as_deref(), "upkeep failed; it is tried again");
            }
        }
    }

    /// Ends runs whose callers did not come back, and deletes what is past its time.
    pub(crate) async fn tidy_up(&self) -> Result<(), AppError> {
        let limits = self.limits();
        let seconds = i64::try_from(limits.pause_seconds).unwrap_or(i64::MAX / 2);
        let paused_before = self.now().saturating_sub(time::Duration::seconds(seconds));
        for run in self.store().paused_since(paused_before, BATCH).await? {
            self.end_run(run, ErrorCode::Expired, "the run was paused for too long", None).await?;
        }
        let kept = time::Duration::days(i64::from(limits.trace_retention_days));
        let before = self.now().saturating_sub(kept);
        while self.store().prune(before, self.now() - KEPT, BATCH).await? == BATCH {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Ends a run that cannot go on: nobody works on it, or only the holder of `lease`.
    pub(crate) async fn end_run(
        &self,
        mut run: RunRecord,
        code: ErrorCode,
        message: &str,
        lease: Option<Lease>,
    ) -> Result<(), AppError> {
        // As it stands now: a worker may have stored more since it was claimed.
        run = self.store().run(run.project_id, run.id).await?.unwrap_or(run);
        let history = self.history(&run).await?;
        let dangling = history.dangling();
        let mut events = closing_events(&dangling, code, message, self.now());
        let failed_at = dangling.first().map(|row| row.step.clone());
        let (tokens, cost) = history.used();
        let duration_ms = u64::try_from((self.now() - run.started_at).whole_milliseconds()).unwrap_or(0);
        let error = error(code, message, failed_at.clone(), dangling.first().map_or(1, |row| row.attempt));
        let summary = RunSummary {
            duration_ms,
            tokens,
            cost_usd: decimal_text(&cost),
            steps: 0,
            error: failed_at.is_none().then(|| error.clone()),
            failed_at_step: failed_at,
        };
        events.push(Record::ended_early(summary));
        let finish = RunFinish {
            status: RunStatus::Failed,
            at: self.now(),
            duration_ms,
            tokens,
            cost_usd: Some(decimal_text(&cost)),
            error: serde_json::to_string(&error).ok(),
            job_result: None,
            keep_inputs: run.trigger == TriggerType::Step && code == ErrorCode::Interrupted,
            clear_states: true,
        };
        self.write(&mut run, events, Some(RunChange::Finished(Box::new(finish))), lease).await
    }

    /// Ends attempts that a crash cut off, before the job's next attempt begins.
    pub(crate) async fn close_dangling(
        &self,
        run: &mut RunRecord,
        history: &History,
        lease: Option<Lease>,
    ) -> Result<(), AppError> {
        let message = "the server stopped while the step was going on";
        let failed = |row: &StepRow| closed(row, ErrorCode::Interrupted, message, self.now());
        let events: Vec<Record> = history.dangling().iter().map(failed).collect();
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
            NewEvent { seq: run.last_seq, kind: record.kind(), payload: Stored::text(record), state: None }
        });
        let events = numbered.collect();
        let write = RunWrite { project_id: run.project_id, run_id: run.id, create: None, change, events, fence };
        Ok(self.store().append(write).stored().await?)
    }
}

fn error(code: ErrorCode, message: &str, step_id: Option<String>, attempt: u32) -> StepError {
    StepError { code, message: message.to_owned(), step_id, attempt, provider: None, provider_status: None }
}

fn closed(row: &StepRow, code: ErrorCode, message: &str, at: time::OffsetDateTime) -> Record {
    Record::Failed(Failed {
        leaf: row.leaf,
        path: row.path.clone(),
        attempt: row.attempt,
        error: error(code, message, Some(row.step.clone()), row.attempt),
        used: Used::default(),
        duration_ms: u64::try_from((micros(at) - row.started_at) / 1_000).unwrap_or(0),
        at: micros(at),
    })
}

/// Ends every attempt under way, and says for observers which step the run failed at.
fn closing_events(dangling: &[StepRow], code: ErrorCode, message: &str, at: time::OffsetDateTime) -> Vec<Record> {
    let mut events: Vec<Record> = dangling.iter().map(|row| closed(row, code, message, at)).collect();
    if let Some(row) = dangling.first() {
        let error = error(code, message, Some(row.step.clone()), row.attempt);
        events.push(Record::StepFailed { step: row.step.as_str().into(), name: row.name.as_str().into(), error });
    }
    events
}
