//! `noukai flow list`: the flows here and on the server, and who has changed them.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    error::CliError,
    folder::{Pair, Where},
    output,
};

const EXAMPLES: &str = "\
Examples:
  noukai flow list
  noukai flow list --folder flows --json";

/// List the flows here and on the server
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    place: Where,
}

/// Prints a line for each flow.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let synced = args.place.open().await?;
    let pairs = synced.pairs(&[]).await?;
    if args.place.json {
        let flows: Vec<_> = pairs.iter().map(row).collect();
        output::json(&json!({"project": synced.project.label, "flows": flows}));
        return Ok(ExitCode::SUCCESS);
    }
    for pair in &pairs {
        output::line(&line(pair));
    }
    if pairs.is_empty() {
        output::note(&format!("there are no flows, neither in {} nor here", synced.project.label));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(pair: &Pair<'_>) -> String {
    let versions = match pair.remote.as_ref().map(|draft| &draft.flow) {
        Some(flow) => match (flow.latest_version, flow.production_version) {
            (0, _) => "no version".to_owned(),
            (latest, None) => format!("v{latest}"),
            (latest, Some(production)) => format!("v{latest}, production v{production}"),
        },
        None => "-".to_owned(),
    };
    format!("{:<32} {:<24} {}", pair.slug, versions, pair.standing().said())
}

fn row(pair: &Pair<'_>) -> serde_json::Value {
    let flow = pair.remote.as_ref().map(|draft| &draft.flow);
    json!({
        "slug": pair.slug,
        "standing": pair.standing().as_str(),
        "file": pair.file.map(|file| file.path.display().to_string()),
        "flow_id": flow.map(|flow| &flow.flow_id),
        "revision": flow.map(|flow| flow.revision),
        "latest_version": flow.map(|flow| flow.latest_version),
        "production_version": flow.and_then(|flow| flow.production_version),
    })
}
