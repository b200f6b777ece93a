//! One open response with events in it.

use std::time::Duration;

use reqwest::Response;

use crate::{
    Result, StreamEvent,
    http::{Call, Transport, broken, in_time},
    sse::{EventId, Parser},
};

/// An event, and the id it was told with.
pub(super) struct Told {
    pub id: Option<EventId>,
    pub event: StreamEvent,
}

/// Reads events from a response.
pub(super) struct Source {
    response: Response,
    parser: Parser,
}

impl Source {
    pub fn new(response: Response, most: usize) -> Self {
        Self { response, parser: Parser::new(most) }
    }

    /// The next event and its id; `None` where the response ends.
    pub async fn next(&mut self, transport: &Transport, call: &Call) -> Result<Option<Told>> {
        loop {
            if self.parser.advance()? {
                let raw = self.parser.event();
                return Ok(Some(Told { id: raw.id.clone(), event: StreamEvent::read(raw)? }));
            }
            let more = transport.cancellable(call, self.more(transport, call.timeout)).await?;
            if !more {
                return Ok(None);
            }
        }
    }

    /// More bytes, unless it is silent for too long.
    async fn more(&mut self, transport: &Transport, silence: Duration) -> Result<bool> {
        let chunk = async { self.response.chunk().await.map_err(|error| broken(transport.base_url(), error)) };
        let chunk = in_time(silence, chunk).await?;
        if let Some(chunk) = &chunk {
            self.parser.push(chunk);
        }
        Ok(chunk.is_some())
    }
}
