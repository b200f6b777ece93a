//! Which cases are run, how many at a time, and what is said of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use futures::StreamExt;

use crate::output;
use crate::report::Report;
use crate::scenario::{self, Planned};
use crate::setup::{Setup, Store};

/// Kills the server, faults its store and its model, and checks that nothing is lost.
#[derive(Parser)]
#[command(disable_version_flag = true)]
pub struct Options {
    /// The noukai binary, built with failpoints.
    #[arg(long, value_name = "FILE")]
    noukai: PathBuf,
    /// The folder of the harness's flows.
    #[arg(long, value_name = "DIR")]
    flows: PathBuf,
    /// A folder for data and logs; what was in it goes.
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,
    /// Kills at random moments.
    #[arg(long, default_value_t = 60)]
    kills: u32,
    /// Decides every choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The store under test.
    #[arg(long, value_enum, default_value_t = Store::Sqlite)]
    store: Store,
    /// Only the cases of a scenario (`kill`), or one of them (`kill:17`); may be given more than once.
    #[arg(long, value_name = "CASE")]
    only: Vec<String>,
    /// Cases at the same time.
    #[arg(long, default_value_t = 2)]
    at_once: usize,
}

/// Runs all cases that are asked for; whether nothing was wrong.
pub fn run(options: &Options) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run_all(options))
}

async fn run_all(options: &Options) -> Result<bool> {
    let setup = prepare(options).await?;
    let cases: Vec<Planned> =
        scenario::all(options.kills, options.store).into_iter().filter(|case| is_wanted(options, case)).collect();
    output::note(&format!("chaos: {} cases, seed {}", cases.len(), options.seed));
    let mut report = Report::new(again(options), options.seed, cases.len());
    let (alone, together): (Vec<Planned>, Vec<Planned>) = cases.into_iter().partition(|case| case.alone);
    for (cases, at_once) in [(together, options.at_once.max(1)), (alone, 1)] {
        let runs = cases.into_iter().map(|case| {
            let setup = setup.clone();
            async move {
                let start = Instant::now();
                ((case.run)(setup).await, start.elapsed())
            }
        });
        let mut runs = futures::stream::iter(runs).buffer_unordered(at_once);
        while let Some((verdict, took)) = runs.next().await {
            report.add(&verdict, took);
        }
    }
    Ok(report.sum_up())
}

async fn prepare(options: &Options) -> Result<Arc<Setup>> {
    let (binary, flows) = (std::path::absolute(&options.noukai)?, std::path::absolute(&options.flows)?);
    let (scratch, seed, store) = (std::path::absolute(&options.scratch)?, options.seed, options.store);
    let prepared = tokio::task::spawn_blocking(move || Setup::prepare(binary, flows, scratch, seed, store)).await?;
    Ok(Arc::new(prepared.context("cannot prepare the first data")?))
}

/// How a case of this run is run again.
fn again(options: &Options) -> String {
    let store = options.store.to_possible_value();
    let store = store.as_ref().map_or("", |value| value.get_name());
    format!("cargo xtask chaos --kills {} --seed {} --store {store}", options.kills, options.seed)
}

fn is_wanted(options: &Options, case: &Planned) -> bool {
    let named = |only: &String| case.name == *only || case.name.starts_with(&format!("{only}:"));
    options.only.is_empty() || options.only.iter().any(named)
}
