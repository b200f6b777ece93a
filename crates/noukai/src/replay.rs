//! Replay: the recorded runs of a session, served from memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::json;

use crate::{
    Error, ErrorKind, ExecuteResult, Flow, IntoFlowRef, JobStatus, Noukai, RecordedExecution, RecordedSession, Result,
    RunStatus, TriggerType, http::Call, stream::recorded,
};

/// Serves the recorded runs of a session from memory; see [`Noukai::replay`]. Each call of a flow gets the next
/// recording of that flow, of the same door: `execute`, a stream, or a job.
///
/// ```no_run
/// # async fn test() -> noukai::Result<()> { // needs NOUKAI_REPLAY_ENABLED=true
/// # let client = noukai::Noukai::new()?;
/// let replay = client.replay("0b5a7c1e-1111-4222-8333-444455556666").await?;
/// let done = replay.client().flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
/// replay.finish()?; // an error where recordings are left
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Replay {
    client: Noukai,
    cassette: Arc<Cassette>,
}

impl Replay {
    pub(crate) async fn open(client: &Noukai, session_id: &str) -> Result<Self> {
        if !client.replay_enabled() {
            let message = "replay is off; set NOUKAI_REPLAY_ENABLED=true where tests run or you debug";
            return Err(Error::new(ErrorKind::ReplayDisabled, message));
        }
        let session = client.recorded_session(session_id).await?;
        let cassette = Arc::new(Cassette::new(session)?);
        let client = client.with_session_id(session_id.to_owned()).with_cassette(cassette.clone());
        Ok(Self { client, cassette })
    }

    /// The client inside the replay: hand it to the code under test.
    ///
    /// ```no_run
    /// # async fn test(replay: noukai::Replay) -> noukai::Result<()> {
    /// let done = replay.client().flow("acme/demo/hello")?.execute().message("hi").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client(&self) -> &Noukai {
        &self.client
    }

    /// A flow inside the replay.
    ///
    /// # Errors
    /// As [`Noukai::flow`].
    ///
    /// ```no_run
    /// # async fn test(replay: noukai::Replay) -> noukai::Result<()> {
    /// let steps = replay.flow("acme/demo/hello")?.steps().message("hi").stream().all().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn flow(&self, flow: impl IntoFlowRef) -> Result<Flow> {
        self.client.flow(flow)
    }

    /// Ends the replay.
    ///
    /// # Errors
    /// [`ErrorKind::ReplayLeftover`] where recorded runs were not asked for; it names them.
    ///
    /// ```no_run
    /// # async fn test(replay: noukai::Replay) -> noukai::Result<()> {
    /// replay.finish()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn finish(self) -> Result<()> {
        self.cassette.check_empty()
    }
}

/// The recordings, and how far they are used up.
#[derive(Debug)]
pub(crate) struct Cassette {
    session: RecordedSession,
    /// Recordings used, per flow and door.
    used: Mutex<HashMap<(String, TriggerType), usize>>,
}

impl Cassette {
    pub fn new(session: RecordedSession) -> Result<Self> {
        if let Some(run) = session.executions.iter().find(|run| !run.snapshots_available) {
            let message = format!(
                "session {} cannot be replayed: run {} kept no contents (capture mode `{}`); record it again with \
                 `trace(true)`, or with the mode `full` or `redacted`",
                session.session_id,
                run.execution_id,
                run.trace_capture_mode.as_str()
            );
            let error = Error::new(ErrorKind::ReplayUnavailable, message);
            return Err(error.with_execution_id(Some(&run.execution_id)));
        }
        Ok(Self { session, used: Mutex::default() })
    }

    fn used(&self) -> MutexGuard<'_, HashMap<(String, TriggerType), usize>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of<'a>(&'a self, slug: &'a str, trigger: TriggerType) -> impl Iterator<Item = &'a RecordedExecution> {
        let matches = move |run: &&RecordedExecution| run.slug.as_deref() == Some(slug) && run.trigger_type == trigger;
        self.session.executions.iter().filter(matches)
    }

    fn take(&self, slug: &str, trigger: TriggerType) -> Result<RecordedExecution> {
        let mut used = self.used();
        let used = used.entry((slug.to_owned(), trigger)).or_default();
        let Some(run) = self.of(slug, trigger).nth(*used) else {
            let message = format!(
                "the session has {} recorded {} run(s) of `{slug}`; this is call number {}",
                self.of(slug, trigger).count(),
                trigger.as_str(),
                *used + 1
            );
            return Err(Error::new(ErrorKind::ReplayMiss, message));
        };
        *used += 1;
        Ok(run.clone())
    }

    pub fn execute(&self, slug: &str, call: &Call) -> Result<ExecuteResult> {
        let run = self.take(slug, TriggerType::Execute)?;
        let (status, result) = match recorded::failure(&run) {
            None => (RunStatus::Completed, recorded::result(&run)),
            Some(failure) => {
                let error = json!({"code": failure.code, "message": failure.message, "stepId": failure.step_id,
                    "attempt": failure.attempt});
                (RunStatus::Failed, json!({"error": error}))
            }
        };
        Ok(ExecuteResult {
            status,
            result,
            block_count: u32::try_from(run.steps.len()).unwrap_or(u32::MAX),
            flow_id: run.flow_id,
            execution_id: run.execution_id,
            session_id: call.session_id.clone(),
        })
    }

    pub fn take_stream(&self, slug: &str) -> Result<RecordedExecution> {
        self.take(slug, TriggerType::Step)
    }

    pub fn job(&self, slug: &str) -> Result<JobStatus> {
        let run = self.take(slug, TriggerType::Job)?;
        let failure = recorded::failure(&run);
        Ok(JobStatus {
            status: run.status,
            result: failure.is_none().then(|| recorded::result(&run)),
            error: failure.map(|failure| failure.to_string()),
            execution_id: run.execution_id,
        })
    }

    pub fn check_empty(&self) -> Result<()> {
        let used = self.used();
        let mut seen: HashMap<(&str, TriggerType), usize> = HashMap::new();
        let left: Vec<&str> = self
            .session
            .executions
            .iter()
            .filter(|run| {
                let Some(slug) = run.slug.as_deref() else { return true };
                let number = seen.entry((slug, run.trigger_type)).or_default();
                *number += 1;
                *number > used.get(&(slug.to_owned(), run.trigger_type)).copied().unwrap_or(0)
            })
            .map(|run| run.execution_id.as_str())
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        let message = format!("{} recorded run(s) were not asked for: {}", left.len(), left.join(", "));
        Err(Error::new(ErrorKind::ReplayLeftover, message))
    }
}
