//! `noukai demo`: a real server, called in each of the four ways over real HTTP, and the trace of a run.

mod show;
mod ways;

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use noukai::{CaptureMode, Noukai, Scope};
use noukai_flow::Format;
use noukai_server::{App, Config, KeyRequest, Overrides, Server};

use crate::{
    error::{CliError, Exit},
    local,
    logging::{self, LogFormat},
    remote::call_failed,
    stop::Stop,
};

const ORG: &str = "local";
const PROJECT: &str = "demo";
/// Longer than anything in the demo takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The example flows of the repository.
const FLOWS: [&str; 4] = [
    include_str!("../../../../../examples/hello.flow.yaml"),
    include_str!("../../../../../examples/order.flow.yaml"),
    include_str!("../../../../../examples/review-panel.flow.yaml"),
    include_str!("../../../../../examples/weather.flow.yaml"),
];

const EXAMPLES: &str = "\
Examples:
  noukai demo

Needs no network, no key and no file: the server runs on a free port with its data in a temporary folder, and the flows
use the built-in model noukai/echo. Takes a few seconds.";

/// See what Noukai does, offline, in a few seconds
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

/// Runs the demo.
pub async fn run(_: Args) -> Result<ExitCode, CliError> {
    let stop = Stop::on_signals()?;
    logging::start("warn", LogFormat::Text)?;
    let began = Instant::now();
    // Deleted when it is dropped, however the demo ends.
    let data = tempfile::tempdir().map_err(|error| CliError::failure(format!("no temporary folder: {error}")))?;
    let server = Server::start(config(data.path())?).await.map_err(CliError::failure)?;
    let outcome = tokio::select! {
        outcome = tour(&server) => outcome.map(|()| ExitCode::SUCCESS),
        () = stop.requested() => Ok(Exit::Interrupted.into()),
    };
    server.shutdown().await;
    if outcome.as_ref().is_ok_and(|code| *code == ExitCode::SUCCESS) {
        show::end(began.elapsed());
    }
    outcome
}

/// Whatever the environment says of providers: a demo must not call a model that costs money.
fn config(data: &Path) -> Result<Config, CliError> {
    let overrides = Overrides {
        listen: vec![([127, 0, 0, 1], 0).into()],
        data: Some(data.to_owned()),
        capture: Some(CaptureMode::Full),
        ..Overrides::default()
    };
    let mut config = local::load_private_config(None, overrides)?;
    config.models = noukai_server::ModelsConfig::default();
    Ok(config)
}

async fn tour(server: &Server) -> Result<(), CliError> {
    let (flows, key) = set_up(server.app()).await?;
    show::begin(&server.url(), &flows);
    let builder = Noukai::builder().base_url(format!("{}/api/v1", server.url())).api_key(key);
    let client = builder.org(ORG).project(PROJECT).timeout(TIMEOUT).build().map_err(call_failed)?;
    ways::execute(&client).await?;
    ways::step_stream(&client).await?;
    let job = ways::job(&client).await?;
    ways::tools(&client).await?;
    ways::trace(&client, &job).await
}

/// Stores the flows and makes a key.
async fn set_up(app: &App) -> Result<(Vec<String>, String), CliError> {
    let project = app.ensure_project(ORG, PROJECT).await?;
    let mut flows = Vec::new();
    for text in FLOWS {
        let document =
            noukai_flow::parse(text, Format::Yaml).map_err(|_| CliError::failure("an example is no YAML"))?;
        flows.push(app.put_flow(&project, &document).await?.slug);
    }
    let request = KeyRequest {
        name: "demo".to_owned(),
        environment: "test".to_owned(),
        scopes: vec![Scope::Execute],
        expires_at: None,
        created_by: super::AUTHOR.to_owned(),
    };
    Ok((flows, app.issue_key(&project, request).await?.key))
}
