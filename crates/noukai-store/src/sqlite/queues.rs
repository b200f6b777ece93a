//! The queue of each project: how many of its jobs wait, how many are worked on, whose turn it is.
//!
//! Whatever moves a job from one state to another says so here, in the same transaction.

use rusqlite::{Connection, OptionalExtension, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows::{Micros, time_if};
use crate::sql::queues as sql;
use crate::{NewJob, ProjectId, QueuePlace, QueueRecord, QueueScope, RunId, StoreError, turns};

/// A place for one more waiting job of the project: its ticket.
pub(super) fn admit(db: &Connection, project: ProjectId, job: &NewJob) -> Result<i64, StoreError> {
    let bounds = job.bounds;
    if bounds.server < u32::MAX && total(db)? >= u64::from(bounds.server) {
        return Err(StoreError::QueueFull(QueueScope::Server));
    }
    let full = StoreError::QueueFull(QueueScope::Project);
    if bounds.project == 0 {
        return Err(full);
    }
    let row = params![project.0, bounds.project];
    db.prepare_cached(sql::ADMIT_SQLITE)?.query_row(row, |row| row.get(0)).optional()?.ok_or(full)
}

fn total(db: &Connection) -> rusqlite::Result<u64> {
    let total: i64 = db.prepare_cached(sql::TOTAL_SQLITE)?.query_row([], |row| row.get(0))?;
    Ok(total.max(0).unsigned_abs())
}

/// A job is about to end.
pub(super) fn leave(db: &Connection, project: ProjectId, run: RunId) -> rusqlite::Result<()> {
    db.prepare_cached(sql::LEAVE_SQLITE)?.execute(params![run.0, project.0]).map(drop)
}

/// Jobs were claimed: so many that waited, so many that nobody was working on.
pub(super) fn take(
    db: &Connection,
    project: Uuid,
    waiting: u32,
    idle: u32,
    now: OffsetDateTime,
) -> rusqlite::Result<()> {
    db.prepare_cached(sql::TAKE)?.execute(params![waiting, idle, Micros(now), project]).map(drop)
}

/// A claimed job was given back, to wait or to be delayed.
pub(super) fn give_back(db: &Connection, project: Uuid, waits: bool) -> rusqlite::Result<()> {
    db.prepare_cached(sql::GIVE_BACK)?.execute(params![u32::from(waits), project]).map(drop)
}

/// Every claimed job was given back.
pub(super) fn give_all_back(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached(sql::GIVE_ALL_BACK_SQLITE)?.execute([]).map(drop)
}

/// How many jobs of which projects are next: at most `limit` of all and `per_project` at work of each. Each next job
/// goes to the project with the fewest at work, among equals to the one that was served the longest ago.
pub(super) fn turns(db: &Connection, limit: u32, per_project: u32) -> rusqlite::Result<Vec<(Uuid, u32)>> {
    let mut next = db.prepare_cached(sql::TURNS)?;
    let rows = next.query_map(params![per_project, limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(turns::share(&rows.collect::<Result<Vec<_>, _>>()?, limit, per_project))
}

/// Where a waiting job with this ticket stands.
pub(super) fn place(db: &Connection, project: ProjectId, ticket: i64) -> rusqlite::Result<Option<QueuePlace>> {
    let found: Option<(u32, Option<i64>)> =
        db.prepare_cached(sql::PLACE)?.query_row([project.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.and_then(|(depth, first)| {
        let before = u32::try_from(ticket - first?).unwrap_or(0);
        Some(QueuePlace { position: before.saturating_add(1).min(depth.max(1)), depth })
    }))
}

pub(super) fn queue(db: &Connection, project: ProjectId) -> Result<QueueRecord, StoreError> {
    let delayed = db.prepare_cached(sql::DELAYED)?.query_row([project.0], |row| row.get(0))?;
    let mut queue = db.prepare_cached(sql::QUEUE)?;
    let found = queue.query_row([project.0], |row| {
        Ok(QueueRecord { waiting: row.get(0)?, delayed, running: row.get(1)?, oldest_at: time_if(row, 2)? })
    });
    Ok(found.optional()?.unwrap_or_default())
}
