//! Runs and their traces.

use std::sync::Arc;

use super::{LiveTrace, runtime::Runtime};
use crate::{Attempt, FlowRun, Result, StepTraces, Trace};

/// A run on the server; see [`noukai::Run`](crate::Run).
///
/// ```
/// # noukai_mock::blocking_example(|url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
/// let done = client.flow("acme/demo/hello")?.execute().message("hi").send()?.completed()?;
/// println!("{} steps", client.run(&done.execution_id).trace()?.steps.len());
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Run {
    pub(super) inner: crate::Run,
    pub(super) runtime: Arc<Runtime>,
}

impl Run {
    /// Its id.
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").build_blocking()?;
    /// assert_eq!(client.run("r-1").execution_id(), "r-1");
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn execution_id(&self) -> &str {
        self.inner.execution_id()
    }

    /// The run without its steps.
    ///
    /// # Errors
    /// As [`noukai::Run::summary`](crate::Run::summary).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").send()?.completed()?;
    /// println!("{:?}", client.run(&done.execution_id).summary()?.cost_usd);
    /// # Ok(())
    /// # });
    /// ```
    pub fn summary(&self) -> Result<FlowRun> {
        self.runtime.wait(self.inner.summary())
    }

    /// The run with the latest attempt of each step.
    ///
    /// # Errors
    /// As [`noukai::Run::trace`](crate::Run::trace).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").send()?.completed()?;
    /// println!("{:?}", client.run(&done.execution_id).trace()?.steps[0].model_used);
    /// # Ok(())
    /// # });
    /// ```
    pub fn trace(&self) -> Result<Trace> {
        self.runtime.wait(self.inner.trace())
    }

    /// One step of the run.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").send()?.completed()?;
    /// let step = client.run(&done.execution_id).step_trace("greet").send()?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn step_trace(&self, step_id: impl Into<String>) -> StepTraceRequest {
        StepTraceRequest { inner: self.inner.step_trace(step_id), runtime: self.runtime.clone() }
    }

    /// What the run did so far, then what it does, until it ends.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").send()?.completed()?;
    /// for event in client.run(&done.execution_id).live_trace() {
    ///     println!("{}", event?.event_type());
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn live_trace(&self) -> LiveTrace {
        LiveTrace::of(self.inner.live_trace(), self.runtime.clone())
    }
}

/// Asks for a step's trace; see [`Run::step_trace`].
#[derive(Debug, Clone)]
#[must_use = "nothing is sent yet"]
pub struct StepTraceRequest {
    inner: crate::StepTraceRequest,
    runtime: Arc<Runtime>,
}

impl StepTraceRequest {
    /// Which attempts (the latest).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// # let done = client.flow("acme/demo/hello")?.execute().message("hi").send()?.completed()?;
    /// let all = client.run(&done.execution_id).step_trace("greet").attempt(noukai::Attempt::All).send()?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn attempt(mut self, attempt: Attempt) -> Self {
        self.inner = self.inner.attempt(attempt);
        self
    }

    /// Which iteration, for a step in a loop; from 0.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// # let done = client.flow("acme/demo/hello")?.execute().message("hi").send()?.completed()?;
    /// assert!(client.run(&done.execution_id).step_trace("greet").loop_index(7).send().is_err()); // it is in no loop
    /// # Ok(())
    /// # });
    /// ```
    pub fn loop_index(mut self, index: u32) -> Self {
        self.inner = self.inner.loop_index(index);
        self
    }

    /// Sends the request and waits for its reply.
    ///
    /// # Errors
    /// As every call: [`Error`](crate::Error).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// # let done = client.flow("acme/demo/hello")?.execute().message("hi").send()?.completed()?;
    /// assert_eq!(client.run(&done.execution_id).step_trace("greet").send()?.attempts.len(), 1);
    /// # Ok(())
    /// # });
    /// ```
    pub fn send(self) -> Result<StepTraces> {
        self.runtime.wait(self.inner.into_future())
    }
}
