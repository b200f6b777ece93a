//! The ledger: entries with the writes they come with, their sums once per commit.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use noukai_api::{TokenDetails, Tokens};
use rusqlite::{Connection, Row, ToSql, params};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    SqliteStore,
    rows::{Micros, clamp, count, spelled, time},
};
use crate::sql::{budgets, usage as sql};
use crate::{
    Charge, FlowId, Ledger, ProjectId, RunId, Spender, StoreError, UsageEntry, UsageGroup, UsageQuery, UsageTenant,
    UsageTotals, hub::Effects,
};

const MICROS_PER_HOUR: i64 = 3_600_000_000;
/// Most rows that one operation deletes: other writes wait no longer than that takes.
const BATCH: u32 = 500;

#[async_trait]
impl Ledger for SqliteStore {
    async fn add_usage(&self, entries: Vec<Arc<UsageEntry>>) -> Result<(), StoreError> {
        self.write(move |db, effects| Ok(add(db, effects, &entries)?)).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageGroup>, StoreError> {
        let query = query.clone();
        self.list(move |db| Ok(select(db, &query)?)).await
    }

    async fn usage_entries(
        &self,
        project: ProjectId,
        (from, to): (OffsetDateTime, OffsetDateTime),
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<UsageEntry>, StoreError> {
        let (after, end) = (sql::first(from, after), sql::end(to));
        self.list(move |db| {
            let mut found = db.prepare_cached(sql::ENTRIES)?;
            Ok(found.query_map(params![project.0, after, end, limit], entry)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn prune_usage(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        let projects: Vec<Uuid> = self
            .list(|db| Ok(db.prepare(sql::PROJECTS)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?))
            .await?;
        let (mut gone, end) = (0, sql::end(before));
        for project in projects {
            while gone < limit {
                let some = BATCH.min(limit - gone);
                let went = self
                    .write(move |db, _| Ok(db.prepare_cached(sql::PRUNE)?.execute(params![project, end, some])?))
                    .await?;
                gone += u32::try_from(went).unwrap_or(some);
                if went < some as usize {
                    break;
                }
            }
        }
        Ok(gone)
    }
}

/// Stores entries; what is new among them is left to [`settle`].
pub(super) fn add(db: &Connection, effects: &mut Effects, entries: &[Arc<UsageEntry>]) -> rusqlite::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut add = db.prepare_cached(sql::ADD_SQLITE)?;
    for entry in entries {
        let spender = &entry.spender;
        let row = params![
            spender.project_id.0,
            entry.id,
            Micros(entry.at),
            spender.run_id.0,
            spender.flow_id.0,
            spender.flow_slug,
            spender.version,
            spender.session_id,
            spender.key_id,
            entry.step.as_ref(),
            entry.model,
            entry.provider,
            entry.outcome.as_str(),
            clamp(entry.tokens.prompt),
            clamp(entry.tokens.completion),
            clamp(entry.tokens.total),
            clamp(entry.details.cached),
            clamp(entry.details.cache_written),
            clamp(entry.details.reasoning),
            entry.cost,
            clamp(entry.duration_ms)
        ];
        if add.execute(row)? == 1 {
            effects.usage(entry);
        }
    }
    Ok(())
}

/// Sums up and charges what the operations of one transaction have added since it was last done: most of it goes to the
/// same few rows.
pub(super) fn settle(db: &Connection, effects: &mut Effects) -> rusqlite::Result<()> {
    let mut hours: HashMap<Hour<'_>, UsageTotals> = HashMap::new();
    for entry in effects.entries() {
        hours.entry(Hour::of(entry)).or_default().add(entry);
    }
    for (hour, totals) in &hours {
        sum_up(db, hour, totals)?;
    }
    let mut charges: HashMap<(Uuid, i64), i64> = HashMap::new();
    let of_entries = effects.entries().iter().flat_map(|entry| &entry.charges);
    for Charge { budget, period, amount } in of_entries.chain(effects.charges()) {
        let sum = charges.entry((*budget, *period)).or_default();
        *sum = sum.saturating_add(*amount);
    }
    for ((budget, period), amount) in charges {
        db.prepare_cached(budgets::CHARGE_SQLITE)?.execute(params![budget, period, amount])?;
    }
    effects.settled();
    Ok(())
}

/// What sums go by.
#[derive(PartialEq, Eq, Hash)]
struct Hour<'e> {
    project: Uuid,
    hour: i64,
    flow: &'e str,
    version: u32,
    key: &'e str,
    model: &'e str,
    provider: &'e str,
}

impl<'e> Hour<'e> {
    fn of(entry: &'e UsageEntry) -> Self {
        let micros = clamp(entry.at.unix_timestamp_nanos().div_euclid(1_000));
        Self {
            project: entry.spender.project_id.0,
            hour: micros.div_euclid(MICROS_PER_HOUR),
            flow: &entry.spender.flow_slug,
            version: entry.spender.version,
            key: entry.spender.key_id.as_deref().unwrap_or_default(),
            model: &entry.model,
            provider: entry.provider.as_deref().unwrap_or_default(),
        }
    }
}

fn sum_up(db: &Connection, hour: &Hour<'_>, totals: &UsageTotals) -> rusqlite::Result<()> {
    let row = params![
        hour.project,
        hour.hour,
        hour.flow,
        hour.version,
        hour.key,
        hour.model,
        hour.provider,
        clamp(totals.calls),
        clamp(totals.failed),
        clamp(totals.cached),
        clamp(totals.unpriced),
        clamp(totals.tokens.prompt),
        clamp(totals.tokens.completion),
        clamp(totals.tokens.total),
        clamp(totals.details.cached),
        clamp(totals.details.cache_written),
        clamp(totals.details.reasoning),
        clamp(totals.cost)
    ];
    db.prepare_cached(sql::SUM_UP_SQLITE)?.execute(row).map(drop)
}

fn select(db: &Connection, query: &UsageQuery) -> rusqlite::Result<Vec<UsageGroup>> {
    let tenant = match query.tenant {
        UsageTenant::Project(project) => project.0,
        UsageTenant::Organisation(org) => org,
    };
    let (first, end) = sql::ids(query);
    let mut row: Vec<&dyn ToSql> =
        if sql::is_apart(query) { vec![&tenant, &first, &end] } else { vec![&tenant, &query.from, &query.to] };
    let narrowed = sql::narrowed(query);
    row.extend(narrowed.iter().map(|(_, value)| value as &dyn ToSql));
    let width = query.by.len();
    let mut found = db.prepare_cached(&sql::select(query))?;
    found.query_map(row.as_slice(), |row| group(row, width))?.collect()
}

/// An empty name is one that the calls lack.
fn group(row: &Row<'_>, width: usize) -> rusqlite::Result<UsageGroup> {
    let name = |column| Ok(row.get::<_, Option<String>>(column)?.filter(|name| !name.is_empty()));
    let sum = |column: usize| count(row, width + column);
    let whole = |column: usize| Ok::<_, rusqlite::Error>(i128::from(row.get::<_, i64>(width + column)?));
    Ok(UsageGroup {
        names: (0..width).map(name).collect::<rusqlite::Result<_>>()?,
        totals: UsageTotals {
            calls: sum(0)?,
            failed: sum(1)?,
            cached: sum(2)?,
            unpriced: sum(3)?,
            tokens: Tokens { prompt: sum(4)?, completion: sum(5)?, total: sum(6)? },
            details: TokenDetails { cached: sum(7)?, cache_written: sum(8)?, reasoning: sum(9)? },
            cost: sql::money(whole(10)?, whole(11)?),
        },
    })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<UsageEntry> {
    Ok(UsageEntry {
        spender: Arc::new(Spender {
            project_id: ProjectId(row.get(0)?),
            run_id: RunId(row.get(3)?),
            flow_id: FlowId(row.get(4)?),
            flow_slug: row.get(5)?,
            version: row.get(6)?,
            session_id: row.get(7)?,
            key_id: row.get(8)?,
        }),
        id: row.get(1)?,
        at: time(row, 2)?,
        step: row.get::<_, String>(9)?.into(),
        model: row.get(10)?,
        provider: row.get(11)?,
        outcome: spelled(row, 12)?,
        tokens: Tokens { prompt: count(row, 13)?, completion: count(row, 14)?, total: count(row, 15)? },
        details: TokenDetails { cached: count(row, 16)?, cache_written: count(row, 17)?, reasoning: count(row, 18)? },
        cost: row.get(19)?,
        duration_ms: count(row, 20)?,
        charges: Vec::new(),
    })
}
