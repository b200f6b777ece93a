//! `noukai flow promote`: makes a published version the one that callers get who name none.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    error::CliError,
    folder::{Where, find_flow},
    output,
};

const EXAMPLES: &str = "\
Examples:
  noukai flow promote triage        the latest version
  noukai flow promote triage 3";

/// Make a published version the production version
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The flow's slug
    flow: String,
    /// The version's number [default: the latest]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    #[command(flatten)]
    place: Where,
}

/// Promotes.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let project = args.place.project().await?;
    let flows = project.flows().await?;
    let flow = find_flow(&flows, &args.flow, &project)?;
    let version = args.version.unwrap_or(flow.latest_version);
    if version == 0 {
        let hint = format!("`noukai flow publish {}` makes the first", args.flow);
        return Err(CliError::usage(format!("`{}` has no version yet", args.flow)).with_hint(hint));
    }
    let before = flow.production_version;
    project.promote(flow, version).await?;
    if args.place.json {
        output::json(&json!({"slug": args.flow, "production_version": version, "before": before}));
    } else {
        let before = before.filter(|before| *before != version).map(|before| format!(" (was v{before})"));
        output::line(&format!("{}: production is v{version}{}", args.flow, before.unwrap_or_default()));
    }
    Ok(ExitCode::SUCCESS)
}
