//! Runs and their events: what is asked of them, and who takes one on. How they are written is in `append`.

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_postgres::{Row, types::ToSql};

use super::{
    PostgresStore,
    fault::Fault,
    rows::{self, clamp, get, micros, number},
};
use crate::sql::{idempotency, runs as sql};
use crate::{EventRecord, ProjectId, Resumed, RunFilter, RunId, RunRecord, RunWrite, Runs, StoreError, Ticket};

#[async_trait]
impl Runs for PostgresStore {
    fn append(&self, write: RunWrite) -> Ticket {
        self.0.writer.enqueue(write)
    }

    async fn run(&self, project: ProjectId, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        rows::one(self.find(sql::RUN, &[&id.0, &project.0]).await?, rows::run)
    }

    async fn run_inputs(&self, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError> {
        rows::one(self.find(sql::INPUTS, &[&id.0, &project.0]).await?, |row| get(row, 0))
    }

    async fn pause(&self, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError> {
        rows::one(self.find(sql::PAUSE, &[&id.0, &project.0]).await?, |row| get(row, 0))
    }

    async fn events(
        &self,
        project: ProjectId,
        id: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        self.page(sql::EVENTS, project, id, after, limit).await
    }

    async fn events_with_state(
        &self,
        project: ProjectId,
        id: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        self.page(sql::EVENTS_WITH_STATE, project, id, after, limit).await
    }

    async fn runs(&self, project: ProjectId, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let (status, limit) = (filter.status.map(|status| status.as_str()), i64::from(filter.limit));
        let (flow, before) = (filter.flow_id.map(|flow| flow.0), filter.before.map(|run| run.0));
        let mut row: Vec<&(dyn ToSql + Sync)> = vec![&project.0];
        let sql = sql::filtered(filter);
        row.extend(flow.as_ref().map(|flow| flow as &(dyn ToSql + Sync)));
        row.extend(status.as_ref().map(|status| status as &(dyn ToSql + Sync)));
        row.extend(before.as_ref().map(|before| before as &(dyn ToSql + Sync)));
        row.push(&limit);
        rows::all(&self.query(&sql, &row).await?, rows::run)
    }

    async fn session_runs(&self, session_id: &str, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        rows::all(&self.query(sql::SESSION, &[&session_id, &i64::from(limit)]).await?, rows::run)
    }

    async fn resume(
        &self,
        project: ProjectId,
        id: RunId,
        last_seq: u64,
        from_final: bool,
        under: Option<RunId>,
        at: OffsetDateTime,
    ) -> Result<Resumed, StoreError> {
        let also = if from_final { ["completed", "failed"] } else { ["paused", "paused"] };
        self.transact(move |tx| {
            Box::pin(async move {
                let (seq, node) = (clamp(last_seq), tx.node());
                let row: &[&(dyn ToSql + Sync)] = &[&micros(at), &id.0, &project.0, &seq, &also[0], &also[1], &node];
                if tx.execute(sql::RESUME_POSTGRES, row).await? == 0 {
                    return Ok(Resumed::Lost);
                }
                if let Some(key) = under {
                    tx.execute(idempotency::GOES_ON, &[&id.0, &seq, &key.0]).await?;
                }
                tx.effects.run(id);
                Ok(Resumed::Claimed)
            })
        })
        .await
    }

    fn watch(&self, id: RunId) -> watch::Receiver<u64> {
        self.0.hub.watch(id)
    }
}

impl PostgresStore {
    async fn page(
        &self,
        sql: &str,
        project: ProjectId,
        id: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        rows::all(&self.query(sql, &[&id.0, &project.0, &clamp(after), &i64::from(limit)]).await?, event)
    }
}

fn event(row: &Row) -> Result<EventRecord, Fault> {
    Ok(EventRecord { seq: number(row, 0)?, kind: get(row, 1)?, payload: get(row, 2)?, state: get(row, 3)? })
}
