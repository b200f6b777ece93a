//! The ledger.

use std::sync::Arc;

use noukai_api::{ErrorCode, RunStatus, TokenDetails, Tokens, TriggerType, UsageBy};
use noukai_store::*;
use time::OffsetDateTime;
use uuid::Uuid;

use super::bed::*;

pub fn spender(project: ProjectId) -> Spender {
    Spender {
        project_id: project,
        run_id: run_id(),
        flow_id: FlowId(Uuid::from_u128(7)),
        flow_slug: "triage".into(),
        version: 3,
        session_id: None,
        key_id: Some("abcd1234".into()),
    }
}

fn id_at(when: OffsetDateTime) -> Uuid {
    let since = when - OffsetDateTime::UNIX_EPOCH;
    let seconds = u64::try_from(since.whole_seconds()).unwrap();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, since.subsec_nanoseconds().unsigned_abs()))
}

/// A call that ended so many seconds after the tests' beginning of time, and cost a cent.
pub fn call(spender: Spender, seconds: i64) -> UsageEntry {
    UsageEntry {
        id: id_at(at(seconds)),
        spender: Arc::new(spender),
        at: at(seconds),
        step: "ask".into(),
        model: "openai/gpt-4o".into(),
        provider: Some("openai".into()),
        outcome: UsageOutcome::Completed,
        tokens: Tokens::new(10, 5),
        details: TokenDetails { cached: 4, cache_written: 2, reasoning: 1 },
        cost: Some(UNITS_PER_USD / 100),
        duration_ms: 12,
        charges: vec![],
    }
}

/// The hour of a time of the tests.
fn hour(seconds: i64) -> i64 {
    at(seconds).unix_timestamp() / 3_600
}

pub fn query(tenant: UsageTenant, by: &[UsageBy]) -> UsageQuery {
    let (from, to) = (hour(0), hour(100 * 86_400));
    UsageQuery { tenant, from, to, by: by.to_vec(), flow: None, model: None, key: None, limit: 1_000 }
}

async fn total(store: &Shared, project: ProjectId) -> UsageTotals {
    let groups = store.usage(&query(UsageTenant::Project(project), &[])).await.unwrap();
    assert_eq!(groups.len(), 1);
    groups[0].totals
}

async fn entries(store: &Shared, project: ProjectId) -> Vec<UsageEntry> {
    store.usage_entries(project, (at(0), at(100 * 86_400)), None, 1_000).await.unwrap()
}

/// Names, calls and cents of each group.
async fn groups(store: &Shared, query: &UsageQuery) -> Vec<(String, u64, i128)> {
    let line = |group: UsageGroup| {
        let names: Vec<String> = group.names.into_iter().map(|name| name.unwrap_or_else(|| "-".into())).collect();
        (names.join(" "), group.totals.calls, group.totals.cost / (i128::from(UNITS_PER_USD) / 100))
    };
    store.usage(query).await.unwrap().into_iter().map(line).collect()
}

fn line(names: &str, calls: u64, cents: i128) -> (String, u64, i128) {
    (names.into(), calls, cents)
}

async fn add(store: &Shared, entries: Vec<UsageEntry>) {
    store.add_usage(entries.into_iter().map(Arc::new).collect()).await.unwrap();
}

pub async fn rides_with_its_write(store: Shared) {
    let demo = project(&store, "demo").await;
    assert_eq!(total(&store, demo).await, UsageTotals::default());
    let id = run_id();
    let of = |seconds| Arc::new(call(Spender { run_id: id, session_id: Some("s".into()), ..spender(demo) }, seconds));
    let (first, second) = (of(1), of(2));
    let begin = create(record(demo, id, TriggerType::Execute)).events(1..=1);
    store.append(RunWrite { usage: vec![first.clone()], ..begin }).stored().await.unwrap();
    let end = write(demo, id).events(2..=2).ends(RunStatus::Completed);
    store.append(RunWrite { usage: vec![second.clone()], ..end }).stored().await.unwrap();
    let stored = entries(&store, demo).await;
    assert_eq!(stored, [first.as_ref().clone(), second.as_ref().clone()]);
    let whole = UsageTotals {
        calls: 2,
        tokens: Tokens::new(20, 10),
        details: TokenDetails { cached: 8, cache_written: 4, reasoning: 2 },
        cost: i128::from(UNITS_PER_USD / 50),
        ..UsageTotals::default()
    };
    assert_eq!(total(&store, demo).await, whole);
}

