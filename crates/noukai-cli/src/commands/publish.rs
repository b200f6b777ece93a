//! `noukai publish`: makes an immutable version of a flow's draft.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    error::CliError,
    local::{Local, Opened},
    output,
};

const EXAMPLES: &str = "\
Examples:
  noukai publish triage --note 'shorter replies'
  noukai publish triage --promote

A published version never changes. `noukai promote` makes it the one that callers get by default.";

/// Publish a flow's draft as a new version
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The flow's slug
    flow: String,
    /// What is new, for people
    #[arg(long, default_value = "")]
    note: String,
    /// Make it the production version at once
    #[arg(long)]
    promote: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

/// Publishes, and promotes if asked to.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let opened = args.local.open().await?;
    let outcome = publish(&opened, &args).await;
    opened.app.close().await;
    let version = outcome?;
    print(&args, version);
    Ok(ExitCode::SUCCESS)
}

async fn publish(opened: &Opened, args: &Args) -> Result<u32, CliError> {
    let Opened { app, project } = opened;
    let version = app.publish(project, &args.flow, &args.note, super::AUTHOR).await?;
    if args.promote {
        app.promote(project, &args.flow, version, super::AUTHOR).await?;
    }
    Ok(version)
}

fn print(args: &Args, version: u32) {
    let flow = &args.flow;
    if args.json {
        output::json_line(&json!({"flow": flow, "version": version, "production": args.promote}));
    } else if args.promote {
        output::line(&format!("published version {version} of {flow}; it is the production version"));
    } else {
        output::line(&format!("published version {version} of {flow}"));
        output::note(&format!("`noukai promote {flow} --version {version}` makes it the production version"));
    }
}
