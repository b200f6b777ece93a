//! The builders of calls, and what `execute` gives.

use std::{ops::Deref, sync::Arc};

use super::{EventStream, Flow, Job, StepStream, runtime::Runtime};
use crate::{ExecuteResult, Result, ToolResult, options::Options};

macro_rules! builders {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        #[must_use = "nothing is sent yet"]
        pub struct $name {
            flow: Flow,
            options: Options,
        }

        impl $name {
            pub(super) fn new(flow: &Flow) -> Self {
                Self { flow: flow.clone(), options: Options::default() }
            }

            fn runtime(&self) -> Arc<Runtime> {
                self.flow.runtime.clone()
            }
        }
    )+};
}

builders! {
    /// Runs a flow; see [`Flow::execute`].
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let execution = client.flow("acme/demo/hello")?.execute().message("hi").version("draft").send()?;
    /// # Ok(())
    /// # });
    /// ```
    Execute
    /// Drives a run and gives its steps; see [`Flow::steps`].
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// assert_eq!(client.flow("acme/demo/two-steps")?.steps().message("hi").stream().count(), 2);
    /// # Ok(())
    /// # });
    /// ```
    Steps
    /// Drives a run and gives everything that happens; see [`Flow::events`].
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// assert_eq!(client.flow("acme/demo/hello")?.events().message("hi").stream().count(), 6);
    /// # Ok(())
    /// # });
    /// ```
    Events
    /// Queues a run; see [`Flow::execute_async`].
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").send()?;
    /// # Ok(())
    /// # });
    /// ```
    ExecuteAsync
}

impl Execute {
    crate::macros::call_options!(blocking, "execute()", ".send()?");
    crate::macros::tool_options!(blocking, "execute()", ".send()?");
    crate::macros::handler_option!(blocking, "execute()", ".send()?");

    /// Sends the request and waits for its reply.
    ///
    /// # Errors
    /// As every call: [`Error`](crate::Error).
    ///
    #[doc = crate::macros::example!(blocking, "hello", "execute()", ".message(\"hi\")", ".send()?")]
    pub fn send(self) -> Result<Execution> {
        let runtime = self.runtime();
        let call = crate::Execute::of(self.flow.inner, self.options);
        Ok(Execution::of(runtime.wait(call.into_future())?, &runtime))
    }
}

impl Steps {
    crate::macros::call_options!(blocking, "steps()", ".stream().collect::<Result<Vec<_>, _>>()?");
    crate::macros::tool_options!(blocking, "steps()", ".stream().collect::<Result<Vec<_>, _>>()?");
    crate::macros::handler_option!(blocking, "steps()", ".stream().collect::<Result<Vec<_>, _>>()?");
    crate::macros::stream_options!(blocking, "steps()", ".stream().collect::<Result<Vec<_>, _>>()?");

    /// The iterator. Nothing is sent until it is read.
    ///
    #[doc = crate::macros::example!(blocking, "two-steps", "steps()", ".message(\"hi\")", ".stream().count()")]
    pub fn stream(self) -> StepStream {
        let runtime = self.runtime();
        StepStream::of(crate::Steps::of(self.flow.inner, self.options).stream(), runtime)
    }
}

impl Events {
    crate::macros::call_options!(blocking, "events()", ".stream().collect::<Result<Vec<_>, _>>()?");
    crate::macros::tool_options!(blocking, "events()", ".stream().collect::<Result<Vec<_>, _>>()?");
    crate::macros::handler_option!(blocking, "events()", ".stream().collect::<Result<Vec<_>, _>>()?");
    crate::macros::stream_options!(blocking, "events()", ".stream().collect::<Result<Vec<_>, _>>()?");
    crate::macros::event_options!(blocking, "events()", ".stream().collect::<Result<Vec<_>, _>>()?");

    /// The iterator. Nothing is sent until it is read.
    ///
    #[doc = crate::macros::example!(blocking, "two-steps", "events()", ".message(\"hi\")", ".stream().count()")]
    pub fn stream(self) -> EventStream {
        let runtime = self.runtime();
        EventStream::of(crate::Events::of(self.flow.inner, self.options).stream(), runtime)
    }
}

