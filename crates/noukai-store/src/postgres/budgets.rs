//! Budgets, and what each node may take from them. What is spent is counted where usage is stored.

use async_trait::async_trait;
use noukai_api::{BudgetPeriod, BudgetScope, BudgetUnit};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore,
    fault::Fault,
    news::News,
    nodes,
    rows::{self, get, micros, number, spelled, time},
    transact::Tx,
};
use crate::sql::budgets as sql;
use crate::{BudgetRecord, Budgets, Charge, Credit, ProjectId, StoreError};

#[async_trait]
impl Budgets for PostgresStore {
    async fn put_budget(&self, budget: &BudgetRecord, period: i64, since: i64) -> Result<BudgetRecord, StoreError> {
        let budget = budget.clone();
        self.transact(move |tx| {
            let budget = budget.clone();
            Box::pin(async move { put(tx, &budget, period, since).await })
        })
        .await
    }

    async fn budgets(&self) -> Result<Vec<BudgetRecord>, StoreError> {
        rows::all(&self.query(sql::ALL, &[]).await?, record)
    }

    async fn remove_budget(&self, org_id: Uuid, id: Uuid) -> Result<bool, StoreError> {
        self.transact(move |tx| {
            Box::pin(async move {
                let removed = tx.execute(sql::REMOVE, &[&org_id, &id]).await? == 1;
                if removed {
                    tx.execute(sql::FORGET, &[&id]).await?;
                    tx.news.push(News::Budgets);
                }
                Ok(removed)
            })
        })
        .await
    }

    async fn spent(&self, of: &[(Uuid, i64)]) -> Result<Vec<i64>, StoreError> {
        let mut all = Vec::with_capacity(of.len());
        for (id, period) in of {
            let found = self.find(sql::SPENT, &[id, period]).await?;
            all.push(found.map_or(Ok(0), |row| get(&row, 0)).map_err(StoreError::from)?);
        }
        Ok(all)
    }
}

async fn put(tx: &mut Tx, budget: &BudgetRecord, period: i64, since: i64) -> Result<BudgetRecord, Fault> {
    let project = budget.project_id.map_or(Uuid::nil(), |project| project.0);
    let (scope, warn_percent) = (budget.scope.as_str(), i64::from(budget.warn_percent));
    let row = tx
        .find(
            sql::PUT,
            &[
                &budget.id,
                &budget.org_id,
                &scope,
                &project,
                &budget.target,
                &budget.period.as_str(),
                &budget.unit.as_str(),
                &budget.amount,
                &warn_percent,
                &micros(budget.created_at),
                &micros(budget.updated_at),
                &budget.updated_by,
            ],
        )
        .await?;
    let put = record(&row.ok_or_else(|| Fault::Lost("no budget".to_owned()))?)?;
    if put.id == budget.id {
        let found = tx.find(sql::SO_FAR, &[&budget.org_id, &scope, &project, &budget.target, &since]).await?;
        let column = match budget.unit {
            BudgetUnit::Usd => Some(0),
            BudgetUnit::Tokens => Some(1),
            BudgetUnit::Runs => None,
        };
        if let (Some(found), Some(column)) = (found, column) {
            let so_far = Charge { budget: put.id, period, amount: get(&found, column)? };
            charge_as(tx, Uuid::nil(), &[so_far]).await?;
        }
    }
    tx.news.push(News::Budgets);
    Ok(put)
}

/// Counts what this node has taken.
pub(super) async fn charge(tx: &Tx, charges: &[Charge]) -> Result<(), Fault> {
    if charges.is_empty() { Ok(()) } else { charge_as(tx, tx.node(), charges).await }
}

async fn charge_as(tx: &Tx, node: Uuid, charges: &[Charge]) -> Result<(), Fault> {
    let budgets: Vec<Uuid> = charges.iter().map(|charge| charge.budget).collect();
    let periods: Vec<i64> = charges.iter().map(|charge| charge.period).collect();
    let amounts: Vec<i64> = charges.iter().map(|charge| charge.amount).collect();
    tx.execute(sql::CHARGE_POSTGRES, &[&node, &budgets, &periods, &amounts]).await.map(drop)
}

/// See [`crate::Nodes::hold_credit`].
pub(super) async fn hold(tx: &Tx, budget: Uuid, period: i64, limit: i64, wanted: i64) -> Result<Credit, Fault> {
    tx.query(sql::LOCK_POSTGRES, &[&budget.to_string()]).await?;
    let (node, now) = (tx.node(), nodes::now(tx).await?);
    let others = tx.find(sql::ELSEWHERE_POSTGRES, &[&budget, &period, &node, &now]).await?;
    let others = others.ok_or_else(|| Fault::Lost("no sum of what others spent".to_owned()))?;
    let (spent_elsewhere, held_elsewhere): (i64, i64) = (get(&others, 0)?, get(&others, 1)?);
    let left = limit.saturating_sub(spent_elsewhere).saturating_sub(held_elsewhere).max(0);
    let granted = wanted.min(left);
    tx.execute(sql::HOLD_POSTGRES, &[&budget, &period, &node, &granted]).await?;
    Ok(Credit { granted, spent_elsewhere, held_elsewhere })
}

fn record(row: &Row) -> Result<BudgetRecord, Fault> {
    let project: Uuid = get(row, 3)?;
    Ok(BudgetRecord {
        id: get(row, 0)?,
        org_id: get(row, 1)?,
        scope: spelled(row, 2, BudgetScope::parse, "budget's scope")?,
        project_id: (!project.is_nil()).then_some(ProjectId(project)),
        target: get(row, 4)?,
        period: spelled(row, 5, BudgetPeriod::parse, "budget's period")?,
        unit: spelled(row, 6, BudgetUnit::parse, "budget's unit")?,
        amount: get(row, 7)?,
        warn_percent: number(row, 8)?,
        created_at: time(row, 9)?,
        updated_at: time(row, 10)?,
        updated_by: get(row, 11)?,
    })
}
