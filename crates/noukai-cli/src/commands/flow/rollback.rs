//! `noukai flow rollback`: back to the version that was production before.

use std::process::ExitCode;

use noukai_api::Production;
use serde_json::json;

use crate::{
    error::CliError,
    folder::{Where, find_flow},
    output,
};

const EXAMPLES: &str = "\
Examples:
  noukai flow rollback triage            to the version that was production before
  noukai flow rollback triage --to 2

Runs that have begun go on with what they began with.";

/// Go back to the production version before
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The flow's slug
    flow: String,
    /// The version's number [default: the one before]
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u32).range(1..))]
    to: Option<u32>,
    #[command(flatten)]
    place: Where,
}

/// Rolls back.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let project = args.place.project().await?;
    let flows = project.flows().await?;
    let flow = find_flow(&flows, &args.flow, &project)?;
    let production = project.production(flow).await?;
    let version = match args.to.or_else(|| before(&production)) {
        Some(version) => version,
        None => {
            let hint = format!("`noukai flow promote {} VERSION` chooses one", args.flow);
            return Err(
                CliError::usage(format!("`{}` had no other production version before", args.flow)).with_hint(hint)
            );
        }
    };
    project.promote(flow, version).await?;
    if args.place.json {
        output::json(&json!({"slug": args.flow, "production_version": version, "before": production.version}));
    } else {
        let was = production.version.map(|was| format!(" (was v{was})")).unwrap_or_default();
        output::line(&format!("{}: production is v{version}{was}", args.flow));
    }
    Ok(ExitCode::SUCCESS)
}

/// The version that was production when the present one became it. Going back twice goes back two steps: what was undone
/// is not returned to.
fn before(production: &Production) -> Option<u32> {
    let mut path: Vec<u32> = Vec::new();
    // Oldest first: a version that comes back takes everything after it off the path.
    for change in production.history.iter().rev() {
        match path.iter().position(|version| *version == change.version) {
            Some(at) => path.truncate(at + 1),
            None => path.push(change.version),
        }
    }
    path.len().checked_sub(2).and_then(|at| path.get(at).copied())
}

#[cfg(test)]
mod tests {
    use noukai_api::ProductionChange;

    use super::*;

    #[test]
    fn going_back_twice_goes_back_two_steps() {
        let set = |versions: &[u32]| Production {
            flow_id: String::new(),
            version: versions.last().copied(),
            history: versions
                .iter()
                .rev()
                .map(|version| ProductionChange {
                    version: *version,
                    author: String::new(),
                    author_name: String::new(),
                    at: String::new(),
                })
                .collect(),
        };
        for (versions, expected) in [
            (vec![], None),
            (vec![1], None),
            (vec![1, 2], Some(1)),
            (vec![1, 2, 3, 2], Some(1)),
            (vec![1, 2, 2], Some(1)),
            (vec![1, 2, 1], None),
            (vec![1, 2, 1, 3], Some(1)),
        ] {
            assert_eq!(before(&set(&versions)), expected, "{versions:?}");
        }
    }
}
