//! `noukai config`: the configuration a server would run with.

use std::{path::PathBuf, process::ExitCode};

use noukai_server::Overrides;

use crate::{error::CliError, local, output};

const EXAMPLES: &str = "\
Examples:
  noukai config check
  noukai config check --config noukai.toml

Defaults are overruled by the file, the file by the environment, the environment by flags.";

/// Look at the configuration
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Check(CheckArgs),
}

/// Check the configuration and print what is in force, with secrets masked
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct CheckArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints the configuration in force as TOML.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let Action::Check(args) = args.action;
    let config = local::load_config(args.config.as_deref(), Overrides::default())?;
    output::line(config.masked().trim_end());
    Ok(ExitCode::SUCCESS)
}
