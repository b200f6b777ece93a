//! The server's resident memory: idle, and after many runs with full traces.

use std::time::Duration;

use anyhow::Result;

use super::{Effort, check};
use crate::load::{self, Until};
use crate::noukai::{self, Installation};
use crate::report::{Report, mebibytes, thousands};
use crate::{output, proc};

const CONNECTIONS: usize = 64;

/// Long enough for what the server does behind a reply.
const SETTLE: Duration = Duration::from_secs(2);

/// One server from its start to the last run.
pub async fn measure(installation: &Installation, provider: &str, effort: &Effort, report: &mut Report) -> Result<()> {
    let data = installation.fresh_data("memory")?;
    let server = installation.start(&data, provider)?;
    let target = noukai::target(&server, "two-block")?;
    report.heading("Memory");
    let mut rows = Vec::new();
    let mut done = 0;
    for runs in [0, effort.runs[0], effort.runs[1]] {
        output::note(&format!("memory after {runs} runs"));
        if runs > done {
            check(&target).await?;
            let outcome = load::run(&target, CONNECTIONS, Until::Sent(runs - done - 1)).await?;
            if !outcome.errors.is_empty() {
                report.paragraph(&format!("**Faults** on the way to {runs} runs: {}.", outcome.faults()));
            }
            done = runs;
        }
        tokio::time::sleep(SETTLE).await;
        let memory = proc::memory(server.pid())?;
        let disk = noukai::size_on_disk(&data)?;
        rows.push(vec![thousands(runs), mebibytes(memory.resident), mebibytes(memory.peak), mebibytes(disk)]);
    }
    report.table(&["runs", "resident", "peak so far", "data on disk"], &rows);
    Ok(())
}
