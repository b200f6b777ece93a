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
}
