//! `noukai migrate`: brings the database's schema up to date, or says what that would do.

use std::{path::PathBuf, process::ExitCode};

use noukai_server::{Overrides, migrate, schema};

use crate::{error::CliError, local, output};

const EXAMPLES: &str = "\
Examples:
  noukai migrate --check --data /var/lib/noukai    exit code 1 where something is pending
  noukai migrate --data /var/lib/noukai

A server does this by itself at its start. There is no way back: make a backup first (`noukai backup`).";

/// Bring the database's schema up to date
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only say what is pending
    #[arg(long)]
    check: bool,
    /// Directory with the server's data [default: .noukai]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// PostgreSQL of the servers, where they share one; better in NOUKAI_DATABASE
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Configuration file of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints where the schema stands, or what was applied.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let overrides = Overrides { data: args.data, database: args.database, ..Overrides::default() };
    let config = local::load_config(args.config.as_deref(), overrides)?;
    let state = if args.check { schema(&config).await } else { migrate(&config).await }.map_err(CliError::failure)?;
    if state.pending.is_empty() {
        output::line(&format!("schema {} is current", state.found));
        return Ok(ExitCode::SUCCESS);
    }
    let word = if args.check { "pending" } else { "applied" };
    for (number, name) in &state.pending {
        output::line(&format!("{word}: {number} {name}"));
    }
    Ok(if args.check { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
