//! Idempotency keys and the replies they stand for.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{SqliteStore, rows::Micros};
use crate::sql::idempotency as sql;
use crate::{Begun, Idempotency, IdempotencyKey, IdempotencyRecord, RunId, StoreError, StoredReply};

#[async_trait]
impl Idempotency for SqliteStore {
    async fn begin(
        &self,
        key: &IdempotencyKey,
        body_hash: &str,
        run: RunId,
        at: OffsetDateTime,
        expired_before: OffsetDateTime,
    ) -> Result<Begun, StoreError> {
        let (key, body_hash) = (key.clone(), body_hash.to_owned());
        self.write(move |db, _| {
            let (at, expired) = (Micros(at), Micros(expired_before));
            let row = params![key.project_id.0, key.route, key.key, body_hash, at, run.0, expired];
            if db.prepare_cached(sql::BEGIN_SQLITE)?.exists(row)? { Ok(Begun::First) } else { before(db, &key) }
        })
        .await
    }

    async fn finish(&self, key: &IdempotencyKey, reply: &StoredReply) -> Result<(), StoreError> {
        let (key, reply) = (key.clone(), reply.clone());
        self.write(move |db, _| {
            let row = params![reply.status, reply.content_type, reply.body, key.project_id.0, key.route, key.key];
            match db.prepare_cached(sql::FINISH_SQLITE)?.execute(row)? {
                0 => Err(StoreError::Conflict("the idempotency key waits for no reply".into())),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn abandon(&self, key: &IdempotencyKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(move |db, _| {
            db.prepare_cached(sql::ABANDON_SQLITE)?.execute(params![key.project_id.0, key.route, key.key])?;
            Ok(())
        })
        .await
    }
}

fn before(db: &Connection, key: &IdempotencyKey) -> Result<Begun, StoreError> {
    let row = params![key.project_id.0, key.route, key.key];
    Ok(Begun::Before(db.prepare_cached(sql::BEFORE)?.query_row(row, record)?))
}

fn record(row: &Row<'_>) -> rusqlite::Result<IdempotencyRecord> {
    let status: Option<u16> = row.get(1)?;
    let reply = match status {
        Some(status) => Some(StoredReply { status, content_type: row.get(2)?, body: row.get(3)? }),
        None => None,
    };
    Ok(IdempotencyRecord {
        body_hash: row.get(0)?,
        reply,
        run: row.get::<_, Option<Uuid>>(4)?.map(RunId),
        result: row.get(5)?,
        begun_after: row.get::<_, i64>(6)?.unsigned_abs(),
    })
}

/// Keys whose request ended with its process.
pub(super) fn forget_unanswered(db: &Connection) -> Result<(), StoreError> {
    db.prepare_cached(sql::FORGET_UNANSWERED_SQLITE)?.execute([])?;
    Ok(())
}

/// Keys made before `before`, at most `limit`; how many went.
pub(super) fn forget_old(db: &Connection, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
    let gone = db.prepare_cached(sql::FORGET_OLD)?.execute(params![Micros(before), limit])?;
    Ok(u32::try_from(gone).unwrap_or(u32::MAX))
}
