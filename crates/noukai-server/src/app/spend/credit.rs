//! Runs and calls ask budgets for their share: what is left is theirs, what is spent ends them, and what is only set aside
//! by others is waited for.

use std::{sync::Arc, time::Duration};

use noukai_api::{BudgetScope, BudgetUnit, ErrorCode};
use noukai_models::decimal_text;
use noukai_store::BudgetRecord;
use tokio::time::{Instant, timeout};

use super::{
    Hold, Payer, Period, Spend,
    meter::{Meter, warn_at},
    usd,
};
use crate::app::{App, AppError, iso};

/// How long what other servers hold is waited for before they are asked again.
const AGAIN: Duration = Duration::from_millis(250);

/// Why a call or a run gets nothing.
#[derive(Debug)]
pub(crate) enum NoCredit {
    /// A budget is spent; which one, for a person.
    Exhausted(String),
    /// What is spent cannot be told, or not be written down.
    Unknown(String),
}

impl NoCredit {
    fn unknown(error: impl std::fmt::Display) -> Self {
        Self::Unknown(error.to_string())
    }
}

impl From<NoCredit> for AppError {
    fn from(refusal: NoCredit) -> Self {
        match refusal {
            NoCredit::Exhausted(message) => Self::new(ErrorCode::InsufficientCredits, message),
            NoCredit::Unknown(context) => {
                let message = "usage cannot be recorded at this moment, so nothing is run; try again in a moment";
                Self { context: Some(context), ..Self::new(ErrorCode::BillingUnavailable, message) }
            }
        }
    }
}

impl App {
    pub(crate) fn spend(&self) -> &Spend {
        &self.inner.spend
    }

    /// What a call takes from budgets is set aside, once it is there. Where nothing bounds it this costs nothing.
    pub(super) async fn hold_for_call(&self, payer: Payer<'_>) -> Result<Vec<Hold>, NoCredit> {
        self.check_ledger()?;
        let budgets = self.budgets_of(payer).await.map_err(NoCredit::unknown)?;
        self.hold_all(budgets.iter().filter(|budget| budget.unit != BudgetUnit::Runs)).await
    }

    /// Whether a run may begin, or go on; where it begins, it is set aside as one.
    ///
    /// # Errors
    /// `INSUFFICIENT_CREDITS` where a budget is spent, `BILLING_UNAVAILABLE` where that cannot be told.
    pub(crate) async fn check_credit(&self, payer: Payer<'_>, begins: bool) -> Result<Vec<Hold>, AppError> {
        self.check_ledger()?;
        let budgets = self.budgets_of(payer).await.map_err(NoCredit::unknown)?;
        for budget in budgets.iter().filter(|budget| budget.unit != BudgetUnit::Runs) {
            let meter = self.meter(budget).await?;
            if !meter.is_open() {
                self.ask_others(&meter).await?;
            }
            if meter.is_exhausted() {
                return Err(exhausted(budget, self.period_of(budget)).into());
            }
        }
        let of_runs = budgets.iter().filter(|budget| begins && budget.unit == BudgetUnit::Runs);
        Ok(self.hold_all(of_runs).await?)
    }

    /// All of them or none: who waits for one holds no other up.
    async fn hold_all(&self, budgets: impl Iterator<Item = &Arc<BudgetRecord>>) -> Result<Vec<Hold>, NoCredit> {
        let mut meters = Vec::new();
        for budget in budgets {
            meters.push((self.meter(budget).await?, budget));
        }
        loop {
            let mut holds = Vec::with_capacity(meters.len());
            let full = meters.iter().find(|(meter, _)| match meter.hold() {
                Some(hold) => {
                    holds.push(hold);
                    false
                }
                None => true,
            });
            let Some((meter, budget)) = full else { return Ok(holds) };
            drop(holds);
            self.wait_for_more(meter, budget).await?;
        }
    }

