//! `noukai completions`: tab completion for shells.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Cli, error::CliError, output};

const EXAMPLES: &str = "\
Examples:
  noukai completions bash > ~/.local/share/bash-completion/completions/noukai
  noukai completions zsh > ~/.zfunc/_noukai
  noukai completions fish > ~/.config/fish/completions/noukai.fish";

/// Print tab completions for a shell
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "noukai", &mut script);
    output::raw(&script);
    Ok(ExitCode::SUCCESS)
}
