//! What is past its time: found by the readers, deleted a few at a time, so that no other write waits long.

use rusqlite::{Connection, Row, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    SqliteStore, append,
    rows::{Micros, spelled, time_if},
};
use crate::sql::upkeep as sql;
use crate::{KeptSince, Pruned, RunId, StoreError};

/// Most that one operation deletes: other writes wait no longer than that takes.
const BATCH: u32 = 64;
/// Most runs that one look passes.
const LOOK: u32 = 2_000;

/// Deletes some of what is older than a time: at most so many; how many went.
type Delete = fn(&Connection, OffsetDateTime, u32) -> Result<u32, StoreError>;

/// A batch at a time until `limit` are gone, or none is left to go.
pub(super) async fn in_batches(
    store: &SqliteStore,
    delete: Delete,
    before: OffsetDateTime,
    limit: u32,
) -> Result<u32, StoreError> {
    let mut gone = 0;
    while gone < limit {
        let some = BATCH.min(limit - gone);
        let went = store.write(move |db, _| delete(db, before, some)).await?;
        gone += went;
        if went < some {
            break;
        }
    }
    Ok(gone)
}

/// See [`crate::Upkeep::prune_runs`].
pub(super) async fn runs(
    store: &SqliteStore,
    kept: KeptSince,
    after: Option<RunId>,
    limit: u32,
) -> Result<Pruned, StoreError> {
    let seen = store.list(move |db| Ok(look(db, &kept, after)?)).await?;
    let mut over: Vec<RunId> = seen.iter().filter(|(_, over)| *over).map(|(id, _)| *id).collect();
    let whole = over.len() <= limit as usize;
    over.truncate(limit as usize);
    let mut gone = 0;
    for batch in over.chunks(BATCH as usize) {
        let batch = batch.to_vec();
        gone += store.write(move |db, _| Ok(delete(db, &batch)?)).await?;
    }
    let last = if whole { seen.last().map(|(id, _)| *id) } else { over.last().copied() };
    Ok(Pruned { gone, seen: last.or(after), done: whole && seen.len() < LOOK as usize })
}

/// Runs in order, and whether each may go.
fn look(db: &Connection, kept: &KeptSince, after: Option<RunId>) -> rusqlite::Result<Vec<(RunId, bool)>> {
    let row = params![after.map_or(Uuid::nil(), |id| id.0), sql::first_id_after(kept.latest()), LOOK];
    db.prepare_cached(sql::OLD)?.query_map(row, |row| old(row, kept))?.collect()
}

fn old(row: &Row<'_>, kept: &KeptSince) -> rusqlite::Result<(RunId, bool)> {
    let (capture, in_session) = (spelled(row, 1)?, row.get(2)?);
    let over = time_if(row, 3)?.is_some_and(|ended| kept.is_over(capture, in_session, ended));
    Ok((RunId(row.get(0)?), over))
}

fn delete(db: &Connection, runs: &[RunId]) -> rusqlite::Result<u32> {
    let mut gone = 0;
    for run in runs {
        if db.prepare_cached(sql::DELETE_RUN_SQLITE)?.execute([run.0])? == 0 {
            continue;
        }
        for sql in sql::DELETE_REST_SQLITE {
            db.prepare_cached(sql)?.execute([run.0])?;
        }
        gone += 1;
    }
    Ok(gone)
}

/// What was kept for a retry of jobs that ended before a time.
pub(super) fn retries(db: &Connection, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
    let mut old = db.prepare_cached(sql::KEPT_BEFORE_SQLITE)?;
    let ids = old.query_map(params![Micros(before), limit], |row| row.get(0))?;
    let ids = ids.collect::<Result<Vec<Uuid>, _>>()?;
    for id in &ids {
        append::forget_kept(db, *id)?;
        db.prepare_cached(sql::NOT_KEPT_SQLITE)?.execute([id])?;
    }
    Ok(u32::try_from(ids.len()).unwrap_or(u32::MAX))
}
