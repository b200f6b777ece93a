//! Jobs as their callers see them: polled, cancelled, counted. Leases are in `claims`; creation and end in `append`.

use async_trait::async_trait;
use noukai_api::RunStatus;
use rusqlite::{Connection, OptionalExtension, Row, params};
use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    SqliteStore, append, claims,
    rows::{self, Micros},
};
use crate::sql::jobs as sql;
use crate::{
    ClaimedJob, JobRecord, Jobs, Lease, NewEvent, ProjectId, RunChange, RunFinish, RunId, RunRecord, RunWrite,
    StoreError, hub::Effects, sql::RUN_COLUMNS,
};

#[async_trait]
impl Jobs for SqliteStore {
    async fn claim_jobs(
        &self,
        owner: Uuid,
        limit: u32,
        now: OffsetDateTime,
        lease_until: OffsetDateTime,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        self.write(move |db, _| claims::claim(db, owner, limit, now, lease_until)).await
    }

    async fn heartbeat(&self, owner: Uuid, lease_until: OffsetDateTime) -> Result<Vec<RunId>, StoreError> {
        self.write(move |db, _| claims::heartbeat(db, owner, lease_until)).await
    }

    async fn release_job(&self, id: RunId, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write(move |db, effects| claims::release(db, effects, id, &lease)).await
    }

    async fn job(&self, project: ProjectId, id: RunId) -> Result<Option<JobRecord>, StoreError> {
        self.point(|db| find(db, project, id))
    }

    async fn cancel_job(
        &self,
        project: ProjectId,
        id: RunId,
        error: &str,
        event_payload: &str,
        event_kind: &'static str,
        at: OffsetDateTime,
    ) -> Result<Option<JobRecord>, StoreError> {
        let (error, payload) = (error.to_owned(), event_payload.to_owned());
        let cancel = Cancel { project, id, error, payload, kind: event_kind, at };
        self.write(move |db, effects| cancel.clone().run(db, effects)).await
    }

    async fn queued_jobs(&self, project: ProjectId) -> Result<u32, StoreError> {
        self.point(|db| Ok(db.prepare_cached(sql::QUEUED)?.query_row([project.0], |row| row.get(0))?))
    }

    fn watch_jobs(&self) -> watch::Receiver<u64> {
        self.0.hub.watch_jobs()
    }
}

fn find(db: &Connection, project: ProjectId, id: RunId) -> Result<Option<JobRecord>, StoreError> {
    Ok(db.prepare_cached(sql::JOB)?.query_row([id.0, project.0], job).optional()?)
}

fn job(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    Ok(JobRecord { run: rows::run(row)?, result: row.get(RUN_COLUMNS)?, cancel_requested: row.get(RUN_COLUMNS + 1)? })
}

#[derive(Clone)]
struct Cancel {
    project: ProjectId,
    id: RunId,
    error: String,
    payload: String,
    kind: &'static str,
    at: OffsetDateTime,
}

impl Cancel {
    /// A job that has ended stays as it is. One whose lease has run out counts as nobody's: it ends here, and a
    /// worker that wakes up late is fenced.
    fn run(self, db: &Connection, effects: &mut Effects) -> Result<Option<JobRecord>, StoreError> {
        let (project, id) = (self.project, self.id);
        let row = params![Micros(self.at), id.0, project.0];
        let idle: Option<bool> = db.prepare_cached(sql::ASK_TO_CANCEL)?.query_row(row, |row| row.get(0)).optional()?;
        let Some(idle) = idle else { return find(db, project, id) };
        effects.run(id);
        let asked = find(db, project, id)?;
        match asked {
            Some(job) if idle => {
                append::apply(db, effects, &self.last_write(&job.run))?;
                find(db, project, id)
            }
            asked => Ok(asked),
        }
    }

    fn last_write(self, run: &RunRecord) -> RunWrite {
        let event = NewEvent { seq: run.last_seq + 1, kind: self.kind, payload: self.payload, state: None };
        let duration = (self.at - run.started_at).whole_milliseconds().max(0);
        let finish = RunFinish {
            status: RunStatus::Cancelled,
            at: self.at,
            duration_ms: u64::try_from(duration).unwrap_or(u64::MAX),
            tokens: run.tokens,
            cost_usd: run.cost_usd.clone(),
            error: Some(self.error),
            job_result: None,
            keep_inputs: false,
            clear_states: true,
        };
        RunWrite {
            project_id: self.project,
            run_id: self.id,
            create: None,
            change: Some(RunChange::Finished(Box::new(finish))),
            events: vec![event],
            fence: None,
        }
    }
}
