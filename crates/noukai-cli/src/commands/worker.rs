//! `noukai worker`: runs jobs that servers on the same database accept.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use noukai_server::{Overrides, Role, Server};
use serde_json::json;

use crate::{
    error::CliError,
    local,
    logging::{self, LogFormat},
    output,
    stop::Stop,
};

const EXAMPLES: &str = "\
Examples:
  NOUKAI_DATABASE=postgres://... noukai worker
  NOUKAI_DATABASE=postgres://... noukai worker --workers 200 --listen 127.0.0.1:8081

Any number of workers and servers (`noukai serve`) may share one PostgreSQL. SIGTERM gives back what does not end in time;
others go on with it. With --listen it answers /health and /ready there, and nothing else.";

/// Run jobs from a shared database
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// PostgreSQL of the servers; better in NOUKAI_DATABASE, as it may hold a password
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Jobs at the same time [default: 64]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Address for health checks [default: none]
    #[arg(long, value_name = "ADDR")]
    listen: Vec<SocketAddr>,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    /// Print one line of JSON on stdout when ready: {"url", "pid"}
    #[arg(long)]
    json: bool,
}

/// Works until a signal comes.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let stop = Stop::on_signals()?;
    logging::start("info", args.log_format)?;
    let quiet = args.listen.is_empty();
    let overrides =
        Overrides { listen: args.listen, database: args.database, workers: args.workers, ..Overrides::default() };
    let mut config = local::load_config(args.config.as_deref(), overrides)?;
    if config.workers == 0 {
        return Err(CliError::usage("a worker without workers does nothing").with_hint("leave out --workers 0"));
    }
    if quiet {
        // What the API of a server beside it listens on is none of its business.
        config.listen.clear();
    }
    let server = Server::start_as(Role::Work, config).await.map_err(CliError::failure)?;
    if args.json {
        output::json_line(&json!({"url": server.url(), "pid": std::process::id()}));
    } else {
        output::line("working");
    }
    stop.requested().await;
    server.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
