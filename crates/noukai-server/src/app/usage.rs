//! Usage: what the ledger says of model calls, summed up or call by call, as a list or as CSV.

use noukai_api::{Scope, UsageBy, UsageCall, UsageCallList, UsageReport, UsageRow, UsageSums};
use noukai_models::decimal_text;
use noukai_store::{ProjectId, UsageEntry, UsageGroup, UsageQuery, UsageTenant, UsageTotals};
use time::{Date, Duration, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};
use uuid::Uuid;

use super::{App, AppError, Caller, Project, iso, spend::usd};

const ROWS: u32 = 1_000;
const MOST_ROWS: u32 = 10_000;
const CALLS: u32 = 100;
const MOST_CALLS: u32 = 1_000;
/// Days that are shown where nobody says which, today included.
const DAYS: i64 = 30;
const HOUR: i64 = 3_600;

/// What usage is asked for.
#[derive(Debug, Clone, Default)]
pub struct UsageRequest {
    /// A day (`2027-01-31`) or a time in ISO 8601, down to the hour.
    pub from: Option<String>,
    /// As `from`, up to the hour; what is at it or later does not count.
    pub to: Option<String>,
    /// What it is grouped by; nothing: by day.
    pub by: Option<Vec<UsageBy>>,
    /// Of all projects of the organisation, which takes the scope `admin`.
    pub organisation: bool,
    /// One flow's.
    pub flow: Option<String>,
    /// One model's.
    pub model: Option<String>,
    /// One API key's.
    pub key: Option<String>,
    /// At most so many rows.
    pub limit: Option<u32>,
}

/// Which calls are asked for.
#[derive(Debug, Clone, Default)]
pub struct UsageCallsRequest {
    /// As in [`UsageRequest::from`], to the point.
    pub from: Option<String>,
    /// As in [`UsageRequest::to`], to the point.
    pub to: Option<String>,
    /// The last call of the page before.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

impl App {
    /// Sums over the model calls of the caller's project or organisation.
    ///
    /// # Errors
    /// `FORBIDDEN` for the organisation's without the scope `admin`; `VALIDATION_ERROR`.
    pub async fn usage(&self, caller: &Caller, request: &UsageRequest) -> Result<UsageReport, AppError> {
        if request.organisation {
            caller.require(Scope::Admin)?;
        }
        self.usage_of(&Project::from(caller.record.as_ref().clone()), request).await
    }

    /// The same for a project or its organisation, for the operator.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`.
    pub async fn usage_of(&self, project: &Project, request: &UsageRequest) -> Result<UsageReport, AppError> {
        let (from, to) = self.span(request.from.as_deref(), request.to.as_deref())?;
        let (from, to) = (from.unix_timestamp().div_euclid(HOUR), (to.unix_timestamp() + HOUR - 1).div_euclid(HOUR));
        let by = request.by.clone().unwrap_or_else(|| vec![UsageBy::Day]);
        let limit = within("limit", request.limit, ROWS, MOST_ROWS)?;
        let tenant = if request.organisation {
            UsageTenant::Organisation(project.org_id)
        } else {
            UsageTenant::Project(ProjectId(project.id))
        };
        let (flow, model, key) = (request.flow.clone(), request.model.clone(), request.key.clone());
        let query = UsageQuery { tenant, from, to, by: by.clone(), flow, model, key, limit: limit + 1 };
        let mut groups = self.store().usage(&query).await?;
        let truncated = groups.len() > limit as usize;
        groups.truncate(limit as usize);
        let total = match (truncated, by.as_slice()) {
            (false, _) => sum(&groups),
            (true, _) => {
                let whole = UsageQuery { by: Vec::new(), ..query };
                sum(&self.store().usage(&whole).await?)
            }
        };
        let hour =
            |hour: i64| iso(OffsetDateTime::from_unix_timestamp(hour * HOUR).unwrap_or(OffsetDateTime::UNIX_EPOCH));
        let rows = groups.into_iter().filter(|group| group.totals != UsageTotals::default());
        Ok(UsageReport {
            from: hour(from),
            to: hour(to),
            rows: rows.map(|group| row(&by, group)).collect(),
            group_by: by,
            total: sums(&total),
            truncated,
        })
    }

