//! `steps` and `events`: options, then a stream.

use futures_util::stream;

use super::{EventStream, StepStream, cursor::Shared, driver::Driver, recorded};
use crate::{Error, Flow, Result, options::Options};

/// Drives a run and gives its steps; see [`Flow::steps`]. Every option is a method; `stream` gives the stream.
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// let steps = client.flow("acme/demo/two-steps")?.steps().message("hi").stream().all().await?;
/// assert_eq!(steps.len(), 2);
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until the stream is read"]
pub struct Steps {
    flow: Flow,
    options: Options,
}

impl Steps {
    pub(crate) fn new(flow: Flow) -> Self {
        Self::of(flow, Options::default())
    }

    pub(crate) const fn of(flow: Flow, options: Options) -> Self {
        Self { flow, options }
    }

    crate::macros::call_options!(asynchronous, "steps()", ".stream().all().await?");
    crate::macros::tool_options!(asynchronous, "steps()", ".stream().all().await?");
    crate::macros::handler_option!(asynchronous, "steps()", ".stream().all().await?");
    crate::macros::stream_options!(asynchronous, "steps()", ".stream().all().await?");

    /// The stream. Nothing is sent until it is read; an option that is not valid is its first item.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let mut steps = client.flow("acme/demo/hello")?.steps().message("hi").stream();
    /// assert_eq!(steps.next().await.unwrap()?.step_id, "greet");
    /// # Ok(())
    /// # });
    /// ```
    pub fn stream(self) -> StepStream {
        let unanswered = !self.options.tools.is_empty() && self.options.handler.is_none();
        let message = "`steps` with `tools` needs a `tool_handler`; without one use `events` and `resume`";
        StepStream(opened(self.flow, self.options, "steps", unanswered.then(|| Error::invalid(message))))
    }
}

/// Drives a run and gives everything that happens; see [`Flow::events`]. Every option is a method; `stream` gives the
/// stream.
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// let mut events = client.flow("acme/demo/hello")?.events().message("hi").deltas(true).stream();
/// while let Some(event) = events.next().await {
///     println!("{:?}", event?);
/// }
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until the stream is read"]
pub struct Events {
    flow: Flow,
    options: Options,
}

impl Events {
    pub(crate) fn new(flow: Flow) -> Self {
        Self::of(flow, Options::default())
    }

    pub(crate) const fn of(flow: Flow, options: Options) -> Self {
        Self { flow, options }
    }

    crate::macros::call_options!(asynchronous, "events()", ".stream().all().await?");
    crate::macros::tool_options!(asynchronous, "events()", ".stream().all().await?");
    crate::macros::handler_option!(asynchronous, "events()", ".stream().all().await?");
    crate::macros::stream_options!(asynchronous, "events()", ".stream().all().await?");
    crate::macros::event_options!(asynchronous, "events()", ".stream().all().await?");

    /// The stream. Nothing is sent until it is read; an option that is not valid is its first item.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let mut events = client.flow("acme/demo/hello")?.events().message("hi").stream();
    /// assert_eq!(events.next().await.unwrap()?.event_type(), "run_started");
    /// # Ok(())
    /// # });
    /// ```
    pub fn stream(self) -> EventStream {
        opened(self.flow, self.options, "events", None)
    }
}

/// A stream that has sent nothing yet.
fn opened(flow: Flow, options: Options, operation: &'static str, fault: Option<Error>) -> EventStream {
    let cursor = Shared::new(options.run_remaining, options.input_overrides.clone());
    match begun(flow, options, operation, fault, cursor.clone()) {
        Ok(events) => events,
        Err(error) => EventStream::new(stream::once(std::future::ready(Err(error))), cursor),
    }
}

fn begun(
    flow: Flow,
    options: Options,
    operation: &'static str,
    fault: Option<Error>,
    cursor: Shared,
) -> Result<EventStream> {
    let (options, call) = options.checked(&flow)?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    if let Some(cassette) = flow.client().cassette() {
        let events = recorded::events(&cassette.take_stream(&flow.address().slug)?);
        return Ok(EventStream::new(stream::iter(events.into_iter().map(Ok)), cursor));
    }
    let driver = Driver::new(flow, call, options, operation, cursor.clone());
    let events = stream::unfold(driver, async |mut driver| Some((driver.next().await?, driver)));
    Ok(EventStream::new(events, cursor))
}
