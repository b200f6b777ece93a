//! Retry: a job that ended without its result is tried again, as a new run that knows the old one.

use std::sync::Arc;

use noukai_api::{ErrorCode, JobAccepted, RunStatus, TriggerType};
use noukai_flow::Flow;
use noukai_store::{JobRecord, NewEvent, ProjectId, RunId, RunRecord};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    App, AppError, Caller, FlowAddress, RunOptions, VersionSelector, carry,
    flows::Pinned,
    inputs::{RunInputs, with_overrides},
    jobs::job_id,
};

/// Where a retry begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetryFrom {
    /// At what failed: results that are stored and still hold are taken over.
    #[default]
    Failed,
    /// At the first step.
    Start,
}

/// What a retry runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetryVersion {
    /// What the job ran.
    #[default]
    Same,
    /// What a new call on the flow's bare address would run.
    Current,
}

/// How a job is tried again.
#[derive(Debug, Clone, Default)]
pub struct RetryOptions {
    /// Where it begins.
    pub from: RetryFrom,
    /// What it runs.
    pub version: RetryVersion,
    /// Its session; that of the job where there is none.
    pub session_id: Option<String>,
    /// As in [`RunOptions::run`].
    pub run: Option<Uuid>,
}

impl App {
    /// Tries a failed or cancelled job again, as a new job. A job is retried once; its retry may be retried in turn.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`; `CONFLICT` for a job that goes on, is completed, was retried (the error names the retry), or
    /// of which too little is left; everything that keeps a run of another version from starting; `RATE_LIMITED` and
    /// `OVERLOADED` for a full queue.
    pub async fn retry_job(
        &self,
        caller: &Caller,
        flow: &str,
        id: &str,
        options: RetryOptions,
    ) -> Result<JobAccepted, AppError> {
        let job = self.owned_job(caller, flow, job_id(id)?).await?;
        let id = job.run.id;
        let inputs = self.store().run_inputs(caller.scope(), id).await?;
        let Some(inputs) = inputs.filter(|_| job.retryable) else {
            // As it stands now: another may have been quicker between the two reads.
            return Err(not_retryable(&self.owned_job(caller, flow, id).await?));
        };
        let inputs = RunInputs::read(&inputs)?;
        let pinned = self.pin_retry(caller, flow, &job.run, options.version).await?;
        let (checked, inputs, same_inputs) = self.prepare_again(job.run.project_id, &pinned, inputs).await?;
        let inputs = inputs.on_account_of(caller);
        let events = if options.from == RetryFrom::Failed && same_inputs {
            self.taken_over(&job.run, &pinned, &checked).await?
        } else {
            Vec::new()
        };
        let session_id = options.session_id.or_else(|| job.run.session_id.clone());
        let options = RunOptions { session_id, run: options.run, deltas: false };
        let run = self.new_run(caller, &pinned, TriggerType::Job, job.run.capture, options);
        let queued = self.queue_run(caller, run, &inputs, Some(id), events).await;
        match queued {
            // Another was quicker.
            Err(error) if error.code == ErrorCode::Conflict => {
                Err(not_retryable(&self.owned_job(caller, flow, id).await?))
            }
            queued => queued,
        }
    }

    async fn pin_retry(
        &self,
        caller: &Caller,
        flow: &str,
        run: &RunRecord,
        version: RetryVersion,
    ) -> Result<Pinned, AppError> {
        if version == RetryVersion::Current {
            let address = FlowAddress { flow: flow.to_owned(), version: VersionSelector::Production };
            return self.pin(caller, &address).await;
        }
        Ok(Pinned {
            flow_id: run.flow_id,
            slug: run.flow_slug.clone(),
            version: run.version,
            hash: run.hash.clone(),
            flow: self.checked(run.project_id, &run.hash).await?,
        })
    }

    /// Checks stored inputs against what is to run: the flow with overrides applied, the inputs with its defaults, and
    /// whether those are the same as before.
    async fn prepare_again(
        &self,
        project: ProjectId,
        pinned: &Pinned,
        inputs: RunInputs,
    ) -> Result<(Arc<Flow>, RunInputs, bool), AppError> {
        let flow = with_overrides(&pinned.flow, &inputs.overrides)?;
        let mut parameters: Map<String, Value> = inputs.initial.as_object().cloned().unwrap_or_default();
        let message = match parameters.get("message") {
            Some(Value::String(message)) => Some(message.clone()),
            _ => None,
        };
        if message.is_some() {
            parameters.shift_remove("message");
        }
        let again = self.check_again(project, &flow, message.as_deref(), &parameters, inputs.clone()).await?;
        let same = again.initial == inputs.initial;
        Ok((flow, again, same))
    }

    /// The start of the new run: the steps of the old one that are done, as far as they are the same.
    async fn taken_over(&self, run: &RunRecord, pinned: &Pinned, flow: &Flow) -> Result<Vec<NewEvent>, AppError> {
        let leaves = if run.hash == pinned.hash {
            flow.leaves.len()
        } else {
            let (old, new) = (self.document(run, &run.hash).await?, self.document(run, &pinned.hash).await?);
            carry::unchanged(&old, &new, flow)
        };
        if leaves == 0 {
            return Ok(Vec::new());
        }
        Ok(carry::carried(&self.history_with_results(run).await?, flow, leaves))
    }

    async fn document(&self, run: &RunRecord, hash: &str) -> Result<Value, AppError> {
        let document = self.store().document(run.project_id, hash).await?;
        let document = document.ok_or_else(|| AppError::internal(format!("no document {hash}")))?;
        serde_json::from_str(&document).map_err(AppError::internal)
    }
}

fn not_retryable(job: &JobRecord) -> AppError {
    let conflict = |message: &str, about: RunId| AppError::new(ErrorCode::Conflict, message).of_run(about);
    match (job.run.status, job.retried_by) {
        (_, Some(retry)) => conflict("the job has been retried; `executionId` is that of its retry", retry),
        (RunStatus::Failed | RunStatus::Cancelled, None) => {
            conflict("what a retry needs is no longer kept; submit the job anew", job.run.id)
        }
        (RunStatus::Completed, None) => conflict("the job is completed; submit it anew to run it again", job.run.id),
        _ => conflict("the job has not ended; cancel it first, or wait", job.run.id),
    }
}
