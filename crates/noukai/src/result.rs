//! What `execute` gives: a run that ended, or one that waits for tools.

use std::{fmt, pin::Pin};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, ErrorKind, Result, RunStatus, ToolCall, ToolResult, execute::Resume, tools::Pause};

/// Where `execute` left a run.
#[derive(Debug, Clone)]
pub enum Execution {
    /// It ended.
    Completed(ExecuteResult),
    /// It waits for tool results.
    Paused(PausedResult),
}

impl Execution {
    /// The ended run.
    ///
    /// # Errors
    /// [`ErrorKind::FlowExecution`] with the code `TOOL_CALLS_REQUIRED` where it is paused.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn completed(self) -> Result<ExecuteResult> {
        match self {
            Self::Completed(done) => Ok(done),
            Self::Paused(paused) => {
                let message = "the run waits for tool results; call `resume`, or give the call a `tool_handler`";
                let error = Error::new(ErrorKind::FlowExecution, message);
                Err(error.with_code(Some("TOOL_CALLS_REQUIRED")).with_execution_id(Some(paused.execution_id)))
            }
        }
    }

    /// The paused run.
    ///
    /// # Errors
    /// [`ErrorKind::FlowExecution`] where it has ended.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// # let tools = [noukai::Tool::new("get_weather")];
    /// let paused = client.flow("acme/demo/weather")?.execute().message("Oslo").tools(tools).await?.paused()?;
    /// assert_eq!(paused.tool_calls[0].name, "get_weather");
    /// # Ok(())
    /// # });
    /// ```
    pub fn paused(self) -> Result<PausedResult> {
        match self {
            Self::Paused(paused) => Ok(paused),
            Self::Completed(done) => Err(not_paused(&done)),
        }
    }

    /// The run.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let execution = client.flow("acme/demo/hello")?.execute().message("hi").await?;
    /// println!("{}", execution.execution_id());
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

/// Somebody took an ended run for a paused one.
pub(crate) fn not_paused(done: &ExecuteResult) -> Error {
    let message = format!("the run is not paused but {}", done.status.as_str());
    Error::new(ErrorKind::FlowExecution, message).with_execution_id(Some(&done.execution_id))
}

/// A run that ended. That it failed is a value; [`into_result`](Self::into_result) makes it an error.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExecuteResult {
    /// `Completed` or `Failed`.
    pub status: RunStatus,
    /// The flow's result, or `{"error": {"code", "message", "stepId", "attempt"}}`.
    pub result: Value,
    /// The flow.
    pub flow_id: String,
    /// Leaf blocks in the flow.
    pub block_count: u32,
    /// The run.
    pub execution_id: String,
    /// The session it was tagged with.
    pub session_id: Option<String>,
}

impl ExecuteResult {
    /// Whether it failed.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let done = client.flow("acme/demo/fails")?.execute().message("hi").await?.completed()?;
    /// assert!(done.is_failed());
    /// # Ok(())
    /// # });
    /// ```
    pub fn is_failed(&self) -> bool {
        self.status != RunStatus::Completed
    }

    /// The result as a value of one's own.
    ///
    /// # Errors
    /// As [`into_result`](Self::into_result); [`ErrorKind::Decode`] where the result does not fit.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("I am Ada").await?.completed()?;
    /// assert_eq!(done.output::<String>()?, "Hello: I am Ada");
    /// # Ok(())
    /// # });
    /// ```
    pub fn output<T: DeserializeOwned>(&self) -> Result<T> {
        self.failure()?;
        T::deserialize(&self.result).map_err(|error| {
            Error::new(ErrorKind::Decode, format!("the flow's result does not fit: {error}"))
                .with_execution_id(Some(&self.execution_id))
                .with_body(&self.result.to_string())
                .with_source(error)
        })
    }

    /// The run where it completed.
    ///
    /// # Errors
    /// [`ErrorKind::FlowExecution`] with the step's own code where it failed.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let done = client.flow("acme/demo/fails")?.execute().message("hi").await?.completed()?;
    /// assert_eq!(done.into_result().unwrap_err().code(), Some("MODEL_NOT_AVAILABLE"));
    /// # Ok(())
    /// # });
    /// ```
    pub fn into_result(self) -> Result<Self> {
        self.failure()?;
        Ok(self)
    }

    fn failure(&self) -> Result<()> {
        if !self.is_failed() {
            return Ok(());
        }
        let field = |name: &str| self.result.get("error").and_then(|error| error.get(name)).and_then(Value::as_str);
        let at = field("stepId").map(|step| format!(" at step `{step}`")).unwrap_or_default();
        let said = field("message").map(|said| format!(": {said}")).unwrap_or_default();
        let message = format!("the run {}{at}{said}", self.status.as_str());
        Err(Error::new(ErrorKind::FlowExecution, message)
            .with_code(field("code"))
            .with_execution_id(Some(&self.execution_id))
            .with_body(&self.result.to_string()))
    }
}

/// A run that waits for tool results.
#[derive(Clone)]
#[non_exhaustive]
pub struct PausedResult {
    /// The run.
    pub execution_id: String,
    /// The step it is paused at.
    pub paused_at_step: String,
    /// Pauses of this step so far, this one included.
    pub iterations_used: u32,
    /// The calls to make.
    pub tool_calls: Vec<ToolCall>,
    /// The tool turns so far.
    pub tool_call_messages: Vec<Value>,
    /// Outputs of the steps before: `{step_id: output}`.
    pub accumulated_outputs: Map<String, Value>,
    /// The flow.
    pub flow_id: String,
    /// Leaf blocks in the flow.
    pub block_count: u32,
    /// The session it was tagged with.
    pub session_id: Option<String>,
    pub(crate) context: Box<Resume>,
}

impl PausedResult {
    /// Goes on with one result per call. The run may pause again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] where a call has no result, or a result no call; what every request may give.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// use noukai::{Execution, Tool};
    /// let call = client.flow("acme/demo/weather")?.execute().message("Oslo").tools([Tool::new("get_weather")]);
    /// let mut execution = call.await?;
    /// while let Execution::Paused(paused) = execution {
    ///     let results: Vec<_> = paused.tool_calls.iter().map(|call| call.answer("-3 °C, clear")).collect();
    ///     execution = paused.resume(results).await?;
    /// }
    /// assert_eq!(execution.completed()?.result, "In Oslo: -3 °C, clear");
    /// # Ok(())
    /// # });
    /// ```
    pub fn resume(
        &self,
        results: impl IntoIterator<Item = ToolResult>,
    ) -> Pin<Box<dyn Future<Output = Result<Execution>> + Send>> {
        let results: Vec<ToolResult> = results.into_iter().collect();
        let paused = self.clone();
        Box::pin(async move {
            let messages = paused.pause().answered(&results)?;
            paused.context.clone().resume(&paused, messages).await
        })
    }

    pub(crate) fn pause(&self) -> Pause<'_> {
        Pause { execution_id: &self.execution_id, calls: &self.tool_calls, messages: &self.tool_call_messages }
    }
}

impl fmt::Debug for PausedResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PausedResult")
            .field("execution_id", &self.execution_id)
            .field("paused_at_step", &self.paused_at_step)
            .field("iterations_used", &self.iterations_used)
            .field("tool_calls", &self.tool_calls)
            .finish_non_exhaustive()
    }
}
