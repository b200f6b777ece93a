//! A client as anyone would write one: requests that may be lost, and streams of events that may be cut.
//!
//! Must not repeat by itself what is not safe to repeat; whoever asks decides.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::choices::Choices;

/// How long anything may take, restarts and recovery included. It is here to end what hangs, not to judge what is slow.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Pause before a question is asked again.
const PAUSE: Duration = Duration::from_millis(10);

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body; null where it is no JSON.
    pub body: Value,
}

impl Reply {
    /// The code of an error.
    pub fn code(&self) -> &str {
        self.body["detail"]["code"].as_str().unwrap_or_default()
    }

    /// Whether the server says that it did nothing and that another time it may.
    pub fn is_refusal_for_now(&self) -> bool {
        matches!(self.status, 429 | 503)
    }
}

/// The connection broke before the answer was there: nobody knows what was done.
#[derive(Debug)]
pub struct Lost;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number.
    pub id: Option<u64>,
    /// Its type.
    pub kind: String,
    /// What it carries, as sent.
    pub data: String,
}

impl Event {
    /// What it carries.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_default()
    }
}

/// What came of asking for a stream.
pub enum Opened {
    /// It flows.
    Stream(Stream),
    /// It was refused.
    Refused(Reply),
}

/// A stream of events. Dropped, its connection is closed.
pub struct Stream {
    bytes: BoxStream<'static, reqwest::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Stream {
    /// The next event; `None` where the stream ended in good order.
    pub async fn next(&mut self) -> Result<Option<Event>, Lost> {
        loop {
            if let Some(frame) = self.take_frame() {
                if let Some(event) = parse(&frame) {
                    return Ok(Some(event));
                }
                continue;
            }
            match self.bytes.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(_)) => return Err(Lost),
                None => return Ok(None),
            }
        }
    }

    fn take_frame(&mut self) -> Option<String> {
        let end = self.buffer.windows(2).position(|two| two == b"\n\n")?;
        let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
        Some(String::from_utf8_lossy(&frame).into_owned())
    }
}

/// `None` for a comment.
fn parse(frame: &str) -> Option<Event> {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Some(Event {
        id: field("id").and_then(|id| id.parse().ok()),
        kind: field("event")?.to_owned(),
        data: field("data")?.to_owned(),
    })
}

/// What to ask.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The method.
    pub method: Method,
    /// After `/api/v1`.
    pub path: &'a str,
    /// The body.
    pub body: Option<&'a Value>,
    /// Beside the key.
    pub headers: Vec<(&'static str, String)>,
}

impl<'a> Ask<'a> {
    /// A question.
    pub const fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, body: None, headers: Vec::new() }
    }

    /// A wish.
    pub const fn post(path: &'a str, body: &'a Value) -> Self {
        Self { method: Method::POST, path, body: Some(body), headers: Vec::new() }
    }

    /// With a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A client of the servers of one case.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    key: String,
    urls: watch::Receiver<Vec<String>>,
    choices: Arc<Mutex<Choices>>,
}

impl Client {
    /// A client with that key. Where several servers are up, `choices` says whom it asks.
    pub fn new(key: &str, urls: watch::Receiver<Vec<String>>, choices: Choices) -> Result<Self> {
        // The client is built for TLS and wants to know whose, though it speaks plain HTTP here. An error says that
        // the choice has been made before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http =
            reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().context("cannot build the client")?;
        Ok(Self { http, key: key.to_owned(), urls, choices: Arc::new(Mutex::new(choices)) })
    }

    /// The same with choices of its own.
    pub fn with_choices(&self, choices: Choices) -> Self {
        Self { choices: Arc::new(Mutex::new(choices)), ..self.clone() }
    }

    /// Waits until a server answers.
    pub async fn up(&self) -> Result<Vec<String>> {
        let mut urls = self.urls.clone();
        let up = timeout_at(Instant::now() + PATIENCE, urls.wait_for(|urls| !urls.is_empty())).await;
        Ok(up.context("no server came up in time")??.clone())
    }

    /// Asks once, of any server that is up.
    pub async fn once(&self, ask: Ask<'_>) -> Result<Result<Reply, Lost>> {
        let Ok(response) = self.send(ask).await? else { return Ok(Err(Lost)) };
        let status = response.status().as_u16();
        let Ok(bytes) = response.bytes().await else { return Ok(Err(Lost)) };
        Ok(Ok(Reply { status, body: serde_json::from_slice(&bytes).unwrap_or_default() }))
    }

    /// Asks until there is an answer. For what may be asked twice.
    pub async fn insist(&self, ask: Ask<'_>) -> Result<Reply> {
        let until = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < until {
            let asked = timeout_at(until, self.once(ask.clone())).await;
            match asked.with_context(|| format!("no answer to {}", ask.path))?? {
                Ok(reply) if reply.status < 500 && reply.status != 429 => return Ok(reply),
                outcome => last = Some(outcome),
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("no good answer to {} within {PATIENCE:?}; the last was {last:?}", ask.path)
    }

    /// Opens a stream.
    pub async fn open(&self, ask: Ask<'_>) -> Result<Result<Opened, Lost>> {
        let Ok(response) = self.send(ask).await? else { return Ok(Err(Lost)) };
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            let stream = Stream { bytes: response.bytes_stream().boxed(), buffer: Vec::new() };
            return Ok(Ok(Opened::Stream(stream)));
        }
        let status = response.status().as_u16();
        let Ok(bytes) = response.bytes().await else { return Ok(Err(Lost)) };
        Ok(Ok(Opened::Refused(Reply { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })))
    }

    async fn send(&self, ask: Ask<'_>) -> Result<Result<reqwest::Response, Lost>> {
        let urls = self.up().await?;
        let url = self.choices.lock().one_of(&urls).clone();
        let mut request = self.http.request(ask.method, format!("{url}/api/v1{}", ask.path)).bearer_auth(&self.key);
        if let Some(body) = ask.body {
            request = request.json(body);
        }
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        Ok(request.send().await.map_err(|_| Lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_put_together_from_whatever_pieces_come() {
        let pieces =
            ["id: 1\nevent: a\ndata: {\"x\":", "1}\n\n: keep-alive\n\nid: 2\nev", "ent: b\ndata: 2\n\n", "id: 3\n"];
        let bytes = futures::stream::iter(pieces.map(|piece| Ok(Bytes::from_static(piece.as_bytes())))).boxed();
        let mut stream = Stream { bytes, buffer: Vec::new() };
        let first = stream.next().await.expect("there").expect("an event");
        assert_eq!((first.id, first.kind.as_str(), first.json()["x"].as_u64()), (Some(1), "a", Some(1)));
        let second = stream.next().await.expect("there").expect("an event");
        assert_eq!((second.id, second.kind.as_str()), (Some(2), "b"));
        assert_eq!(stream.next().await.expect("in good order"), None);
    }
}
