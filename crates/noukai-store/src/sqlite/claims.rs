//! Leases on jobs: who works on which. Owns every statement that takes, prolongs or ends a lease without ending the
//! job, and the note of how a lease ended badly.

use rusqlite::{Connection, Row, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    queues,
    rows::{self, Micros, spelled},
};
use crate::sql::jobs as sql;
use crate::{
    Claim, ClaimedJob, FaultKind, JobFault, Lease, Release, RunId, StoreError, hub::Effects, sql::RUN_COLUMNS,
};

/// Lapsed ones first, then the projects in turn.
pub(super) fn claim(db: &Connection, claim: &Claim) -> Result<Vec<ClaimedJob>, StoreError> {
    let mut ids = take_lapsed(db, claim)?;
    let left = claim.limit.saturating_sub(u32::try_from(ids.len()).unwrap_or(u32::MAX));
    for (project, count) in queues::turns(db, left, claim.per_project)? {
        ids.extend(take_next(db, claim, project, count)?);
    }
    ids.into_iter().map(|id| claimed(db, id)).collect()
}

/// Jobs whose lease ran out, and those that were delayed until now.
fn take_lapsed(db: &Connection, claim: &Claim) -> Result<Vec<Uuid>, StoreError> {
    let mut lapsed = db.prepare_cached(sql::LAPSED_SQLITE)?;
    let row = params![Micros(claim.now), claim.limit];
    let found = lapsed.query_map(row, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let found = found.collect::<Result<Vec<(Uuid, Uuid, bool)>, _>>()?;
    for (id, project, idle) in &found {
        if !idle {
            note(db, *id, claim.now, FaultKind::Lapsed, None)?;
        }
        db.prepare_cached(sql::TAKE_SQLITE)?.execute(params![claim.owner, Micros(claim.lease_until), id])?;
        queues::take(db, *project, 0, u32::from(*idle), claim.now)?;
    }
    Ok(found.into_iter().map(|(id, _, _)| id).collect())
}

/// The first of a project's that wait. `RETURNING` promises no order, so they are put in theirs.
fn take_next(db: &Connection, claim: &Claim, project: Uuid, count: u32) -> Result<Vec<Uuid>, StoreError> {
    let row = params![claim.owner, Micros(claim.lease_until), project, count];
    let mut take = db.prepare_cached(sql::TAKE_NEXT_SQLITE)?;
    let taken = take.query_map(row, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut taken = taken.collect::<Result<Vec<(i64, Uuid)>, _>>()?;
    taken.sort_unstable();
    let count = u32::try_from(taken.len()).unwrap_or(count);
    queues::take(db, project, count, count, claim.now)?;
    Ok(taken.into_iter().map(|(_, id)| id).collect())
}

/// The runs whose cancellation was asked for.
pub(super) fn heartbeat(db: &Connection, owner: Uuid, lease_until: OffsetDateTime) -> Result<Vec<RunId>, StoreError> {
    let mut prolong = db.prepare_cached(sql::HEARTBEAT_SQLITE)?;
    let held = prolong.query_map(params![Micros(lease_until), owner], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let held = held.collect::<Result<Vec<(Uuid, bool)>, _>>()?;
    Ok(held.into_iter().filter(|(_, cancel)| *cancel).map(|(id, _)| RunId(id)).collect())
}

pub(super) fn release(
    db: &Connection,
    effects: &mut Effects,
    id: RunId,
    lease: &Lease,
    how: &Release,
) -> Result<(), StoreError> {
    let again_at = match how {
        Release::Clean => None,
        Release::Failed { again_at, .. } => Some(Micros(*again_at)),
    };
    let row = params![again_at, id.0, lease.owner, lease.claim];
    let released = db.prepare_cached(sql::RELEASE)?.query_row(row, |row| row.get(0));
    let project = released.map_err(|error| match error {
        rusqlite::Error::QueryReturnedNoRows => StoreError::Fenced,
        other => other.into(),
    })?;
    queues::give_back(db, project, again_at.is_none())?;
    effects.run(id);
    match how {
        Release::Clean => effects.job(),
        Release::Failed { message, at, .. } => note(db, id.0, *at, FaultKind::Failed, Some(message))?,
    }
    Ok(())
}

/// Voids every lease there is.
pub(super) fn release_all(db: &Connection, effects: &mut Effects, at: OffsetDateTime) -> Result<(), StoreError> {
    let row = params![Micros(at), FaultKind::Stopped.as_str(), None::<&str>];
    db.prepare_cached(sql::NOTE_ALL_SQLITE)?.execute(row)?;
    if db.prepare_cached(sql::RELEASE_ALL_SQLITE)?.execute([])? > 0 {
        queues::give_all_back(db)?;
        effects.job();
    }
    Ok(())
}

fn note(db: &Connection, id: Uuid, at: OffsetDateTime, kind: FaultKind, message: Option<&str>) -> rusqlite::Result<()> {
    db.prepare_cached(sql::NOTE_FAULT)?.execute(params![Micros(at), kind.as_str(), message, id])?;
    db.prepare_cached(sql::COUNT_FAULT)?.execute([id]).map(drop)
}

/// How the claims of a job ended that ended badly.
pub(super) fn faults(db: &Connection, id: Uuid) -> rusqlite::Result<Vec<JobFault>> {
    db.prepare_cached(sql::FAULTS)?.query_map([id], fault)?.collect()
}

fn fault(row: &Row<'_>) -> rusqlite::Result<JobFault> {
    Ok(JobFault {
        claim: row.get(0)?,
        at: rows::time(row, 1)?,
        last_seq: rows::count(row, 2)?,
        kind: spelled(row, 3)?,
        message: row.get(4)?,
    })
}

fn claimed(db: &Connection, id: Uuid) -> Result<ClaimedJob, StoreError> {
    let (mut job, faults): (ClaimedJob, u32) = db.prepare_cached(sql::CLAIMED_SQLITE)?.query_row([id], |row| {
        let job = ClaimedJob {
            run: rows::run(row)?,
            inputs: row.get(RUN_COLUMNS)?,
            lease: Lease { owner: row.get(RUN_COLUMNS + 1)?, claim: row.get(RUN_COLUMNS + 2)? },
            cancel_requested: row.get(RUN_COLUMNS + 3)?,
            faults: Vec::new(),
        };
        Ok((job, row.get(RUN_COLUMNS + 4)?))
    })?;
    if faults > 0 {
        job.faults = self::faults(db, id)?;
    }
    Ok(job)
}
