//! Budgets and what is spent of them.

use std::sync::Arc;

use noukai_api::{BudgetPeriod, BudgetScope, BudgetUnit, TriggerType};
use noukai_store::*;
use uuid::Uuid;

use super::{
    bed::*,
    usage::{call, spender},
};

/// Of a project: a dollar a day.
pub async fn budget(store: &Shared, project: ProjectId) -> BudgetRecord {
    BudgetRecord {
        id: Uuid::now_v7(),
        org_id: store.project(project).await.unwrap().unwrap().org_id,
        scope: BudgetScope::Project,
        project_id: Some(project),
        target: String::new(),
        period: BudgetPeriod::Day,
        unit: BudgetUnit::Usd,
        amount: UNITS_PER_USD,
        warn_percent: 80,
        created_at: at(1),
        updated_at: at(1),
        updated_by: "ann".into(),
    }
}

async fn spent(store: &Shared, budget: Uuid, period: i64) -> i64 {
    store.spent(&[(budget, period)]).await.unwrap()[0]
}

/// The first hour of the tests.
fn since() -> i64 {
    at(0).unix_timestamp() / 3_600
}

pub async fn set_and_read(store: Shared) {
    let demo = project(&store, "demo").await;
    assert_eq!(store.budgets().await.unwrap(), []);
    let first = budget(&store, demo).await;
    let org = BudgetRecord {
        id: Uuid::now_v7(),
        scope: BudgetScope::Organization,
        project_id: None,
        period: BudgetPeriod::Total,
        unit: BudgetUnit::Runs,
        ..first.clone()
    };
    assert_eq!(store.put_budget(&first, 1, since()).await.unwrap(), first);
    assert_eq!(store.put_budget(&org, 0, since()).await.unwrap(), org);
    assert_eq!(store.budgets().await.unwrap(), [org.clone(), first.clone()]);
    assert_eq!(store.spent(&[(first.id, 1), (org.id, 0)]).await.unwrap(), [0, 0]);
}

pub async fn set_again(store: Shared) {
    let demo = project(&store, "demo").await;
    let first = store.put_budget(&budget(&store, demo).await, 1, since()).await.unwrap();
    let again = BudgetRecord {
        amount: 5,
        warn_percent: 50,
        created_at: at(9),
        updated_at: at(9),
        updated_by: "bob".into(),
        ..budget(&store, demo).await
    };
    let put = store.put_budget(&again, 1, since()).await.unwrap();
    assert_eq!(put, BudgetRecord { id: first.id, created_at: first.created_at, ..again });
    assert_eq!(store.budgets().await.unwrap(), std::slice::from_ref(&put));
    let apart = BudgetRecord { period: BudgetPeriod::Month, ..budget(&store, demo).await };
    store.put_budget(&apart, 1, since()).await.unwrap();
    assert_eq!(store.budgets().await.unwrap().len(), 2);
}

pub async fn a_new_one_counts_what_was_spent(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let flow = Spender { flow_slug: "other".into(), key_id: Some("k".into()), ..spender(demo) };
    let calls = [call(spender(demo), 1), call(flow, 2), call(spender(demo), 90_000), call(spender(other), 3)];
    store.add_usage(calls.into_iter().map(Arc::new).collect()).await.unwrap();
    let mut found = Vec::new();
    for (scope, project_id, target, unit) in [
        (BudgetScope::Organization, None, "", BudgetUnit::Tokens),
        (BudgetScope::Project, Some(demo), "", BudgetUnit::Tokens),
        (BudgetScope::Flow, Some(demo), "other", BudgetUnit::Tokens),
        (BudgetScope::Key, Some(demo), "abcd1234", BudgetUnit::Tokens),
        (BudgetScope::Project, Some(demo), "", BudgetUnit::Runs),
    ] {
        let new = BudgetRecord { scope, project_id, target: target.into(), unit, ..budget(&store, demo).await };
        let put = store.put_budget(&new, 4, since()).await.unwrap();
        found.push(spent(&store, put.id, 4).await);
    }
    assert_eq!(found, [60, 45, 15, 30, 0]);
    let money = store.put_budget(&budget(&store, demo).await, 4, since() + 1).await.unwrap();
    assert_eq!(spent(&store, money.id, 4).await, UNITS_PER_USD / 100);
    // Set again, it does not count it twice.
    store.put_budget(&budget(&store, demo).await, 4, since()).await.unwrap();
    assert_eq!(spent(&store, money.id, 4).await, UNITS_PER_USD / 100);
}

