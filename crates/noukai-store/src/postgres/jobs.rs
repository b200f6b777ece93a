//! Jobs as their callers see them: polled, cancelled, counted. Leases are in `claims`; creation and end in `append`.

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore, append, claims,
    fault::Fault,
    news::News,
    rows::{self, get, micros},
    transact::Tx,
};
use crate::sql::jobs as sql;
use crate::{
    Cancellation, Claim, ClaimedJob, JobRecord, Jobs, Lease, ProjectId, QueueRecord, Release, RunId, StoreError,
    sql::RUN_COLUMNS,
};

#[async_trait]
impl Jobs for PostgresStore {
    async fn claim_jobs(&self, claim: Claim) -> Result<Vec<ClaimedJob>, StoreError> {
        claims::claim(self, claim).await
    }

    async fn heartbeat(&self, owner: Uuid, lease_until: OffsetDateTime) -> Result<Vec<RunId>, StoreError> {
        self.transact(move |tx| Box::pin(claims::heartbeat(tx, owner, lease_until))).await
    }

    async fn release_job(&self, id: RunId, lease: &Lease, how: Release) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.transact(move |tx| {
            let (lease, how) = (lease.clone(), how.clone());
            Box::pin(async move { claims::release(tx, id, &lease, &how).await })
        })
        .await
    }

    async fn job(&self, project: ProjectId, id: RunId) -> Result<Option<JobRecord>, StoreError> {
        let Some(row) = self.find(sql::JOB, &[&id.0, &project.0]).await? else { return Ok(None) };
        let (mut job, rest) = job(&row)?;
        if rest.faults > 0 {
            job.faults = rows::all(&self.query(sql::FAULTS, &[&id.0]).await?, claims::fault)?;
        }
        if rest.waits {
            job.place = self.place(project, rest.ticket).await?;
        }
        Ok(Some(job))
    }

    async fn cancel_job(
        &self,
        project: ProjectId,
        id: RunId,
        cancellation: Cancellation,
    ) -> Result<Option<JobRecord>, StoreError> {
        self.transact(move |tx| {
            let cancellation = cancellation.clone();
            Box::pin(async move { cancel(tx, project, id, &cancellation).await })
        })
        .await?;
        self.job(project, id).await
    }

    async fn queue(&self, project: ProjectId) -> Result<QueueRecord, StoreError> {
        self.queue_of(project).await
    }

    fn watch_jobs(&self) -> watch::Receiver<u64> {
        self.0.hub.watch_jobs()
    }
}

/// A job that has ended stays as it is. One whose lease has run out counts as nobody's: it ends here, and a worker that
/// wakes up late is fenced. A worker that is at it is told, wherever it is.
async fn cancel(tx: &mut Tx, project: ProjectId, id: RunId, cancellation: &Cancellation) -> Result<(), Fault> {
    let asked = tx.find(sql::ASK_TO_CANCEL, &[&micros(cancellation.at), &id.0, &project.0]).await?;
    let Some(asked) = asked else { return Ok(()) };
    tx.effects.run(id);
    if !get::<bool>(&asked, 0)? {
        tx.news.push(News::Cancelled(id));
        return Ok(());
    }
    let Some(run) = tx.find(crate::sql::runs::RUN, &[&id.0, &project.0]).await? else { return Ok(()) };
    let last = cancellation.last_write(&rows::run(&run)?)?;
    for outcome in append::store(tx, &[last]).await? {
        outcome?;
    }
    Ok(())
}

/// What else there is to look up.
struct Rest {
    faults: i64,
    ticket: i64,
    waits: bool,
}

fn job(row: &Row) -> Result<(JobRecord, Rest), Fault> {
    let column = |offset: usize| RUN_COLUMNS + offset;
    let job = JobRecord {
        run: rows::run(row)?,
        result: get(row, column(0))?,
        cancel_requested: get(row, column(1))?,
        place: None,
        faults: Vec::new(),
        poison: get(row, column(2))?,
        retryable: get(row, column(3))?,
        retry_of: get::<Option<Uuid>>(row, column(4))?.map(RunId),
        retried_by: get::<Option<Uuid>>(row, column(5))?.map(RunId),
    };
    Ok((job, Rest { faults: get(row, column(6))?, ticket: get(row, column(7))?, waits: get(row, column(8))? }))
}
