//! The one error: opaque, with a kind to branch on and whatever the server said.

use std::{fmt, time::Duration};

use crate::key::masked;

/// An error of somebody else.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of a reply's body that an error keeps.
const BODY_KEPT: usize = 64 * 1024;

/// What kind of error it is: by the reply's status where there was one, else by what went wrong on this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// 401: no valid key.
    Authentication,
    /// 402: the budget is used up.
    InsufficientCredits,
    /// 403: a valid key, but not for this.
    PermissionDenied,
    /// 404: no such flow, version, run, step, job or session.
    FlowNotFound,
    /// 429: too much at once; see [`Error::retry_after`].
    RateLimit,
    /// Any other error from the server, and a run or step that failed.
    FlowExecution,
    /// No reply: the server could not be reached, or the connection broke.
    Connection,
    /// No reply in time.
    Timeout,
    /// A token was cancelled.
    Cancelled,
    /// One more pause for tools than `max_tool_rounds` allows.
    ToolCallLimit,
    /// The tool handler gave an error; it is the source.
    ToolHandler,
    /// An option or argument is not valid. No request was sent.
    InvalidValue,
    /// A reply that cannot be understood; the message says what came.
    Decode,
    /// Replay is off: `NOUKAI_REPLAY_ENABLED` is not `true`.
    ReplayDisabled,
    /// The session holds a run without snapshots, so it cannot be replayed.
    ReplayUnavailable,
    /// A call that was not recorded.
    ReplayMiss,
    /// Recorded runs that no call asked for.
    ReplayLeftover,
}

impl ErrorKind {
    /// The kind of a reply with this status.
    pub(crate) const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::InsufficientCredits,
            403 => Self::PermissionDenied,
            404 => Self::FlowNotFound,
            429 => Self::RateLimit,
            _ => Self::FlowExecution,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a call failed. Never holds a key: what looks like one is masked in every text.
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// # use noukai::{ErrorKind, Noukai};
/// # let client = Noukai::builder().base_url(url).api_key(key).build()?;
/// let error = client.flow("acme/demo/missing")?.execute().message("hi").await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::FlowNotFound);
/// assert_eq!((error.status(), error.code()), (Some(404), Some("FLOW_NOT_FOUND")));
/// # Ok(())
/// # });
/// ```
pub struct Error(Box<Inner>);

#[derive(Default)]
struct Inner {
    kind: Option<ErrorKind>,
    message: String,
    status: Option<u16>,
    code: Option<String>,
    execution_id: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    body: Option<String>,
    source: Option<BoxError>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self(Box::new(Inner { kind: Some(kind), message: masked(message.as_ref()), ..Inner::default() }))
    }

    pub(crate) fn invalid(message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::InvalidValue, message)
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_code(mut self, code: Option<impl Into<String>>) -> Self {
        self.0.code = code.map(Into::into);
        self
    }

    pub(crate) fn with_execution_id(mut self, id: Option<impl Into<String>>) -> Self {
        if let Some(id) = id {
            self.0.execution_id.get_or_insert(id.into());
        }
        self
    }

    pub(crate) fn with_request_id(mut self, id: Option<impl Into<String>>) -> Self {
        if let Some(id) = id {
            self.0.request_id.get_or_insert(id.into());
        }
        self
    }

    pub(crate) fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.0.retry_after = after;
        self
    }

    pub(crate) fn with_body(mut self, body: &str) -> Self {
        let end = (0..=BODY_KEPT.min(body.len())).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0);
        self.0.body = Some(masked(&body[..end]));
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of error it is.
    ///
    /// ```
    /// let error = noukai::Noukai::builder().api_key("no key").build().unwrap_err();
    /// assert_eq!(error.kind(), noukai::ErrorKind::InvalidValue);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.0.kind.unwrap_or(ErrorKind::Decode)
    }

    /// The reply's HTTP status.
    ///
    /// ```
    /// let error = noukai::Noukai::builder().api_key("no key").build().unwrap_err();
    /// assert_eq!(error.status(), None); // no request was sent
    /// ```
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The server's code, such as `VALIDATION_ERROR`.
    ///
    /// ```
    /// let error = noukai::Noukai::builder().api_key("no key").build().unwrap_err();
    /// assert_eq!(error.code(), None);
    /// ```
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The run the error belongs to.
    ///
    /// ```
    /// let error = noukai::Noukai::builder().api_key("no key").build().unwrap_err();
    /// assert_eq!(error.execution_id(), None);
    /// ```
    pub fn execution_id(&self) -> Option<&str> {
        self.0.execution_id.as_deref()
    }

    /// The request, as the server's log names it.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let error = client.flow("acme/demo/missing")?.execute().await.unwrap_err();
    /// assert!(error.request_id().is_some());
    /// # Ok(())
    /// # });
    /// ```
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the server asks to wait before another try.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).max_retries(0).build()?;
    /// let error = client.flow("acme/demo/busy")?.execute().await.unwrap_err();
    /// assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(1)));
    /// # Ok(())
    /// # });
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The reply's body as it came, keys masked; at most its first 64 KiB.
    ///
    /// ```
    /// # noukai_mock::example(async |url, key| {
    /// # let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;
    /// let error = client.flow("acme/demo/missing")?.execute().await.unwrap_err();
    /// assert!(error.body().is_some_and(|body| body.contains("FLOW_NOT_FOUND")));
    /// # Ok(())
    /// # });
    /// ```
    pub fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn is_passing(&self) -> bool {
        match self.kind() {
            ErrorKind::Connection => true,
            _ => matches!(self.status(), Some(408 | 429 | 500 | 502 | 503 | 504)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let status = self.0.status.map(|status| format!("HTTP {status}"));
        let request = self.0.request_id.as_ref().map(|id| format!("request {id}"));
        let facts: Vec<String> = [self.0.code.clone(), status, request].into_iter().flatten().collect();
        if facts.is_empty() { Ok(()) } else { write!(f, " ({})", facts.join(", ")) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind())
            .field("message", &self.0.message)
            .field("status", &self.0.status)
            .field("code", &self.0.code)
            .field("execution_id", &self.0.execution_id)
            .field("request_id", &self.0.request_id)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source.as_ref().map(|source| masked(&source.to_string())))
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as _)
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
