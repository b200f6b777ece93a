//! `noukai usage`: what model calls took, as a table with bars.

use std::process::ExitCode;

use noukai_api::{UsageBy, UsageReport, UsageRow, UsageSums};
use noukai_server::{Decimal, UsageRequest, usage_csv, usage_name};

use crate::{
    error::CliError,
    local::{Local, Opened},
    output::{self, Style},
    table,
};

/// Width of the longest bar.
const BAR: u64 = 24;

const EXAMPLES: &str = "\
Examples:
  noukai usage                               the last 30 days, by day
  noukai usage --by model,flow --from 2027-01-01 --to 2027-02-01
  noukai usage --by project --org            all projects of the organisation
  noukai usage --by session --csv > sessions.csv

Every call to a model counts: retries, fallbacks, hedges and repairs too. The server may be running meanwhile.";

/// Show what model calls took: calls, tokens, cost
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// First day or time, down to the hour [default: 29 days ago]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Day or time that counts no more [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Group by these: day, model, provider, flow, version, key, project, session; several with commas
    #[arg(long, value_name = "NAMES", default_value = "day", value_delimiter = ',', value_parser = group)]
    by: Vec<UsageBy>,
    /// All projects of the organisation
    #[arg(long)]
    org: bool,
    /// Only this flow
    #[arg(long, value_name = "SLUG")]
    flow: Option<String>,
    /// Only this model
    #[arg(long, value_name = "VENDOR/MODEL")]
    model: Option<String>,
    /// Only this API key
    #[arg(long, value_name = "KEY_ID")]
    key: Option<String>,
    /// At most so many rows, up to 10000
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

fn group(text: &str) -> Result<UsageBy, String> {
    let known = || UsageBy::ALL.iter().map(|by| by.as_str()).collect::<Vec<_>>().join(", ");
    UsageBy::parse(text.trim()).ok_or_else(|| format!("usage is grouped by {}", known()))
}

/// Prints it.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let Opened { app, project } = args.local.open().await?;
    let request = UsageRequest {
        from: args.from,
        to: args.to,
        by: Some(args.by),
        organisation: args.org,
        flow: args.flow,
        model: args.model,
        key: args.key,
        limit: args.limit,
    };
    let outcome = app.usage_of(&project, &request).await;
    app.close().await;
    let report = outcome?;
    if args.csv {
        output::raw(usage_csv(&report).as_bytes());
    } else if args.json {
        output::json(&report);
    } else {
        show(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(report: &UsageReport) {
    if report.rows.is_empty() {
        return output::note(&format!("no model was called from {} to {}", report.from, report.to));
    }
    table(report, Style::stdout()).iter().for_each(|line| output::line(line));
    if report.truncated {
        output::note("there are more rows; raise --limit, or narrow it down");
    }
    if report.total.unpriced_calls > 0 {
        output::note(&format!("{} calls have no known cost, and are not in it", report.total.unpriced_calls));
    }
}

/// A line of names, one per row with its bar, the total.
fn table(report: &UsageReport, style: Style) -> Vec<String> {
    let names: Vec<String> = report.group_by.iter().map(|by| by.as_str().to_uppercase()).collect();
    let head = names.iter().cloned().chain(["CALLS", "FAILED", "TOKENS", "USD"].map(str::to_owned)).collect();
    let mut rows: Vec<Vec<String>> = vec![head];
    rows.extend(report.rows.iter().map(|row| cells(report, row)));
    let mut total = vec![String::new(); names.len()];
    if let Some(first) = total.first_mut() {
        "total".clone_into(first);
    }
    rows.push(total.into_iter().chain(numbers(&report.total)).collect());
    let mut lines = table::aligned(&rows, names.len());
    let bars = bars(&report.rows);
    // Neither the head nor the total has a bar.
    for (number, line) in lines.iter_mut().enumerate() {
        match number.checked_sub(1).and_then(|row| bars.get(row)).filter(|bar| !bar.is_empty()) {
            Some(bar) => *line = format!("{line}  {}", style.cyan(bar)),
            None => line.truncate(line.trim_end().len()),
        }
    }
    lines[0] = style.bold(&lines[0]);
    lines
}

fn cells(report: &UsageReport, row: &UsageRow) -> Vec<String> {
    let name = |by: &UsageBy| usage_name(row, *by).unwrap_or_else(|| "-".to_owned());
    report.group_by.iter().map(name).chain(numbers(&row.sums)).collect()
}

fn numbers(sums: &UsageSums) -> [String; 4] {
    [sums.calls.to_string(), sums.failed_calls.to_string(), sums.tokens.total.to_string(), sums.cost_usd.clone()]
}

/// A bar per row, by cost; by tokens where nothing cost anything, by calls where there were none.
fn bars(rows: &[UsageRow]) -> Vec<String> {
    let cost = |row: &UsageRow| row.sums.cost_usd.parse::<Decimal>().unwrap_or_default();
    let of = |measure: &dyn Fn(&UsageRow) -> Decimal| -> Option<Vec<String>> {
        let most = rows.iter().map(measure).max().filter(|most| *most > Decimal::ZERO)?;
        let length = |row| (measure(row) / most * Decimal::from(BAR)).round().try_into().unwrap_or(0_usize);
        Some(rows.iter().map(|row| "█".repeat(length(row))).collect())
    };
    of(&cost)
        .or_else(|| of(&|row| Decimal::from(row.sums.tokens.total)))
        .or_else(|| of(&|row| Decimal::from(row.sums.calls)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use noukai_api::Tokens;

    use super::*;

    fn row(day: &str, tokens: u64, cost: &str) -> UsageRow {
        let tokens = Tokens::new(tokens, 0);
        let sums = UsageSums { calls: 1, tokens, cost_usd: cost.to_owned(), ..UsageSums::default() };
        UsageRow { day: Some(day.to_owned()), sums, ..UsageRow::default() }
    }

    fn report(rows: Vec<UsageRow>) -> String {
        let total = UsageSums { calls: 2, cost_usd: "0.75".to_owned(), ..UsageSums::default() };
        let (from, to) = (String::new(), String::new());
        let report = UsageReport { from, to, group_by: vec![UsageBy::Day], rows, total, truncated: false };
        table(&report, Style::PLAIN).join("\n")
    }

    #[test]
    fn usage_is_a_table_with_bars() {
        let shown = report(vec![row("2027-01-30", 100, "0.5"), row("2027-01-31", 7, "0.25")]);
        let expected = [
            "DAY         CALLS  FAILED  TOKENS   USD".to_owned(),
            format!("2027-01-30      1       0     100   0.5  {}", "█".repeat(24)),
            format!("2027-01-31      1       0       7  0.25  {}", "█".repeat(12)),
            "total           2       0       0  0.75".to_owned(),
        ];
        assert_eq!(shown, expected.join("\n"));
    }

    #[test]
    fn what_costs_nothing_is_measured_in_tokens() {
        let shown = report(vec![row("2027-01-30", 100, "0"), row("2027-01-31", 25, "0")]);
        assert_eq!(shown.matches('█').count(), 24 + 6);
    }
}
