//! Budgets. What is spent of them is counted where usage is stored.

use async_trait::async_trait;
use noukai_api::BudgetUnit;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::{
    SqliteStore,
    rows::{Micros, spelled, time},
};
use crate::sql::budgets as sql;
use crate::{BudgetRecord, Budgets, ProjectId, StoreError};

#[async_trait]
impl Budgets for SqliteStore {
    async fn put_budget(&self, budget: &BudgetRecord, period: i64, since: i64) -> Result<BudgetRecord, StoreError> {
        let budget = budget.clone();
        self.write(move |db, _| Ok(put(db, &budget, period, since)?)).await
    }

    async fn budgets(&self) -> Result<Vec<BudgetRecord>, StoreError> {
        self.list(|db| Ok(db.prepare_cached(sql::ALL)?.query_map([], record)?.collect::<Result<_, _>>()?)).await
    }

    async fn remove_budget(&self, org_id: Uuid, id: Uuid) -> Result<bool, StoreError> {
        self.write(move |db, _| {
            let removed = db.prepare_cached(sql::REMOVE)?.execute([org_id, id])? == 1;
            if removed {
                db.prepare_cached(sql::FORGET)?.execute([id])?;
            }
            Ok(removed)
        })
        .await
    }

    async fn spent(&self, of: &[(Uuid, i64)]) -> Result<Vec<i64>, StoreError> {
        let of = of.to_vec();
        self.list(move |db| {
            let mut spent = db.prepare_cached(sql::SPENT)?;
            let one = |(id, period): &(Uuid, i64)| spent.query_row(params![id, period], |row| row.get(0));
            Ok(of.iter().map(one).collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

fn put(db: &Connection, budget: &BudgetRecord, period: i64, since: i64) -> rusqlite::Result<BudgetRecord> {
    let row = params![
        budget.id,
        budget.org_id,
        budget.scope.as_str(),
        budget.project_id.map_or(Uuid::nil(), |project| project.0),
        budget.target,
        budget.period.as_str(),
        budget.unit.as_str(),
        budget.amount,
        budget.warn_percent,
        Micros(budget.created_at),
        Micros(budget.updated_at),
        budget.updated_by
    ];
    let put = db.prepare_cached(sql::PUT)?.query_row(row, record)?;
    if put.id == budget.id {
        let spent = so_far(db, budget, since)?;
        db.prepare_cached(sql::CHARGE_SQLITE)?.execute(params![put.id, period, spent])?;
    }
    Ok(put)
}

fn so_far(db: &Connection, budget: &BudgetRecord, since: i64) -> rusqlite::Result<i64> {
    let project = budget.project_id.map_or(Uuid::nil(), |project| project.0);
    let row = params![budget.org_id, budget.scope.as_str(), project, budget.target, since];
    let column = match budget.unit {
        BudgetUnit::Usd => 0,
        BudgetUnit::Tokens => 1,
        BudgetUnit::Runs => return Ok(0),
    };
    db.prepare_cached(sql::SO_FAR)?.query_row(row, |row| row.get(column))
}

fn record(row: &Row<'_>) -> rusqlite::Result<BudgetRecord> {
    let project: Uuid = row.get(3)?;
    Ok(BudgetRecord {
        id: row.get(0)?,
        org_id: row.get(1)?,
        scope: spelled(row, 2)?,
        project_id: (!project.is_nil()).then_some(ProjectId(project)),
        target: row.get(4)?,
        period: spelled(row, 5)?,
        unit: spelled(row, 6)?,
        amount: row.get(7)?,
        warn_percent: row.get(8)?,
        created_at: time(row, 9)?,
        updated_at: time(row, 10)?,
        updated_by: row.get(11)?,
    })
}
