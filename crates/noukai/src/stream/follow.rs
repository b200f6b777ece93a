//! `trace/stream`: what is stored, then what comes, taken up again wherever it breaks.

use std::collections::VecDeque;

use futures_util::stream;

use super::{
    LiveTrace,
    source::{Source, Told},
};
use crate::{
    Error, ErrorKind, LogEvent, LogPhase, Noukai, Result, StreamEvent,
    http::{self, Call, Request},
    sse::EventId,
};

/// How often a stream is taken up again without anything new.
const MOST_BREAKS: u32 = 5;

/// Numbers the breaks since something came, and waits between them.
#[derive(Debug, Default)]
pub(super) struct Breaks(u32);

impl Breaks {
    pub const fn heal(&mut self) {
        self.0 = 0;
    }

    /// Waits before another try, or gives the error back where there were too many.
    pub async fn wait(&mut self, client: &Noukai, call: &Call, request: &Request, error: Error) -> Result<()> {
        let passing = matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout);
        if !passing || self.0 >= MOST_BREAKS {
            return Err(error);
        }
        // The first time at once: most often it is a connection that was cut.
        let wait = self.0.checked_sub(1).map(http::backoff).unwrap_or_default();
        let told = LogEvent { wait: Some(wait), error: Some(&error.to_string()), ..http::event(LogPhase::Reconnect) };
        client.transport().log(request, self.0, told);
        self.0 += 1;
        client.transport().pause(call, wait).await
    }
}

/// The stream broke without the event that ends it.
pub(super) fn cut() -> Error {
    Error::new(ErrorKind::Connection, "the server ended the stream before the run's step ended")
}

/// Which events were seen, by the ids the server numbers them with.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Option<EventId>);

impl Seen {
    /// Whether an event is new. Those without an id are never stored, and told apart by nothing.
    pub fn is_new(&self, id: Option<&EventId>) -> bool {
        match (id, &self.0) {
            (Some(id), Some(last)) => id.is_after(last),
            _ => true,
        }
    }

    /// An event was taken.
    pub fn take(&mut self, id: Option<EventId>) {
        if id.is_some() {
            self.0 = id;
        }
    }

    /// The last one, as a request names it.
    pub fn last(&self) -> Option<String> {
        self.0.as_ref().map(ToString::to_string)
    }
}

/// A run's events from its trace.
pub(super) struct Follower {
    client: Noukai,
    call: Call,
    path: String,
    pub seen: Seen,
    source: Option<Source>,
    breaks: Breaks,
}

impl Follower {
    pub fn new(client: Noukai, call: Call, path: String, seen: Seen) -> Self {
        Self { client, call, path, seen, source: None, breaks: Breaks::default() }
    }

    /// The next event that was not seen yet.
    pub async fn next(&mut self) -> Result<Told> {
        loop {
            let error = match self.read().await {
                Ok(Some(told)) => {
                    if self.seen.is_new(told.id.as_ref()) {
                        self.seen.take(told.id.clone());
                        self.breaks.heal();
                        return Ok(told);
                    }
                    continue;
                }
                Ok(None) => cut(),
                Err(error) => error,
            };
            self.source = None;
            self.breaks.wait(&self.client, &self.call, &self.request(), error).await?;
        }
    }

    fn request(&self) -> Request {
        Request::get(self.path.clone()).after_event(self.seen.last())
    }

    async fn read(&mut self) -> Result<Option<Told>> {
        let transport = self.client.transport();
        if self.source.is_none() {
            let response = transport.open(&self.call, &self.request()).await?;
            self.source = Some(Source::new(response, transport.max_reply_bytes()));
        }
        match &mut self.source {
            Some(source) => source.next(transport, &self.call).await,
            None => Ok(None),
        }
    }
}

/// A run's trace until the run has ended.
pub(crate) fn live(client: Noukai, path: Result<String>) -> LiveTrace {
    let call = client.call();
    let follower = path.map(|path| Follower::new(client, call, path, Seen::default()));
    let states: VecDeque<Result<Follower>> = VecDeque::from([follower]);
    let events = stream::unfold(states, async |mut states| {
        let mut follower = match states.pop_front()? {
            Ok(follower) => follower,
            Err(error) => return Some((Err(error), states)),
        };
        let event = follower.next().await.map(|told| told.event);
        if event.as_ref().is_ok_and(|event| !matches!(event, StreamEvent::FlowCompleted(_))) {
            states.push_back(Ok(follower));
        }
        Some((event, states))
    });
    LiveTrace(Box::pin(events))
}
