//! Model replies that are given again.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    SqliteStore, prune,
    rows::{Micros, clamp},
};
use crate::sql::cache as sql;
use crate::{CachedReply, ProjectId, ReplyCache, StoreError};

#[async_trait]
impl ReplyCache for SqliteStore {
    async fn cached_reply(
        &self,
        project: ProjectId,
        key: &str,
        since: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Option<String>, StoreError> {
        let row = params![project.0, key, Micros(since), Micros(now)];
        self.point(|db| Ok(db.prepare_cached(sql::FIND)?.query_row(row, |row| row.get(0)).optional()?))
    }

    async fn cache_reply(&self, reply: CachedReply, most_bytes: u64) -> Result<(), StoreError> {
        self.write(move |db, _| Ok(put(db, &reply, clamp(most_bytes))?)).await
    }

    async fn prune_replies(&self, now: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        prune::in_batches(self, overdue, now, limit).await
    }
}

fn put(db: &Connection, reply: &CachedReply, most: i64) -> rusqlite::Result<()> {
    let (project, bytes) = (reply.project_id.0, clamp(reply.bytes()));
    let before = took(db, sql::TAKE, params![project, reply.key])?.1;
    let row = params![project, reply.key, reply.reply, bytes, Micros(reply.kept_at), Micros(reply.expires_at)];
    db.prepare_cached(sql::PUT)?.execute(row)?;
    let mut size = grow(db, project, bytes - before)?;
    while size > most {
        let (gone, freed) = took(db, sql::TAKE_OLDEST, params![project, reply.key, size - most])?;
        if gone == 0 {
            break;
        }
        size = grow(db, project, -freed)?;
    }
    Ok(())
}

fn overdue(db: &Connection, now: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
    let mut all = 0;
    while all < limit {
        let find = db.prepare_cached(sql::OVERDUE)?.query_row([Micros(now)], |row| row.get(0)).optional()?;
        let Some(project): Option<Uuid> = find else { break };
        let (gone, freed) = took(db, sql::TAKE_OVERDUE, params![project, Micros(now), limit - all])?;
        grow(db, project, -freed)?;
        all += gone;
    }
    Ok(all)
}

/// Deletes; how many went, and what they counted for.
fn took(db: &Connection, sql: &str, row: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<(u32, i64)> {
    let mut rows = db.prepare_cached(sql)?;
    let bytes = rows.query_map(row, |row| row.get::<_, i64>(0))?;
    bytes.into_iter().try_fold((0, 0), |(gone, sum), bytes| Ok((gone + 1, sum + bytes?)))
}

fn grow(db: &Connection, project: Uuid, by: i64) -> rusqlite::Result<i64> {
    db.prepare_cached(sql::GROW)?.query_row(params![project, by], |row| row.get(0))
}
