//! Leases on jobs: who works on which. Owns every statement that takes, prolongs or ends a lease without ending the job,
//! and the note of how a lease ended badly.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    nodes, queues,
    rows::{self, get, micros, number, spelled, time},
    transact::Tx,
};
use crate::sql::jobs as sql;
use crate::{Claim, ClaimedJob, FaultKind, JobFault, Lease, Release, RunId, StoreError, sql::RUN_COLUMNS};

const LAPSED: &str =
    "SELECT 1 FROM jobs WHERE finished_at IS NULL AND lease_until IS NOT NULL AND lease_until <= $1 LIMIT 1";

/// Lapsed ones first, then the projects in turn. Where nothing seems to wait, nothing is locked.
pub(super) async fn claim(store: &PostgresStore, claim: Claim) -> Result<Vec<ClaimedJob>, StoreError> {
    let next = queues::turns(store, claim.limit, claim.per_project).await?;
    if next.is_empty() && store.find(LAPSED, &[&micros(claim.now)]).await?.is_none() {
        return Ok(Vec::new());
    }
    store
        .transact(move |tx| {
            let next = next.clone();
            Box::pin(async move { take(tx, &claim, &next).await })
        })
        .await
}

async fn take(tx: &mut Tx, claim: &Claim, next: &[Uuid]) -> Result<Vec<ClaimedJob>, Fault> {
    let lapsed = lapsed(tx, claim).await?;
    let mut projects: Vec<Uuid> = lapsed.iter().map(|lapsed| lapsed.project).chain(next.iter().copied()).collect();
    projects.sort_unstable();
    projects.dedup();
    let mut queues = queues::lock(tx, &projects).await?;
    take_lapsed(tx, claim, &lapsed).await?;
    for lapsed in lapsed.iter().filter(|lapsed| lapsed.idle) {
        if let Some(queue) = queues.get_mut(&lapsed.project) {
            queue.running += 1;
        }
    }
    let mut ids: Vec<Uuid> = lapsed.into_iter().map(|lapsed| lapsed.id).collect();
    let left = claim.limit.saturating_sub(u32::try_from(ids.len()).unwrap_or(u32::MAX));
    ids.extend(take_next(tx, claim, &queues::share(next, &queues, left, claim.per_project)).await?);
    claimed_jobs(tx, &ids).await
}

/// A job whose lease ran out, or one that was delayed until now, which nobody held.
struct Lapsed {
    id: Uuid,
    project: Uuid,
    idle: bool,
}

async fn lapsed(tx: &Tx, claim: &Claim) -> Result<Vec<Lapsed>, Fault> {
    let rows = tx.query(sql::LAPSED_POSTGRES, &[&micros(claim.now), &i64::from(claim.limit)]).await?;
    rows.iter().map(|row| Ok(Lapsed { id: get(row, 0)?, project: get(row, 1)?, idle: get(row, 2)? })).collect()
}

async fn take_lapsed(tx: &Tx, claim: &Claim, lapsed: &[Lapsed]) -> Result<(), Fault> {
    let held: Vec<Uuid> = lapsed.iter().filter(|lapsed| !lapsed.idle).map(|lapsed| lapsed.id).collect();
    if !held.is_empty() {
        note(tx, &held, claim.now, FaultKind::Lapsed, None).await?;
        tx.execute(sql::COUNT_FAULTS_POSTGRES, &[&held]).await?;
    }
    let ids: Vec<Uuid> = lapsed.iter().map(|lapsed| lapsed.id).collect();
    if !ids.is_empty() {
        tx.execute(sql::TAKE_POSTGRES, &[&claim.owner, &micros(claim.lease_until), &ids]).await?;
    }
    for lapsed in lapsed {
        queues::take(tx, lapsed.project, (0, i64::from(lapsed.idle)), claim.now).await?;
    }
    Ok(())
}

/// The first that wait of each project, in the order of the projects and then of their tickets.
async fn take_next(tx: &Tx, claim: &Claim, shares: &[(Uuid, u32)]) -> Result<Vec<Uuid>, Fault> {
    if shares.is_empty() {
        return Ok(Vec::new());
    }
    let (projects, counts): (Vec<Uuid>, Vec<i64>) =
        shares.iter().map(|(project, count)| (*project, i64::from(*count))).unzip();
    let until = micros(claim.lease_until);
    let taken = tx.query(sql::TAKE_NEXT_POSTGRES, &[&claim.owner, &until, &projects, &counts]).await?;
    let mut of: BTreeMap<Uuid, Vec<(i64, Uuid)>> = BTreeMap::new();
    for row in &taken {
        of.entry(get(row, 0)?).or_default().push((get(row, 1)?, get(row, 2)?));
    }
    let mut ids = Vec::with_capacity(taken.len());
    for project in projects {
        let Some(mut jobs) = of.remove(&project) else { continue };
        jobs.sort_unstable();
        let count = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
        queues::take(tx, project, (count, count), claim.now).await?;
        ids.extend(jobs.into_iter().map(|(_, id)| id));
    }
    Ok(ids)
}

