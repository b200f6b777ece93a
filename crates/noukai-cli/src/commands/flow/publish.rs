//! `noukai flow publish`: makes an immutable version of a flow's draft on the server.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    error::CliError,
    folder::{Standing, Where},
    output,
};

const EXAMPLES: &str = "\
Examples:
  noukai flow publish triage --note 'shorter replies'
  noukai flow publish triage --promote

What is published is the draft on the server. A file here that says something else has to be pushed first. Publishing
the same content again gives the same version.";

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
    #[command(flatten)]
    place: Where,
}

/// Publishes, and promotes if asked to.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let synced = args.place.open().await?;
    let flow = synced.flow(&args.flow)?.clone();
    let pairs = synced.pairs(std::slice::from_ref(&args.flow)).await?;
    let differs = |standing| matches!(standing, Standing::ChangedHere | Standing::ChangedThere | Standing::ChangedBoth);
    if pairs.iter().any(|pair| differs(pair.standing())) {
        let message = format!("`{}` here is not what the server has", args.flow);
        let hint =
            format!("`noukai flow diff {0}` shows how they differ; `noukai flow push {0}` puts it there", args.flow);
        return Err(CliError::usage(message).with_hint(hint));
    }
    let version = synced.project.publish(&flow, &args.note).await?;
    if args.promote {
        synced.project.promote(&flow, version.version).await?;
    }
    if args.place.json {
        output::json(&json!({"slug": args.flow, "version": version.version, "version_id": version.version_id,
            "hash": version.hash, "production": args.promote || version.production}));
    } else {
        let production = if args.promote { ", which is production now" } else { "" };
        output::line(&format!("{} v{}{production}", args.flow, version.version));
    }
    Ok(ExitCode::SUCCESS)
}
