//! `noukai flow diff`: what differs between the server and the folder, or between two versions.

use std::process::ExitCode;

use noukai_flow::Diff;
use serde_json::{Value, json};

use crate::{
    error::CliError,
    folder::{Pair, Where, find_flow},
    output::{self, Style},
};

const EXAMPLES: &str = "\
Examples:
  noukai flow diff                          what a push would change
  noukai flow diff triage
  noukai flow diff triage --from 2 --to 3   between two versions
  noukai flow diff triage --from 3          what is new in the draft since version 3

`+` came, `-` went, `>` moved, `~` changed.";

/// Show what differs between server and folder, or between two versions
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Slugs of the flows [default: all]
    flows: Vec<String>,
    /// A version, or `draft`, of one flow on the server
    #[arg(long, value_name = "VERSION", value_parser = version)]
    from: Option<u32>,
    /// The version to compare it with [default: draft]
    #[arg(long, value_name = "VERSION", value_parser = version, requires = "from")]
    to: Option<u32>,
    /// End with exit code 1 where something differs
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    place: Where,
}

/// Compares.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let differs = match args.from {
        Some(from) => versions(&args, from).await?,
        None => folder(&args).await?,
    };
    Ok(if differs && args.exit_code { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The server's draft against the file.
async fn folder(args: &Args) -> Result<bool, CliError> {
    let synced = args.place.open().await?;
    let pairs = synced.pairs(&args.flows).await?;
    let mut rows = Vec::new();
    let mut differs = false;
    for pair in &pairs {
        let diff = diff(pair);
        differs |= !diff.changes.is_empty() || pair.file.is_none() || pair.remote.is_none();
        if args.place.json {
            rows.push(json!({"slug": pair.slug, "standing": pair.standing().as_str(), "changes": diff.changes}));
        } else {
            print(pair, &diff);
        }
    }
    if args.place.json {
        output::json(&json!({"project": synced.project.label, "flows": rows}));
    } else if !differs {
        output::note("no difference");
    }
    Ok(differs)
}

fn diff(pair: &Pair<'_>) -> Diff {
    match (pair.there(), pair.here()) {
        (Some(there), Some(here)) => noukai_flow::diff(there, here),
        _ => Diff::default(),
    }
}

fn print(pair: &Pair<'_>, diff: &Diff) {
    let style = Style::stdout();
    if diff.changes.is_empty() && pair.file.is_some() && pair.remote.is_some() {
        return;
    }
    output::line(&format!("{} ({})", style.bold(&pair.slug), pair.standing().said()));
    coloured(&diff.to_string());
}

fn coloured(text: &str) {
    let style = Style::stdout();
    for line in text.lines() {
        output::line(&match line.trim_start().chars().next() {
            Some('+') => format!("  {}", style.green(line)),
            Some('-') => format!("  {}", style.red(line)),
            Some('~' | '>') => format!("  {}", style.yellow(line)),
            _ => format!("  {line}"),
        });
    }
}

/// Two versions on the server.
async fn versions(args: &Args, from: u32) -> Result<bool, CliError> {
    let [slug] = args.flows.as_slice() else {
        return Err(CliError::usage("--from is for one flow; name it"));
    };
    let project = args.place.project().await?;
    let flows = project.flows().await?;
    let diff = project.diff(find_flow(&flows, slug, &project)?, from, args.to.unwrap_or(0)).await?;
    if args.place.json {
        let changes: &Vec<Value> = &diff.changes;
        output::json(&json!({"slug": slug, "from": diff.from, "to": diff.to, "changes": changes}));
    } else if diff.changes.is_empty() {
        output::note("no difference");
    } else {
        coloured(&diff.text);
    }
    Ok(!diff.changes.is_empty())
}

/// `draft`, `3` or `v3`.
fn version(text: &str) -> Result<u32, String> {
    match text {
        "draft" => Ok(0),
        text => text
            .strip_prefix('v')
            .unwrap_or(text)
            .parse()
            .map_err(|_| "write a version's number, or `draft`".to_owned()),
    }
}
