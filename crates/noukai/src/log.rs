//! What `on_log` is told.

use std::{fmt, sync::Arc, time::Duration};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogPhase {
    /// A request is about to be sent.
    Request,
    /// A reply came (of a stream: it opened).
    Response,
    /// A request or a stream failed.
    Failure,
    /// The request will be sent again, after `wait`.
    Retry,
    /// A broken stream is taken up again, after `wait`.
    Reconnect,
}

/// One thing that happened on the wire. Holds no key, and no contents unless `log_payloads` is on.
///
/// ```
/// # noukai_mock::example(async |url, key| {
/// use std::sync::{Arc, Mutex};
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let log = seen.clone();
/// let client = noukai::Noukai::builder()
///     .base_url(url)
///     .api_key(key)
///     .on_log(move |event| log.lock().unwrap().push((event.phase, event.status)))
///     .build()?;
/// client.flow("acme/demo/hello")?.execute().message("hi").await?;
/// use noukai::LogPhase::{Request, Response};
/// assert_eq!(*seen.lock().unwrap(), [(Request, None), (Response, Some(200))]);
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogEvent<'a> {
    /// What happened.
    pub phase: LogPhase,
    /// `GET`, `POST` or `DELETE`.
    pub method: &'a str,
    /// Below the base URL, with the query.
    pub path: &'a str,
    /// From 0; each retry counts one up.
    pub attempt: u32,
    /// The reply's status.
    pub status: Option<u16>,
    /// The request, as the server's log names it.
    pub request_id: Option<&'a str>,
    /// From the request to this event.
    pub elapsed: Option<Duration>,
    /// Before the next attempt.
    pub wait: Option<Duration>,
    /// What went wrong.
    pub error: Option<&'a str>,
    /// What was sent or came, as text; only with `log_payloads`, and never of streams.
    pub payload: Option<&'a str>,
}

/// Who is told.
#[derive(Clone)]
pub(crate) struct Logger(Arc<dyn Fn(&LogEvent<'_>) + Send + Sync>);

impl Logger {
    pub fn new(log: impl Fn(&LogEvent<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(log))
    }

    pub fn tell(&self, event: &LogEvent<'_>) {
        (self.0)(event);
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("on_log")
    }
}
