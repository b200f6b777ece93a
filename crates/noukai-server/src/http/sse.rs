//! The one encoder of server-sent events. Owns framing, keep-alive comments and the header that resumes a stream; what
//! is sent, and when it ends, is the app's.
//!
//! Published clients split at a blank line of two bare LF, so a frame never holds a CR or a LF of its own.

use std::{convert::Infallible, pin::Pin, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_TYPE as CONTENT_TYPE_HEADER},
    },
    response::Response,
};
use futures::{Stream, StreamExt, stream};
use noukai_api::{ErrorCode, StreamEvent};
use serde::Serialize;
use tokio::sync::watch;

use super::reply;
use crate::app::{AppError, EventStream, Reply, SeqEvent};

/// Type of an event stream.
pub(super) const CONTENT_TYPE: &str = "text/event-stream";
/// How long a stream may be silent.
const SILENCE: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");
const LAST_EVENT_ID: &str = "last-event-id";

/// `data`: the event, with its run beside it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(flatten)]
    event: &'a StreamEvent,
    execution_id: &'a str,
}

/// One event as it stands on the wire. What is never stored has no number to resume after, and so no `id`.
fn frame(shown: &SeqEvent) -> Bytes {
    let id = shown.seq.map(|seq| format!("id: {seq}\n")).unwrap_or_default();
    let data = Data { event: &shown.event, execution_id: &shown.execution_id };
    match serde_json::to_string(&data) {
        Ok(data) => format!("{id}event: {}\ndata: {data}\n\n", shown.event.event_type()).into(),
        Err(error) => {
            // Only a map with keys that are no text could get here, and no event holds one.
            tracing::error!(%error, "an event could not be encoded");
            Bytes::new()
        }
    }
}

/// Events as they stand on the wire.
pub(super) fn frames(events: EventStream) -> impl Stream<Item = Bytes> + Send + 'static {
    events.map(|shown| frame(&shown))
}

/// A stream as a reply.
pub(super) fn response(frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let body = Body::from_stream(kept_alive(frames).map(Ok::<_, Infallible>));
    with_stream_headers(Response::new(body))
}

/// Headers that keep every hop from holding events back.
fn with_stream_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE_HEADER, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The frames, with a comment wherever they pause for long.
fn kept_alive(frames: impl Stream<Item = Bytes> + Send + 'static) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Box::pin(frames), |mut frames: Pin<Box<_>>| async move {
        match tokio::time::timeout(SILENCE, frames.next()).await {
            Ok(None) => None,
            Ok(Some(frame)) => Some((frame, frames)),
            Err(_) => Some((KEEP_ALIVE, frames)),
        }
    })
}

/// `Last-Event-ID`: the number to go on after; 0, the beginning, where there is none.
pub(super) fn resume_after(headers: &HeaderMap) -> Result<u64, AppError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(0) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    let message = "`Last-Event-ID` must be the `id` of an event of this stream, a whole number";
    number.ok_or_else(|| AppError::new(ErrorCode::BadRequest, message))
}

/// A stream that is taken down while it is read.
pub(super) struct Transcript(watch::Sender<String>);

/// Whoever reads along: everything from the beginning, then what is added, until the transcript is closed.
pub(super) type Live = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// A transcript, and one reader of it. The reader never holds the writer up.
pub(super) fn transcript() -> (Transcript, Live) {
    let (writer, reader) = watch::channel(String::new());
    let live = stream::unfold((reader, 0), |(mut reader, read)| async move {
        loop {
            let new = Bytes::copy_from_slice(&reader.borrow_and_update().as_bytes()[read..]);
            if !new.is_empty() {
                let read = read + new.len();
                return Some((new, (reader, read)));
            }
            reader.changed().await.ok()?;
        }
    });
    (Transcript(writer), live.boxed())
}

impl Transcript {
    /// Adds a frame.
    pub fn add(&self, frame: &[u8]) {
        self.0.send_modify(|text| text.push_str(&String::from_utf8_lossy(frame)));
    }

    /// All of it.
    pub fn text(&self) -> String {
        self.0.borrow().clone()
    }
}

/// A stored stream as a reply, with the headers of a live one.
pub(super) fn replay(reply: Reply) -> Response {
    with_stream_headers(reply::into_response(reply))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;

    use super::*;

    fn shown(seq: Option<u64>, text: &str) -> SeqEvent {
        let event = StreamEvent::StepDelta { step_id: "s1".to_owned(), text: text.to_owned(), restart: false };
        SeqEvent { seq, execution_id: Arc::from("run-1"), event }
    }

    #[test]
    fn frames_are_as_published() {
        let stored = frame(&shown(Some(7), "a\r\nb\u{2028}"));
        let data =
            "{\"eventType\":\"step_delta\",\"stepId\":\"s1\",\"text\":\"a\\r\\nb\u{2028}\",\"executionId\":\"run-1\"}";
        assert_eq!(stored, format!("id: 7\nevent: step_delta\ndata: {data}\n\n"));
        assert!(frame(&shown(None, "x")).starts_with(b"event: step_delta\ndata: {"));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_filled_with_comments() {
        let events = stream::once(async {
            tokio::time::sleep(SILENCE * 2 + Duration::from_secs(1)).await;
            Bytes::from_static(b"last")
        });
        let all: Vec<Bytes> = kept_alive(events).collect().await;
        assert_eq!(all, [KEEP_ALIVE, KEEP_ALIVE, Bytes::from_static(b"last")]);
    }

    #[tokio::test]
    async fn a_reader_gets_all_of_a_transcript() {
        let (transcript, mut live) = transcript();
        transcript.add(b"one ");
        transcript.add("zwölf ".as_bytes());
        assert_eq!(live.next().await.expect("some"), "one zwölf ");
        assert!(live.next().now_or_never().is_none());
        transcript.add(b"three");
        assert_eq!(transcript.text(), "one zwölf three");
        drop(transcript);
        assert_eq!(live.next().await.expect("some"), "three");
        assert!(live.next().await.is_none());
    }

    #[test]
    fn streams_resume_after_a_whole_number() {
        let read = |value: &'static str| {
            resume_after(&HeaderMap::from_iter([(
                HeaderName::from_static(LAST_EVENT_ID),
                HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(resume_after(&HeaderMap::new()).ok(), Some(0));
        assert_eq!(read("12").ok(), Some(12));
        for bad in ["", "-1", "1.5", "x", "99999999999999999999"] {
            assert_eq!(read(bad).err().map(|error| error.code), Some(ErrorCode::BadRequest), "{bad}");
        }
    }
}
