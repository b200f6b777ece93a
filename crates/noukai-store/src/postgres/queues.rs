//! The queue of each project: how many of its jobs wait, how many are worked on, whose turn it is.
//!
//! Whatever moves a job from one state to another says so, in the same transaction. Rows of queues are locked after
//! those of jobs, and in order, so that nobody waits for each other.

use std::collections::{BTreeSet, HashMap};

use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    rows::{self, get, micros, number, time_if},
    transact::Tx,
};
use crate::sql::queues as sql;
use crate::{NewJob, ProjectId, QueueBounds, QueuePlace, QueueRecord, QueueScope, RunWrite, StoreError, turns};

/// The queues that a group of writes adds to, locked.
#[derive(Default)]
pub(super) struct Queues {
    of: HashMap<Uuid, Queue>,
    /// Jobs that wait, of all projects.
    total: i64,
}

/// One project's queue as it stands.
#[derive(Clone, Copy)]
pub(super) struct Queue {
    pub waiting: i64,
    pub running: i64,
    issued: i64,
}

/// Locks the queues of those projects that new jobs are of.
pub(super) async fn open(tx: &Tx, writes: &[RunWrite]) -> Result<Queues, Fault> {
    let queues = |write: &&RunWrite| write.create.as_ref().is_some_and(|new| new.job.is_some());
    let news = writes.iter().filter(queues);
    let projects: BTreeSet<Uuid> = news.map(|write| write.project_id.0).collect();
    if projects.is_empty() {
        return Ok(Queues::default());
    }
    let projects: Vec<Uuid> = projects.into_iter().collect();
    let mut of = lock(tx, &projects).await?;
    if of.len() < projects.len() {
        tx.execute(sql::ADD_POSTGRES, &[&projects]).await?;
        of = lock(tx, &projects).await?;
    }
    let total = tx.find(sql::TOTAL_POSTGRES, &[]).await?.map_or(Ok(0), |row| get(&row, 0))?;
    Ok(Queues { of, total })
}

/// Locks queues; those that are there, as they stand.
pub(super) async fn lock(tx: &Tx, projects: &[Uuid]) -> Result<HashMap<Uuid, Queue>, Fault> {
    let rows = tx.query(sql::LOCK_POSTGRES, &[&projects]).await?;
    let queue = |row| Ok((get(row, 0)?, Queue { waiting: get(row, 1)?, running: get(row, 2)?, issued: get(row, 3)? }));
    rows.iter().map(queue).collect()
}

impl Queues {
    /// A place for one more waiting job of the project: its ticket.
    pub(super) fn admit(&mut self, project: ProjectId, job: &NewJob) -> Result<i64, StoreError> {
        let QueueBounds { project: most, server } = job.bounds;
        if server < u32::MAX && self.total >= i64::from(server) {
            return Err(StoreError::QueueFull(QueueScope::Server));
        }
        let full = StoreError::QueueFull(QueueScope::Project);
        let Some(queue) = self.of.get_mut(&project.0) else { return Err(full) };
        if queue.waiting >= i64::from(most) {
            return Err(full);
        }
        queue.waiting += 1;
        queue.issued += 1;
        self.total += 1;
        Ok(queue.issued)
    }
}

/// Jobs were claimed: so many that waited, so many that nobody was working on.
pub(super) async fn take(
    tx: &Tx,
    project: Uuid,
    (waiting, idle): (i64, i64),
    now: OffsetDateTime,
) -> Result<(), Fault> {
    tx.execute(sql::TAKE, &[&waiting, &idle, &micros(now), &project]).await.map(drop)
}

/// A claimed job was given back, to wait or to be delayed.
pub(super) async fn give_back(tx: &Tx, project: Uuid, waits: bool) -> Result<(), Fault> {
    tx.execute(sql::GIVE_BACK, &[&i64::from(waits), &project]).await.map(drop)
}

/// Claimed jobs of these projects were given back to wait; a project comes as often as it has such jobs.
pub(super) async fn give_all_back(tx: &Tx, mut projects: Vec<Uuid>) -> Result<(), Fault> {
    projects.sort_unstable();
    lock(tx, &projects).await?;
    for project in projects {
        give_back(tx, project, true).await?;
    }
    Ok(())
}

/// How many jobs of which projects are next, as seen without a lock.
pub(super) async fn turns(store: &PostgresStore, limit: u32, per_project: u32) -> Result<Vec<Uuid>, StoreError> {
    let next = store.query(sql::TURNS, &[&i64::from(per_project), &i64::from(limit)]).await?;
    rows::all(&next, |row| get(row, 0))
}

/// How many jobs each of these projects gets, as their locked queues stand.
pub(super) fn share(next: &[Uuid], queues: &HashMap<Uuid, Queue>, limit: u32, per_project: u32) -> Vec<(Uuid, u32)> {
    let count = |number: i64| u32::try_from(number.max(0)).unwrap_or(u32::MAX);
    let standing =
        |project: &Uuid| queues.get(project).map(|queue| (*project, count(queue.waiting), count(queue.running)));
    let open = next.iter().filter_map(standing).filter(|(_, waiting, running)| *waiting > 0 && *running < per_project);
    turns::share(&open.collect::<Vec<_>>(), limit, per_project)
}

impl PostgresStore {
    /// Where a waiting job with this ticket stands.
    pub(super) async fn place(&self, project: ProjectId, ticket: i64) -> Result<Option<QueuePlace>, StoreError> {
        let Some(row) = self.find(sql::PLACE, &[&project.0]).await? else { return Ok(None) };
        let depth = number::<u32>(&row, 0)?;
        let place = |first: i64| {
            let before = u32::try_from(ticket - first).unwrap_or(0);
            QueuePlace { position: before.saturating_add(1).min(depth.max(1)), depth }
        };
        Ok(get::<Option<i64>>(&row, 1)?.map(place))
    }

    pub(super) async fn queue_of(&self, project: ProjectId) -> Result<QueueRecord, StoreError> {
        let delayed = self.find(sql::DELAYED, &[&project.0]).await?.map_or(Ok(0), |row| number(&row, 0))?;
        let Some(row) = self.find(sql::QUEUE, &[&project.0]).await? else { return Ok(QueueRecord::default()) };
        Ok(QueueRecord { waiting: number(&row, 0)?, delayed, running: number(&row, 1)?, oldest_at: time_if(&row, 2)? })
    }
}
