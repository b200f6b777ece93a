//! The reply to a request that was made before and whose reply was not stored: a crash came between, or the store had no
//! room. The run tells it.

use futures::{StreamExt, stream};
use noukai_api::{ErrorCode, JobAccepted, RunStatus, StepError, StreamEvent, TriggerType};
use noukai_engine::Failure;
use noukai_store::{IdempotencyRecord, ProjectId, RunRecord};
use serde_json::Value;

use super::{
    App, AppError, EventStream, ExecuteOutcome, SeqEvent,
    execute::{accepted, reply},
    pass::Ended,
    record::{Record, numbered},
    traces::view,
};

/// The run of a request that was made before. It is at rest, or queued.
pub struct Ran {
    run: RunRecord,
    /// Its last event before the request; 0 where the request made it.
    begun_after: u64,
    /// Its result as JSON, where that was kept for this.
    result: Option<String>,
}

impl App {
    /// The run that a key stands for, once it tells the reply.
    pub(super) async fn ran(&self, project: ProjectId, key: IdempotencyRecord) -> Result<Option<Ran>, AppError> {
        let Some(id) = key.run else { return Ok(None) };
        let run = self.store().run(project, id).await?;
        let tells = |run: &RunRecord| run.trigger == TriggerType::Job || run.status != RunStatus::Running;
        Ok(run.filter(tells).map(|run| Ran { run, begun_after: key.begun_after, result: key.result }))
    }

    /// The reply of an execute call.
    ///
    /// # Errors
    /// Those of the call; `CONFLICT` where the run has completed and nothing was kept of its result.
    pub async fn executed_again(&self, ran: Ran) -> Result<ExecuteOutcome, AppError> {
        let ended = match ran.run.status {
            RunStatus::Completed => Ended::Completed(self.result_of(&ran).await?.into()),
            RunStatus::Paused => Ended::Paused(Box::new(self.pause_of(&ran.run).await?)),
            RunStatus::Cancelled => Ended::Cancelled,
            _ => Ended::Failed(failure(&ran.run)?),
        };
        reply(&ran.run, ended)
    }

    /// The reply of a job's submit.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn accepted_again(&self, ran: Ran) -> Result<JobAccepted, AppError> {
        let job = self.store().job(ran.run.project_id, ran.run.id).await?;
        Ok(accepted(&ran.run, job.and_then(|job| job.retry_of)))
    }

    /// The stream of a step call, as far as it is stored.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn stepped_again(&self, ran: Ran) -> Result<EventStream, AppError> {
        let view = view(&ran.run);
        let mut events = Vec::new();
        let history = self.history_with_results(&ran.run).await?.events;
        for happened in history.into_iter().filter(|happened| happened.seq > ran.begun_after) {
            for (seq, event) in numbered(happened.seq, happened.with_result()?.wire(&view)) {
                let ends = is_terminator(&event);
                events.push(SeqEvent { seq: Some(seq), execution_id: view.run_id.clone(), event });
                if ends {
                    return Ok(stream::iter(events).boxed());
                }
            }
        }
        Err(AppError::internal("a run at rest has no last event").of_run(ran.run.id))
    }

    async fn result_of(&self, ran: &Ran) -> Result<Value, AppError> {
        if let Some(result) = &ran.result {
            return serde_json::from_str(result).map_err(AppError::internal);
        }
        let events = self.history(&ran.run).await?.events;
        let kept = events.into_iter().rev().find_map(|happened| match happened.record {
            Record::Finished { result, .. } if !result.truncated => result.into_kept(),
            _ => None,
        });
        kept.ok_or_else(|| {
            let message = "the first request with this Idempotency-Key has completed, and its result was not kept";
            AppError::new(ErrorCode::Conflict, message).of_run(ran.run.id)
        })
    }
}

fn failure(run: &RunRecord) -> Result<Failure, AppError> {
    let text = run.error.as_deref().unwrap_or_default();
    let error: StepError = serde_json::from_str(text).map_err(AppError::internal)?;
    Ok(Failure { error, ..Failure::of_run(ErrorCode::InternalError, "") })
}

const fn is_terminator(event: &StreamEvent) -> bool {
    matches!(
        event,
        StreamEvent::StepPaused { .. }
            | StreamEvent::StepError { .. }
            | StreamEvent::StepPausedForToolCalls { .. }
            | StreamEvent::FlowCompleted { .. }
    )
}
