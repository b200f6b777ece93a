//! A flow's model calls as in a run, without the run: for measuring what the way to a provider costs.
//!
//! The engine, its retries, budgets, the ledger and the models are those of every run; the events of the engine go
//! nowhere, and entries of the ledger are stored by writes that nobody waits for, as in a run.

use std::sync::Arc;

use async_trait::async_trait;
use noukai_api::{CaptureMode, TriggerType};
use noukai_engine::{Event, EventSink, Outcome, Ports, SinkError, SystemClock};
use tokio_util::sync::CancellationToken;

use super::Metered;
use crate::app::{
    App, AppError, FlowAddress, Project, RunOptions, VersionSelector,
    inputs::Sent,
    pass::{Pass, spender},
    recorder::Recorder,
};

/// A flow to be gone through again and again.
#[doc(hidden)]
pub struct MeasuredCalls {
    app: App,
    pass: Pass,
    recorder: Arc<Recorder>,
}

struct Nowhere;

#[async_trait]
impl EventSink for Nowhere {
    fn emit(&self, _: Event) {}

    async fn settle(&self) -> Result<(), SinkError> {
        Ok(())
    }

    fn delta(&self, _: usize, _: &str, _: bool) {}
}

impl App {
    /// The draft of a flow of the project's, to be measured.
    ///
    /// # Errors
    /// Everything that keeps a run with a message alone from starting.
    #[doc(hidden)]
    pub async fn measured_calls(&self, project: &Project, flow: &str) -> Result<MeasuredCalls, AppError> {
        let caller = self.local_caller(project);
        let address = FlowAddress { flow: flow.to_owned(), version: VersionSelector::Draft };
        let pinned = self.pin(&caller, &address).await?;
        let sent = Sent { message: Some("Ada".to_owned()), ..Sent::default() };
        let (flow, inputs) = self.prepare(&caller, &pinned.flow, sent).await?;
        let options = RunOptions::default();
        let run = self.new_run(&caller, &pinned, TriggerType::Execute, CaptureMode::MetadataOnly, options);
        let mut pass = Pass::fresh(run, flow, inputs, None);
        let recorder = Arc::new(self.recorder(&mut pass));
        Ok(MeasuredCalls { app: self.clone(), pass, recorder })
    }
}

impl MeasuredCalls {
    /// Goes through the flow once.
    ///
    /// # Errors
    /// A flow that did not complete.
    pub async fn run(&self) -> Result<(), AppError> {
        let models = Metered::new(self.app.clone(), self.recorder.clone(), spender(&self.pass)).await;
        let ports = Ports {
            model: Arc::new(models),
            code: self.app.code().port(),
            sink: Arc::new(Nowhere),
            clock: Arc::new(SystemClock),
        };
        let report = noukai_engine::run(self.pass.spec(self.app.limits()), &ports, &CancellationToken::new()).await;
        let recorder = self.recorder.clone();
        // Its end is nobody's business, as in a run.
        drop(self.app.spawn(async move { recorder.keep_usage().await }));
        match report.outcome {
            Outcome::Completed { .. } => Ok(()),
            other => Err(AppError::internal(format!("{other:?}"))),
        }
    }
}
