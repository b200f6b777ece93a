//! Columns and Rust values: the one place that knows how each is spelled in the database.

use rusqlite::{
    Row, ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use time::OffsetDateTime;

use noukai_api::{
    BudgetPeriod, BudgetScope, BudgetUnit, CaptureMode, MemberRole, RunStatus, Scope, Tokens, TriggerType,
};

use crate::{FaultKind, FlowId, ProjectId, RunId, RunRecord, UsageOutcome};

/// Microseconds since the epoch.
pub(super) struct Micros(pub(super) OffsetDateTime);

impl ToSql for Micros {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(clamp(self.0.unix_timestamp_nanos().div_euclid(1_000))))
    }
}

impl FromSql for Micros {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let micros = value.as_i64()?;
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000);
        time.map(Self).map_err(|_| FromSqlError::OutOfRange(micros))
    }
}

/// Anything that has a spelling.
pub(super) struct Spelled<T>(pub(super) T);

macro_rules! spelled {
    ($($name:ty),+) => {$(
        impl FromSql for Spelled<$name> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let text = value.as_str()?;
                <$name>::parse(text).map(Self).ok_or_else(|| unknown(stringify!($name), text))
            }
        }
    )+};
}
spelled!(
    RunStatus,
    TriggerType,
    CaptureMode,
    FaultKind,
    MemberRole,
    UsageOutcome,
    BudgetScope,
    BudgetPeriod,
    BudgetUnit
);

fn unknown(what: &str, text: &str) -> FromSqlError {
    FromSqlError::Other(format!("no {what} is spelled {text:?}").into())
}

/// Scopes, with spaces between them.
pub(super) struct Scopes(pub(super) Vec<Scope>);

impl ToSql for Scopes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let words: Vec<&str> = self.0.iter().map(|scope| scope.as_str()).collect();
        Ok(ToSqlOutput::from(words.join(" ")))
    }
}

impl FromSql for Scopes {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.split_whitespace().map(scope).collect::<FromSqlResult<_>>().map(Self)
    }
}

fn scope(word: &str) -> FromSqlResult<Scope> {
    Scope::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or_else(|| unknown("scope", word))
}

/// A count as the database takes it; past its range, its highest.
pub(super) fn clamp(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A count as stored; never negative.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<OffsetDateTime> {
    row.get::<_, Micros>(column).map(|micros| micros.0)
}

pub(super) fn time_if(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<OffsetDateTime>> {
    Ok(row.get::<_, Option<Micros>>(column)?.map(|micros| micros.0))
}

pub(super) fn spelled<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    Spelled<T>: FromSql,
{
    row.get::<_, Spelled<T>>(column).map(|value| value.0)
}

/// See [`crate::sql::RUN_COLUMNS`].
pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        id: RunId(row.get(0)?),
        project_id: ProjectId(row.get(1)?),
        flow_id: FlowId(row.get(2)?),
        flow_slug: row.get(3)?,
        version: row.get(4)?,
        hash: row.get(5)?,
        trigger: spelled(row, 6)?,
        status: spelled(row, 7)?,
        capture: spelled(row, 8)?,
        session_id: row.get(9)?,
        step_count: row.get(10)?,
        started_at: time(row, 11)?,
        completed_at: time_if(row, 12)?,
        duration_ms: row.get::<_, Option<i64>>(13)?.map(|duration| duration.max(0).unsigned_abs()),
        tokens: Tokens { prompt: count(row, 14)?, completion: count(row, 15)?, total: count(row, 16)? },
        cost_usd: row.get(17)?,
        last_seq: count(row, 18)?,
        pauses: row.get(19)?,
        error: row.get(20)?,
    })
}
