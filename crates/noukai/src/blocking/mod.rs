//! The same surface without async: builders end in `send`, streams are iterators.
//!
//! A client has one background thread for the network. Calls wait on the caller's thread; they may be made from anywhere,
//! inside an async runtime too (where they hold up its thread). Errors, results and events are those of the crate.
//!
//! ```
//! # noukai_mock::blocking_example(|url, key| {
//! let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
//! let flow = client.flow("acme/demo/two-steps")?;
//! for step in flow.steps().message("hi").stream() {
//!     println!("{}", step?.output);
//! }
//! # Ok(())
//! # });
//! ```

mod calls;
mod job;
mod run;
mod runtime;
mod session;
mod stream;

use std::{fmt, sync::Arc};

use self::runtime::Runtime;
pub use self::{
    calls::{Events, Execute, ExecuteAsync, Execution, PausedResult, Steps},
    job::{Job, JobWait},
    run::{Run, StepTraceRequest},
    session::{Replay, Session},
    stream::{EventStream, LiveTrace, StepStream},
};
use crate::{IntoFlowRef, RecordedSession, Result, VerifiedKey};

impl crate::NoukaiBuilder {
    /// The client without async. Sends nothing.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").build_blocking()?;
    /// assert_eq!(client.base_url(), "http://localhost:8080/api/v1");
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn build_blocking(self) -> Result<Noukai> {
        Noukai::of(self.build()?)
    }
}

/// A client of one server with one key; see [`noukai::Noukai`](crate::Noukai).
///
/// ```
/// # noukai_mock::blocking_example(|url, key| {
/// let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
/// let done = client.flow("acme/demo/hello")?.execute().message("I am Ada").send()?.completed()?;
/// assert_eq!(done.result, "Hello: I am Ada");
/// # Ok(())
/// # });
/// ```
#[derive(Clone)]
pub struct Noukai {
    inner: crate::Noukai,
    runtime: Arc<Runtime>,
}

impl Noukai {
    /// A client as the environment says; with options: [`NoukaiBuilder::build_blocking`](crate::NoukaiBuilder).
    ///
    /// # Errors
    /// As [`noukai::Noukai::new`](crate::Noukai::new).
    ///
    /// ```
    /// match noukai::blocking::Noukai::new() {
    ///     Ok(client) => println!("calls {}", client.base_url()),
    ///     Err(error) => println!("{error}"),
    /// }
    /// ```
    pub fn new() -> Result<Self> {
        Self::of(crate::Noukai::new()?)
    }

    fn of(inner: crate::Noukai) -> Result<Self> {
        Ok(Self { inner, runtime: Runtime::new()? })
    }

    fn with(&self, inner: crate::Noukai) -> Self {
        Self { inner, runtime: self.runtime.clone() }
    }

    /// Where the server is.
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").base_url("http://127.0.0.1:9/api/v1").build_blocking()?;
    /// assert_eq!(client.base_url(), "http://127.0.0.1:9/api/v1");
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn base_url(&self) -> &str {
        self.inner.base_url()
    }

    /// A flow.
    ///
    /// # Errors
    /// As [`noukai::Noukai::flow`](crate::Noukai::flow).
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").build_blocking()?;
    /// assert_eq!(client.flow("acme/demo/hello")?.to_string(), "acme/demo/hello");
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn flow(&self, flow: impl IntoFlowRef) -> Result<Flow> {
        Ok(Flow { inner: self.inner.flow(flow)?, runtime: self.runtime.clone() })
    }

    /// A run by its id alone.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").send()?.completed()?;
    /// assert_eq!(client.run(&done.execution_id).trace()?.steps.len(), 1);
    /// # Ok(())
    /// # });
    /// ```
    pub fn run(&self, execution_id: impl Into<String>) -> Run {
        Run { inner: self.inner.run(execution_id), runtime: self.runtime.clone() }
    }

