//! `noukai budget`: how much runs may spend.

use std::process::ExitCode;

use noukai_api::{Budget, BudgetPeriod, BudgetScope, BudgetState, BudgetUnit, SetBudget};

use crate::{
    error::CliError,
    local::{Local, Opened},
    output::{self, Style},
    table,
};

const EXAMPLES: &str = "\
Examples:
  noukai budget set --usd 50 --per month                      the project
  noukai budget set --org --usd 500 --per month --warn 90     all projects of the organisation
  noukai budget set --flow triage --tokens 1000000 --per day
  noukai budget set --key 3fK9aQ2x --runs 100 --per total
  noukai budget list
  noukai budget remove 0192f0a1-...

A run that would go past a budget ends before its next model call with CREDITS_EXHAUSTED; new ones are refused. There is
one budget per scope, period and unit: setting it again changes it. A running server heeds it within seconds.";

/// Set, list and remove budgets: how much runs may spend
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Set(SetArgs),
    List(ListArgs),
    Remove(RemoveArgs),
}

/// Set a budget, for the project unless another scope is named
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("scope").args(["org", "flow", "key"]))]
#[command(group = clap::ArgGroup::new("unit").args(["usd", "tokens", "runs"]).required(true))]
struct SetArgs {
    /// For all projects of the organisation
    #[arg(long)]
    org: bool,
    /// For one flow
    #[arg(long, value_name = "SLUG")]
    flow: Option<String>,
    /// For one API key
    #[arg(long, value_name = "KEY_ID")]
    key: Option<String>,
    /// So many US dollars, such as 25.50
    #[arg(long, value_name = "AMOUNT")]
    usd: Option<String>,
    /// So many tokens
    #[arg(long, value_name = "N")]
    tokens: Option<String>,
    /// So many runs
    #[arg(long, value_name = "N")]
    runs: Option<String>,
    /// How long it lasts before it begins anew, in UTC: day, month, or total for never
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    per: BudgetPeriod,
    /// Warn from this part of it on, in percent [default: 80]
    #[arg(long, value_name = "PERCENT")]
    warn: Option<u8>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

/// List the organisation's budgets and how they stand
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct ListArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

/// Remove a budget and what it counted
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct RemoveArgs {
    /// The budget's id
    #[arg(value_name = "BUDGET_ID")]
    id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

fn period(text: &str) -> Result<BudgetPeriod, String> {
    BudgetPeriod::parse(text).ok_or_else(|| "a period is day, month or total".to_owned())
}

/// Sets, lists or removes.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    match args.action {
        Action::Set(args) => set(args).await,
        Action::List(args) => list(&args).await,
        Action::Remove(args) => remove(&args).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn set(args: SetArgs) -> Result<(), CliError> {
    let Opened { app, project } = args.local.open().await?;
    let outcome = app.set_budget_of(&project, request(&args), super::AUTHOR).await;
    app.close().await;
    let budget = outcome?;
    if args.json {
        output::json_line(&budget);
    } else {
        table(&[budget], Style::stdout()).iter().for_each(|line| output::line(line));
    }
    Ok(())
}

fn request(args: &SetArgs) -> SetBudget {
    let scope = match (args.org, &args.flow, &args.key) {
        (true, ..) => BudgetScope::Organization,
        (_, Some(_), _) => BudgetScope::Flow,
        (.., Some(_)) => BudgetScope::Key,
        _ => BudgetScope::Project,
    };
    let limits = [(BudgetUnit::Usd, &args.usd), (BudgetUnit::Tokens, &args.tokens), (BudgetUnit::Runs, &args.runs)];
    let given = limits.into_iter().find_map(|(unit, limit)| Some((unit, limit.clone()?)));
    let (unit, limit) = given.unwrap_or((BudgetUnit::Usd, String::new()));
    SetBudget {
        scope,
        project: None,
        flow: args.flow.clone(),
        key: args.key.clone(),
        period: args.per,
        unit,
        limit,
        warn_percent: args.warn,
    }
}

async fn list(args: &ListArgs) -> Result<(), CliError> {
    let Opened { app, project } = args.local.open().await?;
    let outcome = app.budgets_of_organisation(project.org_id).await;
    app.close().await;
    let list = outcome?;
    if args.json {
        output::json(&list);
    } else if list.budgets.is_empty() {
        output::note(&format!("{} has no budgets", project.org));
    } else {
        table(&list.budgets, Style::stdout()).iter().for_each(|line| output::line(line));
    }
    Ok(())
}

async fn remove(args: &RemoveArgs) -> Result<(), CliError> {
    let Opened { app, project } = args.local.open().await?;
    let outcome = app.remove_budget_of(project.org_id, &args.id).await;
    app.close().await;
    let removed = outcome?;
    if args.json {
        output::json_line(&removed);
    } else {
        output::line(&format!("removed {}", removed.id));
    }
    Ok(())
}

fn table(budgets: &[Budget], style: Style) -> Vec<String> {
    let head = ["BUDGET", "OF", "PER", "LIMIT", "SPENT", "STATE"];
    let mut lines = table::lines(head, budgets.iter().map(row), style);
    for (line, budget) in lines.iter_mut().skip(1).zip(budgets) {
        match budget.state {
            BudgetState::Ok => {}
            BudgetState::Warning => *line = style.yellow(line),
            BudgetState::Exhausted => *line = style.red(line),
        }
    }
    lines
}

fn row(budget: &Budget) -> [String; 6] {
    let project = budget.project.as_deref().unwrap_or_default();
    let of = match budget.scope {
        BudgetScope::Organization => "organisation".to_owned(),
        BudgetScope::Project => format!("project {project}"),
        BudgetScope::Flow => format!("flow {project}/{}", budget.flow.as_deref().unwrap_or_default()),
        BudgetScope::Key => format!("key {}", budget.key.as_deref().unwrap_or_default()),
    };
    let limit = format!("{} {}", budget.limit, budget.unit.as_str());
    let per = budget.period.as_str().to_owned();
    [budget.id.clone(), of, per, limit, budget.spent.clone(), budget.state.as_str().to_owned()]
}
