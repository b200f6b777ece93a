//! `Idempotency-Key`: the work of a request is done once, and its reply is given again to whoever repeats it.
//!
//! Owns how a reply is kept: the work runs on a task of its own, so that a caller who goes away loses nothing. Where
//! replies are stored, for how long, and who waits for whom, is the app's.

use std::future::Future;

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use futures::StreamExt;
use noukai_api::ErrorCode;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    error::{self, ApiError},
    reply, sse,
};
use crate::app::{App, AppError, Caller, EventStream, IdempotencyGuard, Idempotent, Ran, Reply};

const HEADER: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;

/// What makes two requests the same one.
pub(super) struct Once {
    pub route: String,
    pub key: String,
    pub body: Bytes,
}

/// The caller's key, if there is one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, AppError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > LONGEST_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = "`Idempotency-Key` must be 1 to 255 visible ASCII characters without spaces";
        return Err(AppError::new(ErrorCode::BadRequest, message));
    }
    Ok(Some(key.to_owned()))
}

/// Does work that gives one reply. The work takes the id for the run it makes; `again` tells the reply from that run,
/// where it was made before and the reply is not stored.
pub(super) async fn reply<W, A>(
    app: &App,
    caller: &Caller,
    once: Option<Once>,
    work: impl FnOnce(Option<Uuid>) -> W,
    again: impl FnOnce(App, Ran) -> A,
) -> Result<Response, ApiError>
where
    W: Future<Output = Result<Reply, AppError>> + Send + 'static,
    A: Future<Output = Result<Reply, AppError>>,
{
    let guard = match first(app, caller, once).await? {
        First::Unkeyed => return Ok(reply::into_response(work(None).await?)),
        First::Again(reply) => return Ok(reply::into_response(reply)),
        First::Ran(ran) => return Ok(reply::into_response(again(app.clone(), *ran).await?)),
        First::Keyed(guard) => guard,
    };
    let work = work(Some(guard.run()));
    let task = app.spawn(async move {
        let outcome = work.await;
        keep(guard, outcome.as_ref()).await;
        outcome
    });
    Ok(reply::into_response(task.await.map_err(AppError::internal)??))
}

/// Does work that gives a stream of events.
pub(super) async fn events<W>(
    app: &App,
    caller: &Caller,
    once: Option<Once>,
    work: impl FnOnce(Option<Uuid>) -> W,
) -> Result<Response, ApiError>
where
    W: Future<Output = Result<EventStream, AppError>> + Send + 'static,
{
    let guard = match first(app, caller, once).await? {
        First::Unkeyed => return Ok(sse::response(sse::frames(work(None).await?))),
        First::Again(reply) => return Ok(again(reply)),
        First::Ran(ran) => return Ok(sse::response(sse::frames(app.stepped_again(*ran).await?))),
        First::Keyed(guard) => guard,
    };
    let (opened, opening) = oneshot::channel();
    app.spawn(record(work(Some(guard.run())), guard, opened));
    let live = opening.await.map_err(AppError::internal)??;
    Ok(sse::response(live))
}

/// Takes all of a stream down for later, while the caller reads along.
async fn record(
    work: impl Future<Output = Result<EventStream, AppError>>,
    guard: IdempotencyGuard,
    opened: oneshot::Sender<Result<sse::Live, AppError>>,
) {
    let stream = match work.await {
        Ok(stream) => stream,
        Err(error) => {
            keep(guard, Err(&error)).await;
            // Whoever asked may have gone away.
            let _ = opened.send(Err(error));
            return;
        }
    };
    let (transcript, live) = sse::transcript();
    let _ = opened.send(Ok(live));
    let mut frames = std::pin::pin!(sse::frames(stream));
    while let Some(frame) = frames.next().await {
        transcript.add(&frame);
    }
    let body = transcript.text();
    let status = StatusCode::OK.as_u16();
    guard.finish(Reply { status, content_type: sse::CONTENT_TYPE.to_owned(), body }).await;
}

/// A repeated step may get a stream, or the error that kept the first from becoming one.
fn again(reply: Reply) -> Response {
    if reply.content_type == sse::CONTENT_TYPE { sse::replay(reply) } else { reply::into_response(reply) }
}

enum First {
    Unkeyed,
    Again(Reply),
    Ran(Box<Ran>),
    Keyed(IdempotencyGuard),
}

async fn first(app: &App, caller: &Caller, once: Option<Once>) -> Result<First, AppError> {
    let Some(once) = once else { return Ok(First::Unkeyed) };
    Ok(match app.idempotent(caller, &once.route, &once.key, &once.body).await? {
        Idempotent::First(guard) => First::Keyed(guard),
        Idempotent::Again(reply) => First::Again(reply),
        Idempotent::Ran(ran) => First::Ran(ran),
    })
}

/// Keeps what a run gave. A refusal changed nothing and gives the key back: the caller may mend the body and repeat it.
async fn keep(guard: IdempotencyGuard, outcome: Result<&Reply, &AppError>) {
    match outcome {
        Ok(reply) => guard.finish(reply.clone()).await,
        Err(error) if is_of_run(error) => guard.finish(error::to_reply(error)).await,
        Err(_) => guard.give_back().await,
    }
}

/// Whether a run that was begun or gone on with ended in this error. Refusals name a run as well, the one they are
/// about, so the code decides: these are the codes that no refusal has. A store without room passes, and a fault of ours
/// leaves open what was done: both give the key back, which stays taken where its run is there.
const fn is_of_run(error: &AppError) -> bool {
    use ErrorCode as E;
    error.execution_id.is_some() && matches!(error.code, E::ByokKeyRejected | E::ToolIterationLimit)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_a_run_ended_in_is_kept() {
        let of_run = |code| is_of_run(&AppError::new(code, "x").of_run("r-1"));
        for code in [ErrorCode::ByokKeyRejected, ErrorCode::ToolIterationLimit] {
            assert!(of_run(code), "{code}");
            assert!(!is_of_run(&AppError::new(code, "x")), "{code} without a run");
        }
        for code in [
            ErrorCode::Conflict,
            ErrorCode::ToolResultsMismatch,
            ErrorCode::PausedStepInvalid,
            ErrorCode::StaleTree,
            ErrorCode::RunNotFound,
            ErrorCode::AlreadyResumed,
            ErrorCode::Overloaded,
            ErrorCode::InternalError,
        ] {
            assert!(!of_run(code), "{code}");
        }
    }

    #[test]
    fn keys_are_visible_ascii() {
        let read = |value: &[u8]| {
            let value = HeaderValue::from_bytes(value).expect("a header value");
            key(&HeaderMap::from_iter([(HEADER.parse().expect("a name"), value)]))
        };
        assert_eq!(read(b"a-1").ok(), Some(Some("a-1".to_owned())));
        assert_eq!(read(&[b'k'; 255]).ok().flatten().map(|key| key.len()), Some(255));
        for bad in [&b""[..], b"a b", "é".as_bytes(), &[b'k'; 256]] {
            assert_eq!(read(bad).err().map(|error| error.code), Some(ErrorCode::BadRequest), "{bad:?}");
        }
        assert_eq!(key(&HeaderMap::new()).ok(), Some(None));
    }
}