/// What came with a run's write, acknowledged the moment before.
pub async fn a_new_one_counts_a_runs_calls(store: Shared) {
    let demo = project(&store, "demo").await;
    for round in 1..=20 {
        let entry = Arc::new(call(spender(demo), 1));
        let mut begin = create(record(demo, run_id(), TriggerType::Execute));
        begin.usage = vec![entry];
        store.append(begin).stored().await.unwrap();
        let target = format!("key-{round}");
        let new = BudgetRecord { unit: BudgetUnit::Tokens, target, ..budget(&store, demo).await };
        let put = store.put_budget(&new, 4, since()).await.unwrap();
        assert_eq!(spent(&store, put.id, 4).await, 15 * round);
    }
}

pub async fn charged_with_entries(store: Shared) {
    let demo = project(&store, "demo").await;
    let first = store.put_budget(&budget(&store, demo).await, 1, since()).await.unwrap();
    let charge = |period, amount| Charge { budget: first.id, period, amount };
    let entry = Arc::new(UsageEntry { charges: vec![charge(1, 7), charge(2, 3)], ..call(spender(demo), 1) });
    let other = Arc::new(UsageEntry { charges: vec![charge(1, 1)], ..call(spender(demo), 2) });
    store.add_usage(vec![entry.clone(), other]).await.unwrap();
    store.add_usage(vec![entry]).await.unwrap();
    assert_eq!(store.spent(&[(first.id, 1), (first.id, 2), (first.id, 3)]).await.unwrap(), [8, 3, 0]);
}

pub async fn charged_with_a_beginning(store: Shared) {
    let demo = project(&store, "demo").await;
    let runs = BudgetRecord { unit: BudgetUnit::Runs, ..budget(&store, demo).await };
    let runs = store.put_budget(&runs, 1, since()).await.unwrap();
    let charge = Charge { budget: runs.id, period: 1, amount: 1 };
    let begin = |id, trigger| {
        let mut begin = create(record(demo, id, trigger));
        begin.create.as_mut().unwrap().charges.push(charge);
        begin
    };
    let id = run_id();
    store.append(begin(id, TriggerType::Execute)).stored().await.unwrap();
    assert!(is_conflict(&store.append(begin(id, TriggerType::Execute)).stored().await));
    store.append(begin(run_id(), TriggerType::Job)).stored().await.unwrap();
    assert_eq!(spent(&store, runs.id, 1).await, 2);
}

pub async fn removed_with_its_count(store: Shared) {
    let demo = project(&store, "demo").await;
    let first = store.put_budget(&budget(&store, demo).await, 1, since()).await.unwrap();
    let charges = vec![Charge { budget: first.id, period: 1, amount: 7 }];
    let entry = |minute| Arc::new(UsageEntry { charges: charges.clone(), ..call(spender(demo), minute) });
    store.add_usage(vec![entry(1)]).await.unwrap();
    assert!(!store.remove_budget(Uuid::now_v7(), first.id).await.unwrap());
    assert!(store.remove_budget(first.org_id, first.id).await.unwrap());
    assert!(!store.remove_budget(first.org_id, first.id).await.unwrap());
    assert_eq!((store.budgets().await.unwrap(), spent(&store, first.id, 1).await), (vec![], 0));
    // A call that was under way when it was removed, and a run that began.
    store.add_usage(vec![entry(2)]).await.unwrap();
    let mut begin = create(record(demo, run_id(), TriggerType::Execute));
    begin.create.as_mut().unwrap().charges.clone_from(&charges);
    store.append(begin).stored().await.unwrap();
    assert_eq!(spent(&store, first.id, 1).await, 0);
}

pub async fn hostile_text_is_only_text(store: Shared) {
    let demo = project(&store, "demo").await;
    for text in HOSTILE {
        let hostile = BudgetRecord { scope: BudgetScope::Flow, target: text.into(), ..budget(&store, demo).await };
        assert_eq!(store.put_budget(&hostile, 1, since()).await.unwrap().target, text);
    }
    assert_eq!(store.budgets().await.unwrap().len(), HOSTILE.len());
}
