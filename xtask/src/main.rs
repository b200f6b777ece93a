//! Repository tasks: `cargo xtask help` lists them.
//!
//! Everything here is for those who work on Noukai; nothing here is shipped.

mod bench;
mod chaos;
mod ledger;
mod openapi;
mod output;
mod process;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use workspace::Workspace;

/// Tasks of the Noukai repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run everything that must hold before a change is merged, and sum up.
    Test(test::Options),
    /// Check the rules of the house: arrows between crates, file headers, error pages and the like.
    Tidy,
    /// Write docs/openapi.json and docs/flow.schema.json from the binary, or check that they are up to date.
    Openapi(openapi::Options),
    /// Measure the released binary against a bare handler that does the same model calls.
    Bench(bench::Options),
    /// Compare the ledger with the model's own books after very many runs with failures, call by call.
    Ledger(ledger::Options),
    /// Kill the server, fault its store and its model, and check that nothing is lost.
    Chaos(chaos::Options),
}

fn main() -> ExitCode {
    match run(&Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    let workspace = Workspace::load()?;
    match task {
        Task::Test(options) => test::run(&workspace, options),
        Task::Tidy => tidy::run(&workspace),
        Task::Openapi(options) => openapi::run(&workspace, options),
        Task::Bench(options) => bench::run(&workspace, options),
        Task::Ledger(options) => ledger::run(&workspace, options),
        Task::Chaos(options) => chaos::run(&workspace, options),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
