//! Many runs at the same time, on a model that takes a second to answer: does each of them end, and what does it cost?

use std::time::Duration;

use anyhow::Result;

use super::throughput::Subject;
use super::{Effort, Pair, check};
use crate::load::{self, Until};
use crate::noukai::{self, Installation};
use crate::report::{Report, mebibytes, millis, thousands};
use crate::{output, proc, stats};

const LATENCY: Duration = Duration::from_secs(1);

/// All requests are sent at the same moment, each on a connection of its own.
pub async fn measure(installation: &Installation, effort: &Effort, report: &mut Report) -> Result<()> {
    output::note(&format!("{} runs in flight", effort.in_flight));
    let pair = Pair::start(LATENCY)?;
    let data = installation.fresh_data("in-flight")?;
    let server = installation.start(&data, &pair.provider()?)?;
    let subjects = [
        Subject { name: "floor", pids: vec![pair.floor.pid()], target: pair.target("/floor")? },
        Subject { name: "noukai", pids: vec![server.pid()], target: noukai::target(&server, "two-block")? },
    ];
    let title = format!("{} runs in flight, two model calls of one second each", thousands(effort.in_flight as u64));
    report.heading(&title);
    let mut rows = Vec::new();
    for subject in &subjects {
        rows.push(one(subject, effort.in_flight, report).await?);
    }
    report.table(&["", "completed", "errors", "p50", "p99", "resident before", "peak"], &rows);
    Ok(())
}

async fn one(subject: &Subject, count: usize, report: &mut Report) -> Result<Vec<String>> {
    check(&subject.target).await?;
    let before = proc::memory(subject.pids[0])?;
    let outcome = load::run(&subject.target, count, Until::Once).await?;
    let after = proc::memory(subject.pids[0])?;
    if !outcome.errors.is_empty() {
        report.paragraph(&format!("**Faults** of {} with {count} runs in flight: {}.", subject.name, outcome.faults()));
    }
    Ok(vec![
        subject.name.to_owned(),
        thousands(outcome.completed),
        thousands(outcome.errors.values().sum()),
        millis(stats::percentile(&outcome.times, 50)),
        millis(stats::percentile(&outcome.times, 99)),
        mebibytes(before.resident),
        mebibytes(after.peak),
    ])
}
