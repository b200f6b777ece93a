//! Jobs: polled, cancelled, and run by whoever claims them.

use std::{collections::HashMap, time::Duration};

use noukai_api::{ErrorCode, JobStatus, QueuePlace, QueueStatus, RunStatus, RunSummary, Scope, StepError};
use noukai_engine::Failure;
use noukai_models::decimal_text;
use noukai_store::{Cancellation, ClaimedJob, CutOff, JobRecord, Lease, Release, RunId, RunRecord, StoreError};
use parking_lot::Mutex;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    App, AppError, Caller, attempts,
    inputs::{RunInputs, with_overrides},
    pass::{Begin, Ended, Pass},
    record::{Record, Stored},
    upkeep::Verdict,
};

/// Why an attempt ended that a crash cut off.
const CUT_OFF: &str = "the server stopped while the step was going on";

/// Jobs that this process works on, so that they can be told to stop.
#[derive(Default)]
pub(crate) struct LiveJobs(Mutex<HashMap<RunId, CancellationToken>>);

impl LiveJobs {
    fn begin(&self, id: RunId, server: &CancellationToken) -> CancellationToken {
        let token = server.child_token();
        self.0.lock().insert(id, token.clone());
        token
    }

    fn end(&self, id: RunId) {
        self.0.lock().remove(&id);
    }

    /// Tells a job to stop, if it runs here.
    pub fn cancel(&self, id: RunId) {
        if let Some(token) = self.0.lock().get(&id) {
            token.cancel();
        }
    }
}

impl App {
    /// Where a job stands; waits up to `wait` for its end.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, the same for foreign jobs as for missing ones; `FLOW_NOT_FOUND`.
    pub async fn job(&self, caller: &Caller, flow: &str, id: &str, wait: Duration) -> Result<JobStatus, AppError> {
        let deadline = tokio::time::Instant::now() + wait;
        let id = job_id(id)?;
        let mut changed = self.store().watch(id);
        loop {
            changed.mark_unchanged();
            let job = self.owned_job(caller, flow, id).await?;
            if job.run.status.is_final() || wait.is_zero() {
                return Ok(status(job, self.now()));
            }
            let news = tokio::select! {
                news = changed.changed() => news.is_ok(),
                () = tokio::time::sleep_until(deadline) => false,
                () = self.stopping().cancelled() => false,
            };
            if !news {
                return Ok(status(self.owned_job(caller, flow, id).await?, self.now()));
            }
        }
    }

    /// Cancels a job; no effect once it ended.
    ///
    /// # Errors
    /// As [`App::job`].
    pub async fn cancel_job(&self, caller: &Caller, flow: &str, id: &str) -> Result<JobStatus, AppError> {
        let id = job_id(id)?;
        let found = self.owned_job(caller, flow, id).await?;
        let job = self.cancel_stored(&found.run).await?;
        self.inner.live.cancel(id);
        let job = job.ok_or_else(job_not_found)?;
        if job.run.status.is_final() {
            return Ok(status(job, self.now()));
        }
        // A worker is at it; it stops at once if it runs here, in a moment elsewhere. The store takes no other end.
        Ok(JobStatus {
            status: RunStatus::Cancelled,
            error: Some("CANCELLED: the job was cancelled".into()),
            ..status(job, self.now())
        })
    }

    /// Asks for the end of a job, which is at once where nobody works on it. What a crash cut off is closed with it.
    async fn cancel_stored(&self, run: &RunRecord) -> Result<Option<JobRecord>, AppError> {
        let mut cut_off = None;
        loop {
            match self.store().cancel_job(run.project_id, run.id, self.cancellation(cut_off)?).await {
                // It has gone on since it was looked at, or was not yet: each time round, somebody else came further.
                Err(StoreError::Conflict(_)) => cut_off = self.cut_off(run).await?,
                done => return Ok(done?),
            }
        }
    }

    /// The ends of what a job left open.
    async fn cut_off(&self, run: &RunRecord) -> Result<Option<CutOff>, AppError> {
        let Some(run) = self.store().run(run.project_id, run.id).await? else { return Ok(None) };
        let records = self.history(&run).await?.closing(self.now(), (ErrorCode::Interrupted, CUT_OFF));
        let events = records.into_iter().map(|record| (record.kind(), Stored::text(record))).collect();
        Ok(Some(CutOff { as_of: run.last_seq, events }))
    }

