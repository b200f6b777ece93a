//! The time from the spawn of `noukai dev` to its ready line.

use std::time::Duration;

use anyhow::Result;

use super::Effort;
use crate::noukai::Installation;
use crate::report::{Report, millis};
use crate::{output, stats};

/// Starts it again and again: each time on an empty folder, which includes making the database, and each time on a
/// folder that it left in good order.
pub fn measure(installation: &Installation, provider: &str, effort: &Effort, report: &mut Report) -> Result<()> {
    output::note("start to ready");
    let mut first = Vec::new();
    let mut again = Vec::new();
    for _ in 0..effort.starts {
        let data = installation.fresh_data("start")?;
        for times in [&mut first, &mut again] {
            let server = installation.start(&data, provider)?;
            times.push(server.took);
            server.stop()?;
        }
    }
    report.heading("Start to ready");
    let row = |name: &str, times: &[Duration]| {
        let median = stats::median(times.iter().map(Duration::as_secs_f64));
        let slowest = times.iter().max().copied().unwrap_or_default();
        vec![name.to_owned(), millis(Duration::from_secs_f64(median)), millis(slowest)]
    };
    let rows = [row("empty folder", &first), row("folder with a database", &again)];
    report.table(&["", &format!("median of {}", effort.starts), "slowest"], &rows);
    Ok(())
}