/// A write that fails may or may not have stored its entries: whoever gives them again makes sure.
pub async fn counted_once(store: Shared) {
    let demo = project(&store, "demo").await;
    let id = run_id();
    let entry = Arc::new(call(Spender { run_id: id, ..spender(demo) }, 1));
    let stray = RunWrite { usage: vec![entry.clone()], ..write(demo, id).events(5..=5) };
    assert!(is_conflict(&store.append(stray).stored().await));
    store.add_usage(vec![entry.clone()]).await.unwrap();
    store.add_usage(vec![entry.clone(), Arc::new(call(spender(demo), 2))]).await.unwrap();
    let good = RunWrite { usage: vec![entry], ..create(record(demo, id, TriggerType::Execute)) };
    store.append(good).stored().await.unwrap();
    assert_eq!(total(&store, demo).await.calls, 2);
    assert_eq!(entries(&store, demo).await.len(), 2);
}

pub async fn grouped_and_narrowed(store: Shared) {
    let demo = project(&store, "demo").await;
    let tenant = UsageTenant::Project(demo);
    let day = 86_400;
    let other = Spender { flow_slug: "other".into(), version: 0, key_id: None, ..spender(demo) };
    let cheap = |entry: UsageEntry| UsageEntry { model: "a/b".into(), provider: None, ..entry };
    let failed =
        |entry| UsageEntry { outcome: UsageOutcome::Failed(ErrorCode::ModelRateLimited), cost: Some(0), ..entry };
    let cut_off = |entry| UsageEntry { outcome: UsageOutcome::CutOff, cost: None, ..entry };
    let hedged = |entry| UsageEntry { outcome: UsageOutcome::Hedged, cost: None, ..entry };
    let cached =
        |entry| UsageEntry { outcome: UsageOutcome::Cached, cost: Some(0), tokens: Tokens::default(), ..entry };
    let calls = vec![
        call(spender(demo), 1),
        call(spender(demo), day + 1),
        cheap(call(spender(demo), day + 2)),
        call(other.clone(), 5),
        failed(call(other.clone(), 6)),
        cut_off(call(other.clone(), 7)),
        hedged(call(other.clone(), 8)),
        cached(call(other, 9)),
    ];
    add(&store, calls).await;
    let of = |by: &[UsageBy]| query(tenant, by);
    let first = at(0).unix_timestamp() / day;
    let days = [line(&format!("{first}"), 5, 2), line(&format!("{}", first + 1), 2, 2)];
    assert_eq!(groups(&store, &of(&[UsageBy::Day])).await, days);
    let models = [line("a/b -", 1, 1), line("openai/gpt-4o openai", 6, 3)];
    assert_eq!(groups(&store, &of(&[UsageBy::Model, UsageBy::Provider])).await, models);
    let flows = [line("other 0 -", 4, 1), line("triage 3 abcd1234", 3, 3)];
    assert_eq!(groups(&store, &of(&[UsageBy::Flow, UsageBy::Version, UsageBy::Key])).await, flows);
    assert_eq!(groups(&store, &of(&[UsageBy::Project])).await, [line("demo", 7, 4)]);
    let sums = store.usage(&UsageQuery { flow: Some("other".into()), ..of(&[]) }).await.unwrap()[0].totals;
    assert_eq!((sums.calls, sums.failed, sums.cached, sums.unpriced), (4, 2, 1, 2));
    let narrowed = UsageQuery {
        flow: Some("triage".into()),
        model: Some("openai/gpt-4o".into()),
        key: Some("abcd1234".into()),
        ..of(&[UsageBy::Day])
    };
    assert_eq!(
        groups(&store, &narrowed).await,
        [line(&format!("{first}"), 1, 1), line(&format!("{}", first + 1), 1, 1)]
    );
    assert_eq!(groups(&store, &UsageQuery { limit: 1, ..of(&[UsageBy::Day]) }).await, days[..1]);
    let late = UsageQuery { from: hour(3_600), ..of(&[UsageBy::Day]) };
    assert_eq!(groups(&store, &late).await, days[1..]);
    let early = UsageQuery { to: hour(3_600), ..of(&[UsageBy::Day]) };
    assert_eq!(groups(&store, &early).await, days[..1]);
    for text in HOSTILE {
        assert_eq!(groups(&store, &UsageQuery { model: Some(text.into()), ..of(&[UsageBy::Day]) }).await, []);
    }
}

pub async fn by_session(store: Shared) {
    let demo = project(&store, "demo").await;
    let of = |session: &str| Spender { session_id: Some(session.into()), ..spender(demo) };
    let cached = UsageEntry { outcome: UsageOutcome::Cached, cost: Some(0), ..call(of("a"), 3) };
    let calls = vec![call(of("a"), 1), call(of("b"), 2), cached, call(spender(demo), 4), call(of("a"), 90_000)];
    add(&store, calls).await;
    let by = query(UsageTenant::Project(demo), &[UsageBy::Session]);
    let mut found = groups(&store, &by).await;
    found.sort();
    assert_eq!(found, [line("-", 1, 1), line("a", 2, 2), line("b", 1, 1)]);
    let first = UsageQuery { to: hour(3_600), by: vec![UsageBy::Flow, UsageBy::Session], ..by };
    let mut found = groups(&store, &first).await;
    found.sort();
    assert_eq!(found, [line("triage -", 1, 1), line("triage a", 1, 1), line("triage b", 1, 1)]);
    let cached = store.usage(&first).await.unwrap().iter().map(|group| group.totals.cached).sum::<u64>();
    assert_eq!(cached, 1);
}

