//! Columns and Rust values: the one place that knows how each is spelled in the database.

use noukai_api::{CaptureMode, RunStatus, Scope, Tokens, TriggerType};
use time::OffsetDateTime;
use tokio_postgres::{Row, types::FromSql};

use super::fault::Fault;
use crate::{FlowId, ProjectId, RunId, RunRecord, StoreError};

/// Microseconds since the epoch.
pub(super) fn micros(at: OffsetDateTime) -> i64 {
    clamp(at.unix_timestamp_nanos().div_euclid(1_000))
}

/// A count as the database takes it; past its range, its highest.
pub(super) fn clamp(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Scopes, with spaces between them.
pub(super) fn scopes_text(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

pub(super) fn scopes(row: &Row, column: usize) -> Result<Vec<Scope>, Fault> {
    let text: String = get(row, column)?;
    let scope = |word: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
    text.split_whitespace().map(|word| scope(word).ok_or_else(|| unknown("scope", word))).collect()
}

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Fault> {
    Ok(row.try_get(column)?)
}

/// A number as stored, which is never negative.
pub(super) fn number<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T, Fault> {
    let stored: i64 = get(row, column)?;
    T::try_from(stored).map_err(|_| unreadable(format!("column {column} holds {stored}")))
}

pub(super) fn number_if<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<Option<T>, Fault> {
    match get::<Option<i64>>(row, column)? {
        Some(_) => number(row, column).map(Some),
        None => Ok(None),
    }
}

pub(super) fn time(row: &Row, column: usize) -> Result<OffsetDateTime, Fault> {
    from_micros(get(row, column)?)
}

pub(super) fn time_if(row: &Row, column: usize) -> Result<Option<OffsetDateTime>, Fault> {
    get::<Option<i64>>(row, column)?.map(from_micros).transpose()
}

fn from_micros(micros: i64) -> Result<OffsetDateTime, Fault> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000);
    time.map_err(|_| unreadable(format!("{micros} is no time")))
}

/// Anything that has a spelling.
pub(super) fn spelled<T>(row: &Row, column: usize, parse: fn(&str) -> Option<T>, what: &str) -> Result<T, Fault> {
    let text: &str = get(row, column)?;
    parse(text).ok_or_else(|| unknown(what, text))
}

fn unknown(what: &str, text: &str) -> Fault {
    unreadable(format!("no {what} is spelled {text:?}"))
}

fn unreadable(why: String) -> Fault {
    StoreError::Database(why.into()).into()
}

/// Each row as a record.
pub(super) fn all<T>(rows: &[Row], read: fn(&Row) -> Result<T, Fault>) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| Ok(read(row)?)).collect()
}

/// The first row as a record.
pub(super) fn one<T>(row: Option<Row>, read: fn(&Row) -> Result<T, Fault>) -> Result<Option<T>, StoreError> {
    row.map(|row| Ok(read(&row)?)).transpose()
}

/// See [`crate::sql::RUN_COLUMNS`].
pub(super) fn run(row: &Row) -> Result<RunRecord, Fault> {
    Ok(RunRecord {
        id: RunId(get(row, 0)?),
        project_id: ProjectId(get(row, 1)?),
        flow_id: FlowId(get(row, 2)?),
        flow_slug: get(row, 3)?,
        version: number(row, 4)?,
        hash: get(row, 5)?,
        trigger: spelled(row, 6, TriggerType::parse, "trigger")?,
        status: spelled(row, 7, RunStatus::parse, "status")?,
        capture: spelled(row, 8, CaptureMode::parse, "capture mode")?,
        session_id: get(row, 9)?,
        step_count: number(row, 10)?,
        started_at: time(row, 11)?,
        completed_at: time_if(row, 12)?,
        duration_ms: number_if(row, 13)?,
        tokens: Tokens { prompt: number(row, 14)?, completion: number(row, 15)?, total: number(row, 16)? },
        cost_usd: get(row, 17)?,
        last_seq: number(row, 18)?,
        pauses: number(row, 19)?,
        error: get(row, 20)?,
    })
}
