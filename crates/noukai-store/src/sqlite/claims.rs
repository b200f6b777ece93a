//! Leases on jobs: who works on which. Owns every statement that takes, prolongs or ends a lease without ending the
//! job.

use rusqlite::{Connection, Row, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows::{self, Micros};
use crate::sql::jobs as sql;
use crate::{ClaimedJob, Lease, RunId, StoreError, hub::Effects, sql::RUN_COLUMNS};

/// Oldest first. `RETURNING` promises no order, so the jobs are put in theirs.
pub(super) fn claim(
    db: &Connection,
    owner: Uuid,
    limit: u32,
    now: OffsetDateTime,
    lease_until: OffsetDateTime,
) -> Result<Vec<ClaimedJob>, StoreError> {
    let row = params![owner, Micros(lease_until), Micros(now), limit];
    let ids =
        db.prepare_cached(sql::CLAIM_SQLITE)?.query_map(row, |row| row.get(0))?.collect::<Result<Vec<Uuid>, _>>()?;
    let mut details = db.prepare_cached(sql::CLAIMED)?;
    let mut jobs = Vec::with_capacity(ids.len());
    for id in ids {
        jobs.push(details.query_row([id], claimed)?);
    }
    jobs.sort_by_key(|(enqueued_at, job)| (*enqueued_at, job.run.id));
    Ok(jobs.into_iter().map(|(_, job)| job).collect())
}

/// The runs whose cancellation was asked for.
pub(super) fn heartbeat(db: &Connection, owner: Uuid, lease_until: OffsetDateTime) -> Result<Vec<RunId>, StoreError> {
    let mut prolong = db.prepare_cached(sql::HEARTBEAT)?;
    let held = prolong.query_map(params![Micros(lease_until), owner], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let held = held.collect::<Result<Vec<(Uuid, bool)>, _>>()?;
    Ok(held.into_iter().filter(|(_, cancel)| *cancel).map(|(id, _)| RunId(id)).collect())
}

pub(super) fn release(db: &Connection, effects: &mut Effects, id: RunId, lease: &Lease) -> Result<(), StoreError> {
    if db.prepare_cached(sql::RELEASE)?.execute(params![id.0, lease.owner, lease.claim])? == 0 {
        return Err(StoreError::Fenced);
    }
    effects.run(id);
    effects.job();
    Ok(())
}

/// Voids every lease there is.
pub(super) fn release_all(db: &Connection, effects: &mut Effects) -> Result<(), StoreError> {
    if db.prepare_cached(sql::RELEASE_ALL_SQLITE)?.execute([])? > 0 {
        effects.job();
    }
    Ok(())
}

fn claimed(row: &Row<'_>) -> rusqlite::Result<(OffsetDateTime, ClaimedJob)> {
    let job = ClaimedJob {
        run: rows::run(row)?,
        inputs: row.get(RUN_COLUMNS)?,
        lease: Lease { owner: row.get(RUN_COLUMNS + 1)?, claim: row.get(RUN_COLUMNS + 2)? },
        cancel_requested: row.get(RUN_COLUMNS + 3)?,
    };
    Ok((rows::time(row, RUN_COLUMNS + 4)?, job))
}
