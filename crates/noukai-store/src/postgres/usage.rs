//! The ledger: entries of a whole group of writes in one statement, with their sums and charges.

use std::sync::Arc;

use async_trait::async_trait;
use noukai_api::{TokenDetails, Tokens};
use time::OffsetDateTime;
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    rows::{self, clamp, get, micros, number, spelled, time},
    transact::Tx,
};
use crate::sql::usage as sql;
use crate::{
    FlowId, Ledger, ProjectId, RunId, Spender, StoreError, UsageEntry, UsageGroup, UsageOutcome, UsageQuery,
    UsageTenant, UsageTotals,
};

/// Rows of sums that nodes spread over.
const SLOTS: u128 = 32;

#[async_trait]
impl Ledger for PostgresStore {
    async fn add_usage(&self, entries: Vec<Arc<UsageEntry>>) -> Result<(), StoreError> {
        self.transact(move |tx| {
            let entries = entries.clone();
            Box::pin(async move { add(tx, entries.iter().map(Arc::as_ref)).await })
        })
        .await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageGroup>, StoreError> {
        let tenant = match query.tenant {
            UsageTenant::Project(project) => project.0,
            UsageTenant::Organisation(org) => org,
        };
        let (first, end) = sql::ids(query);
        let mut row: Vec<&(dyn ToSql + Sync)> =
            if sql::is_apart(query) { vec![&tenant, &first, &end] } else { vec![&tenant, &query.from, &query.to] };
        let narrowed = sql::narrowed(query);
        row.extend(narrowed.iter().map(|(_, value)| value as &(dyn ToSql + Sync)));
        let found = self.query(&sql::select(query), &row).await?;
        found.iter().map(|row| Ok(group(row, query.by.len())?)).collect()
    }

    async fn usage_entries(
        &self,
        project: ProjectId,
        (from, to): (OffsetDateTime, OffsetDateTime),
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<UsageEntry>, StoreError> {
        let (after, end) = (sql::first(from, after), sql::end(to));
        rows::all(&self.query(sql::ENTRIES, &[&project.0, &after, &end, &i64::from(limit)]).await?, entry)
    }

    async fn prune_usage(&self, before: OffsetDateTime, limit: u32) -> Result<u32, StoreError> {
        let (end, mut gone) = (sql::end(before), 0);
        for row in self.query(sql::PROJECTS, &[]).await? {
            let project: Uuid = get(&row, 0).map_err(StoreError::from)?;
            let some = i64::from(limit - gone);
            let went = self.transact(move |tx| Box::pin(prune(tx, project, end, some))).await?;
            gone += u32::try_from(went).unwrap_or(limit);
            if gone >= limit {
                break;
            }
        }
        Ok(gone)
    }
}

/// Stores entries. What is new among them is summed up and charged by the same statement.
pub(super) async fn add<'e>(tx: &Tx, entries: impl Iterator<Item = &'e UsageEntry>) -> Result<(), Fault> {
    let mut columns = Columns::default();
    entries.for_each(|entry| columns.push(entry));
    if columns.id.is_empty() {
        return Ok(());
    }
    let node = tx.node();
    let slot = clamp(node.as_u128() % SLOTS);
    tx.execute(sql::ADD_POSTGRES, &columns.row(&slot, &node)).await.map(drop)
}

macro_rules! columns {
    ($($column:ident: $type:ty),+ $(,)?) => {
        /// Entries turned on their side.
        #[derive(Default)]
        struct Columns<'e> {
            $($column: Vec<$type>,)+
            charged: Vec<Uuid>,
            budget: Vec<Uuid>,
            period: Vec<i64>,
            amount: Vec<i64>,
        }

        impl<'e> Columns<'e> {
            fn row<'a>(&'a self, slot: &'a i64, node: &'a Uuid) -> Vec<&'a (dyn ToSql + Sync)> {
                vec![$(&self.$column,)+ slot, node, &self.charged, &self.budget, &self.period, &self.amount]
            }
        }
    };
}

columns! {
    project_id: Uuid, id: Uuid, at: i64, run_id: Uuid, flow_id: Uuid, flow_slug: &'e str, version: i64,
    session_id: Option<&'e str>, key_id: Option<&'e str>, step: &'e str, model: &'e str, provider: Option<&'e str>,
    outcome: &'static str, prompt: i64, completion: i64, total: i64, cached: i64, cache_written: i64, reasoning: i64,
    cost: Option<i64>, duration_ms: i64,
}

impl<'e> Columns<'e> {
    fn push(&mut self, entry: &'e UsageEntry) {
        let spender = &entry.spender;
        self.project_id.push(spender.project_id.0);
        self.id.push(entry.id);
        self.at.push(micros(entry.at));
        self.run_id.push(spender.run_id.0);
        self.flow_id.push(spender.flow_id.0);
        self.flow_slug.push(&spender.flow_slug);
        self.version.push(spender.version.into());
        self.session_id.push(spender.session_id.as_deref());
        self.key_id.push(spender.key_id.as_deref());
        self.step.push(&entry.step);
        self.model.push(&entry.model);
        self.provider.push(entry.provider.as_deref());
        self.outcome.push(entry.outcome.as_str());
        self.prompt.push(clamp(entry.tokens.prompt));
        self.completion.push(clamp(entry.tokens.completion));
        self.total.push(clamp(entry.tokens.total));
        self.cached.push(clamp(entry.details.cached));
        self.cache_written.push(clamp(entry.details.cache_written));
        self.reasoning.push(clamp(entry.details.reasoning));
        self.cost.push(entry.cost);
        self.duration_ms.push(clamp(entry.duration_ms));
        for charge in &entry.charges {
            self.charged.push(entry.id);
            self.budget.push(charge.budget);
            self.period.push(charge.period);
            self.amount.push(charge.amount);
        }
    }
}

async fn prune(tx: &Tx, project: Uuid, end: Uuid, some: i64) -> Result<u64, Fault> {
    tx.execute(sql::PRUNE, &[&project, &end, &some]).await
}

/// An empty name is one that the calls lack.
fn group(row: &Row, width: usize) -> Result<UsageGroup, Fault> {
    let name = |column| Ok(get::<Option<String>>(row, column)?.filter(|name| !name.is_empty()));
    let sum = |column: usize| number::<u64>(row, width + column);
    let whole = |column: usize| Ok::<_, Fault>(i128::from(get::<i64>(row, width + column)?));
    Ok(UsageGroup {
        names: (0..width).map(name).collect::<Result<_, Fault>>()?,
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

fn entry(row: &Row) -> Result<UsageEntry, Fault> {
    Ok(UsageEntry {
        spender: Arc::new(Spender {
            project_id: ProjectId(get(row, 0)?),
            run_id: RunId(get(row, 3)?),
            flow_id: FlowId(get(row, 4)?),
            flow_slug: get(row, 5)?,
            version: number(row, 6)?,
            session_id: get(row, 7)?,
            key_id: get(row, 8)?,
        }),
        id: get(row, 1)?,
        at: time(row, 2)?,
        step: get::<String>(row, 9)?.into(),
        model: get(row, 10)?,
        provider: get(row, 11)?,
        outcome: spelled(row, 12, UsageOutcome::parse, "outcome")?,
        tokens: Tokens { prompt: number(row, 13)?, completion: number(row, 14)?, total: number(row, 15)? },
        details: TokenDetails {
            cached: number(row, 16)?,
            cache_written: number(row, 17)?,
            reasoning: number(row, 18)?,
        },
        cost: get(row, 19)?,
        duration_ms: number(row, 20)?,
        charges: Vec::new(),
    })
}
