//! Runs and their events: what is asked of them. How they are written is in `append`.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::{
    SqliteStore, append,
    rows::{self, clamp, count, run_columns},
};
use crate::{EventRecord, ProjectId, Resumed, RunFilter, RunId, RunRecord, RunWrite, Runs, StoreError, Ticket};

macro_rules! events_sql {
    ($state:literal) => {
        concat!(
            "SELECT e.seq, e.kind, e.payload, ",
            $state,
            " FROM run_events e JOIN runs r ON r.id = e.run_id \
             WHERE e.run_id = $1 AND r.project_id = $2 AND e.seq > $3 ORDER BY e.seq LIMIT $4"
        )
    };
}

const RUN: &str = concat!("SELECT ", run_columns!(), " FROM runs r WHERE r.id = $1 AND r.project_id = $2");

const INPUTS: &str = "SELECT i.inputs FROM run_inputs i JOIN runs r ON r.id = i.run_id \
    WHERE i.run_id = $1 AND r.project_id = $2";

const PAUSE: &str = "SELECT p.pause FROM run_pauses p JOIN runs r ON r.id = p.run_id \
    WHERE p.run_id = $1 AND r.project_id = $2";

const EVENTS: &str = events_sql!("NULL");

const EVENTS_WITH_STATE: &str = events_sql!("e.state");

const RUNS: &str = concat!("SELECT ", run_columns!(), " FROM runs r WHERE r.project_id = $1");

/// Few of a project's runs are open: asked this way they are found by the index of open runs, asked plainly by going
/// through all of the project's.
const OPEN: &str = " AND r.id IN (SELECT o.id FROM runs o WHERE o.completed_at IS NULL AND o.status = ";

const SESSION: &str = concat!("SELECT ", run_columns!(), " FROM runs r WHERE r.session_id = $1 ORDER BY r.id LIMIT $2");

#[async_trait]
impl Runs for SqliteStore {
    fn append(&self, write: RunWrite) -> Ticket {
        self.enqueue(move |db, effects| append::apply(db, effects, &write))
    }

    async fn run(&self, project: ProjectId, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.point(|db| find(db, project, id))
    }

    async fn run_inputs(&self, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError> {
        self.list(move |db| text(db, INPUTS, project, id)).await
    }

    async fn pause(&self, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError> {
        self.list(move |db| text(db, PAUSE, project, id)).await
    }

    async fn events(
        &self,
        project: ProjectId,
        id: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        self.list(move |db| Ok(events(db, EVENTS, params![id.0, project.0, clamp(after), limit])?)).await
    }

    async fn events_with_state(
        &self,
        project: ProjectId,
        id: RunId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<EventRecord>, StoreError> {
        self.list(move |db| Ok(events(db, EVENTS_WITH_STATE, params![id.0, project.0, clamp(after), limit])?)).await
    }

    async fn runs(&self, project: ProjectId, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let filter = filter.clone();
        self.list(move |db| Ok(filtered(db, project, &filter)?)).await
    }

    async fn session_runs(&self, session_id: &str, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        let session = session_id.to_owned();
        self.list(move |db| Ok(many(db, SESSION, params![session, limit])?)).await
    }

    async fn resume(
        &self,
        project: ProjectId,
        id: RunId,
        last_seq: u64,
        from_final: bool,
        at: OffsetDateTime,
    ) -> Result<Resumed, StoreError> {
        self.write(move |db, effects| append::resume(db, effects, (project, id), last_seq, from_final, at)).await
    }

    fn watch(&self, id: RunId) -> watch::Receiver<u64> {
        self.0.hub.watch(id)
    }
}

pub(super) fn find(db: &Connection, project: ProjectId, id: RunId) -> Result<Option<RunRecord>, StoreError> {
    Ok(db.prepare_cached(RUN)?.query_row([id.0, project.0], rows::run).optional()?)
}

/// The runs that a statement finds.
pub(super) fn many(db: &Connection, sql: &str, row: &[&dyn ToSql]) -> rusqlite::Result<Vec<RunRecord>> {
    db.prepare_cached(sql)?.query_map(row, rows::run)?.collect()
}

fn text(db: &Connection, sql: &str, project: ProjectId, id: RunId) -> Result<Option<String>, StoreError> {
    Ok(db.prepare_cached(sql)?.query_row([id.0, project.0], |row| row.get(0)).optional()?)
}

fn events(db: &Connection, sql: &str, row: &[&dyn ToSql]) -> rusqlite::Result<Vec<EventRecord>> {
    db.prepare_cached(sql)?.query_map(row, event)?.collect()
}

fn event(row: &Row<'_>) -> rusqlite::Result<EventRecord> {
    Ok(EventRecord { seq: count(row, 0)?, kind: row.get(1)?, payload: row.get(2)?, state: row.get(3)? })
}

/// Each combination of filters has its own text, so that each finds its index.
fn filtered(db: &Connection, project: ProjectId, filter: &RunFilter) -> rusqlite::Result<Vec<RunRecord>> {
    let status = filter.status.map(|status| status.as_str());
    let mut sql = String::from(RUNS);
    let mut row: Vec<&dyn ToSql> = vec![&project.0];
    if let Some(flow) = &filter.flow_id {
        narrow(&mut sql, &mut row, " AND r.flow_id = ", &flow.0);
    }
    if let Some(status) = &status {
        let open = filter.status.is_some_and(|status| !status.is_final());
        narrow(&mut sql, &mut row, if open { OPEN } else { " AND (r.status = " }, status);
        sql.push(')');
    }
    if let Some(before) = &filter.before {
        narrow(&mut sql, &mut row, " AND r.id < ", &before.0);
    }
    narrow(&mut sql, &mut row, " ORDER BY r.id DESC LIMIT ", &filter.limit);
    many(db, &sql, &row)
}

/// `clause` is this file's own text, never a caller's.
fn narrow<'a>(sql: &mut String, row: &mut Vec<&'a dyn ToSql>, clause: &'static str, value: &'a dyn ToSql) {
    row.push(value);
    sql.push_str(clause);
    sql.push('$');
    sql.push_str(&row.len().to_string());
}
