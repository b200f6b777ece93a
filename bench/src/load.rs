//! The load generator: a fixed number of keep-alive connections, each of which sends its next request when it has
//! read the whole answer to the last (a closed loop).
//!
//! It speaks hyper's connection layer directly, on one thread: it shares the cores with what it measures.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const BODY: &str = r#"{"message":"Where is my order? It was to be here by Tuesday, and the page says nothing."}"#;
const COMPLETED: &[u8] = br#""status":"completed""#;
const PAUSED: &[u8] = b"event: step_paused\n";

/// No phase goes on for longer than this beyond its own end.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is sent, and where to.
#[derive(Clone)]
pub struct Target {
    /// The listening sockets; connections take turns.
    pub addresses: Vec<SocketAddr>,
    /// The path of the URL.
    pub path: String,
    /// The API key, where one is needed.
    pub key: Option<String>,
    /// What a good answer is.
    pub wanted: Wanted,
}

/// What a good answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A completed run.
    Completed,
    /// An accepted job.
    Accepted,
    /// A stream that comes to the end of its step.
    Streamed,
}

impl Target {
    /// Where the connection of this number goes.
    fn address(&self, connection: usize) -> SocketAddr {
        self.addresses[connection % self.addresses.len()]
    }
}

/// How long a load goes on.
#[derive(Clone, Copy)]
pub enum Until {
    /// For `warm_up`, which does not count, and then for `counted`.
    Time { warm_up: Duration, counted: Duration },
    /// Until so many requests have been sent, over all connections.
    Sent(u64),
    /// One request per connection, all at the same moment.
    Once,
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    /// The times of those that completed and count, from the shortest to the longest.
    pub times: Vec<Duration>,
    /// All that completed, those of the warm-up too.
    pub completed: u64,
    /// How often what went wrong.
    pub errors: BTreeMap<String, u64>,
    /// The counted time.
    pub elapsed: Duration,
}

struct Plan {
    target: Target,
    until: Until,
    start: Instant,
    sent: AtomicU64,
    all_connected: Barrier,
}

/// Sends one request and gives the answer's body. An error where it is not that of a completed run.
pub async fn probe(target: &Target) -> Result<Bytes> {
    let mut sender = connect(target.address(0)).await?;
    let (status, body) = exchange(&mut sender, target).await?;
    if let Some(fault) = fault(target.wanted, status, &body) {
        bail!("{} answered {fault}: {}", target.path, String::from_utf8_lossy(&body));
    }
    Ok(body)
}

/// Puts `target` under load.
pub async fn run(target: &Target, connections: usize, until: Until) -> Result<Outcome> {
    let mut senders = Vec::with_capacity(connections);
    for connection in 0..connections {
        senders.push((connection, connect(target.address(connection)).await?));
    }
    let plan = Arc::new(Plan {
        target: target.clone(),
        until,
        start: Instant::now(),
        sent: AtomicU64::new(0),
        all_connected: Barrier::new(connections),
    });
    let mut tasks: JoinSet<Outcome> = senders.into_iter().map(|sender| drive(plan.clone(), sender)).collect();
    let collected = tokio::time::timeout(plan.longest(), collect(&mut tasks)).await;
    let mut outcome = collected.context("the load did not end in time")?;
    outcome.elapsed = plan.counted_from().elapsed();
    outcome.times.sort_unstable();
    Ok(outcome)
}

async fn collect(tasks: &mut JoinSet<Outcome>) -> Outcome {
    let mut all = Outcome::default();
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok(one) => all.add(one),
            Err(error) => all.fail(format!("the task failed: {error}")),
        }
    }
    all
}

/// One connection, for as long as the plan says. A connection that breaks is made anew.
async fn drive(plan: Arc<Plan>, (number, mut sender): (usize, SendRequest<Full<Bytes>>)) -> Outcome {
    let mut outcome = Outcome::default();
    if matches!(plan.until, Until::Once) {
        plan.all_connected.wait().await;
    }
    while plan.goes_on() {
        let start = Instant::now();
        match exchange(&mut sender, &plan.target).await {
            Ok((status, body)) => match fault(plan.target.wanted, status, &body) {
                None => outcome.complete(start, plan.counted_from()),
                Some(fault) => outcome.fail(fault),
            },
            Err(error) => {
                outcome.fail(format!("{error:#}"));
                match connect(plan.target.address(number)).await {
                    Ok(new) => sender = new,
                    Err(_) => break,
                }
            }
        }
        if matches!(plan.until, Until::Once) {
            break;
        }
    }
    outcome
}

