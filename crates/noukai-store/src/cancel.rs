//! The end of a job that is cancelled while nobody works on it.

use noukai_api::RunStatus;

use crate::{Cancellation, NewEvent, RunChange, RunFinish, RunRecord, RunWrite, StoreError};

impl Cancellation {
    /// The events of its end, after those it has. Refused where attempts may be open that its caller has not seen.
    fn events(&self, run: &RunRecord) -> Result<Vec<NewEvent>, StoreError> {
        if run.status != RunStatus::Pending && self.cut_off.as_ref().is_none_or(|cut| cut.as_of != run.last_seq) {
            return Err(StoreError::Conflict(format!("job {} was begun: its attempts are to be closed", run.id)));
        }
        let closing = self.cut_off.iter().flat_map(|cut| &cut.events);
        let closing = closing.map(|(kind, payload)| (*kind, payload));
        let all = closing.chain([(self.event_kind, &self.event_payload)]);
        let numbered = (run.last_seq + 1..).zip(all);
        Ok(numbered
            .map(|(seq, (kind, payload))| NewEvent { seq, kind: kind.into(), payload: payload.clone(), state: None })
            .collect())
    }

    /// The last write of its run.
    pub(crate) fn last_write(&self, run: &RunRecord) -> Result<RunWrite, StoreError> {
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
        Ok(RunWrite {
            project_id: run.project_id,
            run_id: run.id,
            create: None,
            change: Some(RunChange::Finished(Box::new(finish))),
            events: self.events(run)?,
            usage: Vec::new(),
            fence: None,
        })
    }
}