    /// How a job ends that is cancelled while nobody works on it.
    fn cancellation(&self, cut_off: Option<CutOff>) -> Result<Cancellation, AppError> {
        let error = Failure::of_run(ErrorCode::Cancelled, "the job was cancelled").error;
        let record = cancelled_record(error.clone());
        Ok(Cancellation {
            error: serde_json::to_string(&error).map_err(AppError::internal)?,
            event_kind: record.kind(),
            event_payload: Stored::text(record),
            at: self.shared_now(),
            keep_for_retry: self.keeps_for_retry(),
            cut_off,
        })
    }

    /// The queue of the caller's project.
    ///
    /// # Errors
    /// `FORBIDDEN` without the scope `execute`.
    pub async fn queue(&self, caller: &Caller) -> Result<QueueStatus, AppError> {
        caller.require(Scope::Execute)?;
        let queue = self.store().queue(caller.scope()).await?;
        Ok(QueueStatus {
            depth: queue.waiting,
            delayed: queue.delayed,
            running: queue.running,
            oldest_wait_ms: queue.oldest_at.map_or(0, |at| millis(self.now() - at)),
            limit: self.limits().queued_jobs,
        })
    }

    pub(super) async fn owned_job(&self, caller: &Caller, flow: &str, id: RunId) -> Result<JobRecord, AppError> {
        caller.require(Scope::Execute)?;
        let flow = self.flow_record(caller.scope(), flow).await?;
        let job = self.store().job(caller.scope(), id).await?;
        job.filter(|job| job.run.flow_id == flow.id).ok_or_else(job_not_found)
    }

    /// Runs a claimed job to its end, from its last stored step. An error leaves it to the next claim, up to a limit.
    pub(crate) async fn run_job(&self, job: ClaimedJob) -> Result<(), AppError> {
        let id = job.run.id;
        if !job.cancel_requested && self.is_poison(&job).await? {
            let message = attempts::given_up(&job.faults, self.limits().job_attempts);
            let verdict =
                Verdict { poison: true, lease: Some(job.lease), ..Verdict::new(ErrorCode::Interrupted, &message) };
            return self.end_run(job.run, verdict).await;
        }
        let cancel = self.inner.live.begin(id, self.cutting());
        // Asked anew: who cancelled between the claim and now found nobody to tell.
        let now = self.store().job(job.run.project_id, id).await.ok().flatten();
        if job.cancel_requested || now.is_some_and(|job| job.cancel_requested) {
            cancel.cancel();
        }
        let (run, lease) = (job.run.clone(), job.lease.clone());
        let driven = match self.job_pass(job, cancel).await {
            Ok(pass) => self.drive(pass).await,
            Err(error) => Err(error),
        };
        self.inner.live.end(id);
        match driven {
            Ok(Ended::GivenBack) => Ok(self.store().release_job(id, &lease, Release::Clean).await?),
            Ok(_) => Ok(()),
            Err(_) if self.is_to_be_cancelled(&run).await? => self.cancel_held(&run, &lease).await,
            Err(error) if is_hopeless(&error) => {
                let verdict = Verdict { lease: Some(lease), ..Verdict::new(error.code, &error.message) };
                self.end_run(run, verdict).await
            }
            Err(error) => Err(error),
        }
    }

    async fn is_to_be_cancelled(&self, run: &RunRecord) -> Result<bool, AppError> {
        Ok(self.store().job(run.project_id, run.id).await?.is_some_and(|job| job.cancel_requested))
    }

    /// Ends a job that came to another end than the one its caller was told of: that one was not stored.
    async fn cancel_held(&self, run: &RunRecord, lease: &Lease) -> Result<(), AppError> {
        if let Some(mut stored) = self.store().run(run.project_id, run.id).await? {
            let history = self.history(&stored).await?;
            let why = (ErrorCode::Cancelled, "cut off because the run ended");
            self.close_dangling(&mut stored, &history, why, Some(lease.clone())).await?;
        }
        self.store().release_job(run.id, lease, Release::Clean).await?;
        self.cancel_stored(run).await.map(drop)
    }

