//! Whether the ledger agrees with the model to the last token, after very many runs with failures, retries, repairs and
//! fallbacks: `cargo run --release -p noukai-server --example ledger -- 100000`. Prints both accounts; fails where they
//! differ. With `NOUKAI_DATABASE` it works on that PostgreSQL, else on SQLite.

#![expect(clippy::expect_used, reason = "a measurement that cannot go on says so and ends")]

#[path = "../tests/common/model.rs"]
#[expect(dead_code, reason = "tests ask more of it")]
mod model;

use std::{process::ExitCode, time::Instant};

use futures::StreamExt;
use model::{Account, Manners, Model, PRICED, UNPRICED};
use noukai_api::{BudgetPeriod, BudgetScope, BudgetUnit, ExecuteRequest, SetBudget, UsageReport};
use noukai_server::{App, Config, FlowAddress, Overrides, Project, RunOptions, Server, UsageRequest, VersionSelector};
use serde_json::json;

/// Runs at the same time.
const AT_ONCE: usize = 200;

#[tokio::main]
async fn main() -> ExitCode {
    let runs: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let model = Model::start(Manners { fault_every: 7, misfit_every: 11, ..Manners::default() }).await;
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start(config(&model, data.path())).await.expect("a server");
    let (app, project) = (server.app().clone(), prepare(server.app()).await);
    let begun = Instant::now();
    let all = futures::stream::iter(0..runs).map(|number| one(&app, &project, number));
    all.buffer_unordered(AT_ONCE).for_each(|()| async {}).await;
    let took = begun.elapsed();
    let usage = app.usage_of(&project, &UsageRequest { by: Some(Vec::new()), ..UsageRequest::default() }).await;
    let budgets = app.budgets_of_organisation(project.org_id).await.expect("budgets");
    let agrees = compare(&model.account(), &usage.expect("usage"), &budgets.budgets[0].spent);
    let verdict = if agrees { "they agree" } else { "THEY DIFFER" };
    say(&format!("{runs} runs in {:.1} s: {verdict}", took.as_secs_f64()));
    server.shutdown().await;
    if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn config(model: &Model, data: &std::path::Path) -> Config {
    let overrides = Overrides { data: Some(data.to_owned()), ..Overrides::default() };
    let mut config = Config::load(None, overrides).expect("a configuration");
    config.listen = vec![([127, 0, 0, 1], 0).into()];
    config.models.providers = model.providers();
    config
}

/// A project of its own, with a flow that repairs and falls back, and a budget that is never spent.
async fn prepare(app: &App) -> Project {
    let slug = format!("ledger-{}", std::process::id());
    let project = app.ensure_project(&slug, "exact").await.expect("a project");
    let llm = json!({"model": PRICED, "fallback_models": [UNPRICED], "prompt": "x",
        "output": {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}});
    let retry = json!({"max_attempts": 2, "initial_ms": 1, "max_ms": 2});
    let step = |id: &str| json!({"id": id, "llm": llm, "retry": retry});
    let flow = json!({"schema": 1, "slug": "work", "input": {"message": "string"}, "steps": [step("a"), step("b")]});
    app.put_flow(&project, &flow).await.expect("a flow");
    let budget = SetBudget {
        scope: BudgetScope::Organization,
        project: None,
        flow: None,
        key: None,
        period: BudgetPeriod::Total,
        unit: BudgetUnit::Tokens,
        limit: i64::MAX.to_string(),
        warn_percent: None,
    };
    app.set_budget_of(&project, budget, "ledger").await.expect("a budget");
    project
}

/// Every tenth as a job.
async fn one(app: &App, project: &Project, number: usize) {
    let caller = app.local_caller(project);
    let address = FlowAddress { flow: "work".to_owned(), version: VersionSelector::Draft };
    let request: ExecuteRequest = serde_json::from_value(json!({"message": "x"})).expect("a request");
    if !number.is_multiple_of(10) {
        app.execute(&caller, &address, request, RunOptions::default()).await.expect("a reply");
        return;
    }
    let job = app.enqueue(&caller, &address, request, RunOptions::default()).await.expect("a job");
    loop {
        let wait = std::time::Duration::from_secs(60);
        let status = app.job(&caller, "work", &job.execution_id, wait).await.expect("a job");
        if status.status.is_final() {
            return;
        }
    }
}

fn compare(account: &Account, usage: &UsageReport, budget: &str) -> bool {
    let total = &usage.total;
    let model = json!({
        "calls": account.calls, "failed": account.faults, "unpriced": account.unclear + account.unpriced,
        "prompt": account.prompt, "completion": account.completion,
        "budget": (account.prompt + account.completion).to_string(), "cost": account.cost().to_string(),
    });
    let ledger = json!({
        "calls": total.calls, "failed": total.failed_calls, "unpriced": total.unpriced_calls,
        "prompt": total.tokens.prompt, "completion": total.tokens.completion,
        "budget": budget, "cost": units(&total.cost_usd),
    });
    say(&format!("model:  {model}\nledger: {ledger}"));
    model == ledger
}

/// A decimal in units of 1e-12, without leading zeros.
fn units(text: &str) -> String {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<12}");
    digits.trim_start_matches('0').to_owned()
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn say(line: &str) {
    println!("{line}");
}
