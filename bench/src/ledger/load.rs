//! The runs: most of them executed, some streamed step by step with their text, some as jobs. Goes on with the next server
//! where one is killed, and knows which runs that happened to.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt, stream};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::model::MARK;
use super::server::Address;
use crate::output;
use crate::report::thousands;

const WORK: &str = "/seq/local/dev/work";
/// How often the progress is told.
const TELL: Duration = Duration::from_secs(10);
/// How long a question may go unanswered, restarts included.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// A client of whichever server there is.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    server: watch::Receiver<Address>,
    key: String,
}

/// The connection broke, or there is no server: nobody knows what was done.
struct Lost;

impl Client {
    /// A client with a key.
    pub fn new(server: watch::Receiver<Address>, key: String) -> Self {
        Self { http: reqwest::Client::new(), server, key }
    }

    /// The server's address, once there is one.
    async fn address(&self) -> Result<String> {
        let mut server = self.server.clone();
        let found = tokio::time::timeout(PATIENCE, server.wait_for(Option::is_some)).await;
        let address = found.context("no server")?.context("no server any more")?.clone();
        address.context("no server")
    }

    /// Whether the server at this address is there still.
    fn is_at(&self, address: &str) -> bool {
        self.server.borrow().as_deref() == Some(address)
    }

    async fn send(
        &self,
        at: &str,
        method: Method,
        path: &str,
        run: Option<u32>,
        body: Option<&Value>,
    ) -> Result<(StatusCode, String), Lost> {
        let mut request = self.http.request(method, format!("{at}/api/v1{path}")).bearer_auth(&self.key);
        if let Some(run) = run {
            request = request.header("x-session-id", format!("{MARK}{run}"));
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let reply = request.send().await.map_err(|_| Lost)?;
        let status = reply.status();
        Ok((status, reply.text().await.map_err(|_| Lost)?))
    }

    /// Asks until there is an answer.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let begun = Instant::now();
        loop {
            let at = self.address().await?;
            match self.send(&at, Method::GET, path, None, None).await {
                Ok((status, text)) if status.is_success() => return Ok(serde_json::from_str(&text)?),
                Ok((status, text)) => bail!("GET {path}: {status} {text}"),
                Err(Lost) if begun.elapsed() > PATIENCE => bail!("GET {path}: no answer"),
                Err(Lost) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Asks once.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let at = self.address().await?;
        match self.send(&at, Method::POST, path, None, Some(body)).await {
            Ok((status, text)) if status.is_success() => Ok(serde_json::from_str(&text)?),
            Ok((status, text)) => bail!("POST {path}: {status} {text}"),
            Err(Lost) => bail!("POST {path}: the connection broke"),
        }
    }
}

/// All runs.
pub struct Load {
    client: Client,
    runs: u32,
    ended: AtomicU32,
    over: AtomicBool,
}

impl Load {
    /// So many runs.
    pub fn new(runs: u32, server: watch::Receiver<Address>, key: String) -> Self {
        Self { client: Client::new(server, key), runs, ended: AtomicU32::new(0), over: AtomicBool::new(false) }
    }

    /// The same client for other questions.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs that have ended.
    pub fn ended(&self) -> u32 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Whether no more will come, for whatever reason.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Runs them; of each, whether its reply came from the server that began it.
    pub async fn run(&self, at_once: u32) -> Result<Vec<bool>> {
        let one = |run: u32| async move { self.one(run).await.map(|is_whole| (run, is_whole)) };
        let runs = stream::iter(0..self.runs).map(one).buffer_unordered(at_once.max(1) as usize);
        let mut runs = std::pin::pin!(runs);
        let (mut whole, mut told) = (vec![false; self.runs as usize], Instant::now());
        let outcome = loop {
            match runs.next().await {
                Some(Ok((run, is_whole))) => whole[run as usize] = is_whole,
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                output::note(&format!("{} of {} runs", thousands(self.ended().into()), thousands(self.runs.into())));
            }
        };
        self.over.store(true, Ordering::Relaxed);
        outcome.map(|()| whole)
    }

    async fn one(&self, run: u32) -> Result<bool> {
        let at = self.client.address().await?;
        let replied = match run % 10 {
            0 => self.job(&at, run).await,
            1 | 2 => self.stream(&at, run).await,
            _ => self.execute(&at, run).await,
        };
        self.ended.fetch_add(1, Ordering::Relaxed);
        Ok(replied? && self.client.is_at(&at))
    }

    /// Whether a reply came.
    async fn execute(&self, at: &str, run: u32) -> Result<bool> {
        let body = json!({"message": format!("{MARK}{run}")});
        self.replied(run, self.client.send(at, Method::POST, &format!("{WORK}/execute"), Some(run), Some(&body)).await)
    }

    /// All steps in one stream, with their text.
    async fn stream(&self, at: &str, run: u32) -> Result<bool> {
        let body = json!({"message": format!("{MARK}{run}"), "runRemaining": true});
        let path = format!("{WORK}/step?deltas=true");
        match self.client.send(at, Method::POST, &path, Some(run), Some(&body)).await {
            // A stream without its end was cut in an orderly way.
            Ok((status, text)) if status.is_success() && !has_end(&text) => Ok(false),
            reply => self.replied(run, reply),
        }
    }

    async fn job(&self, at: &str, run: u32) -> Result<bool> {
        let body = json!({"message": format!("{MARK}{run}")});
        let submitted = self.client.send(at, Method::POST, &format!("{WORK}/jobs"), Some(run), Some(&body)).await;
        let Ok((StatusCode::ACCEPTED, text)) = &submitted else { return self.replied(run, submitted) };
        let accepted: Value = serde_json::from_str(text)?;
        let id = accepted["executionId"].as_str().context("a job without an id")?;
        loop {
            let job = self.client.get(&format!("{WORK}/jobs/{id}?wait=20")).await?;
            if matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
                return Ok(true);
            }
        }
    }

    fn replied(&self, run: u32, reply: Result<(StatusCode, String), Lost>) -> Result<bool> {
        match reply {
            Ok((status, _)) if status.is_success() => Ok(true),
            Ok((status, text)) => bail!("run {run}: {status} {text}"),
            Err(Lost) => Ok(false),
        }
    }

    /// Waits until no job is left, as those may be whose acceptance was never heard of.
    pub async fn wait_until_idle(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let queue = self.client.get("/queue").await?;
            if ["depth", "delayed", "running"].iter().all(|name| queue[name] == 0) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("jobs are left: {queue}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn has_end(text: &str) -> bool {
    ["event: flow_completed\n", "event: step_error\n"].iter().any(|end| text.contains(end))
}
