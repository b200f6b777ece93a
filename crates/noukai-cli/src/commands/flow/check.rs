//! `noukai flow check`: what is wrong with the folder's flows, without a server.

use std::{path::PathBuf, process::ExitCode};

use crate::{commands::check, error::CliError};

const EXAMPLES: &str = "\
Examples:
  noukai flow check
  noukai flow check --folder flows --json

The same as `noukai check FOLDER`: each problem is a line, and the exit code is 1 where there is an error.";

/// Say what is wrong with the folder's flows
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder of the flow files
    #[arg(long, value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Checks.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    check::run(check::Args::of_folder(args.folder, args.json)).await
}