    /// Single model calls of the caller's project, oldest first.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`.
    pub async fn usage_calls(&self, caller: &Caller, request: &UsageCallsRequest) -> Result<UsageCallList, AppError> {
        let span = self.span(request.from.as_deref(), request.to.as_deref())?;
        let limit = within("limit", request.limit, CALLS, MOST_CALLS)?;
        let id = |text: &str| Uuid::parse_str(text).map_err(|_| invalid("after", "must be the `next` of a page"));
        let after = request.after.as_deref().map(id).transpose()?;
        let entries = self.store().usage_entries(caller.scope(), span, after, limit).await?;
        let next = entries.last().filter(|_| entries.len() == limit as usize).map(|entry| entry.id.to_string());
        Ok(UsageCallList { calls: entries.into_iter().map(call).collect(), next })
    }

    fn span(&self, from: Option<&str>, to: Option<&str>) -> Result<(OffsetDateTime, OffsetDateTime), AppError> {
        let now = self.now();
        let to = to.map(|text| moment("to", text)).transpose()?.unwrap_or(now + Duration::hours(1));
        let first = (now - Duration::days(DAYS - 1)).replace_time(time::Time::MIDNIGHT);
        let from =
            from.map(|text| moment("from", text)).transpose()?.unwrap_or_else(|| first.min(to - Duration::days(1)));
        if from < to { Ok((from, to)) } else { Err(invalid("to", "must come after `from`")) }
    }
}

/// A day or a time.
fn moment(name: &str, text: &str) -> Result<OffsetDateTime, AppError> {
    let day = Date::parse(text, format_description!("[year]-[month]-[day]"));
    let found = day.map(|day| day.midnight().assume_utc()).or_else(|_| OffsetDateTime::parse(text, &Rfc3339));
    // Within what can be counted in microseconds.
    let found = found.ok().filter(|at| (1970..=9_000).contains(&at.year()));
    found.ok_or_else(|| invalid(name, "must be a day such as 2027-01-31 or a time such as 2027-01-31T12:00:00Z"))
}

fn within(name: &str, number: Option<u32>, usual: u32, most: u32) -> Result<u32, AppError> {
    let number = number.unwrap_or(usual);
    if (1..=most).contains(&number) { Ok(number) } else { Err(invalid(name, &format!("must be 1 to {most}"))) }
}

fn invalid(name: &str, msg: &str) -> AppError {
    AppError::invalid_field(&["query", name], msg)
}

fn sum(groups: &[UsageGroup]) -> UsageTotals {
    groups.iter().fold(UsageTotals::default(), |mut all, UsageGroup { totals, .. }| {
        all.calls += totals.calls;
        all.failed += totals.failed;
        all.cached += totals.cached;
        all.unpriced += totals.unpriced;
        all.tokens.prompt += totals.tokens.prompt;
        all.tokens.completion += totals.tokens.completion;
        all.tokens.total += totals.tokens.total;
        all.details += totals.details;
        all.cost += totals.cost;
        all
    })
}

fn sums(totals: &UsageTotals) -> UsageSums {
    UsageSums {
        calls: totals.calls,
        failed_calls: totals.failed,
        cached_replies: totals.cached,
        unpriced_calls: totals.unpriced,
        tokens: totals.tokens,
        token_details: totals.details,
        cost_usd: decimal_text(&usd(totals.cost)),
    }
}

fn row(by: &[UsageBy], group: UsageGroup) -> UsageRow {
    let mut row = UsageRow { sums: sums(&group.totals), ..UsageRow::default() };
    for (by, name) in by.iter().zip(group.names) {
        match by {
            UsageBy::Day => row.day = name.as_deref().and_then(day),
            UsageBy::Model => row.model = name,
            UsageBy::Provider => row.provider = name,
            UsageBy::Flow => row.flow = name,
            UsageBy::Version => row.version = name.and_then(|name| name.parse().ok()),
            UsageBy::Key => row.key = name,
            UsageBy::Project => row.project = name,
            UsageBy::Session => row.session = name,
        }
    }
    row
}

/// From its number since the epoch.
fn day(number: &str) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp(number.parse::<i64>().ok()? * 24 * HOUR).ok()?;
    Some(at.date().to_string())
}

fn call(entry: UsageEntry) -> UsageCall {
    let UsageEntry { spender, .. } = &entry;
    UsageCall {
        id: entry.id.to_string(),
        at: iso(entry.at),
        execution_id: spender.run_id.to_string(),
        flow: spender.flow_slug.clone(),
        version: spender.version,
        session: spender.session_id.clone(),
        key: spender.key_id.clone(),
        step_id: entry.step.to_string(),
        outcome: entry.outcome.as_str().to_owned(),
        tokens: entry.tokens,
        token_details: entry.details,
        cost_usd: entry.cost.map(|cost| decimal_text(&usd(i128::from(cost)))),
        duration_ms: entry.duration_ms,
        model: entry.model,
        provider: entry.provider,
    }
}

