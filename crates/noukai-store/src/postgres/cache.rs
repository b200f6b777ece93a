//! Model replies that are given again. A project's sum is locked before any of its replies, by everyone.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    rows::{clamp, get, micros},
    transact::{Params, Tx},
};
use crate::sql::cache as sql;
use crate::{CachedReply, ProjectId, ReplyCache, StoreError};

#[async_trait]
impl ReplyCache for PostgresStore {
    async fn cached_reply(
        &self,
        project: ProjectId,
        key: &str,
        since: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Option<String>, StoreError> {
        let found = self.find(sql::FIND, &[&project.0, &key, &micros(since), &micros(now)]).await?;
        found.map(|row| Ok(get(&row, 0)?)).transpose()
    }

    async fn cache_reply(&self, reply: CachedReply, most_bytes: u64) -> Result<(), StoreError> {
        self.transact(move |tx| {
            let reply = reply.clone();
            Box::pin(async move { put(tx, &reply, clamp(most_bytes)).await })
        })
        .await
    }

    async fn prune_replies(&self, now: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        let mut all = 0;
        while all < limit {
            let most = limit - all;
            let gone = self.transact(move |tx| Box::pin(overdue(tx, now, most))).await?;
            let Some(gone) = gone else { break };
            all += gone;
        }
        Ok(all)
    }
}

async fn put(tx: &Tx, reply: &CachedReply, most: i64) -> Result<(), Fault> {
    let (project, bytes) = (reply.project_id.0, clamp(reply.bytes()));
    grow(tx, project, bytes).await?;
    let before = took(tx, sql::TAKE, &[&project, &reply.key]).await?.1;
    let (kept_at, expires_at) = (micros(reply.kept_at), micros(reply.expires_at));
    tx.execute(sql::PUT, &[&project, &reply.key, &reply.reply, &bytes, &kept_at, &expires_at]).await?;
    let mut size = grow(tx, project, -before).await?;
    while size > most {
        let (gone, freed) = took(tx, sql::TAKE_OLDEST, &[&project, &reply.key, &(size - most)]).await?;
        if gone == 0 {
            break;
        }
        size = grow(tx, project, -freed).await?;
    }
    Ok(())
}

/// How many of one project went; `None` where none has any.
async fn overdue(tx: &Tx, now: OffsetDateTime, limit: u32) -> Result<Option<u32>, Fault> {
    let Some(found) = tx.find(sql::OVERDUE, &[&micros(now)]).await? else { return Ok(None) };
    let project: Uuid = get(&found, 0)?;
    grow(tx, project, 0).await?;
    let (gone, freed) = took(tx, sql::TAKE_OVERDUE, &[&project, &micros(now), &i64::from(limit)]).await?;
    grow(tx, project, -freed).await?;
    Ok(Some(gone))
}

/// Deletes; how many went, and what they counted for.
async fn took(tx: &Tx, sql: &str, row: Params<'_>) -> Result<(u32, i64), Fault> {
    let rows = tx.query(sql, row).await?;
    rows.iter().try_fold((0, 0), |(gone, sum), row| Ok((gone + 1, sum + get::<i64>(row, 0)?)))
}

async fn grow(tx: &Tx, project: Uuid, by: i64) -> Result<i64, Fault> {
    let rows = tx.query(sql::GROW, &[&project, &by]).await?;
    rows.first().map_or(Ok(0), |row| get(row, 0))
}
