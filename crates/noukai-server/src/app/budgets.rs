//! Budgets: set, listed, removed. How runs are held against them is in `spend`.

use noukai_api::{Budget, BudgetList, BudgetScope, BudgetUnit, ErrorCode, RemovedBudget, Scope, SetBudget};
use noukai_store::{BudgetRecord, ProjectId, ProjectRecord};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{
    App, AppError, Caller, Project,
    inputs::fault,
    iso,
    spend::{Period, amount_text, state_of, units},
};

/// From which part of a budget on it warns, where nobody says otherwise.
const WARN_PERCENT: u8 = 80;

/// Whose spending a budget bounds, looked up.
struct Bounded {
    scope: BudgetScope,
    project: Option<ProjectId>,
    target: String,
}

impl App {
    /// Sets a budget of the caller's organisation: makes it, or gives the one of the same scope, period and unit its limit.
    ///
    /// # Errors
    /// `FORBIDDEN` without the admin scope; `VALIDATION_ERROR`; `FLOW_NOT_FOUND` and `KEY_NOT_FOUND`.
    pub async fn set_budget(&self, caller: &Caller, request: SetBudget) -> Result<Budget, AppError> {
        caller.require(Scope::Admin)?;
        self.set_budget_of(&Project::from(caller.record.as_ref().clone()), request, &caller.key_id).await
    }

    /// The same for a project's organisation, for the operator.
    ///
    /// # Errors
    /// As [`App::set_budget`], but for the rights.
    pub async fn set_budget_of(&self, own: &Project, request: SetBudget, by: &str) -> Result<Budget, AppError> {
        let amount = amount(request.unit, &request.limit)?;
        let warn_percent = request.warn_percent.unwrap_or(WARN_PERCENT);
        if !(1..=100).contains(&warn_percent) {
            return Err(AppError::invalid(vec![fault("warnPercent", "must be 1 to 100")]));
        }
        let Bounded { scope, project, target } = self.bounded(own, &request).await?;
        let now = self.now();
        let record = BudgetRecord {
            id: Uuid::now_v7(),
            org_id: own.org_id,
            scope,
            project_id: project,
            target,
            period: request.period,
            unit: request.unit,
            amount,
            warn_percent,
            created_at: now,
            updated_at: now,
            updated_by: by.to_owned(),
        };
        let period = Period::at(record.period, self.shared_now());
        let record = self.store().put_budget(&record, period.number, period.since).await?;
        self.load_budgets().await?;
        self.shown_budget(record).await
    }

    /// Budgets of the caller's organisation.
    ///
    /// # Errors
    /// `FORBIDDEN` without the admin scope.
    pub async fn budgets(&self, caller: &Caller) -> Result<BudgetList, AppError> {
        caller.require(Scope::Admin)?;
        self.budgets_of_organisation(caller.org_id).await
    }

