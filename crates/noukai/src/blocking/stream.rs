//! Streams as iterators.

use std::sync::Arc;

use serde_json::Value;

use super::runtime::Runtime;
use crate::{Result, StepCompleted, StreamEvent};

macro_rules! iterators {
    ($($(#[$doc:meta])* $name:ident: $item:ty)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        #[must_use = "an iterator does nothing until it is read"]
        pub struct $name {
            inner: crate::$name,
            runtime: Arc<Runtime>,
        }

        impl $name {
            pub(super) const fn of(inner: crate::$name, runtime: Arc<Runtime>) -> Self {
                Self { inner, runtime }
            }
        }

        impl Iterator for $name {
            type Item = Result<$item>;

            fn next(&mut self) -> Option<Self::Item> {
                self.runtime.wait(self.inner.next())
            }
        }
    )+};
}

iterators! {
    /// The events of a run that this iterator drives; see [`noukai::EventStream`](crate::EventStream).
    EventStream: StreamEvent
    /// The steps of a run as they complete; see [`noukai::StepStream`](crate::StepStream).
    StepStream: StepCompleted
    /// What a run did and does; see [`noukai::LiveTrace`](crate::LiveTrace).
    LiveTrace: StreamEvent
}

impl EventStream {
    /// The run, as soon as it has begun.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let mut events = client.flow("acme/demo/hello")?.events().message("hi").stream();
    /// events.next();
    /// assert!(events.execution_id().is_some());
    /// # Ok(())
    /// # });
    /// ```
    pub fn execution_id(&self) -> Option<String> {
        self.inner.execution_id()
    }

    /// Between two steps: puts another output in the place of a finished step's own.
    ///
    /// # Errors
    /// As [`noukai::EventStream::set_output`](crate::EventStream::set_output).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let mut events = client.flow("acme/demo/two-steps")?.events().message("hi").stream();
    /// while let Some(event) = events.next() {
    ///     match event? {
    ///         noukai::StreamEvent::StepPaused(step) => events.set_output(&step.step_id, "edited")?,
    ///         noukai::StreamEvent::FlowCompleted(flow) => assert_eq!(flow.result, "second: edited"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn set_output(&mut self, step_id: &str, output: impl Into<Value>) -> Result<()> {
        self.inner.set_output(step_id, output)
    }

    /// Between two steps: goes on at another step, back or forth.
    ///
    /// # Errors
    /// As [`noukai::EventStream::go_to`](crate::EventStream::go_to).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let mut events = client.flow("acme/demo/two-steps")?.events().message("hi").stream();
    /// assert!(events.go_to(1).is_err()); // nothing is done yet
    /// # Ok(())
    /// # });
    /// ```
    pub fn go_to(&mut self, step_index: u32) -> Result<()> {
        self.inner.go_to(step_index)
    }

    /// Between two steps: whether the rest runs in one go.
    ///
    /// # Errors
    /// As [`noukai::EventStream::set_run_remaining`](crate::EventStream::set_run_remaining).
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let mut events = client.flow("acme/demo/two-steps")?.events().message("hi").stream();
    /// while let Some(event) = events.next() {
    ///     if let noukai::StreamEvent::StepPaused(_) = event? {
    ///         events.set_run_remaining(true)?;
    ///     }
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn set_run_remaining(&mut self, on: bool) -> Result<()> {
        self.inner.set_run_remaining(on)
    }
}

impl StepStream {
    /// The run, as soon as it has begun.
    ///
    /// ```
    /// # noukai_mock::blocking_example(|url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;
    /// let mut steps = client.flow("acme/demo/hello")?.steps().message("hi").stream();
    /// steps.next();
    /// assert!(steps.execution_id().is_some());
    /// # Ok(())
    /// # });
    /// ```
    pub fn execution_id(&self) -> Option<String> {
        self.inner.execution_id()
    }
}
