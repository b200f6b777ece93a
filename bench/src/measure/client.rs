//! The Rust client beside a bare HTTP client that makes the same calls, in one run: throughput, processor time, memory.

use anyhow::{Context, Result};
use noukai_testbed::Child;

use super::Effort;
use crate::report::{Report, mebibytes, thousands};
use crate::{output, stats};

const CLIENTS: [&str; 2] = ["bare", "noukai"];
const CONNECTIONS: [usize; 2] = [1, 16];
const EVENTS: [u64; 2] = [1_000, 100_000];

/// What one process said of its calls.
struct Round {
    per_second: f64,
    cpu_us: f64,
    peak: f64,
}

/// Measures both and reports them beside each other.
pub fn measure(effort: &Effort, report: &mut Report) -> Result<()> {
    let peer = Child::of_role(&["peer"])?;
    let url = format!("{}/api/v1", peer.said("url")?);
    report.heading("Execute");
    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        output::note(&format!("client: {connections} at a time"));
        let time = [effort.warm_up, effort.counted].map(|time| time.as_millis().to_string());
        let connections = connections.to_string();
        let arguments =
            ["--connections", &connections, "--warm-up-ms", &time[0], "--counted-ms", &time[1]].map(str::to_owned);
        rows.extend(compare(&connections, &arguments, &url, effort)?);
    }
    report.table(
        &["at a time", "", "calls per second", "of bare", "processor time per call", "of bare", "peak memory"],
        &rows,
    );
    report.heading("Streams");
    let mut rows = Vec::new();
    for events in EVENTS {
        output::note(&format!("client: a stream of {events} events"));
        let arguments = ["--events".to_owned(), events.to_string()];
        rows.extend(compare(&thousands(events), &arguments, &url, effort)?);
    }
    report.table(
        &["events", "", "events per second", "of bare", "processor time per event", "of bare", "peak memory"],
        &rows,
    );
    Ok(())
}

/// Both clients in turns, the order reversed from round to round; the medians, one row each.
fn compare(label: &str, arguments: &[String], url: &str, effort: &Effort) -> Result<Vec<Vec<String>>> {
    let mut rounds: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
    for round in 0..effort.rounds {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            rounds[index].push(one_round(CLIENTS[index], arguments, url)?);
        }
    }
    let median = |index: usize, of: fn(&Round) -> f64| stats::median(rounds[index].iter().map(of));
    let row = |index: usize| {
        let (rate, cpu) = (median(index, |round| round.per_second), median(index, |round| round.cpu_us));
        vec![
            label.to_owned(),
            CLIENTS[index].to_owned(),
            thousands(rate.round() as u64),
            percent(rate, median(0, |round| round.per_second)),
            format!("{cpu:.2} µs"),
            percent(cpu, median(0, |round| round.cpu_us)),
            mebibytes(median(index, |round| round.peak) as u64),
        ]
    };
    Ok(vec![row(0), row(1)])
}

fn percent(part: f64, whole: f64) -> String {
    format!("{:.0} %", part / whole * 100.0)
}

fn one_round(client: &str, arguments: &[String], url: &str) -> Result<Round> {
    let mut all = vec!["caller", "--client", client, "--url", url];
    all.extend(arguments.iter().map(String::as_str));
    let child = Child::of_role(&all)?;
    let figure = |name: &str| child.ready[name].as_f64().with_context(|| format!("no `{name}` in {}", child.ready));
    let count = figure("count")?;
    Ok(Round { per_second: count / figure("seconds")?, cpu_us: figure("cpu_us")? / count, peak: figure("peak")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_percents() {
        assert_eq!(percent(98.4, 100.0), "98 %");
    }
}