impl Plan {
    fn goes_on(&self) -> bool {
        match self.until {
            Until::Time { warm_up, counted } => self.start.elapsed() < warm_up + counted,
            Until::Sent(count) => self.sent.fetch_add(1, Ordering::Relaxed) < count,
            Until::Once => true,
        }
    }

    fn counted_from(&self) -> Instant {
        match self.until {
            Until::Time { warm_up, .. } => self.start + warm_up,
            Until::Sent(_) | Until::Once => self.start,
        }
    }

    fn longest(&self) -> Duration {
        match self.until {
            Until::Time { warm_up, counted } => warm_up + counted + PATIENCE,
            // At 20 a second it would be time to look for the reason.
            Until::Sent(count) => PATIENCE + Duration::from_secs(count / 20),
            Until::Once => PATIENCE,
        }
    }
}

impl Outcome {
    fn complete(&mut self, start: Instant, counted_from: Instant) {
        self.completed += 1;
        if start >= counted_from {
            self.times.push(start.elapsed());
        }
    }

    fn fail(&mut self, what: String) {
        *self.errors.entry(what).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.completed += other.completed;
        for (what, count) in other.errors {
            *self.errors.entry(what).or_default() += count;
        }
    }

    /// All that went wrong, in one line; empty where nothing did.
    pub fn faults(&self) -> String {
        self.errors.iter().map(|(what, count)| format!("{count} x {what}")).collect::<Vec<_>>().join(", ")
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.context("cannot connect")?;
    stream.set_nodelay(true).context("cannot set up the connection")?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.context("cannot set up the connection")?;
    tokio::spawn(async move {
        // What breaks here shows at the sender.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, target: &Target) -> Result<(u16, Bytes)> {
    sender.ready().await.context("the connection was closed")?;
    let reply = sender.send_request(request(target)?).await.context("no answer")?;
    let status = reply.status().as_u16();
    let body = reply.into_body().collect().await.context("the answer broke off")?.to_bytes();
    Ok((status, body))
}

fn request(target: &Target) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::post(&target.path).body(Full::new(Bytes::from_static(BODY.as_bytes())))?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(key) = &target.key {
        headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))?);
    }
    Ok(request)
}

/// What is wrong with an answer: a failed run comes with status 200, too.
fn fault(wanted: Wanted, status: u16, body: &[u8]) -> Option<String> {
    let good = if wanted == Wanted::Accepted { 202 } else { 200 };
    if status != good {
        return Some(format!("status {status}"));
    }
    let (mark, otherwise) = match wanted {
        Wanted::Completed => (COMPLETED, "a run that did not complete"),
        Wanted::Streamed => (PAUSED, "a stream without its end"),
        Wanted::Accepted => return None,
    };
    let has_mark = body.windows(mark.len()).any(|part| part == mark);
    (!has_mark).then(|| otherwise.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_completed_run_is_a_success() {
        assert_eq!(fault(Wanted::Completed, 200, br#"{"a":1,"status":"completed"}"#), None);
        assert_eq!(
            fault(Wanted::Completed, 200, br#"{"status":"failed"}"#).as_deref(),
            Some("a run that did not complete")
        );
        assert_eq!(fault(Wanted::Accepted, 202, b"{}"), None);
        assert_eq!(fault(Wanted::Streamed, 200, b"event: step_paused\ndata: {}\n\n"), None);
        assert!(fault(Wanted::Streamed, 200, b"event: step_error\ndata: {}\n\n").is_some());
        assert_eq!(fault(Wanted::Completed, 429, br#"{"status":"completed"}"#).as_deref(), Some("status 429"));
    }

    #[test]
    fn the_warm_up_does_not_count() {
        let now = Instant::now();
        let mut outcome = Outcome::default();
        outcome.complete(now, now + Duration::from_secs(1));
        outcome.complete(now, now);
        assert_eq!((outcome.completed, outcome.times.len()), (2, 1));
    }

    #[test]
    fn errors_add_up() {
        let mut outcome = Outcome::default();
        outcome.fail("status 503".to_owned());
        let mut other = Outcome::default();
        other.fail("status 503".to_owned());
        other.fail("status 500".to_owned());
        outcome.add(other);
        assert_eq!(outcome.faults(), "1 x status 500, 2 x status 503");
    }
}
