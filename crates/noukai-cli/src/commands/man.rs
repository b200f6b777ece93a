//! `noukai man`: manual pages, one for each command.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::CommandFactory;

use crate::{Cli, error::CliError, output};

const EXAMPLES: &str = "\
Examples:
  noukai man | man -l -                         read the page of `noukai` itself
  noukai man ~/.local/share/man/man1            write all pages, to be found by `man noukai-run`";

/// Print or write manual pages
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder to write the pages of all commands to; made if missing
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Prints one page, or writes all.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let failed = |error: std::io::Error| CliError::failure(format!("the pages cannot be written: {error}"));
    match args.folder {
        Some(folder) => {
            fs::create_dir_all(&folder).map_err(failed)?;
            clap_mangen::generate_to(Cli::command(), &folder).map_err(failed)?;
            output::note(&format!("manual pages are in {}", folder.display()));
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(failed)?;
            output::raw(&page);
        }
    }
    Ok(ExitCode::SUCCESS)
}
