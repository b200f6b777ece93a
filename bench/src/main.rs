//! The load benchmark: `cargo xtask bench` builds it and runs it. README.md beside it says what is measured and how.
//!
//! One executable, three processes: `run` starts the others, makes the load and reports; `mock` is the model provider;
//! `floor` is what the server is compared with. Everything stays on the loopback interface.

mod caller;
mod floor;
mod ledger;
mod load;
mod measure;
mod mock;
mod noukai;
mod output;
mod peer;
mod proc;
mod report;
mod serve;
mod stats;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// The server uses the same allocator; the comparison is about the rest.
#[global_allocator]
static ALLOCATOR: noukai_alloc::Mimalloc = noukai_alloc::Mimalloc;

/// Measures the noukai binary.
#[derive(Parser)]
#[command(disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Measure and report.
    Run(measure::Options),
    /// Compare the ledger with the model's own books after very many runs.
    Ledger(ledger::Options),
    /// Serve as the model provider until stdin ends.
    #[command(hide = true)]
    Mock {
        /// Wait so long before each answer.
        #[arg(long, default_value_t = 0)]
        latency_ms: u64,
    },
    /// Serve as the floor until stdin ends.
    #[command(hide = true)]
    Floor {
        /// The provider's base URL, with `/v1`.
        #[arg(long)]
        provider: String,
    },
    /// Serve what the clients call until stdin ends.
    #[command(hide = true)]
    Peer,
    /// Call the peer with one client.
    #[command(hide = true)]
    Caller(caller::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse().role) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The floor has a thread per core, as the server has. The mock and the load generator have one each, so as to leave
/// the cores to what is measured.
fn run(role: Role) -> Result<()> {
    use tokio::runtime::Builder;
    match role {
        Role::Run(options) => {
            Builder::new_current_thread().enable_all().build()?.block_on(until_stopped(measure::run(&options)))
        }
        Role::Ledger(options) => {
            Builder::new_multi_thread().enable_all().build()?.block_on(until_stopped(ledger::run(&options)))
        }
        Role::Mock { latency_ms } => {
            let router = mock::router(Duration::from_millis(latency_ms));
            Builder::new_current_thread().enable_all().build()?.block_on(serve::until_stdin_ends(router))
        }
        Role::Floor { provider } => {
            let router = floor::router(&provider)?;
            Builder::new_multi_thread().enable_all().build()?.block_on(serve::until_stdin_ends(router))
        }
        Role::Peer => {
            Builder::new_current_thread().enable_all().build()?.block_on(serve::until_stdin_ends(peer::router()))
        }
        Role::Caller(options) => Builder::new_current_thread().enable_all().build()?.block_on(caller::run(&options)),
    }
}

/// Does the work; a signal ends it early, and the children with it.
async fn until_stopped(work: impl Future<Output = Result<()>>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
    }
}
