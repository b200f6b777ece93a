//! Idempotency keys and the replies they stand for.

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    news::News,
    rows::{get, micros, number, number_if},
    transact::{Params, Tx},
};
use crate::sql::idempotency as sql;
use crate::{Begun, Idempotency, IdempotencyKey, IdempotencyRecord, RunId, StoreError, StoredReply};

#[async_trait]
impl Idempotency for PostgresStore {
    async fn begin(
        &self,
        key: &IdempotencyKey,
        body_hash: &str,
        run: RunId,
        at: OffsetDateTime,
        expired_before: OffsetDateTime,
    ) -> Result<Begun, StoreError> {
        let (key, body_hash) = (key.clone(), body_hash.to_owned());
        self.transact(move |tx| {
            let (key, body_hash) = (key.clone(), body_hash.clone());
            Box::pin(async move { begin(tx, &key, &body_hash, run, at, expired_before).await })
        })
        .await
    }

    async fn finish(&self, key: &IdempotencyKey, reply: &StoredReply) -> Result<(), StoreError> {
        let (key, reply) = (key.clone(), reply.clone());
        self.transact(move |tx| {
            let (key, reply) = (key.clone(), reply.clone());
            Box::pin(async move {
                let (status, node) = (i64::from(reply.status), tx.node());
                let StoredReply { content_type, body, .. } = &reply;
                let row: Params<'_> = &[&status, content_type, body, &key.project_id.0, &key.route, &key.key, &node];
                if tx.execute(sql::FINISH_POSTGRES, row).await? == 0 {
                    return Err(StoreError::Conflict("the idempotency key waits for no reply".into()).into());
                }
                tx.news.push(News::Answered(key.project_id));
                Ok(())
            })
        })
        .await
    }

    async fn abandon(&self, key: &IdempotencyKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.transact(move |tx| {
            let key = key.clone();
            Box::pin(async move {
                let node = tx.node();
                tx.execute(sql::ABANDON_POSTGRES, &[&key.project_id.0, &key.route, &key.key, &node]).await?;
                tx.news.push(News::Answered(key.project_id));
                Ok(())
            })
        })
        .await
    }
}

/// A key that is given back between the two statements is looked at again.
async fn begin(
    tx: &mut Tx,
    key: &IdempotencyKey,
    body_hash: &str,
    run: RunId,
    at: OffsetDateTime,
    expired_before: OffsetDateTime,
) -> Result<Begun, Fault> {
    let (at, expired, node) = (micros(at), micros(expired_before), tx.node());
    loop {
        let row: Params<'_> = &[&key.project_id.0, &key.route, &key.key, &body_hash, &at, &expired, &node, &run.0];
        if tx.find(sql::BEGIN_POSTGRES, row).await?.is_some() {
            return Ok(Begun::First);
        }
        if let Some(before) = tx.find(sql::BEFORE, &[&key.project_id.0, &key.route, &key.key]).await? {
            return Ok(Begun::Before(record(&before)?));
        }
    }
}

fn record(row: &Row) -> Result<IdempotencyRecord, Fault> {
    let status: Option<u16> = number_if(row, 1)?;
    let reply = match status {
        Some(status) => Some(StoredReply { status, content_type: get(row, 2)?, body: get(row, 3)? }),
        None => None,
    };
    let run: Option<Uuid> = get(row, 4)?;
    let (result, begun_after) = (get(row, 5)?, number(row, 6)?);
    Ok(IdempotencyRecord { body_hash: get(row, 0)?, reply, run: run.map(RunId), result, begun_after })
}
