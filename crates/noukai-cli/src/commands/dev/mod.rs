//! `noukai dev`: serves a folder of flows on this machine, and reloads them on save.

mod folder;
mod key;
mod ready;
mod reload;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use noukai_api::{CaptureMode, Limits};
use noukai_server::{App, Config, Overrides, Project, Server};

use crate::{
    error::CliError,
    flow_files::{self, FlowFile},
    local,
    logging::{self, LogFormat},
    output,
    stop::Stop,
};
use folder::Folder;
use ready::Ready;
use reload::Watch;

const ORG: &str = "local";
const PROJECT: &str = "dev";
/// Runs at the same time. It is the developer's own machine.
const CONCURRENT_RUNS: u32 = 10_000;

/// The watcher complains about folders that were deleted, which is what it is there to notice.
const LOG: &str = "warn,notify=error";

const EXAMPLES: &str = "\
Examples:
  noukai dev                        the flows of the current folder
  noukai dev examples --port 9000
  noukai dev flows --json           one line for a program, then silence

Serves every *.flow.yaml, *.flow.yml and *.flow.json of the folder and of its direct subfolders as drafts of the project
local/dev, with full traces. The API key is kept with the data, so it stays the same. Published clients find the server
with NOUKAI_ENV=dev, on port 8080.";

/// Serve a folder of flows and reload them on save
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folder with the flow files
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Port; 0 takes a free one [default: 8080]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Directory for runs, traces and the key [default: .noukai]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file, for model providers and limits
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one line of JSON when ready, and nothing else on stdout
    #[arg(long)]
    json: bool,
}

/// Serves until a signal comes.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let stop = Stop::on_signals()?;
    logging::start(LOG, LogFormat::Text)?;
    let mut files = flow_files::load(&args.folder)?;
    let config = config(&args)?;
    flow_files::check_code(&mut files, &config.code).await?;
    flow_files::warn(&files);
    let data = config.data.clone();
    let server = Server::start(config).await.map_err(CliError::failure)?;
    let outcome = serve(&server, &args, files, &data, &stop).await;
    server.shutdown().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

fn config(args: &Args) -> Result<Config, CliError> {
    let overrides = Overrides {
        port: args.port,
        data: args.data.clone(),
        capture: Some(CaptureMode::Full),
        org: Some(ORG.to_owned()),
        project: Some(PROJECT.to_owned()),
        ..Overrides::default()
    };
    let mut config = local::load_private_config(args.config.as_deref(), overrides)?;
    raise_default(&mut config.limits);
    Ok(config)
}

/// More runs than a shared server allows, unless the file or the environment say how many.
fn raise_default(limits: &mut Limits) {
    if limits.concurrent_runs == Limits::default().concurrent_runs {
        limits.concurrent_runs = CONCURRENT_RUNS;
    }
}

async fn serve(server: &Server, args: &Args, files: Vec<FlowFile>, data: &Path, stop: &Stop) -> Result<(), CliError> {
    let app: &App = server.app();
    let project: Project = app.ensure_project(ORG, PROJECT).await?;
    let key = key::keep(app, &project, data).await?;
    let mut folder = Folder::serve(app, &project, &args.folder, files).await?;
    let watch = Watch::start(&args.folder, data);
    let ready = Ready { url: &server.url(), project: &project, key: &key, data, folder: &folder };
    if args.json {
        ready.print_json()
    } else {
        ready.print_text()
    }
    tokio::select! {
        () = stop.requested() => {}
        () = reload::run(watch, &mut folder) => {}
    }
    output::note("stopping; once more to stop at once");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_runs_that_was_set_stays() {
        let raised = |concurrent_runs| {
            let mut limits = Limits { concurrent_runs, ..Limits::default() };
            raise_default(&mut limits);
            limits.concurrent_runs
        };
        assert_eq!(raised(1), 1);
        assert_eq!(raised(Limits::default().concurrent_runs), CONCURRENT_RUNS);
    }
}