impl ExecuteAsync {
    crate::macros::call_options!(blocking, "execute_async()", ".send()?");

    /// Sends the request and waits until the job is queued.
    ///
    /// # Errors
    /// As every call: [`Error`](crate::Error).
    ///
    #[doc = crate::macros::example!(blocking, "hello", "execute_async()", ".message(\"hi\")", ".send()?")]
    pub fn send(self) -> Result<Job> {
        let runtime = self.runtime();
        let call = crate::ExecuteAsync::of(self.flow.inner, self.options);
        Ok(Job { inner: runtime.wait(call.into_future())?, runtime })
    }
}

/// Where `execute` left a run; see [`noukai::Execution`](crate::Execution).
#[derive(Debug, Clone)]
pub enum Execution {
    /// It ended.
    Completed(ExecuteResult),
    /// It waits for tool results.
    Paused(PausedResult),
}

impl Execution {
    fn of(execution: crate::Execution, runtime: &Arc<Runtime>) -> Self {
        match execution {
            crate::Execution::Completed(done) => Self::Completed(done),
            crate::Execution::Paused(inner) => Self::Paused(PausedResult { inner, runtime: runtime.clone() }),
        }
    }

    fn plain(self) -> crate::Execution {
        match self {
            Self::Completed(done) => crate::Execution::Completed(done),
            Self::Paused(paused) => crate::Execution::Paused(paused.inner),
        }
    }

    /// The ended run.
    ///
    /// # Errors
    /// As [`noukai::Execution::completed`](crate::Execution::completed).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").send()?.completed()?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn completed(self) -> Result<ExecuteResult> {
        self.plain().completed()
    }

    /// The paused run.
    ///
    /// # Errors
    /// As [`noukai::Execution::paused`](crate::Execution::paused).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// # let tools = [noukai::Tool::new("get_weather")];
    /// let paused = client.flow("acme/demo/weather")?.execute().message("Oslo").tools(tools).send()?.paused()?;
    /// assert_eq!(paused.tool_calls.len(), 1);
    /// # Ok(())
    /// # });
    /// ```
    pub fn paused(self) -> Result<PausedResult> {
        match self {
            Self::Paused(paused) => Ok(paused),
            Self::Completed(done) => Err(crate::result::not_paused(&done)),
        }
    }

    /// The run.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// println!("{}", client.flow("acme/demo/hello")?.execute().message("hi").send()?.execution_id());
    /// # Ok(())
    /// # });
    /// ```
    pub fn execution_id(&self) -> &str {
        match self {
            Self::Completed(done) => &done.execution_id,
            Self::Paused(paused) => &paused.execution_id,
        }
    }
}

/// A run that waits for tool results; has the fields of [`noukai::PausedResult`](crate::PausedResult).
#[derive(Debug, Clone)]
pub struct PausedResult {
    inner: crate::PausedResult,
    runtime: Arc<Runtime>,
}

impl PausedResult {
    /// Goes on with one result per call. The run may pause again.
    ///
    /// # Errors
    /// As [`noukai::PausedResult::resume`](crate::PausedResult::resume).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// # let tools = [noukai::Tool::new("get_weather")];
    /// let paused = client.flow("acme/demo/weather")?.execute().message("Oslo").tools(tools).send()?.paused()?;
    /// let results: Vec<_> = paused.tool_calls.iter().map(|call| call.answer("-3 °C")).collect();
    /// assert_eq!(paused.resume(results)?.completed()?.result, "In Oslo: -3 °C");
    /// # Ok(())
    /// # });
    /// ```
    pub fn resume(&self, results: impl IntoIterator<Item = ToolResult>) -> Result<Execution> {
        Ok(Execution::of(self.runtime.wait(self.inner.resume(results))?, &self.runtime))
    }
}

impl Deref for PausedResult {
    type Target = crate::PausedResult;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}