    /// Gives a job back after an error of ours, to be tried again a little later. Nothing else would: as long as the
    /// process lives, so does the lease. So this ends with the job given back or taken by another, or with the server.
    pub(crate) async fn give_back(&self, id: RunId, lease: &Lease, error: &AppError) {
        let wait = attempts::wait_after(lease.claim);
        loop {
            let at = self.shared_now();
            let how = Release::Failed { message: attempts::words(error), at, again_at: at + wait };
            match self.store().release_job(id, lease, how).await {
                Ok(()) | Err(StoreError::Fenced | StoreError::Closed) => return,
                Err(error) => tracing::warn!(job = %id, %error, "a job cannot be given back; it is tried again"),
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.cutting().cancelled() => return,
            }
        }
    }

    /// Whether a job was begun so often in vain that it would never come to an end.
    async fn is_poison(&self, job: &ClaimedJob) -> Result<bool, AppError> {
        let most = self.limits().job_attempts as usize;
        if job.faults.len() < most {
            return Ok(false);
        }
        Ok(attempts::fruitless(&job.faults, &self.history(&job.run).await?) >= most)
    }

    pub(crate) fn cancel_live(&self, id: RunId) {
        self.inner.live.cancel(id);
    }

    async fn job_pass(&self, job: ClaimedJob, cancel: CancellationToken) -> Result<Pass, AppError> {
        let mut run = job.run;
        let inputs = RunInputs::read(&job.inputs)?;
        let flow = with_overrides(&self.checked(run.project_id, &run.hash).await?, &inputs.overrides)?;
        let history = self.history_with_results(&run).await?;
        let done = history.done()?;
        let (tokens, cost) = history.used();
        run.tokens = tokens;
        run.cost_usd = Some(decimal_text(&cost));
        let begin = match (run.status, history.events.is_empty()) {
            (RunStatus::Pending, true) => Begin::Start,
            (RunStatus::Pending, false) => Begin::TakeOver,
            _ => Begin::Continue,
        };
        let why = (ErrorCode::Interrupted, CUT_OFF);
        self.close_dangling(&mut run, &history, why, Some(job.lease.clone())).await?;
        let pass = Pass::fresh(run, flow, inputs, None);
        Ok(Pass { begin, done, lease: Some(job.lease), cancel: Some(cancel), ..pass })
    }
}

/// Whether a job would fail again however often it is claimed. Faults of ours may pass.
const fn is_hopeless(error: &AppError) -> bool {
    !matches!(error.code, ErrorCode::InternalError | ErrorCode::Overloaded)
}

/// The last event of a job that was cancelled before anyone worked on it.
fn cancelled_record(error: StepError) -> Record {
    let summary = RunSummary {
        duration_ms: 0,
        tokens: noukai_api::Tokens::default(),
        cost_usd: "0".to_owned(),
        steps: 0,
        failed_at_step: None,
        error: Some(error),
    };
    Record::ended_early(summary)
}

pub(super) fn job_id(id: &str) -> Result<RunId, AppError> {
    Uuid::parse_str(id).map(RunId).map_err(|_| job_not_found())
}

fn job_not_found() -> AppError {
    AppError::new(ErrorCode::JobNotFound, "the flow has no such job")
}

fn status(job: JobRecord, now: OffsetDateTime) -> JobStatus {
    let error = job.run.error.as_deref().and_then(|text| serde_json::from_str::<StepError>(text).ok());
    let result = job.result.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let place = |place: noukai_store::QueuePlace| QueuePlace {
        position: place.position,
        depth: place.depth,
        waited_ms: millis(now - job.run.started_at),
    };
    JobStatus {
        execution_id: job.run.id.to_string(),
        status: job.run.status,
        result: if job.run.status == RunStatus::Completed { result } else { None },
        error: error.map(|error| format!("{}: {}", error.code, error.message)),
        queue: job.place.map(place),
        attempts: attempts::shown(&job.faults),
        poison: job.poison,
        retryable: job.retryable,
        retry_of: job.retry_of.map(|id| id.to_string()),
        retried_by: job.retried_by.map(|id| id.to_string()),
    }
}

fn millis(span: time::Duration) -> u64 {
    u64::try_from(span.whole_milliseconds()).unwrap_or(0)
}
