//! Runs as streams: what callers hold, and the cursor they share with the run's driver.

mod builders;
mod cursor;
mod driver;
mod follow;
pub(crate) mod recorded;
mod source;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use serde_json::Value;

pub use self::builders::{Events, Steps};
use self::cursor::Shared;
pub(crate) use self::{cursor::Answers, follow::live};
use crate::{Error, ErrorKind, Result, StepCompleted, StreamEvent};

type Inner<T> = Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// The next item, without a trait to import.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// All items, or the first error.
async fn all<T, S: Stream<Item = Result<T>> + Unpin>(mut stream: S) -> Result<Vec<T>> {
    let mut items = Vec::new();
    while let Some(item) = next(&mut stream).await {
        items.push(item?);
    }
    Ok(items)
}

/// The events of a run that this stream drives; see [`Flow::events`](crate::Flow::events). After an error it ends.
/// Dropping it ends the request, not the run on the server.
#[must_use = "a stream does nothing until it is read"]
pub struct EventStream {
    inner: Inner<StreamEvent>,
    cursor: Shared,
}

impl EventStream {
    fn new(inner: impl Stream<Item = Result<StreamEvent>> + Send + 'static, cursor: Shared) -> Self {
        Self { inner: Box::pin(inner), cursor }
    }

    /// The next event; `None` at the end.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let mut events = client.flow("acme/demo/hello")?.events().message("hi").stream();
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?.event_type());
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub async fn next(&mut self) -> Option<Result<StreamEvent>> {
        next(&mut self.inner).await
    }

    /// All events, or the first error.
    ///
    /// # Errors
    /// The stream's own.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// assert_eq!(client.flow("acme/demo/hello")?.events().message("hi").stream().all().await?.len(), 6);
    /// # Ok(())
    /// # });
    /// ```
    pub async fn all(self) -> Result<Vec<StreamEvent>> {
        all(self).await
    }

    /// The run, as soon as it has begun.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let mut events = client.flow("acme/demo/hello")?.events().message("hi").stream();
    /// assert_eq!(events.execution_id(), None);
    /// events.next().await;
    /// assert!(events.execution_id().is_some());
    /// # Ok(())
    /// # });
    /// ```
    pub fn execution_id(&self) -> Option<String> {
        self.cursor.lock().execution_id.clone()
    }

    /// Between two steps: puts another output in the place of a finished step's own. The steps that follow work on it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`](crate::ErrorKind::InvalidValue) while a step goes on, and for a step without output.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// use noukai::StreamEvent;
    /// let mut events = client.flow("acme/demo/two-steps")?.events().message("hi").stream();
    /// while let Some(event) = events.next().await {
    ///     match event? {
    ///         StreamEvent::StepPaused(step) => events.set_output(&step.step_id, "edited")?,
    ///         StreamEvent::FlowCompleted(flow) => assert_eq!(flow.result, "second: edited"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn set_output(&mut self, step_id: &str, output: impl Into<Value>) -> Result<()> {
        self.cursor.lock().set_output(step_id, output.into())
    }

    /// Between two steps: goes on at another step, back or forth. Steps that were done are run again, as new attempts.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`](crate::ErrorKind::InvalidValue) while a step goes on. Whether a run can go on there, the
    /// server says when the stream is read next.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// use noukai::StreamEvent;
    /// let mut events = client.flow("acme/demo/two-steps")?.events().message("hi").stream();
    /// let (mut went_back, mut firsts) = (false, 0);
    /// while let Some(event) = events.next().await {
    ///     match event? {
    ///         StreamEvent::StepCompleted(step) if step.step_id == "first" => firsts += 1,
    ///         StreamEvent::StepPaused(_) if !went_back => {
    ///             events.go_to(0)?;
    ///             went_back = true;
    ///         }
    ///         _ => {}
    ///     }
    /// }
    /// assert_eq!(firsts, 2);
    /// # Ok(())
    /// # });
    /// ```
    pub fn go_to(&mut self, step_index: u32) -> Result<()> {
        self.cursor.lock().go_to(step_index)
    }

    /// Between two steps: whether the rest runs in one go, without a pause after each step.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`](crate::ErrorKind::InvalidValue) while a step goes on.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// use noukai::StreamEvent;
    /// let mut events = client.flow("acme/demo/two-steps")?.events().message("hi").stream();
    /// while let Some(event) = events.next().await {
    ///     if let StreamEvent::StepPaused(_) = event? {
    ///         events.set_run_remaining(true)?;
    ///     }
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn set_run_remaining(&mut self, on: bool) -> Result<()> {
        self.cursor.lock().set_run_remaining(on)
    }
}

