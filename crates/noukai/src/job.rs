//! Jobs: runs that are queued, polled, waited for and cancelled.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use noukai_api::{ExecuteRequest, JobAccepted};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Error, ErrorKind, Flow, Result, RunStatus,
    flow::{check_segment, encoded},
    http::{self, Call, Request},
    options::Options,
};

const INTERVAL: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(300);
/// The longest that one poll waits at the server.
const LONGEST_POLL: Duration = Duration::from_secs(30);
/// The longest pause between polls where the server does not wait itself.
const LONGEST_INTERVAL: Duration = Duration::from_secs(30);
/// How many polls in a row may fail while waiting: a server may be restarted meanwhile, and the job goes on.
const MOST_FAILURES: u32 = 5;

/// Queues a run; see [`Flow::execute_async`]. Takes no tools: a job cannot pause.
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
/// println!("queued as {}", job.execution_id());
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct ExecuteAsync {
    flow: Flow,
    options: Options,
}

impl ExecuteAsync {
    pub(crate) fn new(flow: Flow) -> Self {
        Self::of(flow, Options::default())
    }

    pub(crate) const fn of(flow: Flow, options: Options) -> Self {
        Self { flow, options }
    }

    crate::macros::call_options!(asynchronous, "execute_async()", ".await?");

    async fn send(self) -> Result<Job> {
        let (options, call) = self.options.checked(&self.flow)?;
        if let Some(cassette) = self.flow.client().cassette() {
            let done = cassette.job(&self.flow.address().slug)?;
            return Ok(Job { call, replayed: Some(done.clone()), ..Job::of(self.flow, done.execution_id) });
        }
        let body = ExecuteRequest {
            message: options.message.clone(),
            messages: options.wire_messages(),
            parameters: options.parameters.clone(),
            attachments: options.attachments.clone(),
            block_overrides: options.block_overrides.clone(),
            trace: options.trace,
            ..ExecuteRequest::default()
        };
        let path = format!("{}/jobs", self.flow.address().versioned(options.version));
        let request = Request::post(path, &body, options.keys().next())?;
        let span = self.flow.span("execute_async", options.version);
        let call = Call { trace: span.trace(), ..call };
        drop(options);
        let accepted: Result<JobAccepted> = self.flow.client().transport().json(&call, &request).await;
        let accepted = accepted.inspect_err(|error| span.failed(error))?;
        span.run(&accepted.execution_id);
        Ok(Job { call, flow_id: Some(accepted.flow_id), ..Job::of(self.flow, accepted.execution_id) })
    }
}

impl IntoFuture for ExecuteAsync {
    type Output = Result<Job>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A queued run. It goes on whether anybody asks for it or not.
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
/// let done = job.wait().await?;
/// assert_eq!(done.output::<String>()?, "Hello: hi");
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Job {
    flow: Flow,
    execution_id: String,
    flow_id: Option<String>,
    call: Call,
    replayed: Option<JobStatus>,
}

impl Job {
    pub(crate) fn of(flow: Flow, execution_id: String) -> Self {
        let call = flow.client().call();
        Self { flow, execution_id, flow_id: None, call, replayed: None }
    }

    /// The run.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
    /// let trace = client.run(job.execution_id()).trace().await?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn execution_id(&self) -> &str {
        &self.execution_id
    }

    /// The flow's id; of a job that was queued elsewhere, nothing.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
    /// assert!(job.flow_id().is_some());
    /// # Ok(())
    /// # });
    /// ```
    pub fn flow_id(&self) -> Option<&str> {
        self.flow_id.as_deref()
    }

    /// Where it stands now.
    ///
    /// # Errors
    /// [`ErrorKind::FlowNotFound`] for an unknown job, and what every request may give.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
    /// println!("{:?}", job.poll().await?.status);
    /// # Ok(())
    /// # });
    /// ```
    pub async fn poll(&self) -> Result<JobStatus> {
        self.ask(None).await
    }

    /// Waits until it has ended. Await the builder. A server that can wait itself is asked to; another is polled, ever
    /// more slowly.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
    /// let done = job.wait().timeout(std::time::Duration::from_secs(60)).await?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn wait(&self) -> JobWait {
        JobWait { job: self.clone(), interval: INTERVAL, timeout: TIMEOUT }
    }

    /// Cancels it. Without effect once it has ended.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/slow")?.execute_async().message("hi").await?;
    /// assert_eq!(job.cancel().await?.status, noukai::RunStatus::Cancelled);
    /// # Ok(())
    /// # });
    /// ```
    pub async fn cancel(&self) -> Result<JobStatus> {
        if let Some(done) = &self.replayed {
            return Ok(done.clone());
        }
        self.send(&Request::delete(self.path()?)).await
    }

    fn path(&self) -> Result<String> {
        check_segment("execution_id", &self.execution_id)?;
        Ok(format!("{}/jobs/{}", self.flow.address().path(), encoded(&self.execution_id)))
    }

    /// Asks, and lets the server wait.
    async fn ask(&self, wait: Option<Duration>) -> Result<JobStatus> {
        if let Some(done) = &self.replayed {
            return Ok(done.clone());
        }
        let query = wait.map(|wait| format!("?wait={:.3}", wait.as_secs_f64())).unwrap_or_default();
        self.send(&Request::get(self.path()? + &query)).await
    }

    async fn send(&self, request: &Request) -> Result<JobStatus> {
        let status = self.flow.client().transport().json(&self.call, request).await;
        status.map_err(|error: Error| error.with_execution_id(Some(&self.execution_id)))
    }
}

