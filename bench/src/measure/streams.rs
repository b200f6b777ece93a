//! Many streams at the same time, on a model that says half of its text, thinks for long, and says the rest: does each of
//! them come to its end, and what does each hold while it waits?

use std::time::Duration;

use anyhow::Result;
use noukai_testbed::Child;
use rustix::process::{Resource, getrlimit};
use tokio::time::sleep;

use super::{Effort, base_url};
use crate::load::{self, Target, Until, Wanted};
use crate::noukai::{self, Installation};
use crate::report::{Report, mebibytes, millis, thousands};
use crate::{output, proc, stats};

/// Longer than it takes to begin all of them.
const LATENCY: Duration = Duration::from_secs(30);
/// When all have begun, and none has ended.
const MIDDLE: Duration = Duration::from_secs(20);

/// Open files of a server beside the connections of its streams.
const OTHER_FILES: u64 = 400;

/// Each has a connection to its caller and one to the model.
fn most_streams() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(usize::MAX)
}

/// All requests are sent at the same moment, each on a connection of its own. Nothing else runs, so that what the server
/// holds more than before is theirs.
pub async fn measure(installation: &Installation, effort: &Effort, report: &mut Report) -> Result<()> {
    let count = effort.streams.min(most_streams());
    output::note(&format!("{count} streams"));
    let mock = Child::of_role(&["mock", "--latency-ms", &LATENCY.as_millis().to_string()])?;
    let data = installation.fresh_data("streams")?;
    let server = installation.start(&data, &base_url(&mock)?)?;
    let execute = noukai::target(&server, "two-block")?;
    let path = execute.path.replace("/execute", "/step?deltas=true");
    let target = Target { path, wanted: Wanted::Streamed, ..execute };
    super::check(&target).await?;
    let before = proc::memory(server.pid())?;
    let middle = async {
        sleep(MIDDLE).await;
        proc::memory(server.pid())
    };
    let (outcome, middle) = tokio::join!(load::run(&target, count, Until::Once), middle);
    let (outcome, middle, after) = (outcome?, middle?, proc::memory(server.pid())?);
    let each = |bytes: u64| {
        let count = count as u64;
        format!("{:.1} KiB", bytes.saturating_sub(before.resident) as f64 / 1024.0 / count.max(1) as f64)
    };
    report
        .heading(&format!("{} streams at the same time, on a model that takes half a minute", thousands(count as u64)));
    report.table(
        &["completed", "errors", "p50", "p99", "resident before", "in the middle", "each", "at the peak", "each"],
        &[vec![
            thousands(outcome.completed),
            thousands(outcome.errors.values().sum()),
            millis(stats::percentile(&outcome.times, 50)),
            millis(stats::percentile(&outcome.times, 99)),
            mebibytes(before.resident),
            mebibytes(middle.resident),
            each(middle.resident),
            mebibytes(after.peak),
            each(after.peak),
        ]],
    );
    if count < effort.streams {
        let wanted = thousands(effort.streams as u64);
        report.paragraph(&format!("Not {wanted}: this machine does not let a process have so many open files."));
    }
    if !outcome.errors.is_empty() {
        report.paragraph(&format!("**Faults**: {}.", outcome.faults()));
    }
    Ok(())
}
