//! Requests that are answered before their body is read. Owns what becomes of the rest of the body, knows no route.
//!
//! A client may send head and body in two writes. Answered from the head alone, the connection would be closed under
//! the second write, and a client that pools connections would fail its next request on it.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;

/// Bytes that are read and thrown away to keep a connection.
const MOST_BYTES: usize = 64 * 1024;
/// How long they may take.
const MOST_TIME: Duration = Duration::from_secs(1);

/// Reads what an answer left unread, within bounds; past them the reply says that the connection closes.
pub(super) async fn unread_bodies(request: Request, next: Next) -> Response {
    let (back, mut unread) = oneshot::channel();
    let request = request.map(|body| Body::new(Watched { body: Some(body), back: Some(back) }));
    let mut response = next.run(request).await;
    let refused = response.status().is_client_error() || response.status().is_server_error();
    if let (true, Ok(body)) = (refused, unread.try_recv())
        && !drained(body).await
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn drained(mut body: Body) -> bool {
    let reading = async {
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > MOST_BYTES {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(MOST_TIME, reading).await.unwrap_or(false)
}

/// A body that comes back where it is dropped unread.
struct Watched {
    body: Option<Body>,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Some(back)) = (unread, self.back.take()) {
            // Refused only where the reply is out already.
            let _ = back.send(body);
        }
    }
}
