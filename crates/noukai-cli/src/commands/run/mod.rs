//! `noukai run`: one run of a flow, in this process or on a server.

mod local;
mod outcome;
mod remote;

use std::{path::PathBuf, process::ExitCode};

pub use self::outcome::Ending;
use crate::{
    error::CliError,
    remote::{CallArgs, EXIT_CODES, Remote, ToolArgs, is_address},
};

const EXAMPLES: &str = "\
Examples:
  noukai run hello -m 'Ada'                     a flow of the current folder
  noukai run examples/hello.flow.yaml -m 'Ada'  a flow file
  noukai run translate-and-extract --folder examples -m 'Bonjour' -p language=German
  cat mail.txt | noukai run triage -m -         the message from stdin
  noukai run acme/demo/triage -m 'Help'         on a server
  noukai run weather --profile prod -m Oslo --tool get_weather=./weather.sh

Steps are shown on stderr as they happen; stdout has the result alone. On a server the flow runs as a job, which Ctrl-C
cancels; with tools it runs step by step, and Ctrl-C leaves it where it stands.";

/// Run a flow once: in this process, or on a server
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Args {
    /// The flow: its slug or its file; on a server ORG/PROJECT/FLOW
    flow: String,
    #[command(flatten)]
    call: CallArgs,
    #[command(flatten)]
    tools: ToolArgs,
    /// Folder to look for the flow in, without a server
    #[arg(long, value_name = "DIR", default_value = ".", help_heading = "Without a server")]
    folder: PathBuf,
    /// Keep the run in this data directory [default: a private one that is deleted]
    #[arg(long, value_name = "DIR", help_heading = "Without a server")]
    data: Option<PathBuf>,
    /// Configuration file, for model providers and limits
    #[arg(long, value_name = "FILE", help_heading = "Without a server")]
    config: Option<PathBuf>,
    /// Show no steps; print the outcome as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Remote,
}

/// Runs the flow and prints its result.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    if args.server.is_given() || is_address(&args.flow) { remote::run(&args).await } else { local::run(&args).await }
}
