//! Does the ledger agree with the model? Very many runs on a model that keeps its own books and fails now and then, with
//! retries, repairs and fallbacks, and if wanted a server that is killed meanwhile; then book against book, call by call.

mod books;
mod compare;
mod load;
mod model;
mod server;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::output;
use crate::report::thousands;
use books::Books;
use load::Load;
use model::Model;
use server::Servers;

/// What `ledger` takes.
#[derive(Args)]
pub struct Options {
    /// The noukai binary.
    #[arg(long, value_name = "FILE")]
    noukai: PathBuf,
    /// A folder for data and logs.
    #[arg(long, value_name = "FOLDER")]
    scratch: PathBuf,
    /// How many runs.
    #[arg(long, default_value_t = 100_000)]
    runs: u32,
    /// How often the server is killed meanwhile, as by `kill -9`, and started again.
    #[arg(long, default_value_t = 0)]
    kills: u32,
    /// Runs at the same time.
    #[arg(long, default_value_t = 128)]
    at_once: u32,
    /// Where the ledger is.
    #[arg(long, default_value = "sqlite")]
    store: Store,
}

/// Where the ledger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// A file.
    Sqlite,
    /// A private PostgreSQL.
    Postgres,
}

/// Runs, compares, and fails where the books differ.
pub async fn run(options: &Options) -> Result<()> {
    // The HTTP client wants one, even for plain text.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let model = Model::start().await?;
    let servers = Servers::start(options, &model.url).await?;
    let begun = Instant::now();
    let load = Load::new(options.runs, servers.watch(), servers.key().to_owned());
    let (outcome, killed) =
        tokio::join!(load.run(options.at_once), servers.kill_at(&load, options.kills, options.runs));
    killed?;
    let whole = outcome?;
    load.wait_until_idle().await?;
    let took = begun.elapsed();
    let ledger = Books::read(&load.client(), options.runs).await?;
    let found = compare::compare(&model.books(), &ledger, &whole, options.kills);
    output::line(&found.report());
    let runs = thousands(options.runs.into());
    let how = format!("{runs} runs in {:.1} s, {} kills", took.as_secs_f64(), options.kills);
    if !found.agrees() {
        bail!("{how}: the books differ; the server's data is kept in {}", options.scratch.display());
    }
    output::line(&format!("{how}: the books agree"));
    Ok(())
}
