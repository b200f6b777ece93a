//! What is measured, in which order, with which effort.

mod client;
mod in_flight;
mod jobs;
mod memory;
mod postgres;
mod start;
mod streams;
mod throughput;

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use noukai_testbed::Child;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::load::{self, Target, Wanted};
use crate::noukai::{self, Installation};
use crate::report::Report;
use crate::{output, proc};
use throughput::Subject;

/// What `run` takes.
#[derive(Args)]
pub struct Options {
    /// The noukai binary.
    #[arg(long, value_name = "FILE")]
    noukai: PathBuf,
    /// The folder of the benchmark's flows.
    #[arg(long, value_name = "FOLDER")]
    flows: PathBuf,
    /// A folder for data and logs. On a disk, not in memory: the server stores every run.
    #[arg(long, value_name = "FOLDER")]
    scratch: PathBuf,
    /// Short rounds and small counts: to see that it works, not to publish.
    #[arg(long)]
    quick: bool,
    /// Measure the bare handlers alone.
    #[arg(long, conflicts_with = "only")]
    floor_only: bool,
    /// Measure this part alone.
    #[arg(long, value_name = "PART")]
    only: Option<Part>,
    /// Measure another noukai binary, too, in turns with the first: what did a change to the server cost or save?
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
    /// Numbers of connections in place of the usual ones, such as `16,64`.
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    connections: Vec<usize>,
    /// Also write the tables to FILE; where FILE has the two markers, only what stands between them.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A part of the benchmark with a place of its own in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// The calls of the main benchmark: throughput and times, without starts, memory and runs in flight.
    Calls,
    /// SQLite beside PostgreSQL with one node and with two: calls and jobs.
    Postgres,
    /// The Rust client beside a bare HTTP client that makes the same calls.
    Client,
    /// Many streams at the same time on a slow model.
    Streams,
}

/// How long and how often.
#[derive(Clone)]
pub struct Effort {
    connections: Cow<'static, [usize]>,
    rounds: usize,
    warm_up: Duration,
    counted: Duration,
    starts: usize,
    runs: [u64; 2],
    in_flight: usize,
    streams: usize,
    jobs: u64,
    job_starts: usize,
    queued: u64,
}

const FULL: Effort = Effort {
    connections: Cow::Borrowed(&[1, 16, 64, 256]),
    rounds: 5,
    warm_up: Duration::from_millis(1_000),
    counted: Duration::from_millis(4_000),
    starts: 10,
    runs: [20_000, 100_000],
    in_flight: 2_000,
    streams: 10_000,
    jobs: 20_000,
    job_starts: 500,
    queued: 100_000,
};

const QUICK: Effort = Effort {
    connections: Cow::Borrowed(&[1, 16, 64]),
    rounds: 1,
    warm_up: Duration::from_millis(300),
    counted: Duration::from_millis(1_000),
    starts: 3,
    runs: [1_000, 5_000],
    in_flight: 2_000,
    streams: 1_000,
    jobs: 500,
    job_starts: 30,
    queued: 2_000,
};

impl Effort {
    fn of(options: &Options) -> Self {
        let usual = if options.quick { QUICK } else { FULL };
        if options.connections.is_empty() {
            return usual;
        }
        Self { connections: Cow::Owned(options.connections.clone()), ..usual }
    }
}

