//! A run: its trace, a step's, and the live one.

use std::pin::Pin;

use noukai_api::StepAttempts;
use serde::Deserialize;

use crate::{
    FlowRun, LiveTrace, Noukai, Result, StepTrace, Trace,
    flow::{check_segment, encoded},
    http::Request,
    stream,
};

/// A run on the server; see [`Flow::run`](crate::Flow::run) and [`Noukai::run`].
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// let done = client.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
/// let run = client.run(&done.execution_id);
/// println!("{} steps", run.trace().await?.steps.len());
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Run {
    client: Noukai,
    /// The path of the runs it is one of.
    base: String,
    execution_id: String,
}

impl Run {
    pub(crate) const fn new(client: Noukai, base: String, execution_id: String) -> Self {
        Self { client, base, execution_id }
    }

    /// Its id.
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").build()?;
    /// assert_eq!(client.run("r-1").execution_id(), "r-1");
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn execution_id(&self) -> &str {
        &self.execution_id
    }

    /// The run without its steps. Only of runs that were reached by their flow.
    ///
    /// # Errors
    /// [`ErrorKind::FlowNotFound`](crate::ErrorKind::FlowNotFound) for an unknown run, and what every request may give.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let flow = client.flow("acme/demo/hello")?;
    /// let done = flow.execute().message("hi").await?.completed()?;
    /// assert_eq!(flow.run(&done.execution_id).summary().await?.status, noukai::RunStatus::Completed);
    /// # Ok(())
    /// # });
    /// ```
    pub async fn summary(&self) -> Result<FlowRun> {
        if self.base == "/flow-runs" {
            return Ok(self.trace().await?.flow_run);
        }
        self.client.transport().json(&self.client.call(), &Request::get(self.path("")?)).await
    }

    /// The run with the latest attempt of each step.
    ///
    /// # Errors
    /// As [`summary`](Self::summary).
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
    /// for step in client.run(&done.execution_id).trace().await?.steps {
    ///     println!("{} on {:?}: {:?} ms", step.name, step.model_used, step.duration_ms);
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub async fn trace(&self) -> Result<Trace> {
        self.client.transport().json(&self.client.call(), &Request::get(self.path("/trace")?)).await
    }

    /// One step of the run. Await the builder.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
    /// let step = client.run(&done.execution_id).step_trace("greet").await?;
    /// assert_eq!(step.attempts[0].attempt, 1);
    /// # Ok(())
    /// # });
    /// ```
    pub fn step_trace(&self, step_id: impl Into<String>) -> StepTraceRequest {
        StepTraceRequest { run: self.clone(), step_id: step_id.into(), attempt: Attempt::Latest, loop_index: None }
    }

    /// What the run did so far, then what it does, until it ends. A broken stream is taken up again where it broke.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
    /// let mut trace = client.run(job.execution_id()).live_trace();
    /// while let Some(event) = trace.next().await {
    ///     println!("{:?}", event?);
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn live_trace(&self) -> LiveTrace {
        stream::live(self.client.clone(), self.path("/trace/stream"))
    }

    pub(crate) fn path(&self, rest: &str) -> Result<String> {
        check_segment("execution_id", &self.execution_id)?;
        Ok(format!("{}/{}{rest}", self.base, encoded(&self.execution_id)))
    }
}

/// Which attempts of a step are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Attempt {
    /// The newest.
    #[default]
    Latest,
    /// Every one.
    All,
    /// One, from 1.
    Number(u32),
}

/// Attempts of a step, in order of start.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StepTraces {
    /// The step.
    pub step_id: String,
    /// One, unless all were asked for.
    pub attempts: Vec<StepTrace>,
}

impl StepTraces {
    /// The last of them.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
    /// let step = client.run(&done.execution_id).step_trace("greet").await?;
    /// assert_eq!(step.latest().map(|step| step.status), Some(noukai::StepStatus::Completed));
    /// # Ok(())
    /// # });
    /// ```
    pub fn latest(&self) -> Option<&StepTrace> {
        self.attempts.last()
    }
}

/// Asks for a step's trace; see [`Run::step_trace`].
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// # let done = client.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
/// let request = client.run(&done.execution_id).step_trace("greet").attempt(noukai::Attempt::All);
/// println!("{} attempts", request.await?.attempts.len());
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct StepTraceRequest {
    run: Run,
    step_id: String,
    attempt: Attempt,
    loop_index: Option<u32>,
}

impl StepTraceRequest {
    /// Which attempts (the latest).
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// # let done = client.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
    /// let first = client.run(&done.execution_id).step_trace("greet").attempt(noukai::Attempt::Number(1)).await?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn attempt(mut self, attempt: Attempt) -> Self {
        self.attempt = attempt;
        self
    }

    /// Which iteration, for a step in a loop; from 0.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// # let done = client.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
    /// let error = client.run(&done.execution_id).step_trace("greet").loop_index(7).await.unwrap_err();
    /// assert_eq!(error.code(), Some("STEP_NOT_FOUND")); // it stands in no loop
    /// # Ok(())
    /// # });
    /// ```
    pub fn loop_index(mut self, index: u32) -> Self {
        self.loop_index = Some(index);
        self
    }

    async fn send(self) -> Result<StepTraces> {
        check_segment("step", &self.step_id)?;
        let mut path = self.run.path(&format!("/steps/{}/trace", encoded(&self.step_id)))?;
        path += &match self.attempt {
            Attempt::Latest => "?attempt=latest".to_owned(),
            Attempt::All => "?attempt=all".to_owned(),
            Attempt::Number(0) => {
                return Err(crate::Error::invalid(
                    "attempts count from 1; valid are `Latest`, `All` and `Number(1)` on",
                ));
            }
            Attempt::Number(number) => format!("?attempt={number}"),
        };
        if let Some(index) = self.loop_index {
            path += &format!("&loop_index={index}");
        }
        let client = &self.run.client;
        let reply: Reply = client.transport().json(&client.call(), &Request::get(path)).await?;
        Ok(match reply {
            Reply::All(all) => StepTraces { step_id: all.step_id, attempts: all.attempts },
            Reply::One(one) => StepTraces { step_id: one.step_id.clone(), attempts: vec![*one] },
        })
    }
}

impl IntoFuture for StepTraceRequest {
    type Output = Result<StepTraces>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Reply {
    All(StepAttempts),
    One(Box<StepTrace>),
}
