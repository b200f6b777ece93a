//! What is past its time: found without a lock, deleted a few at a time. Several nodes may do so at once.

use noukai_api::CaptureMode;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore, append,
    fault::Fault,
    rows::{clamp, get, micros, spelled, time_if},
    transact::Tx,
};
use crate::sql::{idempotency, upkeep as sql};
use crate::{KeptSince, Pruned, RunId, StoreError};

/// Most runs that one transaction deletes.
const BATCH: usize = 64;
/// Most runs that one look passes.
const LOOK: u32 = 2_000;

/// See [`crate::Upkeep::prune_runs`].
pub(super) async fn runs(
    store: &PostgresStore,
    kept: KeptSince,
    after: Option<RunId>,
    limit: u32,
) -> Result<Pruned, StoreError> {
    let from = after.map_or(Uuid::nil(), |run| run.0);
    let to = sql::first_id_after(kept.latest());
    let seen = store.query(sql::OLD, &[&from, &to, &i64::from(LOOK)]).await?;
    let seen = seen.iter().map(|row| old(row, &kept)).collect::<Result<Vec<_>, _>>()?;
    let mut over: Vec<Uuid> = seen.iter().filter(|(_, over)| *over).map(|(id, _)| *id).collect();
    let whole = over.len() <= limit as usize;
    over.truncate(limit as usize);
    let mut gone = 0;
    for batch in over.chunks(BATCH) {
        let batch = batch.to_vec();
        gone += store
            .transact(move |tx| {
                let batch = batch.clone();
                Box::pin(async move { delete(tx, &batch).await })
            })
            .await?;
    }
    let last = if whole { seen.last().map(|(id, _)| *id) } else { over.last().copied() };
    Ok(Pruned { gone, seen: last.map(RunId).or(after), done: whole && seen.len() < LOOK as usize })
}

/// A run, and whether it may go.
fn old(row: &Row, kept: &KeptSince) -> Result<(Uuid, bool), Fault> {
    let (capture, in_session) = (spelled(row, 1, CaptureMode::parse, "capture mode")?, get(row, 2)?);
    let over = time_if(row, 3)?.is_some_and(|ended| kept.is_over(capture, in_session, ended));
    Ok((get(row, 0)?, over))
}

async fn delete(tx: &Tx, runs: &[Uuid]) -> Result<u32, Fault> {
    let gone = ids(&tx.query(sql::DELETE_RUNS_POSTGRES, &[&runs]).await?)?;
    for sql in sql::DELETE_REST_POSTGRES {
        tx.execute(sql, &[&gone]).await?;
    }
    Ok(count(gone.len()))
}

pub(super) async fn keys(tx: &mut Tx, before: OffsetDateTime, limit: u32) -> Result<u32, Fault> {
    Ok(count(tx.execute(idempotency::FORGET_OLD, &[&micros(before), &clamp(limit)]).await?))
}

/// What was kept for a retry of jobs that ended before a time.
pub(super) async fn retries(tx: &mut Tx, before: OffsetDateTime, limit: u32) -> Result<u32, Fault> {
    let old = ids(&tx.query(sql::KEPT_BEFORE_POSTGRES, &[&micros(before), &clamp(limit)]).await?)?;
    append::forget_kept(tx, &old).await?;
    Ok(count(old.len()))
}

fn ids(rows: &[Row]) -> Result<Vec<Uuid>, Fault> {
    rows.iter().map(|row| get(row, 0)).collect()
}

fn count(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}
