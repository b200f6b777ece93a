//! `noukai flow`: a server's flows as files in a folder, and their versions.

mod check;
mod diff;
mod list;
mod promote;
mod publish;
mod pull;
mod push;
mod rollback;
mod schema;
mod test;

use std::process::ExitCode;

use crate::error::CliError;

const EXAMPLES: &str = "\
A folder of *.flow.yaml goes with one project of one server, which a file `noukai.yaml` beside them names:
  server: https://flows.example.com
  org: acme
  project: demo
Without it, it is the server and the project of the key. The key needs the scope `author`.

From server to folder and back:
  noukai flow pull                        writes what the server has and the folder has not
  noukai flow diff                        shows what a push would change
  noukai flow push                        puts what was changed here on the server, as the operations that lead there
  noukai flow publish triage --note 'shorter replies'
  noukai flow promote triage 3
  noukai flow rollback triage             back to the version that was production before";

/// Keep a server's flows as files; publish and promote them
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    List(list::Args),
    Pull(pull::Args),
    Push(push::Args),
    Diff(diff::Args),
    Check(check::Args),
    Publish(publish::Args),
    Promote(promote::Args),
    Rollback(rollback::Args),
    Schema(schema::Args),
    Test(test::Args),
}

/// Does it.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    match args.action {
        Action::List(args) => list::run(args).await,
        Action::Pull(args) => pull::run(args).await,
        Action::Push(args) => push::run(args).await,
        Action::Diff(args) => diff::run(args).await,
        Action::Check(args) => check::run(args).await,
        Action::Publish(args) => publish::run(args).await,
        Action::Promote(args) => promote::run(args).await,
        Action::Rollback(args) => rollback::run(args).await,
        Action::Schema(_) => schema::run(),
        Action::Test(args) => test::run(args).await,
    }
}
