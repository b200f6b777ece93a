//! One pooled HTTP client and what each request through it shares: the key, deadlines, cancellation, retries, logs.
//!
//! Knows no flows. A request that may be sent twice is either without effect or carries an idempotency key.

mod reply;
mod request;
mod retry;
mod tls;
mod trace_context;

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use reqwest::{
    Response, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT},
};
use serde::de::DeserializeOwned;

pub(crate) use self::{
    request::{Call, Request},
    trace_context::TraceContext,
};
use crate::{CancelToken, Error, ErrorKind, LogEvent, LogPhase, Result, key::ApiKey, log::Logger, span::Tracing};

const AGENT: &str = concat!("noukai-rust/", env!("CARGO_PKG_VERSION"));
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a transport is made of.
pub(crate) struct Settings {
    pub base: Url,
    pub key: ApiKey,
    pub timeout: Duration,
    pub max_retries: u32,
    pub max_reply_bytes: usize,
    pub logger: Option<Logger>,
    pub log_payloads: bool,
    pub cancel: CancelToken,
    pub tracing: Tracing,
}

/// The way to one server with one key.
pub(crate) struct Transport {
    http: reqwest::Client,
    base: String,
    authorization: HeaderValue,
    settings: Settings,
}

impl Transport {
    pub fn new(settings: Settings) -> Result<Self> {
        let http = tls::client(&settings.base)?;
        let base = settings.base.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, base, authorization: settings.key.header()?, settings })
    }

    pub fn base_url(&self) -> &str {
        &self.base
    }

    pub const fn max_reply_bytes(&self) -> usize {
        self.settings.max_reply_bytes
    }

    pub const fn tracing(&self) -> &Tracing {
        &self.settings.tracing
    }

    /// A call with the client's own settings.
    pub fn call(&self) -> Call {
        Call { timeout: self.settings.timeout, cancel: None, session_id: None, trace: TraceContext::fresh() }
    }

    /// A request whose reply is JSON.
    pub async fn json<T: DeserializeOwned>(&self, call: &Call, request: &Request) -> Result<T> {
        let (body, facts) = self.retried(call, request, |attempt| self.whole(call, request, attempt)).await?;
        reply::decoded(&body, &facts)
    }

    /// A request whose reply is a stream of events. Only its opening is tried again.
    pub async fn open(&self, call: &Call, request: &Request) -> Result<Response> {
        self.retried(call, request, |attempt| self.opened(call, request, attempt)).await
    }

    /// Ends the work with the call's or the client's token.
    pub async fn cancellable<T>(&self, call: &Call, work: impl Future<Output = Result<T>>) -> Result<T> {
        // In place: what it holds is large, and each wrapper would move it.
        let mut work = pin!(work);
        let work = async {
            match &call.cancel {
                Some(token) => token.run(work.as_mut()).await,
                None => Some(work.as_mut().await),
            }
        };
        let done = self.settings.cancel.run(work).await.flatten();
        done.unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled, "the call was cancelled")))
    }

    /// Tells the log.
    pub fn log(&self, request: &Request, attempt: u32, event: LogEvent<'_>) {
        if let Some(logger) = &self.settings.logger {
            logger.tell(&LogEvent { method: request.method.as_str(), path: &request.path, attempt, ..event });
        }
    }

    async fn retried<T, F: Future<Output = Result<T>>>(
        &self,
        call: &Call,
        request: &Request,
        attempt: impl Fn(u32) -> F,
    ) -> Result<T> {
        let mut number = 0;
        loop {
            let error = match self.cancellable(call, attempt(number)).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            self.log(request, number, LogEvent { error: Some(&error.to_string()), ..event(LogPhase::Failure) });
            let Some(wait) = retry::wait(&error, number, self.settings.max_retries, call.timeout) else {
                return Err(error);
            };
            self.log(request, number, LogEvent { wait: Some(wait), ..event(LogPhase::Retry) });
            self.pause(call, wait).await?;
            number += 1;
        }
    }

    /// Waits, unless cancelled.
    pub async fn pause(&self, call: &Call, wait: Duration) -> Result<()> {
        let slept = async {
            tokio::time::sleep(wait).await;
            Ok(())
        };
        self.cancellable(call, slept).await
    }

    /// One attempt, its whole reply included.
    async fn whole(&self, call: &Call, request: &Request, attempt: u32) -> Result<(Bytes, reply::Facts)> {
        let start = Instant::now();
        let work = async {
            let mut response = self.sent(call, request, attempt, "application/json").await?;
            let facts = reply::Facts::of(&mut response);
            let body = reply::read(response, self.settings.max_reply_bytes, &facts).await?;
            Ok((body, facts))
        };
        let (body, facts) = in_time(call.timeout, pin!(work)).await?;
        self.log_reply(request, attempt, start, &facts, Some(&body));
        reply::checked(&body, &facts)?;
        Ok((body, facts))
    }

    /// One attempt at opening a stream. A refusal's body is read.
    async fn opened(&self, call: &Call, request: &Request, attempt: u32) -> Result<Response> {
        let start = Instant::now();
        let work = async {
            let mut response = self.sent(call, request, attempt, "text/event-stream").await?;
            let facts = reply::Facts::of(&mut response);
            if facts.is_event_stream() {
                self.log_reply(request, attempt, start, &facts, None);
                return Ok(response);
            }
            let body = reply::read(response, self.settings.max_reply_bytes, &facts).await?;
            self.log_reply(request, attempt, start, &facts, Some(&body));
            Err(reply::no_stream(&body, &facts))
        };
        in_time(call.timeout, pin!(work)).await
    }

    async fn sent(&self, call: &Call, request: &Request, attempt: u32, accept: &'static str) -> Result<Response> {
        let payload = request.body.as_ref().filter(|_| self.settings.log_payloads);
        let payload = payload.map(|body| String::from_utf8_lossy(body));
        self.log(request, attempt, LogEvent { payload: payload.as_deref(), ..event(LogPhase::Request) });
        let mut outgoing = self
            .http
            .request(request.method.clone(), self.url(&request.path))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(USER_AGENT, HeaderValue::from_static(AGENT))
            .header(ACCEPT, HeaderValue::from_static(accept))
            .header(TRACEPARENT, call.trace.header());
        for (name, value) in request.headers(call)? {
            outgoing = outgoing.header(name, value);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.header(CONTENT_TYPE, JSON).body(body.clone());
        }
        outgoing.send().await.map_err(|error| reply::broken(&self.base, error))
    }

    /// The address of what is below the base URL, which need not be taken apart for each request.
    fn url(&self, path: &str) -> Url {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.settings.base.clone();
        url.set_path(&format!("{}{path}", self.settings.base.path().trim_end_matches('/')));
        url.set_query(query);
        url
    }

    fn log_reply(&self, request: &Request, attempt: u32, start: Instant, facts: &reply::Facts, body: Option<&[u8]>) {
        if self.settings.logger.is_none() {
            return;
        }
        let payload = body.filter(|_| self.settings.log_payloads).map(String::from_utf8_lossy);
        let request_id = facts.request_id();
        let happened = LogEvent {
            status: Some(facts.status),
            request_id: request_id.as_deref(),
            elapsed: Some(start.elapsed()),
            payload: payload.as_deref(),
            ..event(LogPhase::Response)
        };
        self.log(request, attempt, happened);
    }
}

/// An event with nothing but its phase.
pub(crate) const fn event(phase: LogPhase) -> LogEvent<'static> {
    LogEvent {
        phase,
        method: "",
        path: "",
        attempt: 0,
        status: None,
        request_id: None,
        elapsed: None,
        wait: None,
        error: None,
        payload: None,
    }
}

/// What went wrong with a connection.
pub(crate) fn broken(base: &str, error: reqwest::Error) -> Error {
    reply::broken(base, error)
}

/// How long to wait before the attempt after this one.
pub(crate) fn backoff(attempt: u32) -> Duration {
    retry::backoff(attempt)
}

/// The work, unless it takes too long.
pub(crate) async fn in_time<T>(timeout: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || {
        let seconds = timeout.as_secs_f64();
        Error::new(ErrorKind::Timeout, format!("the server took longer than the timeout of {seconds} s"))
    };
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| Err(late()))
}
