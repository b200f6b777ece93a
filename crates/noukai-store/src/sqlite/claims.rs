//! Leases on jobs: who works on which. Owns every statement that takes, prolongs or ends a lease without ending the
//! job.

use rusqlite::{Connection, Row, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    hub::Effects,
    rows::{self, Micros, RUN_COLUMNS, run_columns},
};
use crate::{ClaimedJob, Lease, RunId, StoreError};

const CLAIM: &str = "UPDATE jobs SET lease_owner = $1, lease_until = $2, claims = claims + 1 WHERE run_id IN \
    (SELECT run_id FROM jobs WHERE finished_at IS NULL AND (lease_until IS NULL OR lease_until <= $3) \
    ORDER BY enqueued_at, run_id LIMIT $4) RETURNING run_id";

const CLAIMED: &str = concat!(
    "SELECT ",
    run_columns!(),
    ", i.inputs, j.lease_owner, j.claims, j.cancel_requested_at IS NOT NULL, j.enqueued_at FROM jobs j \
     JOIN runs r ON r.id = j.run_id JOIN run_inputs i ON i.run_id = j.run_id WHERE j.run_id = $1"
);

const HEARTBEAT: &str = "UPDATE jobs SET lease_until = $1 WHERE lease_owner = $2 AND finished_at IS NULL \
    RETURNING run_id, cancel_requested_at IS NOT NULL";

const RELEASE: &str = "UPDATE jobs SET lease_owner = NULL, lease_until = NULL \
    WHERE run_id = $1 AND lease_owner = $2 AND claims = $3 AND finished_at IS NULL";

const RELEASE_ALL: &str = "UPDATE jobs SET lease_owner = NULL, lease_until = NULL WHERE lease_owner IS NOT NULL";

/// Oldest first. `RETURNING` promises no order, so the jobs are put in theirs.
pub(super) fn claim(
    db: &Connection,
    owner: Uuid,
    limit: u32,
    now: OffsetDateTime,
    lease_until: OffsetDateTime,
) -> Result<Vec<ClaimedJob>, StoreError> {
    let row = params![owner, Micros(lease_until), Micros(now), limit];
    let ids = db.prepare_cached(CLAIM)?.query_map(row, |row| row.get(0))?.collect::<Result<Vec<Uuid>, _>>()?;
    let mut details = db.prepare_cached(CLAIMED)?;
    let mut jobs = Vec::with_capacity(ids.len());
    for id in ids {
        jobs.push(details.query_row([id], claimed)?);
    }
    jobs.sort_by_key(|(enqueued_at, job)| (*enqueued_at, job.run.id));
    Ok(jobs.into_iter().map(|(_, job)| job).collect())
}

/// The runs whose cancellation was asked for.
pub(super) fn heartbeat(db: &Connection, owner: Uuid, lease_until: OffsetDateTime) -> Result<Vec<RunId>, StoreError> {
    let mut prolong = db.prepare_cached(HEARTBEAT)?;
    let held = prolong.query_map(params![Micros(lease_until), owner], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let held = held.collect::<Result<Vec<(Uuid, bool)>, _>>()?;
    Ok(held.into_iter().filter(|(_, cancel)| *cancel).map(|(id, _)| RunId(id)).collect())
}

pub(super) fn release(db: &Connection, effects: &mut Effects, id: RunId, lease: &Lease) -> Result<(), StoreError> {
    if db.prepare_cached(RELEASE)?.execute(params![id.0, lease.owner, lease.claim])? == 0 {
        return Err(StoreError::Fenced);
    }
    effects.run(id);
    effects.job();
    Ok(())
}

/// Voids every lease there is.
pub(super) fn release_all(db: &Connection, effects: &mut Effects) -> Result<(), StoreError> {
    if db.prepare_cached(RELEASE_ALL)?.execute([])? > 0 {
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
