//! `noukai serve`: the server as configured, for production.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use noukai_server::{App, Config, Overrides, Server};
use serde_json::json;

use crate::{
    error::CliError,
    flow_files::{self, FlowFile},
    local,
    logging::{self, LogFormat},
    output,
    stop::Stop,
};

const EXAMPLES: &str = "\
Examples:
  noukai serve
  noukai serve --config /etc/noukai.toml --log-format json
  noukai serve --listen 0.0.0.0:8080 --data /var/lib/noukai --flows flows/
  noukai setup --data /var/lib/noukai                            a token for the first account, as printed at first start
  noukai key create --name first --data /var/lib/noukai
  NOUKAI_DATABASE=postgres://... noukai serve --listen 0.0.0.0:8080    one of many over one PostgreSQL

`noukai config check` prints the configuration in force. SIGTERM and Ctrl-C let running calls finish; a second signal
ends the server at once. Logs go to stderr; NOUKAI_LOG sets their level (default: info).";

/// Run the configured server
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(
        long,
        value_name = "ADDR",
        help = "Address to listen on; may be given several times [default: 127.0.0.1:8080 and [::1]:8080]"
    )]
    listen: Vec<SocketAddr>,
    /// Directory for the server's data [default: .noukai]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// PostgreSQL that several servers may share, instead of the data directory; better in NOUKAI_DATABASE, as it may
    /// hold a password
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Jobs at the same time; with --database also 0, where others run them [default: 64]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Folder of flow files to load at the start
    #[arg(long, value_name = "DIR")]
    flows: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    /// Print one line of JSON on stdout when ready: {"url", "pid"}, and "setup_token" at the first start
    #[arg(long)]
    json: bool,
}

/// Serves until a signal comes.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let stop = Stop::on_signals()?;
    logging::start("info", args.log_format)?;
    let overrides = Overrides {
        listen: args.listen,
        data: args.data,
        database: args.database,
        workers: args.workers,
        flows: args.flows,
        ..Overrides::default()
    };
    let config = local::load_config(args.config.as_deref(), overrides)?;
    let mut files = config.flows.as_deref().map(flow_files::load).transpose()?.unwrap_or_default();
    flow_files::check_code(&mut files, &config.code).await?;
    flow_files::warn(&files);
    let server = Server::start(config.clone()).await.map_err(CliError::failure)?;
    let outcome = begin(server.app(), &config, &files).await;
    if let Ok(setup_token) = &outcome {
        announce(&server, args.json, setup_token.as_deref());
        stop.requested().await;
    }
    server.shutdown().await;
    outcome.map(|_| ExitCode::SUCCESS)
}

/// Loads the flow files; a setup token where nobody has used the server yet.
async fn begin(app: &App, config: &Config, files: &[FlowFile]) -> Result<Option<String>, CliError> {
    let setup_token = app.first_setup_token().await?;
    load(app, config, files).await?;
    Ok(setup_token)
}

/// Makes drafts of the flow files in the configured project. Other flows of the project stay as they are. Without files no
/// project is made: who sets the server up says what theirs is called.
async fn load(app: &App, config: &Config, files: &[FlowFile]) -> Result<(), CliError> {
    if files.is_empty() {
        return Ok(());
    }
    let project = app.ensure_project(&config.org, &config.project).await?;
    for file in files {
        app.put_flow(&project, file.checked()?.1).await?;
    }
    Ok(())
}

/// Once on a server that nobody has used yet, it says how to make the first account. Not in the log: whoever reads that
/// later is somebody else.
fn announce(server: &Server, json: bool, setup_token: Option<&str>) {
    if json {
        let mut ready = json!({"url": server.url(), "pid": std::process::id()});
        if let Some(token) = setup_token {
            ready["setup_token"] = json!(token);
        }
        return output::json_line(&ready);
    }
    output::line(&format!("listening on {}", server.url()));
    if let Some(token) = setup_token {
        let url = server.url();
        output::line(&format!("first start: POST {url}/api/v1/setup makes your account, with this token: {token}"));
    }
}