/// Only now, when nobody else writes to them any more: what a job's last worker stored is seen whole.
async fn claimed_jobs(tx: &Tx, ids: &[Uuid]) -> Result<Vec<ClaimedJob>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = tx.query(sql::CLAIMED_POSTGRES, &[&ids]).await?;
    let mut jobs = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut job = claimed(row)?;
        if get::<i64>(row, RUN_COLUMNS + 4)? > 0 {
            job.faults = tx.query(sql::FAULTS, &[&job.run.id.0]).await?.iter().map(fault).collect::<Result<_, _>>()?;
        }
        jobs.push(job);
    }
    let order = |job: &ClaimedJob| ids.iter().position(|id| *id == job.run.id.0);
    jobs.sort_by_cached_key(order);
    Ok(jobs)
}

fn claimed(row: &Row) -> Result<ClaimedJob, Fault> {
    Ok(ClaimedJob {
        run: rows::run(row)?,
        inputs: get(row, RUN_COLUMNS)?,
        lease: Lease { owner: get(row, RUN_COLUMNS + 1)?, claim: number(row, RUN_COLUMNS + 2)? },
        cancel_requested: get(row, RUN_COLUMNS + 3)?,
        faults: Vec::new(),
    })
}

/// The runs whose cancellation was asked for.
pub(super) async fn heartbeat(tx: &mut Tx, owner: Uuid, lease_until: OffsetDateTime) -> Result<Vec<RunId>, Fault> {
    let held = tx.query(sql::HEARTBEAT_POSTGRES, &[&micros(lease_until), &owner]).await?;
    let held = held.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect::<Result<Vec<(Uuid, bool)>, Fault>>()?;
    Ok(held.into_iter().filter(|(_, cancel)| *cancel).map(|(id, _)| RunId(id)).collect())
}

pub(super) async fn release(tx: &mut Tx, id: RunId, lease: &Lease, how: &Release) -> Result<(), Fault> {
    let again_at = match how {
        Release::Clean => None,
        Release::Failed { again_at, .. } => Some(micros(*again_at)),
    };
    let released = tx.find(sql::RELEASE, &[&again_at, &id.0, &lease.owner, &i64::from(lease.claim)]).await?;
    let project = get(&released.ok_or(StoreError::Fenced)?, 0)?;
    queues::give_back(tx, project, again_at.is_none()).await?;
    tx.effects.run(id);
    match how {
        Release::Clean => tx.effects.job(),
        Release::Failed { message, at, .. } => {
            note(tx, &[id.0], *at, FaultKind::Failed, Some(message)).await?;
            tx.execute(sql::COUNT_FAULTS_POSTGRES, &[&[id.0].as_slice()]).await?;
        }
    }
    Ok(())
}

/// Voids the leases of nodes that are no more.
pub(super) async fn release_left(tx: &mut Tx, at: OffsetDateTime) -> Result<(), Fault> {
    let left = tx.query(sql::LEFT_POSTGRES, &[&nodes::now(tx).await?]).await?;
    if left.is_empty() {
        return Ok(());
    }
    let ids = left.iter().map(|row| get(row, 0)).collect::<Result<Vec<Uuid>, _>>()?;
    let projects = left.iter().map(|row| get(row, 1)).collect::<Result<Vec<Uuid>, _>>()?;
    note(tx, &ids, at, FaultKind::Stopped, None).await?;
    tx.execute(sql::RELEASE_LEFT_POSTGRES, &[&ids]).await?;
    queues::give_all_back(tx, projects).await?;
    tx.effects.job();
    Ok(())
}

async fn note(tx: &Tx, ids: &[Uuid], at: OffsetDateTime, kind: FaultKind, message: Option<&str>) -> Result<(), Fault> {
    tx.execute(sql::NOTE_SOME_POSTGRES, &[&micros(at), &kind.as_str(), &message, &ids]).await.map(drop)
}

/// How a claim of a job ended badly.
pub(super) fn fault(row: &Row) -> Result<JobFault, Fault> {
    Ok(JobFault {
        claim: number(row, 0)?,
        at: time(row, 1)?,
        last_seq: number(row, 2)?,
        kind: spelled(row, 3, FaultKind::parse, "kind of fault")?,
        message: get(row, 4)?,
    })
}