pub async fn of_an_organisation(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    let foreign = ProjectId(Uuid::now_v7());
    let foreign = store.ensure_project("globex", "demo", Uuid::now_v7(), foreign, at(0)).await.unwrap();
    add(&store, vec![call(spender(demo), 1), call(spender(other), 2), call(spender(foreign.id), 3)]).await;
    let org = store.project(demo).await.unwrap().unwrap().org_id;
    let found = groups(&store, &query(UsageTenant::Organisation(org), &[UsageBy::Project])).await;
    assert_eq!(found, [line("demo", 1, 1), line("other", 1, 1)]);
    let found = groups(&store, &query(UsageTenant::Organisation(foreign.org_id), &[])).await;
    assert_eq!(found, [line("", 1, 1)]);
}

pub async fn kept_apart(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    add(&store, vec![call(spender(demo), 1)]).await;
    assert_eq!(total(&store, other).await.calls, 0);
    assert_eq!(entries(&store, other).await, []);
}

pub async fn paged_in_order(store: Shared) {
    let demo = project(&store, "demo").await;
    add(&store, (0..10).map(|number| call(spender(demo), 10 - number)).collect()).await;
    let page = async |after, limit| store.usage_entries(demo, (at(2), at(9)), after, limit).await.unwrap();
    let seconds =
        |entries: &[UsageEntry]| entries.iter().map(|entry| (entry.at - at(0)).whole_seconds()).collect::<Vec<_>>();
    let first = page(None, 4).await;
    assert_eq!(seconds(&first), [2, 3, 4, 5]);
    let rest = page(first.last().map(|entry| entry.id), 100).await;
    assert_eq!(seconds(&rest), [6, 7, 8]);
    assert_eq!(page(rest.last().map(|entry| entry.id), 100).await, []);
}

pub async fn sums_outlive_entries(store: Shared) {
    let (demo, other) = (project(&store, "demo").await, project(&store, "other").await);
    add(&store, (0..10).map(|number| call(spender(demo), number)).collect()).await;
    add(&store, vec![call(spender(other), 1)]).await;
    assert_eq!(store.prune_usage(at(5), 3).await.unwrap(), 3);
    assert_eq!(store.prune_usage(at(5), 100).await.unwrap(), 3);
    assert_eq!(store.prune_usage(at(5), 100).await.unwrap(), 0);
    assert_eq!(entries(&store, demo).await.len(), 5);
    assert_eq!((total(&store, demo).await.calls, total(&store, other).await.calls), (10, 1));
}

/// What a provider states is not to be trusted with arithmetic.
pub async fn money_never_overflows(store: Shared) {
    let demo = project(&store, "demo").await;
    let budget = store.put_budget(&super::budgets::budget(&store, demo).await, 1, 0).await.unwrap();
    let charges = vec![Charge { budget: budget.id, period: 1, amount: i64::MAX - 5 }];
    let huge =
        |seconds| UsageEntry { cost: Some(i64::MAX - 5), charges: charges.clone(), ..call(spender(demo), seconds) };
    add(&store, vec![huge(1), huge(2)]).await;
    add(&store, vec![huge(3)]).await;
    assert_eq!(total(&store, demo).await.cost, i128::from(i64::MAX));
    assert_eq!(store.spent(&[(budget.id, 1)]).await.unwrap(), [i64::MAX]);
}

pub async fn concurrent_sums_are_exact(store: Shared) {
    let demo = project(&store, "demo").await;
    at_once(50, |number| {
        let store = store.clone();
        async move {
            let id = run_id();
            let of = |seconds| Arc::new(call(Spender { run_id: id, ..spender(demo) }, seconds));
            let begin = create(record(demo, id, TriggerType::Execute)).events(1..=1);
            let tickets = [
                store.append(RunWrite { usage: vec![of(number as i64)], ..begin }),
                store.append(RunWrite { usage: vec![of(3_600), of(7_200)], ..write(demo, id).events(2..=2) }),
                store.append(write(demo, id).events(9..=9)),
            ];
            for ticket in tickets {
                let _ = ticket.stored().await;
            }
        }
    })
    .await;
    let sums = total(&store, demo).await;
    assert_eq!((sums.calls, sums.tokens.total, sums.cost), (150, 2_250, i128::from(UNITS_PER_USD) * 3 / 2));
    assert_eq!(entries(&store, demo).await.len(), 150);
}
