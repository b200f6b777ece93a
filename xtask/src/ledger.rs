//! Builds the binary and the benchmark, and has the one's ledger compared with the other's books.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::process;
use crate::workspace::Workspace;

/// What `cargo xtask ledger` takes.
#[derive(Args)]
pub struct Options {
    /// How many runs.
    #[arg(long, default_value_t = 100_000)]
    runs: u32,
    /// How often the server is killed meanwhile, as by `kill -9`, and started again.
    #[arg(long, default_value_t = 0)]
    kills: u32,
    /// Where the ledger is.
    #[arg(long, value_parser = ["sqlite", "postgres"], default_value = "sqlite")]
    store: String,
    /// Build without optimisation: slower runs, quicker builds.
    #[arg(long)]
    debug: bool,
}

/// Builds both and hands over.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let profile = if options.debug { "debug" } else { "release" };
    for package in ["noukai-bench", "noukai-cli"] {
        let mut build = process::cargo(&workspace.root);
        build.args(["build", "--quiet", "--package", package]);
        process::run(if options.debug { &mut build } else { build.arg("--release") })?;
    }
    let mut command = Command::new(workspace.binary(profile, "noukai-bench"));
    command.current_dir(&workspace.root).arg("ledger");
    command.arg("--noukai").arg(workspace.binary(profile, "noukai"));
    command.arg("--scratch").arg(workspace.target.join("ledger"));
    command.args(["--runs", &options.runs.to_string(), "--kills", &options.kills.to_string()]);
    process::run(command.args(["--store", &options.store]))
}
