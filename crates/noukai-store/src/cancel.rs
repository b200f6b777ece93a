//! The end of a job that is cancelled while nobody works on it.

use noukai_api::RunStatus;

use crate::{Cancellation, NewEvent, RunChange, RunFinish, RunRecord, RunWrite};

impl Cancellation {
    /// The last write of its run.
    pub(crate) fn last_write(&self, run: &RunRecord) -> RunWrite {
        let payload = self.event_payload.clone();
        let event = NewEvent { seq: run.last_seq + 1, kind: self.event_kind, payload, state: None };
        let duration = (self.at - run.started_at).whole_milliseconds().max(0);
        let finish = RunFinish {
            status: RunStatus::Cancelled,
            at: self.at,
            duration_ms: u64::try_from(duration).unwrap_or(u64::MAX),
            tokens: run.tokens,
            cost_usd: run.cost_usd.clone(),
            error: Some(self.error.clone()),
            result: None,
            keep_inputs: false,
            clear_states: true,
            keep_for_retry: self.keep_for_retry,
            poison: false,
        };
        RunWrite {
            project_id: run.project_id,
            run_id: run.id,
            create: None,
            change: Some(RunChange::Finished(Box::new(finish))),
            events: vec![event],
            usage: Vec::new(),
            fence: None,
            patient: false,
        }
    }
}
