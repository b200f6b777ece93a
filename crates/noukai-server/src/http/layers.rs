//! What every request passes, whatever its route: its id and span, the panic net, the headers all replies share.
//! Knows neither callers nor routes.

use std::{panic::AssertUnwindSafe, time::Instant};

use axum::{
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use super::{drain, error::ApiError};
use crate::app::AppError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const REQUEST_ID_LENGTH: std::ops::RangeInclusive<usize> = 1..=128;

/// Every request's way in and every reply's way out, in this order from the outside. One layer and not four, because
/// each layer copies the whole stack below it for each request.
pub(super) async fn all(request: Request, next: Next) -> Response {
    // So that each reply, a panic's too, carries its id, and each log line stands in its request's span.
    named(request, async |request| {
        // A panic is one caller's 500 in our error shape; the server lives on.
        let mut response = catch_panic(async {
            // A refusal may leave the request's body unread; the connection must stay usable, or say that it does not.
            drain::unread_bodies(request, next).await
        })
        .await;
        // API replies are one caller's own: no cache keeps them, no browser guesses their type.
        keep_private(&mut response);
        response
    })
    .await
}

/// Names the request, in its reply and in every log line.
async fn named(request: Request, reply: impl AsyncFnOnce(Request) -> Response) -> Response {
    let id = own_id(request.headers()).unwrap_or_else(fresh_id);
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        path = request.uri().path(),
        trace_id = trace_id(request.headers()),
    );
    let mut response = timed(reply(request)).instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn timed(reply: impl Future<Output = Response>) -> Response {
    let start = Instant::now();
    let response = reply.await;
    tracing::debug!(status = response.status().as_u16(), millis = start.elapsed().as_millis(), "replied");
    response
}

/// The caller's own id, if it can stand in a log line as it is.
fn own_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let sane = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (REQUEST_ID_LENGTH.contains(&id.len()) && id.as_bytes().iter().all(sane)).then(|| id.clone())
}

/// The caller's trace, of its `traceparent` (W3C Trace Context): so that its log lines and ours can be joined. A header
/// that is none is as good as no header.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(TRACE_PARENT)?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex =
        |part: &str, length| part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    // Only later versions may say more than these four.
    let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    let is_id = |part: &str, length| is_hex(part, length) && part.bytes().any(|byte| byte != b'0');
    (is_known && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2)).then_some(trace)
}

fn fresh_id() -> HeaderValue {
    HeaderValue::from_str(&Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Answers 500 for a handler that panicked.
async fn catch_panic(reply: impl Future<Output = Response>) -> Response {
    // Nothing of the request outlives the panic, so there is no broken state to see.
    AssertUnwindSafe(reply).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        ApiError::from(AppError::internal(format_args!("panic in a handler: {text}"))).into_response()
    })
}

/// Keeps replies out of caches (an event stream says so itself) and their type as declared.
fn keep_private(response: &mut Response) {
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_ids_are_taken_over() {
        let own = |value: &[u8]| {
            let value = HeaderValue::from_bytes(value).expect("a header value");
            own_id(&HeaderMap::from_iter([(REQUEST_ID, value)])).is_some()
        };
        assert!(own(b"a"));
        assert!(own(b"Az09._-"));
        assert!(own(&[b'x'; 128]));
        for bad in [&b""[..], b"a b", b"a\"b", b"a/b", "é".as_bytes(), &[b'x'; 129]] {
            assert!(!own(bad), "{bad:?}");
        }
    }

    #[test]
    fn only_well_formed_traces_are_taken_over() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let read = |value: &str| {
            let value = HeaderValue::from_str(value).expect("a header value");
            trace_id(&HeaderMap::from_iter([(TRACE_PARENT, value)])).map(str::to_owned)
        };
        assert_eq!(read(&format!("00-{TRACE}-00f067aa0ba902b7-01")).as_deref(), Some(TRACE));
        assert_eq!(read(&format!("cc-{TRACE}-00f067aa0ba902b7-01-later")).as_deref(), Some(TRACE));
        let bad = [
            String::new(),
            TRACE.to_owned(),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}x-00f067aa0ba902b7-01"),
        ];
        for bad in bad {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("the lines").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn log_lines_name_the_callers_trace() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _logging = tracing::subscriber::set_default(subscriber);
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let request = Request::builder().header("traceparent", parent).body(axum::body::Body::empty());
        named(request.expect("a request"), async |_| {
            tracing::info!("at work");
            Response::default()
        })
        .await;
        let text = String::from_utf8(lines.0.lock().expect("the lines").clone()).expect("text");
        assert!(text.contains("trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"") && text.contains("at work"), "{text}");
    }
}
