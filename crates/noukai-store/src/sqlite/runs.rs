//! Runs and their events: what is asked of them. How they are written is in `append`.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::{
    SqliteStore, append,
    packs::{self, Asked},
    rows,
};
use crate::sql::runs as sql;
use crate::{EventRecord, ProjectId, Resumed, RunFilter, RunId, RunRecord, RunWrite, Runs, StoreError, Ticket};

#[async_trait]
impl Runs for SqliteStore {
    fn append(&self, write: RunWrite) -> Ticket {
        let run = write.run_id;
        let left = match &self.0.journal {
            Some(journal) => journal.append(write),
            None => Some(write),
        };
        if let Some(write) = left {
            return self.enqueue(move |db, effects| append::apply(db, effects, &write));
        }
        self.0.hub.wake(run);
        Ticket::kept()
    }

    async fn run(&self, project: ProjectId, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.applied().await?;
        self.point(|db| find(db, project, id))
    }

    async fn run_inputs(&self, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError> {
        self.list(move |db| text(db, sql::INPUTS, project, id)).await
    }

    async fn pause(&self, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError> {
        self.list(move |db| text(db, sql::PAUSE, project, id)).await
    }

    async fn events(
        &self,
        project: ProjectId,
        id: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        let asked = Asked { project, run: id, after, limit };
        self.list(move |db| packs::read(db, sql::PACKED_EVENTS, &asked)).await
    }

    async fn events_with_state(
        &self,
        project: ProjectId,
        id: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        let asked = Asked { project, run: id, after, limit };
        self.list(move |db| packs::read(db, sql::PACKED_EVENTS_WITH_STATE, &asked)).await
    }

    async fn runs(&self, project: ProjectId, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let filter = filter.clone();
        self.list(move |db| Ok(filtered(db, project, &filter)?)).await
    }

    async fn session_runs(&self, session_id: &str, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        let session = session_id.to_owned();
        self.list(move |db| Ok(many(db, sql::SESSION, params![session, limit])?)).await
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
        self.0.journal.iter().for_each(|journal| journal.let_go(id));
        self.write(move |db, effects| append::resume(db, effects, (project, id), last_seq, from_final, under, at)).await
    }

    fn watch(&self, id: RunId) -> watch::Receiver<u64> {
        self.0.hub.watch(id)
    }
}

pub(super) fn find(db: &Connection, project: ProjectId, id: RunId) -> Result<Option<RunRecord>, StoreError> {
    Ok(db.prepare_cached(sql::RUN)?.query_row([id.0, project.0], rows::run).optional()?)
}

/// The runs that a statement finds.
pub(super) fn many(db: &Connection, sql: &str, row: &[&dyn ToSql]) -> rusqlite::Result<Vec<RunRecord>> {
    db.prepare_cached(sql)?.query_map(row, rows::run)?.collect()
}

fn text(db: &Connection, sql: &str, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError> {
    Ok(db.prepare_cached(sql)?.query_row([id.0, project.0], |row| row.get(0)).optional()?)
}

fn filtered(db: &Connection, project: ProjectId, filter: &RunFilter) -> rusqlite::Result<Vec<RunRecord>> {
    let status = filter.status.map(|status| status.as_str());
    let mut row: Vec<&dyn ToSql> = vec![&project.0];
    row.extend(filter.flow_id.as_ref().map(|flow| &flow.0 as &dyn ToSql));
    row.extend(status.as_ref().map(|status| status as &dyn ToSql));
    row.extend(filter.before.as_ref().map(|before| &before.0 as &dyn ToSql));
    row.push(&filter.limit);
    many(db, &sql::filtered(filter), &row)
}
