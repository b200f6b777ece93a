//! Jobs: how many are taken and done per second, how soon one starts, what a long queue costs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Effort;
use crate::load::{self, Target, Until, Wanted};
use crate::noukai::{self, Installation};
use crate::report::{Report, mebibytes, millis, thousands};
use crate::{output, proc, stats};

const CONNECTIONS: usize = 64;
/// How often an emptying queue is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Parts of a long queue whose times are compared.
const PARTS: u64 = 10;

/// Servers that take jobs.
pub struct Api {
    pub name: &'static str,
    pub jobs: Target,
}

/// Submits many at once and waits until they are done.
pub async fn throughput(apis: &[Api], floor: &Target, effort: &Effort, report: &mut Report) -> Result<()> {
    let until = Until::Time { warm_up: effort.warm_up, counted: effort.counted };
    let base = load::run(floor, CONNECTIONS, until).await?;
    let floor = base.times.len() as f64 / base.elapsed.as_secs_f64();
    report.heading("Jobs: two model calls each");
    let mut rows = Vec::new();
    for api in apis {
        output::note(&format!("jobs on {}", api.name));
        let begun = Instant::now();
        let outcome = load::run(&api.jobs, CONNECTIONS, Until::Sent(effort.jobs)).await?;
        let submitted = outcome.completed as f64 / outcome.elapsed.as_secs_f64();
        if !outcome.errors.is_empty() {
            report.paragraph(&format!("**Faults** of {}: {}.", api.name, outcome.faults()));
        }
        let control = Control::of(&api.jobs)?;
        control.wait_for(0).await?;
        let completed = outcome.completed as f64 / begun.elapsed().as_secs_f64();
        let whole = |number: f64| thousands(number.round() as u64);
        rows.push(vec![
            api.name.to_owned(),
            whole(submitted),
            whole(completed),
            format!("{:.0} %", completed / floor * 100.0),
        ]);
    }
    report.table(&["", "submitted per second", "completed per second", "of the floor's calls"], &rows);
    Ok(())
}

/// From the moment a job is queued to the start of its first step, when nothing else is to do.
pub async fn starts(apis: &[Api], effort: &Effort, report: &mut Report) -> Result<()> {
    report.heading("From queue to start, idle");
    let mut rows = Vec::new();
    for api in apis {
        output::note(&format!("starts of jobs on {}", api.name));
        let control = Control::of(&api.jobs)?;
        let mut times = Vec::with_capacity(effort.job_starts);
        for _ in 0..effort.job_starts {
            let accepted: Value = serde_json::from_slice(&load::probe(&api.jobs).await?)?;
            let id = accepted["executionId"].as_str().context("no id")?;
            times.push(control.start_of(id).await?);
        }
        times.sort_unstable();
        let at = |percent| millis(stats::percentile(&times, percent));
        rows.push(vec![api.name.to_owned(), at(50), at(99)]);
    }
    report.table(&["", "p50", "p99"], &rows);
    Ok(())
}

/// Fills a queue that nobody empties, then lets a worker at it: each tenth should take the same time.
pub async fn backlog(
    installation: &Installation,
    database: &str,
    provider: &str,
    effort: &Effort,
    report: &mut Report,
) -> Result<()> {
    report.heading(&format!("A queue of {} jobs, PostgreSQL", thousands(effort.queued)));
    let data = installation.fresh_data("backlog")?;
    let api = ["serve", "--listen", "127.0.0.1:0", "--workers", "0"];
    let server = installation.node(&api, &data, Some(database), provider)?;
    let jobs = Target {
        addresses: vec![noukai::address(server.said("url")?)?],
        path: "/api/v1/seq/local/dev/two-block-echo/jobs".to_owned(),
        key: Some(installation.key(&data, Some(database))?),
        wanted: Wanted::Accepted,
    };
    let mut memory = vec![("empty queue".to_owned(), proc::memory(server.pid())?)];
    output::note("filling the queue");
    let outcome = load::run(&jobs, CONNECTIONS, Until::Sent(effort.queued)).await?;
    anyhow::ensure!(outcome.errors.is_empty(), "not all jobs were taken: {}", outcome.faults());
    memory.push(("full queue".to_owned(), proc::memory(server.pid())?));
    let worker = installation.node(&["worker", "--workers", "32"], &data, Some(database), provider)?;
    let control = Control::of(&jobs)?;
    let mut rows = Vec::new();
    for part in 1..=PARTS {
        output::note(&format!("emptying the queue: {part} of {PARTS}"));
        let begun = Instant::now();
        let before = control.left().await?;
        control.wait_for(effort.queued - effort.queued * part / PARTS).await?;
        let done = before.saturating_sub(control.left().await?);
        let per_second = done as f64 / begun.elapsed().as_secs_f64();
        let resident = proc::memory(worker.pid())?.resident;
        rows.push(vec![part.to_string(), thousands(per_second.round() as u64), mebibytes(resident)]);
    }
    report.table(&["tenth", "jobs claimed and done per second", "the worker's memory"], &rows);
    let rows: Vec<_> = memory.into_iter().map(|(when, memory)| vec![when, mebibytes(memory.resident)]).collect();
    report.table(&["", "the server's memory"], &rows);
    Ok(())
}

/// Looks after jobs.
struct Control {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Control {
    fn of(target: &Target) -> Result<Self> {
        // The client wants one, even for plain text.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let address = target.addresses.first().context("no address")?;
        let key = target.key.clone().context("no key")?;
        Ok(Self { http: reqwest::Client::new(), base: format!("http://{address}/api/v1"), key })
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.key);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// Jobs that wait or are worked on.
    async fn left(&self) -> Result<u64> {
        let queue = self.get("/queue").await?;
        let count = |name: &str| queue[name].as_u64().unwrap_or(0);
        Ok(count("depth") + count("delayed") + count("running"))
    }

    async fn wait_for(&self, left: u64) -> Result<()> {
        while self.left().await? > left {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn start_of(&self, id: &str) -> Result<Duration> {
        self.get(&format!("/seq/local/dev/two-block/jobs/{id}?wait=25")).await?;
        let trace = self.get(&format!("/flow-runs/{id}/trace")).await?;
        let micros = |value: &Value| value.as_str().and_then(micros_of).context("no time");
        let (queued, started) = (micros(&trace["flowRun"]["startedAt"])?, micros(&trace["steps"][0]["startedAt"])?);
        Ok(Duration::from_micros(started.saturating_sub(queued)))
    }
}

/// Microseconds since midnight of `...T12:34:56.123456Z`; a day's end in between is a price worth paying.
fn micros_of(time: &str) -> Option<u64> {
    let clock = time.split_once('T')?.1.strip_suffix('Z')?;
    let (whole, fraction) = clock.split_once('.')?;
    let seconds = whole.split(':').try_fold(0, |sum, part| Some(sum * 60 + part.parse::<u64>().ok()?))?;
    Some(seconds * 1_000_000 + fraction.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(micros_of("2026-01-02T00:01:02.000345Z"), Some(62_000_345));
        assert_eq!(micros_of("nonsense"), None);
    }
}
