//! The chaos harness: `cargo xtask chaos` builds it and runs it. README.md beside it says what it proves and how.
//!
//! One process: it is the clients and the model, and starts and kills the server. Everything stays on the loopback
//! interface.

mod case;
mod check;
mod choices;
mod client;
mod errand;
mod facts;
mod mock;
mod output;
mod report;
mod run;
mod scenario;
mod setup;
mod shape;
mod site;
mod stored;
mod tally;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match run::run(&run::Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
