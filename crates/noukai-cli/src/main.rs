//! The `noukai` command: serves flows, runs them, checks them, and manages what a server keeps.
//!
//! One file per command, each with `Args` and `run`. Holds no logic of flows, runs or HTTP: that is the server's.

mod commands;
mod error;
mod flow_files;
mod folder;
mod input;
mod local;
mod logging;
mod output;
mod progress;
mod remote;
mod sample;
mod snippets;
mod stop;
mod table;
mod units;
mod waterfall;

use std::process::ExitCode;

use clap::Parser;
use noukai_alloc::Mimalloc;
use noukai_server::Metered;

use commands::Command;
use error::CliError;

#[global_allocator]
static ALLOCATOR: Metered<Mimalloc> = Metered::new(Mimalloc);

const EXAMPLES: &str = "\
First steps:
  noukai demo                       see what it does, offline, in a few seconds
  noukai dev examples               serve a folder of flows, reload on save
  noukai run hello -m 'Ada'         run one flow without a server
  noukai check flows/               say what is wrong with flow files
  noukai login --server URL         keep a server's key; then `noukai run org/project/flow -m 'Hi'`
  noukai block run hello shape      call one code block

`noukai COMMAND --help` has examples for each command.";

/// Run LLM flows on your own machine.
///
/// A flow is a file (*.flow.yaml): steps that ask models, in order, at once, in loops and branches. Noukai serves flows
/// over HTTP, with a trace of every run.
#[derive(Parser)]
#[command(name = "noukai", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    // Before anything is read or started: a worker of code blocks is this binary, with an argument that people never
    // write.
    if noukai_server::is_worker() {
        return noukai_server::worker_main();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            output::usage(&error);
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let outcome = runtime().and_then(|runtime| {
        let outcome = runtime.block_on(cli.command.run());
        // Not waiting for a line that nobody types.
        runtime.shutdown_background();
        outcome
    });
    outcome.unwrap_or_else(|error| {
        output::error(&error);
        error.exit_code()
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| CliError::failure(format!("cannot start: {error}")))
}