impl Stream for EventStream {
    type Item = Result<StreamEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.as_mut().poll_next(context)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("execution_id", &self.execution_id()).finish_non_exhaustive()
    }
}

/// The steps of a run as they complete; see [`Flow::steps`](crate::Flow::steps). A step that fails is an error, and the
/// end.
#[must_use = "a stream does nothing until it is read"]
#[derive(Debug)]
pub struct StepStream(EventStream);

impl StepStream {
    /// The next step; `None` at the end.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let mut steps = client.flow("acme/demo/two-steps")?.steps().message("hi").stream();
    /// while let Some(step) = steps.next().await {
    ///     println!("{}", step?.output);
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub async fn next(&mut self) -> Option<Result<StepCompleted>> {
        next(self).await
    }

    /// All steps, or the first error.
    ///
    /// # Errors
    /// The stream's own.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let steps = client.flow("acme/demo/two-steps")?.steps().message("hi").stream().all().await?;
    /// assert_eq!(steps.iter().map(|step| step.step_index).collect::<Vec<_>>(), [0, 1]);
    /// # Ok(())
    /// # });
    /// ```
    pub async fn all(self) -> Result<Vec<StepCompleted>> {
        all(self).await
    }

    /// The run, as soon as it has begun.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let mut steps = client.flow("acme/demo/two-steps")?.steps().message("hi").stream();
    /// steps.next().await;
    /// assert!(steps.execution_id().is_some());
    /// # Ok(())
    /// # });
    /// ```
    pub fn execution_id(&self) -> Option<String> {
        self.0.execution_id()
    }
}

impl Stream for StepStream {
    type Item = Result<StepCompleted>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let event = match std::task::ready!(self.0.inner.as_mut().poll_next(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(event)) => event,
            };
            match event {
                StreamEvent::StepCompleted(step) => return Poll::Ready(Some(Ok(step))),
                StreamEvent::StepFailed(failed) => {
                    let message = format!("step `{}` failed: {}", failed.step_id, failed.error.message);
                    let error = Error::new(ErrorKind::FlowExecution, message).with_code(Some(failed.error.code));
                    return Poll::Ready(Some(Err(error.with_execution_id(Some(failed.execution_id)))));
                }
                _ => {}
            }
        }
    }
}

/// What a run did and does, seen from outside; see [`Run::live_trace`](crate::Run::live_trace).
#[must_use = "a stream does nothing until it is read"]
pub struct LiveTrace(Inner<StreamEvent>);

impl LiveTrace {
    /// The next event; `None` once the run has ended.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
    /// let mut trace = client.run(job.execution_id()).live_trace();
    /// while let Some(event) = trace.next().await {
    ///     println!("{}", event?.event_type());
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub async fn next(&mut self) -> Option<Result<StreamEvent>> {
        next(&mut self.0).await
    }

    /// All events until the run has ended, or the first error.
    ///
    /// # Errors
    /// The stream's own.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let done = client.flow("acme/demo/hello")?.execute().message("hi").await?.completed()?;
    /// assert_eq!(client.run(&done.execution_id).live_trace().all().await?.len(), 6);
    /// # Ok(())
    /// # });
    /// ```
    pub async fn all(self) -> Result<Vec<StreamEvent>> {
        all(self).await
    }
}

impl Stream for LiveTrace {
    type Item = Result<StreamEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for LiveTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiveTrace")
    }
}