    /// A scope whose calls share one fresh session.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let session = client.session();
    /// session.flow("acme/demo/hello")?.execute().message("hi").send()?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn session(&self) -> Session {
        Session::of(self, self.inner.session())
    }

    /// All runs of a session.
    ///
    /// # Errors
    /// As [`noukai::Noukai::recorded_session`](crate::Noukai::recorded_session).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let session = client.session();
    /// session.flow("acme/demo/hello")?.execute().message("hi").send()?;
    /// assert_eq!(client.recorded_session(session.id())?.executions.len(), 1);
    /// # Ok(())
    /// # });
    /// ```
    pub fn recorded_session(&self, session_id: &str) -> Result<RecordedSession> {
        self.runtime.wait(self.inner.recorded_session(session_id))
    }

    /// Serves the recorded runs of a session from memory.
    ///
    /// # Errors
    /// As [`noukai::Noukai::replay`](crate::Noukai::replay).
    ///
    /// ```
    /// let client = noukai::Noukai::builder().api_key("nk_x").build_blocking()?;
    /// let error = client.replay("0b5a7c1e-1111-4222-8333-444455556666").unwrap_err();
    /// assert_eq!(error.kind(), noukai::ErrorKind::ReplayDisabled); // in this environment
    /// # Ok::<(), noukai::Error>(())
    /// ```
    pub fn replay(&self, session_id: &str) -> Result<Replay> {
        Ok(Replay::of(self, self.runtime.wait(self.inner.replay(session_id))?))
    }

    /// What the client's own key is good for.
    ///
    /// # Errors
    /// As [`noukai::Noukai::verify_key`](crate::Noukai::verify_key).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// println!("{}", client.verify_key()?.project);
    /// # Ok(())
    /// # });
    /// ```
    pub fn verify_key(&self) -> Result<VerifiedKey> {
        self.runtime.wait(self.inner.verify_key())
    }
}

impl fmt::Debug for Noukai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// A flow on a server; see [`noukai::Flow`](crate::Flow).
///
/// ```
/// # noukai_mock::blocking_example(|url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
/// let flow = client.flow("acme/demo/hello")?;
/// assert_eq!(flow.execute().message("hi").send()?.completed()?.output::<String>()?, "Hello: hi");
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Flow {
    inner: crate::Flow,
    runtime: Arc<Runtime>,
}

impl Flow {
    /// Runs the flow to its end, or to a pause for tools.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let execution = client.flow("acme/demo/hello")?.execute().message("hi").send()?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn execute(&self) -> Execute {
        Execute::new(self)
    }

    /// Runs the flow step by step and gives each step as it completes.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// for step in client.flow("acme/demo/two-steps")?.steps().message("hi").stream() {
    ///     println!("{}", step?.output);
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn steps(&self) -> Steps {
        Steps::new(self)
    }

    /// Runs the flow step by step and gives everything that happens.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// for event in client.flow("acme/demo/two-steps")?.events().message("hi").stream() {
    ///     println!("{}", event?.event_type());
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn events(&self) -> Events {
        Events::new(self)
    }

    /// A run of this flow.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let flow = client.flow("acme/demo/hello")?;
    /// let done = flow.execute().message("hi").send()?.completed()?;
    /// println!("{:?}", flow.run(&done.execution_id).summary()?.duration_ms);
    /// # Ok(())
    /// # });
    /// ```
    pub fn run(&self, execution_id: impl Into<String>) -> Run {
        Run { inner: self.inner.run(execution_id), runtime: self.runtime.clone() }
    }

    /// Queues a run.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").send()?;
    /// assert_eq!(job.wait().send()?.output::<String>()?, "Hello: hi");
    /// # Ok(())
    /// # });
    /// ```
    pub fn execute_async(&self) -> ExecuteAsync {
        ExecuteAsync::new(self)
    }

    /// A job that was queued before.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let flow = client.flow("acme/demo/hello")?;
    /// let id = flow.execute_async().message("hi").send()?.execution_id().to_owned();
    /// println!("{:?}", flow.job(id).poll()?.status);
    /// # Ok(())
    /// # });
    /// ```
    pub fn job(&self, execution_id: impl Into<String>) -> Job {
        Job { inner: self.inner.job(execution_id), runtime: self.runtime.clone() }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