/// Waits for a job; see [`Job::wait`].
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// use std::time::Duration;
/// let job = client.flow("acme/demo/slow")?.execute_async().message("hi").await?;
/// let error = job.wait().timeout(Duration::from_millis(20)).await.unwrap_err();
/// assert_eq!(error.kind(), noukai::ErrorKind::Timeout);
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct JobWait {
    job: Job,
    interval: Duration,
    timeout: Duration,
}

impl JobWait {
    /// The first pause between two polls (2 s), where the server does not wait itself. It grows up to 30 s.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
    /// job.wait().interval(std::time::Duration::from_millis(100)).await?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long to wait in all (300 s). The job goes on after that.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
    /// job.wait().timeout(std::time::Duration::from_secs(5)).await?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn send(self) -> Result<JobStatus> {
        for (name, value) in [("interval", self.interval), ("timeout", self.timeout)] {
            if value.is_zero() {
                return Err(Error::invalid(format!("`{name}` must be longer than 0")));
            }
        }
        let late = || {
            let message = format!("the job did not end within {} s; it goes on", self.timeout.as_secs_f64());
            Err(Error::new(ErrorKind::Timeout, message).with_execution_id(Some(&self.job.execution_id)))
        };
        tokio::time::timeout(self.timeout, self.ended()).await.unwrap_or_else(|_| late())
    }

    async fn ended(&self) -> Result<JobStatus> {
        let (mut interval, mut failures) = (self.interval, 0);
        // Half of what a request may take, so that the server answers first.
        let poll = LONGEST_POLL.min(self.job.call.timeout / 2).min(self.timeout);
        loop {
            let asked = Instant::now();
            match self.job.ask(Some(poll)).await {
                Ok(status) if status.status.is_final() => return Ok(status),
                // It waited, or at least as long as we would have.
                Ok(_) if asked.elapsed() >= poll.min(self.interval) => failures = 0,
                Ok(_) => {
                    self.pause(interval).await?;
                    interval = (interval * 3 / 2).min(LONGEST_INTERVAL.max(self.interval));
                    failures = 0;
                }
                Err(error) if error.is_passing() && failures < MOST_FAILURES => {
                    self.pause(error.retry_after().unwrap_or_else(|| http::backoff(failures))).await?;
                    failures += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn pause(&self, wait: Duration) -> Result<()> {
        self.job.flow.client().transport().pause(&self.job.call, wait).await
    }
}

impl IntoFuture for JobWait {
    type Output = Result<JobStatus>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Where a job stands. That it failed is a value; [`into_result`](Self::into_result) makes it an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JobStatus {
    /// The run.
    pub execution_id: String,
    /// Where it stands.
    pub status: RunStatus,
    /// The flow's result, once completed.
    #[serde(default)]
    pub result: Option<Value>,
    /// Why it failed or was cancelled.
    #[serde(default)]
    pub error: Option<String>,
}

impl JobStatus {
    /// The result as a value of one's own.
    ///
    /// # Errors
    /// As [`into_result`](Self::into_result); [`ErrorKind::Decode`] where the result does not fit.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
    /// assert_eq!(job.wait().await?.output::<String>()?, "Hello: hi");
    /// # Ok(())
    /// # });
    /// ```
    pub fn output<T: DeserializeOwned>(&self) -> Result<T> {
        self.check()?;
        T::deserialize(self.result.as_ref().unwrap_or(&Value::Null)).map_err(|error| {
            Error::new(ErrorKind::Decode, format!("the job's result does not fit: {error}"))
                .with_execution_id(Some(&self.execution_id))
                .with_source(error)
        })
    }

    /// The status where the job completed.
    ///
    /// # Errors
    /// [`ErrorKind::FlowExecution`] where it failed, was cancelled or has not ended.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/fails")?.execute_async().message("hi").await?;
    /// assert!(job.wait().await?.into_result().is_err());
    /// # Ok(())
    /// # });
    /// ```
    pub fn into_result(self) -> Result<Self> {
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<()> {
        if self.status == RunStatus::Completed {
            return Ok(());
        }
        let why = self.error.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let error = Error::new(ErrorKind::FlowExecution, format!("the job is {}{why}", self.status.as_str()));
        Err(error.with_execution_id(Some(&self.execution_id)))
    }
}
