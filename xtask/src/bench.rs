//! Builds the released binary and the benchmark, and runs the one against the other.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::process;
use crate::workspace::Workspace;

/// What `cargo xtask bench` takes.
#[derive(Args)]
pub struct Options {
    /// Short rounds and small counts: to see that it works, not to publish.
    #[arg(long)]
    quick: bool,
    /// Also write the tables to FILE; where FILE has the two bench markers, only what stands between them.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Measure the bare handlers alone; needs no noukai binary.
    #[arg(long)]
    floor_only: bool,
    /// Measure this part alone: `calls`, `postgres`, `client` or `streams`.
    #[arg(long, value_name = "PART")]
    only: Option<String>,
    /// Measure the calls of another noukai binary, too, in turns with this one.
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
    /// Numbers of connections in place of the usual ones, such as `16,64`.
    #[arg(long, value_name = "N,...")]
    connections: Option<String>,
}

/// Builds in release and hands over.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    // Neither looks at the server.
    build(workspace, options.floor_only || options.only.as_deref() == Some("client"))?;
    let mut command = Command::new(workspace.binary("release", "noukai-bench"));
    command.current_dir(&workspace.root).arg("run");
    command.arg("--noukai").arg(workspace.binary("release", "noukai"));
    command.arg("--flows").arg(workspace.root.join("bench/flows"));
    command.arg("--scratch").arg(workspace.target.join("bench"));
    if options.quick {
        command.arg("--quick");
    }
    if options.floor_only {
        command.arg("--floor-only");
    }
    if let Some(part) = &options.only {
        command.args(["--only", part]);
    }
    if let Some(connections) = &options.connections {
        command.args(["--connections", connections]);
    }
    if let Some(beside) = &options.beside {
        command.arg("--beside").arg(std::path::absolute(beside)?);
    }
    if let Some(out) = &options.out {
        command.arg("--out").arg(std::path::absolute(out)?);
    }
    process::run(&mut command)
}

/// One package at a time: built together they would share features, and the binary would not be the one that is
/// released.
fn build(workspace: &Workspace, without_server: bool) -> Result<()> {
    let packages: &[&str] = if without_server { &["noukai-bench"] } else { &["noukai-bench", "noukai-cli"] };
    for package in packages {
        process::run(process::cargo(&workspace.root).args(["build", "--release", "--package", package]))?;
    }
    Ok(())
}
