//! `noukai backup`: a copy of the database, while the server runs.

use std::{path::PathBuf, process::ExitCode};

use noukai_server::{Overrides, back_up};

use crate::{error::CliError, local, output};

const EXAMPLES: &str = "\
Examples:
  noukai backup --data /var/lib/noukai
  noukai backup --data /var/lib/noukai --to /mnt/backup/noukai.db

The copy is checked before it takes its name; a file that is there is whole. To restore it, stop the server and put the
copy in place of DIR/noukai.db: see docs/operations.md.";

/// Copy the database into a new file, while the server runs
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The new file [default: backups/noukai-DATE-TIME.db in the data directory]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
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

/// Prints the name of the copy.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let overrides = Overrides { data: args.data, database: args.database, ..Overrides::default() };
    let config = local::load_config(args.config.as_deref(), overrides)?;
    let copy = back_up(&config, args.to).await.map_err(CliError::failure)?;
    output::line(&copy.display().to_string());
    Ok(ExitCode::SUCCESS)
}
