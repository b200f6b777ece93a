//! Builds the server with failpoints and the chaos harness, and lets the one loose on the other.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::process;
use crate::workspace::Workspace;

/// What `cargo xtask chaos` takes.
#[derive(Args)]
pub struct Options {
    /// Kills at random moments.
    #[arg(long, default_value_t = 60)]
    kills: u32,
    /// Decides every choice: the same seed, the same cases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The store under test: one server on SQLite, or three on a private PostgreSQL.
    #[arg(long, value_parser = ["sqlite", "postgres"], default_value = "sqlite")]
    store: String,
    /// Only the cases of a scenario (`kill`), or one of them (`kill:17`); may be given more than once.
    #[arg(long, value_name = "CASE")]
    only: Vec<String>,
    /// Cases at the same time.
    #[arg(long, default_value_t = 2)]
    at_once: usize,
}

impl Options {
    /// What is run before each change is merged.
    pub fn short(store: &str, at_once: usize) -> Self {
        Self { kills: 60, seed: 1, store: store.to_owned(), only: Vec::new(), at_once }
    }
}

/// Builds both and hands over.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let server = build_server(workspace)?;
    process::run(process::cargo(&workspace.root).args(["build", "--quiet", "--package", "noukai-chaos"]))?;
    let mut command = Command::new(workspace.binary("debug", "noukai-chaos"));
    command.current_dir(&workspace.root);
    command.arg("--noukai").arg(server).arg("--flows").arg(workspace.root.join("chaos/flows"));
    command.arg("--scratch").arg(workspace.target.join("chaos/data"));
    command.args(["--kills", &options.kills.to_string(), "--seed", &options.seed.to_string()]);
    command.args(["--store", &options.store]);
    command.args(["--at-once", &options.at_once.to_string()]);
    for only in &options.only {
        command.args(["--only", only]);
    }
    process::run(&mut command)
}

/// Built by itself, so that nothing else gets its failpoints, and put aside, so that nobody takes it for the server.
fn build_server(workspace: &Workspace) -> Result<PathBuf> {
    let build = ["build", "--quiet", "--package", "noukai-cli", "--features", "failpoints"];
    process::run(process::cargo(&workspace.root).args(build))?;
    let folder = workspace.target.join("chaos");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let aside = folder.join("noukai");
    // Not written over: a process that still runs keeps its own.
    let _ = std::fs::remove_file(&aside);
    std::fs::copy(workspace.binary("debug", "noukai"), &aside).context("cannot put the server aside")?;
    // What lies there now has failpoints; the next build puts the server back.
    std::fs::remove_file(workspace.binary("debug", "noukai")).context("cannot remove the server with failpoints")?;
    Ok(aside)
}
