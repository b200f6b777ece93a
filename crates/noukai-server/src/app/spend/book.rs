//! All budgets there are, by whom they concern. Read from the store at the start, after each change, and now and then.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use noukai_api::BudgetScope;
use noukai_store::BudgetRecord;
use parking_lot::RwLock;
use uuid::Uuid;

use super::Payer;
use crate::app::{App, AppError};

/// How often budgets are read anew, as commands beside the server may change them.
const EVERY: Duration = Duration::from_secs(2);

/// Whom budgets concern.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Target {
    Organisation(Uuid),
    Project(Uuid),
    Flow(Uuid, String),
    Key(String),
}

impl Target {
    fn of(budget: &BudgetRecord) -> Self {
        let project = budget.project_id.map_or(Uuid::nil(), |project| project.0);
        match budget.scope {
            BudgetScope::Organization => Self::Organisation(budget.org_id),
            BudgetScope::Project => Self::Project(project),
            BudgetScope::Flow => Self::Flow(project, budget.target.clone()),
            BudgetScope::Key => Self::Key(budget.target.clone()),
        }
    }
}

/// Budgets as they were read last.
#[derive(Default)]
pub(super) struct Book(HashMap<Target, Vec<Arc<BudgetRecord>>>);

/// The book in force.
#[derive(Default)]
pub(super) struct CurrentBook {
    book: RwLock<Arc<Book>>,
    /// Held from before a reading begins until it counts.
    turn: tokio::sync::Mutex<()>,
}

impl CurrentBook {
    pub fn get(&self) -> Arc<Book> {
        self.book.read().clone()
    }

    /// Reads it anew, and hands what was read to `settle` before it counts. One reading comes after the other: one that began
    /// before a budget was set, and is slow, would else undo the one that its setting led to.
    async fn renew<E>(
        &self,
        read: impl Future<Output = Result<Vec<BudgetRecord>, E>>,
        settle: impl FnOnce(&[Arc<BudgetRecord>]),
    ) -> Result<(), E> {
        let _turn = self.turn.lock().await;
        let budgets: Vec<Arc<BudgetRecord>> = read.await?.into_iter().map(Arc::new).collect();
        settle(&budgets);
        *self.book.write() = Arc::new(Book::of(&budgets));
        Ok(())
    }
}

impl Book {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(budgets: &[Arc<BudgetRecord>]) -> Self {
        let mut book = Self::default();
        for budget in budgets {
            book.0.entry(Target::of(budget)).or_default().push(budget.clone());
        }
        book
    }

    pub fn concerning(&self, org: Uuid, payer: Payer<'_>) -> Vec<Arc<BudgetRecord>> {
        let Payer { project, flow, key } = payer;
        let own = [Target::Organisation(org), Target::Project(project), Target::Flow(project, flow.to_owned())];
        let targets = own.into_iter().chain(key.map(|key| Target::Key(key.to_owned())));
        targets.filter_map(|target| self.0.get(&target)).flatten().cloned().collect()
    }
}

impl App {
    /// Reads the budgets in force.
    pub(crate) async fn load_budgets(&self) -> Result<(), AppError> {
        let spend = self.spend();
        let with_period = |budget: &Arc<BudgetRecord>| (budget.clone(), self.period_of(budget).number);
        let settle = |budgets: &[Arc<BudgetRecord>]| {
            spend.meters.settle_on(&budgets.iter().map(with_period).collect::<Vec<_>>());
        };
        Ok(spend.book.renew(self.store().budgets(), settle).await?)
    }

    /// Reads them again and again, until the server stops.
    pub(crate) async fn keep_budgets(self) {
        let stopping = self.stopping().clone();
        let mut every = tokio::time::interval(EVERY);
        while stopping.run_until_cancelled(every.tick()).await.is_some() {
            if stopping.run_until_cancelled(self.clone().hear_of_budgets()).await.is_none() {
                return;
            }
        }
    }

    /// Somebody may have changed them.
    pub(crate) async fn hear_of_budgets(self) {
        if let Err(error) = self.load_budgets().await {
            tracing::warn!(%error, "budgets could not be read; those read before go on");
        }
    }

    /// Budgets that concern a payer; none, without asking anyone, where there are none at all.
    pub(super) async fn budgets_of(&self, payer: Payer<'_>) -> Result<Vec<Arc<BudgetRecord>>, AppError> {
        let book = self.spend().book.get();
        if book.is_empty() {
            return Ok(Vec::new());
        }
        Ok(book.concerning(self.project_organisation(payer.project).await?, payer))
    }

    async fn project_organisation(&self, project: Uuid) -> Result<Uuid, AppError> {
        if let Some(org) = self.spend().organisations.lock().get(&project) {
            return Ok(*org);
        }
        let found = self.store().project(noukai_store::ProjectId(project)).await?;
        let org = found.ok_or_else(|| AppError::internal(format!("there is no project {project}")))?.org_id;
        self.spend().organisations.lock().insert(project, org);
        Ok(org)
    }
}

#[cfg(test)]
mod tests {
    use noukai_api::BudgetUnit;
    use tokio::sync::oneshot;

    use super::{super::meter::tests::budget, *};

    #[tokio::test]
    async fn a_slow_reading_does_not_undo_a_later_one() {
        let current = CurrentBook::default();
        let (go, told) = oneshot::channel();
        let before = async {
            told.await.unwrap();
            Ok::<_, AppError>(Vec::new())
        };
        let mut before = Box::pin(current.renew(before, |_| {}));
        assert!(futures::poll!(&mut before).is_pending());
        let mut after =
            Box::pin(current.renew(async { Ok::<_, AppError>(vec![budget(1, BudgetUnit::Tokens)]) }, |_| {}));
        let at_once = futures::poll!(&mut after).is_ready();
        go.send(()).unwrap();
        before.await.unwrap();
        if !at_once {
            after.await.unwrap();
        }
        assert!(!current.get().is_empty(), "the budget that was set is in force");
    }
}
