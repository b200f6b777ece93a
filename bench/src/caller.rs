//! A process that makes the same calls with one client or the other, and says what they cost it.
//!
//! Bare is the least a program without our client would write: a pooled reqwest client, the same headers and body, the
//! reply or each event read as JSON. One thread, as in most programs that wait for a server.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use futures_util::future::join_all;
use noukai::{Noukai, StreamEvent};
use reqwest::{Client, RequestBuilder};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::{output, proc};

const KEY: &str = "nk_test_abcdefgh_0123456789abcdef0123456789abcdef";
const MESSAGE: &str = "Where is my order?";

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// reqwest and serde_json.
    Bare,
    /// The crate.
    Noukai,
}

/// What to do.
#[derive(Args)]
pub struct Options {
    /// Which client.
    #[arg(long)]
    client: Kind,
    /// The peer's base URL, with `/api/v1`.
    #[arg(long)]
    url: String,
    /// Calls at a time.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Not counted at first.
    #[arg(long, default_value_t = 0)]
    warm_up_ms: u64,
    /// Counted then.
    #[arg(long, default_value_t = 0)]
    counted_ms: u64,
    /// Read one stream of so many events instead.
    #[arg(long)]
    events: Option<u64>,
}

/// Does it, and prints one line of JSON: `count`, `seconds`, `cpu_us` (of the counted part) and `peak` (bytes).
pub async fn run(options: &Options) -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let caller = Caller::new(options)?;
    let (count, seconds, cpu) = match options.events {
        Some(events) => caller.stream(events).await?,
        None => caller.calls(options).await?,
    };
    let peak = proc::memory(std::process::id())?.peak;
    let line = json!({"count": count, "seconds": seconds, "cpu_us": cpu.as_micros() as u64, "peak": peak});
    output::line(&line.to_string());
    Ok(())
}

/// One client or the other.
enum Caller {
    Bare { http: Client, url: String },
    Noukai(Noukai),
}

impl Caller {
    fn new(options: &Options) -> Result<Self> {
        let url = options.url.clone();
        Ok(match options.client {
            Kind::Bare => {
                let http = Client::builder().no_proxy().tcp_nodelay(true).build().context("cannot build the client")?;
                Self::Bare { http, url }
            }
            Kind::Noukai => Self::Noukai(Noukai::builder().base_url(url).api_key(KEY).build()?),
        })
    }

    /// Calls for a time, and counts those after the warm-up.
    async fn calls(&self, options: &Options) -> Result<(u64, f64, Duration)> {
        let begin = Instant::now() + Duration::from_millis(options.warm_up_ms);
        let end = begin + Duration::from_millis(options.counted_ms);
        let (count, at_begin) = (Cell::new(0), Cell::new(None));
        let worker = async || -> Result<()> {
            while Instant::now() < end {
                self.call().await?;
                let now = Instant::now();
                if now >= begin {
                    if at_begin.get().is_none() {
                        at_begin.set(Some((now, cpu())));
                    } else {
                        count.set(count.get() + 1);
                    }
                }
            }
            Ok(())
        };
        join_all((0..options.connections).map(|_| worker())).await.into_iter().collect::<Result<()>>()?;
        let (start, before) = at_begin.get().context("the time was too short for a call")?;
        Ok((count.get(), start.elapsed().as_secs_f64(), cpu().saturating_sub(before)))
    }

    async fn call(&self) -> Result<()> {
        let status = match self {
            Self::Bare { http, url } => {
                let response = bare(http, &format!("{url}/seq/a/b/hello/v0/execute")).send().await?;
                let reply: Value = serde_json::from_slice(&response.bytes().await?)?;
                reply["status"] == "completed"
            }
            Self::Noukai(client) => {
                let done = client.flow("a/b/hello")?.execute().message(MESSAGE).await?.completed()?;
                !done.is_failed()
            }
        };
        if !status {
            bail!("a call did not complete");
        }
        Ok(())
    }

    /// Reads one stream to its end.
    async fn stream(&self, events: u64) -> Result<(u64, f64, Duration)> {
        let (start, before) = (Instant::now(), cpu());
        let count = match self {
            Self::Bare { http, url } => bare_stream(http, &format!("{url}/seq/a/b/events-{events}/v0/step")).await?,
            Self::Noukai(client) => {
                let flow = client.flow(("a", "b", format!("events-{events}")))?;
                let (mut stream, mut count) = (flow.events().message(MESSAGE).stream(), 0);
                while let Some(event) = stream.next().await {
                    count += u64::from(matches!(event?, StreamEvent::StepProgress(_)));
                }
                count
            }
        };
        if count != events {
            bail!("{count} of {events} events came");
        }
        Ok((count, start.elapsed().as_secs_f64(), cpu().saturating_sub(before)))
    }
}

/// The same request as the crate makes.
fn bare(http: &Client, url: &str) -> RequestBuilder {
    let body = json!({"message": MESSAGE, "parameters": {}, "attachments": [], "blockOverrides": {}, "trace": false,
        "iterationsUsed": 0, "accumulatedOutputs": {}});
    http.post(url)
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .header("idempotency-key", uuid::Uuid::new_v4().to_string())
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
        .body(body.to_string())
}

/// Events cut at their blank lines, each read as JSON.
async fn bare_stream(http: &Client, url: &str) -> Result<u64> {
    let mut response = bare(http, url).send().await?;
    let (mut buffer, mut count) = (Vec::new(), 0);
    while let Some(chunk) = response.chunk().await? {
        buffer.extend_from_slice(&chunk);
        let mut begin = 0;
        while let Some(length) = memchr::memmem::find(&buffer[begin..], b"\n\n") {
            let event = std::str::from_utf8(&buffer[begin..begin + length])?;
            begin += length + 2;
            let data = event.lines().find_map(|line| line.strip_prefix("data: ")).context("an event without data")?;
            let data: Value = serde_json::from_str(data)?;
            count += u64::from(data["eventType"] == "step_progress");
        }
        buffer.drain(..begin);
    }
    Ok(count)
}

/// Processor time of this process, to the nanosecond.
fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or(0))
}
