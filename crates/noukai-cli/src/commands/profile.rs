//! `noukai profile`: which servers are known, and which one is called.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    error::CliError,
    output::{self, Style},
    remote::Profiles,
};

const EXAMPLES: &str = "\
Examples:
  noukai profile list
  noukai profile use staging";

/// List the stored servers, and choose the one to call
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List the profiles, without their keys
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Call this profile's server from now on
    Use {
        /// The profile
        name: String,
    },
}

/// Lists or chooses.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let mut profiles = Profiles::load()?;
    match args.action {
        Action::List { json } => list(&profiles, json),
        Action::Use { name } => {
            profiles.choose(&name)?;
            profiles.save()?;
            output::note(&format!("profile {name} is in use"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(profiles: &Profiles, as_json: bool) {
    if as_json {
        let rows = profiles.all().map(|(name, profile, in_use)| {
            json!({"name": name, "server": profile.server, "org": profile.org, "project": profile.project, "inUse": in_use})
        });
        return output::json(&json!({"profiles": rows.collect::<Vec<_>>()}));
    }
    let mut any = false;
    for (name, profile, in_use) in profiles.all() {
        any = true;
        let home = match (&profile.org, &profile.project) {
            (Some(org), Some(project)) => format!("{org}/{project}"),
            _ => "-".to_owned(),
        };
        let mark = if in_use { Style::stdout().green("*") } else { " ".to_owned() };
        output::line(&format!("{mark} {name:<16} {home:<24} {}", profile.server));
    }
    if !any {
        output::note("there are no profiles; `noukai login` makes one");
    }
}
