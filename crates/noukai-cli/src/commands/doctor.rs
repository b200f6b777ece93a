//! `noukai doctor`: looks at what a server needs, and says what to do about what is not well.

use std::{path::PathBuf, process::ExitCode};

use noukai_server::{Check, Health, Overrides, doctor};
use serde_json::json;

use crate::{
    error::CliError,
    local,
    output::{self, Style},
};

const EXAMPLES: &str = "\
Examples:
  noukai doctor
  noukai doctor --config /etc/noukai.toml --json

Changes nothing, and may be run beside a server. Asks the model provider for its models, which costs nothing. Exit code 1
where something fails.";

/// Check the data, the database, the disk, the clock, the ports and the model provider
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Directory with the server's data [default: .noukai]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// PostgreSQL of the servers, where they share one; better in NOUKAI_DATABASE
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Configuration file of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON: {"health", "checks": [{"name", "health", "found", "advice"}]}
    #[arg(long)]
    json: bool,
}

/// Prints a line per finding.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let overrides = Overrides { data: args.data, database: args.database, ..Overrides::default() };
    let config = local::load_config(args.config.as_deref(), overrides)?;
    let checks = doctor(&config).await;
    let worst = checks.iter().map(|check| check.health).max().unwrap_or(Health::Ok);
    if args.json {
        output::json(&json!({"health": worst, "checks": checks}));
    } else {
        checks.iter().for_each(print);
    }
    Ok(if worst == Health::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(check: &Check) {
    let style = Style::stdout();
    let health = match check.health {
        Health::Ok => style.green("ok  "),
        Health::Warn => style.yellow("warn"),
        Health::Fail => style.red("fail"),
    };
    output::line(&format!("{health}  {:<9} {}", check.name, check.found));
    if let Some(advice) = &check.advice {
        output::line(&format!("      {:<9} {}", "", style.dim(&format!("-> {advice}"))));
    }
}