/// Measures everything, prints the report and writes it where that was asked for.
pub async fn run(options: &Options) -> Result<()> {
    raise_file_limit()?;
    let effort = &Effort::of(options);
    let installation =
        Installation { binary: options.noukai.clone(), flows: options.flows.clone(), scratch: options.scratch.clone() };
    let mut report = Report::default();
    let version = match options.only {
        _ if options.floor_only => "floor only".to_owned(),
        Some(Part::Client) => format!("noukai {}", env!("CARGO_PKG_VERSION")),
        _ => installation.version(),
    };
    let kind = if options.quick { " A quick run: rounds too short to compare." } else { "" };
    report.paragraph(&format!("{version}; {}.{kind}", proc::machine()));
    if options.floor_only {
        measure_floor(effort, &mut report).await?;
    } else if options.only == Some(Part::Postgres) {
        let pair = Pair::start(Duration::ZERO)?;
        postgres::measure(&installation, &pair, effort, &mut report).await?;
    } else if options.only == Some(Part::Calls) || options.beside.is_some() {
        let beside = options.beside.clone().map(|binary| Installation { binary, ..installation.clone() });
        let pair = Pair::start(Duration::ZERO)?;
        measure_calls(&installation, beside.as_ref(), &pair, effort, &mut report).await?;
    } else if options.only == Some(Part::Client) {
        client::measure(effort, &mut report)?;
    } else if options.only == Some(Part::Streams) {
        streams::measure(&installation, effort, &mut report).await?;
    } else {
        measure_server(&installation, effort, &mut report).await?;
    }
    output::line(report.text());
    let part = match options.only {
        Some(Part::Postgres) => "bench postgres",
        Some(Part::Client) => "bench client",
        Some(Part::Streams) => "bench streams",
        Some(Part::Calls) => "bench calls",
        None => "bench",
    };
    options.out.as_deref().map_or(Ok(()), |path| report.write(path, part))
}

/// Two thousand connections need more open files than some systems give without being asked. Children inherit it.
fn raise_file_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

async fn measure_floor(effort: &Effort, report: &mut Report) -> Result<()> {
    let pair = Pair::start(Duration::ZERO)?;
    for (title, path) in [("Two model calls", "/floor"), ("No model call", "/floor/echo")] {
        let subjects = [Subject { name: "floor", pids: vec![pair.floor.pid()], target: pair.target(path)? }];
        throughput::measure(title, &subjects, effort, report).await?;
    }
    Ok(())
}

async fn measure_server(installation: &Installation, effort: &Effort, report: &mut Report) -> Result<()> {
    let pair = Pair::start(Duration::ZERO)?;
    measure_calls(installation, None, &pair, effort, report).await?;
    start::measure(installation, &pair.provider()?, effort, report)?;
    memory::measure(installation, &pair.provider()?, effort, report).await?;
    drop(pair);
    in_flight::measure(installation, effort, report).await
}

/// With another build `beside` it where there is one.
async fn measure_calls(
    installation: &Installation,
    beside: Option<&Installation>,
    pair: &Pair,
    effort: &Effort,
    report: &mut Report,
) -> Result<()> {
    let provider = pair.provider()?;
    let server = installation.start(&installation.fresh_data("throughput")?, &provider)?;
    let other = beside.map(|other| other.start(&other.fresh_data("beside")?, &provider)).transpose()?;
    let cases = [("Two model calls", "/floor", "two-block"), ("No model call", "/floor/echo", "two-block-echo")];
    for (title, path, flow) in cases {
        let floor = Subject { name: "floor", pids: vec![pair.floor.pid()], target: pair.target(path)? };
        let mut subjects = vec![floor, subject("noukai", &server, flow)?];
        if let Some(other) = &other {
            subjects.push(subject("beside", other, flow)?);
        }
        throughput::measure(title, &subjects, effort, report).await?;
    }
    Ok(())
}

fn subject(name: &'static str, server: &Child, flow: &str) -> Result<Subject> {
    Ok(Subject { name, pids: vec![server.pid()], target: noukai::target(server, flow)? })
}

/// A provider and the floor over it.
struct Pair {
    mock: Child,
    floor: Child,
}

impl Pair {
    fn start(latency: Duration) -> Result<Self> {
        let mock = Child::of_role(&["mock", "--latency-ms", &latency.as_millis().to_string()])?;
        let floor = Child::of_role(&["floor", "--provider", &base_url(&mock)?])?;
        Ok(Self { mock, floor })
    }

    fn provider(&self) -> Result<String> {
        base_url(&self.mock)
    }

    fn target(&self, path: &str) -> Result<Target> {
        let addresses = vec![noukai::address(self.floor.said("url")?)?];
        Ok(Target { addresses, path: path.to_owned(), key: None, wanted: Wanted::Completed })
    }
}

fn base_url(mock: &Child) -> Result<String> {
    Ok(format!("{}/v1", mock.said("url")?))
}

/// One request that must succeed, before a load of those that are only counted.
async fn check(target: &Target) -> Result<()> {
    load::probe(target).await.map(drop)
}
