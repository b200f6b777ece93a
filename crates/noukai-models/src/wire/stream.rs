//! Reading a stream to its end: bytes to events, events to the reply, within the time to the first token.

use std::time::Duration;

use noukai_engine::DeltaSink;
use tokio::time::{Instant, timeout_at};

use super::{Fault, Gather, Incoming, Reply, sse::Events};

/// How long to wait, once all is said, for the end of the body, without which the connection cannot be used again.
const LAST_WAIT: Duration = Duration::from_millis(20);

/// Reads a stream to its end. The model must have begun by `first`, where that is given.
pub(crate) async fn read(
    incoming: &mut Incoming,
    mut gather: Box<dyn Gather>,
    deltas: &dyn DeltaSink,
    first: Option<Instant>,
) -> Result<Reply, Fault> {
    let mut events = Events::default();
    while let Some(bytes) = next(incoming, first.filter(|_| !gather.has_begun())).await? {
        events.push(&bytes, |data| one(gather.as_mut(), data, deltas))?;
        if gather.is_done() {
            let _ = tokio::time::timeout(LAST_WAIT, incoming.next()).await;
            return gather.finish();
        }
    }
    events.finish(|data| one(gather.as_mut(), data, deltas))?;
    gather.finish()
}

async fn next(incoming: &mut Incoming, first: Option<Instant>) -> Result<Option<bytes::Bytes>, Fault> {
    match first {
        Some(deadline) => timeout_at(deadline, incoming.next()).await.unwrap_or_else(|_| Err(Fault::no_first_token())),
        None => incoming.next().await,
    }
}

fn one(gather: &mut dyn Gather, data: &[u8], deltas: &dyn DeltaSink) -> Result<(), Fault> {
    let data = data.trim_ascii();
    if gather.is_done() || data.is_empty() { Ok(()) } else { gather.event(data, deltas) }
}
