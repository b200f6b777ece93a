//! Jobs as their callers see them: polled, cancelled, counted. Leases are in `claims`; creation and end in `append`.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    SqliteStore, append, claims, queues,
    rows::{self, Micros},
};
use crate::sql::jobs as sql;
use crate::{
    Cancellation, Claim, ClaimedJob, JobRecord, Jobs, Lease, ProjectId, QueueRecord, Release, RunId, StoreError,
    hub::Effects, sql::RUN_COLUMNS,
};

#[async_trait]
impl Jobs for SqliteStore {
    async fn claim_jobs(&self, claim: Claim) -> Result<Vec<ClaimedJob>, StoreError> {
        self.write(move |db, _| claims::claim(db, &claim)).await
    }

    async fn heartbeat(&self, owner: Uuid, lease_until: OffsetDateTime) -> Result<Vec<RunId>, StoreError> {
        self.write(move |db, _| claims::heartbeat(db, owner, lease_until)).await
    }

    async fn release_job(&self, id: RunId, lease: &Lease, how: Release) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write(move |db, effects| claims::release(db, effects, id, &lease, &how)).await
    }

    async fn job(&self, project: ProjectId, id: RunId) -> Result<Option<JobRecord>, StoreError> {
        self.point(|db| find(db, project, id))
    }

    async fn cancel_job(
        &self,
        project: ProjectId,
        id: RunId,
        cancellation: Cancellation,
    ) -> Result<Option<JobRecord>, StoreError> {
        self.write(move |db, effects| cancel(db, effects, (project, id), &cancellation)).await
    }

    async fn queue(&self, project: ProjectId) -> Result<QueueRecord, StoreError> {
        self.list(move |db| queues::queue(db, project)).await
    }

    fn watch_jobs(&self) -> watch::Receiver<u64> {
        self.0.hub.watch_jobs()
    }
}

fn find(db: &Connection, project: ProjectId, id: RunId) -> Result<Option<JobRecord>, StoreError> {
    let found = db.prepare_cached(sql::JOB)?.query_row([id.0, project.0], job).optional()?;
    let Some((mut job, rest)) = found else { return Ok(None) };
    if rest.faults > 0 {
        job.faults = claims::faults(db, id.0)?;
    }
    if rest.waits {
        job.place = queues::place(db, project, rest.ticket)?;
    }
    Ok(Some(job))
}

/// What else there is to look up.
struct Rest {
    faults: u32,
    ticket: i64,
    waits: bool,
}

fn job(row: &Row<'_>) -> rusqlite::Result<(JobRecord, Rest)> {
    let column = |offset: usize| RUN_COLUMNS + offset;
    let job = JobRecord {
        run: rows::run(row)?,
        result: row.get(column(0))?,
        cancel_requested: row.get(column(1))?,
        place: None,
        faults: Vec::new(),
        poison: row.get(column(2))?,
        retryable: row.get(column(3))?,
        retry_of: row.get::<_, Option<Uuid>>(column(4))?.map(RunId),
        retried_by: row.get::<_, Option<Uuid>>(column(5))?.map(RunId),
    };
    Ok((job, Rest { faults: row.get(column(6))?, ticket: row.get(column(7))?, waits: row.get(column(8))? }))
}

/// A job that has ended stays as it is. One whose lease has run out counts as nobody's: it ends here, and a worker that
/// wakes up late is fenced.
fn cancel(
    db: &Connection,
    effects: &mut Effects,
    (project, id): (ProjectId, RunId),
    cancellation: &Cancellation,
) -> Result<Option<JobRecord>, StoreError> {
    let row = params![Micros(cancellation.at), id.0, project.0];
    let idle: Option<bool> = db.prepare_cached(sql::ASK_TO_CANCEL)?.query_row(row, |row| row.get(0)).optional()?;
    let Some(idle) = idle else { return find(db, project, id) };
    effects.run(id);
    let asked = find(db, project, id)?;
    match asked {
        Some(job) if idle => {
            append::apply(db, effects, &cancellation.last_write(&job.run)?)?;
            find(db, project, id)
        }
        asked => Ok(asked),
    }
}
