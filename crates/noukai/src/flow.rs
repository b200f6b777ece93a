//! A flow and its address.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    Error, Events, Execute, ExecuteAsync, Job, Noukai, Result, Run, Steps, Version,
    client::Project,
    http::{Call, Request},
    span::CallSpan,
};

/// What stays as it is in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A text as one segment of a path.
pub(crate) fn encoded(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, SEGMENT)
}

/// Refuses what would be no segment of a path, or another one.
pub(crate) fn check_segment(name: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid(format!("`{name}` is empty")));
    }
    if matches!(text, "." | "..") || text.contains('/') || text.chars().any(char::is_control) {
        return Err(Error::invalid(format!("`{name}` must be one name, without `/` and control characters")));
    }
    Ok(())
}

/// The address of a flow, as far as it was given.
///
/// ```
/// use noukai::IntoFlowRef;
/// assert!("acme/demo/hello".into_flow_ref().is_ok());
/// assert!("hello".into_flow_ref().is_ok());
/// assert!("demo/hello".into_flow_ref().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlowRef {
    /// Organisation and project, where they were given.
    scope: Option<(String, String)>,
    slug: String,
}

/// What can be read as the address of a flow.
pub trait IntoFlowRef {
    /// The address.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`](crate::ErrorKind::InvalidValue) for anything but one or three segments.
    ///
    /// ```
    /// use noukai::IntoFlowRef;
    /// assert_eq!("a/b/c".into_flow_ref()?, ("a", "b", "c").into_flow_ref()?);
    /// # Ok::<(), noukai::Error>(())
    /// ```
    fn into_flow_ref(self) -> Result<FlowRef>;
}

impl IntoFlowRef for FlowRef {
    fn into_flow_ref(self) -> Result<FlowRef> {
        Ok(self)
    }
}

impl IntoFlowRef for &str {
    fn into_flow_ref(self) -> Result<FlowRef> {
        let segments: Vec<&str> = self.split('/').collect();
        match segments[..] {
            [slug] => {
                check_segment("flow", slug)?;
                Ok(FlowRef { scope: None, slug: slug.to_owned() })
            }
            [org, project, slug] => (org, project, slug).into_flow_ref(),
            _ => Err(Error::invalid(format!(
                "`{self}` has {} segments; a flow is `slug` or `org/project/slug`",
                segments.len()
            ))),
        }
    }
}

impl IntoFlowRef for &String {
    fn into_flow_ref(self) -> Result<FlowRef> {
        self.as_str().into_flow_ref()
    }
}

impl IntoFlowRef for String {
    fn into_flow_ref(self) -> Result<FlowRef> {
        self.as_str().into_flow_ref()
    }
}

impl<A: AsRef<str>, B: AsRef<str>, C: AsRef<str>> IntoFlowRef for (A, B, C) {
    fn into_flow_ref(self) -> Result<FlowRef> {
        let (org, project, slug) = (self.0.as_ref(), self.1.as_ref(), self.2.as_ref());
        for (name, text) in [("org", org), ("project", project), ("flow", slug)] {
            check_segment(name, text)?;
        }
        Ok(FlowRef { scope: Some((org.to_owned(), project.to_owned())), slug: slug.to_owned() })
    }
}

impl FlowRef {
    pub(crate) fn with_default(self, default: Option<&Project>) -> Result<Address> {
        let missing = || {
            let message = format!(
                "`{}` needs the client's `org` and `project`; set both, or name the flow `org/project/slug`",
                self.slug
            );
            Error::invalid(message)
        };
        let (org, project) = match self.scope {
            Some(scope) => scope,
            None => default.map(|own| (own.org.clone(), own.project.clone())).ok_or_else(missing)?,
        };
        Ok(Address { org, project, slug: self.slug })
    }
}

/// The whole address.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub org: String,
    pub project: String,
    pub slug: String,
}

impl Address {
    /// Below the base URL, without a version.
    pub fn path(&self) -> String {
        format!("/seq/{}/{}/{}", encoded(&self.org), encoded(&self.project), encoded(&self.slug))
    }

    pub fn versioned(&self, version: Version) -> String {
        format!("{}{}", self.path(), version.segment())
    }
}

/// A flow on a server. Holds no connection; cheap to clone.
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
/// let flow = client.flow("acme/demo/hello")?;
/// let done = flow.execute().message("I am Ada").await?.completed()?;
/// assert_eq!(done.output::<String>()?, "Hello: I am Ada");
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Flow {
    client: Noukai,
    address: Address,
}

impl Flow {
    pub(crate) const fn new(client: Noukai, address: Address) -> Self {
        Self { client, address }
    }

