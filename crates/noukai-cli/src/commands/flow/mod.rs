//! `noukai flow`: flows of a server as files in a folder, and their versions.

mod schema;
mod test;

use std::process::ExitCode;

use crate::error::CliError;

/// Keep a server's flows as files, publish and promote them
#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Schema(schema::Args),
    Test(test::Args),
}

/// Does it.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    match args.action {
        Action::Schema(_) => schema::run(),
        Action::Test(args) => test::run(args).await,
    }
}