    /// Budgets of an organisation, for the operator.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn budgets_of_organisation(&self, org_id: Uuid) -> Result<BudgetList, AppError> {
        let mut budgets = Vec::new();
        for record in self.store().budgets().await?.into_iter().filter(|record| record.org_id == org_id) {
            budgets.push(self.shown_budget(record).await?);
        }
        Ok(BudgetList { budgets })
    }

    /// Removes a budget of the caller's organisation.
    ///
    /// # Errors
    /// `FORBIDDEN` without the admin scope; `BUDGET_NOT_FOUND`, the same for foreign budgets as for missing ones.
    pub async fn remove_budget(&self, caller: &Caller, id: &str) -> Result<RemovedBudget, AppError> {
        caller.require(Scope::Admin)?;
        self.remove_budget_of(caller.org_id, id).await
    }

    /// The same for any organisation, for the operator.
    ///
    /// # Errors
    /// `BUDGET_NOT_FOUND`.
    pub async fn remove_budget_of(&self, org_id: Uuid, id: &str) -> Result<RemovedBudget, AppError> {
        let missing = || AppError::new(ErrorCode::BudgetNotFound, "there is no such budget in your organisation");
        let found = Uuid::parse_str(id).map_err(|_| missing())?;
        if !self.store().remove_budget(org_id, found).await? {
            return Err(missing());
        }
        self.load_budgets().await?;
        Ok(RemovedBudget { id: found.to_string() })
    }

    async fn bounded(&self, own: &Project, request: &SetBudget) -> Result<Bounded, AppError> {
        let SetBudget { scope, project, flow, key, .. } = request;
        refuse_other_targets(request)?;
        let target = |project: &ProjectRecord, target: &str| Bounded {
            scope: *scope,
            project: Some(project.id),
            target: target.to_owned(),
        };
        match (scope, flow, key) {
            (BudgetScope::Organization, ..) => Ok(Bounded { scope: *scope, project: None, target: String::new() }),
            (BudgetScope::Project, ..) => Ok(target(&self.named_project(own, project.as_deref()).await?, "")),
            (BudgetScope::Flow, Some(flow), _) => {
                let project = self.named_project(own, project.as_deref()).await?;
                self.flow_record(project.id, flow).await?;
                Ok(target(&project, flow))
            }
            (BudgetScope::Key, _, Some(key)) => Ok(target(&self.project_of_key(own, key).await?, key)),
            (BudgetScope::Flow, None, _) => Err(AppError::invalid(vec![fault("flow", "must name the flow")])),
            (BudgetScope::Key, _, None) => Err(AppError::invalid(vec![fault("key", "must name the key by its id")])),
        }
    }

    async fn named_project(&self, own: &Project, slug: Option<&str>) -> Result<ProjectRecord, AppError> {
        let Some(slug) = slug else { return Ok(own.record.clone()) };
        let found = self.store().project_at(&own.org, slug).await?;
        found.ok_or_else(|| AppError::invalid(vec![fault("project", "is no project of your organisation")]))
    }

    async fn project_of_key(&self, own: &Project, key: &str) -> Result<ProjectRecord, AppError> {
        let missing = || AppError::new(ErrorCode::KeyNotFound, "there is no such API key in your organisation");
        let found = self.store().key(key).await?.filter(|key| key.revoked_at.is_none()).ok_or_else(missing)?;
        let project = self.store().project(found.project_id).await?;
        project.filter(|project| project.org_id == own.org_id).ok_or_else(missing)
    }

    async fn shown_budget(&self, record: BudgetRecord) -> Result<Budget, AppError> {
        let period = self.period_of(&record);
        let spent = self.store().spent(&[(record.id, period.number)]).await?.first().copied().unwrap_or_default();
        let project = match record.project_id {
            Some(id) => self.store().project(id).await?.map(|project| project.slug),
            None => None,
        };
        let target = |scope| (record.scope == scope).then(|| record.target.clone());
        let text = |amount| amount_text(record.unit, amount);
        Ok(Budget {
            id: record.id.to_string(),
            scope: record.scope,
            project,
            flow: target(BudgetScope::Flow),
            key: target(BudgetScope::Key),
            period: record.period,
            unit: record.unit,
            limit: text(record.amount),
            warn_percent: record.warn_percent,
            spent: text(spent),
            remaining: text((record.amount - spent).max(0)),
            state: state_of(&record, spent),
            resets_at: period.ends.map(iso),
            created_at: iso(record.created_at),
            updated_at: iso(record.updated_at),
            updated_by: record.updated_by,
        })
    }
}

/// A name that does not belong to the scope is a mistake better told.
fn refuse_other_targets(request: &SetBudget) -> Result<(), AppError> {
    let scope = request.scope;
    let named = [
        ("project", request.project.is_some(), matches!(scope, BudgetScope::Project | BudgetScope::Flow)),
        ("flow", request.flow.is_some(), scope == BudgetScope::Flow),
        ("key", request.key.is_some(), scope == BudgetScope::Key),
    ];
    let message = format!("does not go with the scope `{}`", scope.as_str());
    let wrong = named.iter().filter(|(_, given, fits)| *given && !fits);
    let faults: Vec<_> = wrong.map(|(name, ..)| fault(name, message.clone())).collect();
    if faults.is_empty() { Ok(()) } else { Err(AppError::invalid(faults)) }
}

/// A limit in what is counted.
fn amount(unit: BudgetUnit, limit: &str) -> Result<i64, AppError> {
    let amount = match unit {
        BudgetUnit::Usd => {
            let amount = Decimal::from_str_exact(limit).ok().filter(|amount| !amount.is_sign_negative());
            amount.as_ref().and_then(units)
        }
        BudgetUnit::Tokens | BudgetUnit::Runs => limit.parse().ok().filter(|amount| *amount >= 0),
    };
    let expected = match unit {
        BudgetUnit::Usd => "must be US dollars such as `25.50`, up to 9000000",
        BudgetUnit::Tokens | BudgetUnit::Runs => "must be a whole number such as `1000000`",
    };
    amount.ok_or_else(|| AppError::invalid(vec![fault("limit", expected)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_exactly() {
        assert_eq!(amount(BudgetUnit::Usd, "25.50").unwrap(), 25_500_000_000_000);
        assert_eq!(amount(BudgetUnit::Usd, "0").unwrap(), 0);
        assert_eq!(amount(BudgetUnit::Tokens, "1000000").unwrap(), 1_000_000);
        for (unit, bad) in [
            (BudgetUnit::Usd, ""),
            (BudgetUnit::Usd, "-1"),
            (BudgetUnit::Usd, "1e3"),
            (BudgetUnit::Usd, "$5"),
            (BudgetUnit::Usd, "10000000"),
            (BudgetUnit::Runs, "1.5"),
            (BudgetUnit::Runs, "-1"),
            (BudgetUnit::Tokens, "99999999999999999999"),
        ] {
            assert_eq!(amount(unit, bad).map_err(|error| error.code), Err(ErrorCode::ValidationError), "{bad}");
        }
    }
}