    pub(crate) const fn client(&self) -> &Noukai {
        &self.client
    }

    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    /// The span of a call of this flow.
    pub(crate) fn span(&self, operation: &'static str, version: Version) -> CallSpan {
        CallSpan::start(self.client.transport().tracing(), operation, &self.address, version)
    }

    /// Adds the steps of a run that has ended to its span. Without them the call is still what it is.
    pub(crate) async fn trace_steps(&self, call: &Call, span: &CallSpan, execution_id: &str) {
        let Ok(path) = self.run(execution_id).path("/trace") else { return };
        if let Ok(trace) = self.client.transport().json(call, &Request::get(path)).await {
            span.steps(&trace);
        }
    }

    /// Runs the flow to its end, or to a pause for tools. Await the builder.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// match client.flow("acme/demo/hello")?.execute().message("hi").await? {
    ///     noukai::Execution::Completed(done) => println!("{}", done.result),
    ///     noukai::Execution::Paused(paused) => println!("asks for {} tools", paused.tool_calls.len()),
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn execute(&self) -> Execute {
        Execute::new(self.clone())
    }

    /// Runs the flow step by step and gives each step as it completes. A step that fails ends the stream with an error.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let mut steps = client.flow("acme/demo/two-steps")?.steps().message("hi").stream();
    /// while let Some(step) = steps.next().await {
    ///     let step = step?;
    ///     println!("{}: {}", step.name, step.output);
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn steps(&self) -> Steps {
        Steps::new(self.clone())
    }

    /// Runs the flow step by step and gives everything that happens.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// use noukai::StreamEvent;
    /// let mut events = client.flow("acme/demo/two-steps")?.events().message("hi").stream();
    /// while let Some(event) = events.next().await {
    ///     match event? {
    ///         StreamEvent::StepStarted(step) => println!("{} ...", step.name),
    ///         StreamEvent::StepCompleted(step) => println!("{} done in {} ms", step.name, step.duration_ms),
    ///         StreamEvent::FlowCompleted(flow) => println!("{}", flow.result),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn events(&self) -> Events {
        Events::new(self.clone())
    }

    /// A run of this flow.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let flow = client.flow("acme/demo/hello")?;
    /// let done = flow.execute().message("hi").await?.completed()?;
    /// for step in flow.run(&done.execution_id).trace().await?.steps {
    ///     println!("{} took {:?} ms", step.name, step.duration_ms);
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub fn run(&self, execution_id: impl Into<String>) -> Run {
        Run::new(self.client.clone(), format!("{}/runs", self.address.path()), execution_id.into())
    }

    /// Queues a run. Await the builder for the [`Job`].
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let job = client.flow("acme/demo/hello")?.execute_async().message("hi").await?;
    /// let done = job.wait().await?;
    /// println!("{:?}", done.result);
    /// # Ok(())
    /// # });
    /// ```
    pub fn execute_async(&self) -> ExecuteAsync {
        ExecuteAsync::new(self.clone())
    }

    /// A job that was queued before, by its id.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let flow = client.flow("acme/demo/hello")?;
    /// let id = flow.execute_async().message("hi").await?.execution_id().to_owned();
    /// // ... in another process:
    /// println!("{:?}", flow.job(id).poll().await?.status);
    /// # Ok(())
    /// # });
    /// ```
    pub fn job(&self, execution_id: impl Into<String>) -> Job {
        Job::of(self.clone(), execution_id.into())
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { org, project, slug } = &self.address;
        write!(f, "{org}/{project}/{slug}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn address(flow: impl IntoFlowRef) -> Result<String> {
        let own = Project { org: "acme".to_owned(), project: "demo".to_owned() };
        Ok(flow.into_flow_ref()?.with_default(Some(&own))?.path())
    }

    #[test]
    fn one_or_three_segments_are_an_address() {
        assert_eq!(address("hello").ok().as_deref(), Some("/seq/acme/demo/hello"));
        assert_eq!(address("a/b/c".to_owned()).ok().as_deref(), Some("/seq/a/b/c"));
        assert_eq!(address(("a", "b", "c d?")).ok().as_deref(), Some("/seq/a/b/c%20d%3F"));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", "a/b", "a/b/c/d", "/a/b", "a//b", "a/b/", "/", "..", "a/../b", "a/b/ ", "a\n"] {
            assert_eq!(address(bad).expect_err(bad).kind(), ErrorKind::InvalidValue, "{bad}");
        }
        assert!(address(("a", "b/c", "d")).is_err() && address(("a", "..", "d")).is_err());
        let error = "hello".into_flow_ref().and_then(|flow| flow.with_default(None)).expect_err("no defaults");
        assert!(error.to_string().contains("org/project/slug"), "{error}");
    }
}