/// The rows of a report as CSV (RFC 4180), with a line of names first.
pub fn usage_csv(report: &UsageReport) -> String {
    let sums = [
        "calls",
        "failed_calls",
        "cached_replies",
        "unpriced_calls",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "cached_tokens",
        "cache_written_tokens",
        "reasoning_tokens",
        "cost_usd",
    ];
    let head = report.group_by.iter().map(|by| by.as_str()).chain(sums).collect::<Vec<_>>().join(",");
    let lines = report.rows.iter().map(|row| {
        let names = report.group_by.iter().map(|by| csv_text(&name(row, *by).unwrap_or_default()));
        names.chain(csv_sums(&row.sums)).collect::<Vec<_>>().join(",")
    });
    std::iter::once(head).chain(lines).map(|line| line + "\r\n").collect()
}

/// The name of a row's group.
pub fn name(row: &UsageRow, by: UsageBy) -> Option<String> {
    match by {
        UsageBy::Day => row.day.clone(),
        UsageBy::Model => row.model.clone(),
        UsageBy::Provider => row.provider.clone(),
        UsageBy::Flow => row.flow.clone(),
        UsageBy::Version => row.version.map(|version| version.to_string()),
        UsageBy::Key => row.key.clone(),
        UsageBy::Project => row.project.clone(),
        UsageBy::Session => row.session.clone(),
    }
}

fn csv_sums(sums: &UsageSums) -> impl Iterator<Item = String> {
    let (tokens, details) = (sums.tokens, sums.token_details);
    let counts = [
        sums.calls,
        sums.failed_calls,
        sums.cached_replies,
        sums.unpriced_calls,
        tokens.prompt,
        tokens.completion,
        tokens.total,
        details.cached,
        details.cache_written,
        details.reasoning,
    ];
    counts.map(|count| count.to_string()).into_iter().chain([sums.cost_usd.clone()])
}

/// Callers choose session ids and authors model names: none of them is to be taken for a formula.
fn csv_text(text: &str) -> String {
    let guarded = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if guarded.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", guarded.replace('"', "\"\""));
    }
    guarded
}

#[cfg(test)]
mod tests {
    use noukai_api::Tokens;

    use super::*;

    #[test]
    fn csv_is_quoted_and_holds_no_formulas() {
        let sums = UsageSums { calls: 2, tokens: Tokens::new(3, 4), cost_usd: "0.5".into(), ..UsageSums::default() };
        let session =
            |session: &str| UsageRow { session: Some(session.into()), sums: sums.clone(), ..UsageRow::default() };
        let report = UsageReport {
            from: String::new(),
            to: String::new(),
            group_by: vec![UsageBy::Session],
            rows: vec![session("a,\"b\""), session("=1+1"), UsageRow { session: None, ..session("") }],
            total: sums.clone(),
            truncated: false,
        };
        insta::assert_snapshot!(usage_csv(&report).replace("\r\n", "\n"), @r#"
        session,calls,failed_calls,cached_replies,unpriced_calls,prompt_tokens,completion_tokens,total_tokens,cached_tokens,cache_written_tokens,reasoning_tokens,cost_usd
        "a,""b""",2,0,0,0,3,4,7,0,0,0,0.5
        '=1+1,2,0,0,0,3,4,7,0,0,0,0.5
        ,2,0,0,0,3,4,7,0,0,0,0.5
        "#);
    }

    #[test]
    fn no_name_begins_as_a_formula_does() {
        for start in ["=", "+", "-", "@", "\t", "\r", "=\"", "-,"] {
            let cell = csv_text(&format!("{start}cmd|' /C calc'!A0"));
            assert!(cell.trim_start_matches('"').starts_with('\''), "{cell:?}");
        }
        for harmless in ["a=1", "openai/gpt-4o-mini", "", "2027-01-31", "'"] {
            assert_eq!(csv_text(harmless), harmless);
        }
        assert_eq!(csv_text("a\nb"), "\"a\nb\"");
    }

    #[test]
    fn days_and_times_are_read() {
        assert_eq!(moment("from", "2027-01-31").unwrap().unix_timestamp() % 86_400, 0);
        assert_eq!(moment("from", "2027-01-31T12:30:00+01:00").unwrap().unix_timestamp() % 86_400, 41_400);
        for bad in ["", "yesterday", "2027-13-01", "9999-12-31T00:00:00Z", "1969-12-31", "2027-01-31 12:00"] {
            assert!(moment("from", bad).is_err(), "{bad}");
        }
    }
}
