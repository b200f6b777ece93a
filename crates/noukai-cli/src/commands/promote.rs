//! `noukai promote`: says which version of a flow callers get by default.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    error::CliError,
    local::{Local, Opened},
    output,
};

const EXAMPLES: &str = "\
Examples:
  noukai promote triage               the latest version
  noukai promote triage --version 3   also the way back to an older one";

/// Make a published version the production version
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The flow's slug
    flow: String,
    /// The version [default: the latest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

/// Promotes.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let opened = args.local.open().await?;
    let outcome = promote(&opened, &args).await;
    opened.app.close().await;
    let version = outcome?;
    if args.json {
        output::json_line(&json!({"flow": args.flow, "version": version, "production": true}));
    } else {
        output::line(&format!("version {version} of {} is the production version", args.flow));
    }
    Ok(ExitCode::SUCCESS)
}

async fn promote(opened: &Opened, args: &Args) -> Result<u32, CliError> {
    let Opened { app, project } = opened;
    let version = match args.version {
        Some(version) => version,
        None => latest(opened, &args.flow).await?,
    };
    app.promote(project, &args.flow, version, super::AUTHOR).await?;
    Ok(version)
}

async fn latest(opened: &Opened, flow: &str) -> Result<u32, CliError> {
    let flows = opened.app.flows(&opened.project).await?;
    let Some(found) = flows.iter().find(|info| info.slug == flow) else {
        let slugs: Vec<&str> = flows.iter().map(|info| info.slug.as_str()).collect();
        return Err(CliError::failure(format!("no flow {flow}; there is {}", slugs.join(", "))));
    };
    match found.latest_version {
        0 => Err(CliError::failure(format!("{flow} has no version yet"))
            .with_hint(format!("`noukai publish {flow} --promote` makes one"))),
        version => Ok(version),
    }
}
