//! `trace/stream`: what is stored, then what comes, taken up again wherever it breaks.

use std::collections::VecDeque;

use futures_util::stream;

use super::{LiveTrace, source::Source};
use crate::{
    Error, ErrorKind, LogEvent, LogPhase, Noukai, Result, StreamEvent,
    http::{self, Call, Request},
    sse::RawEvent,
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
pub(super) struct Seen {
    pub last: Option<String>,
}

impl Seen {
    /// Whether the event is new; it is seen then. Events without an id are never stored, and told apart by nothing.
    pub fn take(&mut self, event: &RawEvent) -> bool {
        let Some(id) = &event.id else { return true };
        let number = |id: &String| id.parse::<u64>().ok();
        let is_new = match (number(id), self.last.as_ref().and_then(number)) {
            (Some(id), Some(last)) => id > last,
            _ => self.last.as_ref() != Some(id),
        };
        if is_new {
            self.last = Some(id.clone());
        }
        is_new
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
    pub async fn next(&mut self) -> Result<(RawEvent, StreamEvent)> {
        loop {
            let request = Request::get(self.path.clone()).after_event(self.seen.last.as_deref());
            let error = match self.read(&request).await {
                Ok(Some(raw)) => {
                    if self.seen.take(&raw) {
                        self.breaks.heal();
                        return Ok((raw.clone(), StreamEvent::read(&raw)?));
                    }
                    continue;
                }
                Ok(None) => cut(),
                Err(error) => error,
            };
            self.source = None;
            self.breaks.wait(&self.client, &self.call, &request, error).await?;
        }
    }

    async fn read(&mut self, request: &Request) -> Result<Option<RawEvent>> {
        let transport = self.client.transport();
        let source = match &mut self.source {
            Some(source) => source,
            None => {
                let response = transport.open(&self.call, request).await?;
                self.source.insert(Source::new(response, transport.max_reply_bytes()))
            }
        };
        source.next(transport, &self.call).await
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
        let event = follower.next().await.map(|(_, event)| event);
        if event.as_ref().is_ok_and(|event| !matches!(event, StreamEvent::FlowCompleted(_))) {
            states.push_back(Ok(follower));
        }
        Some((event, states))
    });
    LiveTrace(Box::pin(events))
}