    /// Waits until there may be more of a budget that is not spent.
    async fn wait_for_more(&self, meter: &Arc<Meter>, budget: &BudgetRecord) -> Result<(), NoCredit> {
        let mut changed = meter.watch();
        self.ask_others(meter).await?;
        if meter.is_open() {
            return Ok(());
        }
        if meter.is_exhausted() {
            return Err(exhausted(budget, self.period_of(budget)));
        }
        if meter.is_shared() {
            // Late or not, it is asked again.
            let _ = timeout(AGAIN, changed.changed()).await;
        } else {
            // Its sender lives as long as the meter.
            let _ = changed.changed().await;
        }
        Ok(())
    }

    /// Asks the other servers for more, where there may be some; not more often than makes sense.
    async fn ask_others(&self, meter: &Arc<Meter>) -> Result<(), NoCredit> {
        let Some(nodes) = self.store().nodes().filter(|_| meter.is_shared()) else { return Ok(()) };
        let mut asked = meter.asking.lock().await;
        if meter.is_open() || asked.is_some_and(|asked: Instant| asked.elapsed() < AGAIN / 2) {
            return Ok(());
        }
        let held = nodes.hold_credit(meter.budget, meter.period, meter.limit(), meter.wanted()).await;
        *asked = Some(Instant::now());
        drop(asked);
        meter.credit(held.map_err(NoCredit::unknown)?);
        Ok(())
    }

    /// Gives back what this server holds of budgets and does not use.
    pub(crate) async fn settle_credit(&self) -> Result<(), AppError> {
        let Some(nodes) = self.store().nodes() else { return Ok(()) };
        for meter in self.spend().meters.all() {
            let _turn = meter.asking.lock().await;
            if let Some(spent) = meter.idle() {
                meter.credit(nodes.hold_credit(meter.budget, meter.period, meter.limit(), spent).await?);
            }
        }
        Ok(())
    }

    pub(crate) fn period_of(&self, budget: &BudgetRecord) -> Period {
        Period::at(budget.period, self.shared_now())
    }

    async fn meter(&self, budget: &BudgetRecord) -> Result<Arc<Meter>, NoCredit> {
        let (period, meters) = (self.period_of(budget).number, &self.spend().meters);
        if let Some(meter) = meters.get(budget.id, period) {
            return Ok(meter);
        }
        let shared = self.store().nodes().is_some();
        let spent = match shared {
            true => 0,
            false => {
                let spent = self.store().spent(&[(budget.id, period)]).await.map_err(NoCredit::unknown)?;
                spent.first().copied().unwrap_or_default()
            }
        };
        Ok(meters.add(Meter::new(budget, period, spent, shared)))
    }
}

/// Which budget is spent, and until when.
fn exhausted(budget: &BudgetRecord, period: Period) -> NoCredit {
    let whose = match budget.scope {
        BudgetScope::Organization => "of the organisation".to_owned(),
        BudgetScope::Project => "of the project".to_owned(),
        BudgetScope::Flow => format!("of the flow `{}`", budget.target),
        BudgetScope::Key => format!("of the API key {}", budget.target),
    };
    let limit = shown(budget, budget.amount);
    let ends = period
        .ends
        .map_or_else(|| "raise it, or remove it".to_owned(), |ends| format!("it begins anew at {}", iso(ends)));
    NoCredit::Exhausted(format!("the {} budget {whose}, {limit}, is spent; {ends}", budget.period.as_str()))
}

fn shown(budget: &BudgetRecord, amount: i64) -> String {
    match budget.unit {
        BudgetUnit::Usd => format!("{} USD", amount_text(budget.unit, amount)),
        BudgetUnit::Tokens => format!("{amount} tokens"),
        BudgetUnit::Runs => format!("{amount} runs"),
    }
}

/// An amount in what a budget counts.
pub(crate) fn amount_text(unit: BudgetUnit, amount: i64) -> String {
    match unit {
        BudgetUnit::Usd => decimal_text(&usd(i128::from(amount))),
        BudgetUnit::Tokens | BudgetUnit::Runs => amount.to_string(),
    }
}

/// How a budget stands of which so much is spent.
pub(crate) fn state_of(budget: &BudgetRecord, spent: i64) -> noukai_api::BudgetState {
    use noukai_api::BudgetState::{Exhausted, Ok, Warning};
    match spent {
        spent if spent >= budget.amount => Exhausted,
        spent if spent >= warn_at(budget) => Warning,
        _ => Ok,
    }
}
