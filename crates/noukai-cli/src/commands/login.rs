//! `noukai login` and `noukai logout`: a server's key, kept for the commands that call it.

use std::process::ExitCode;

use noukai::Noukai;

use crate::{
    error::CliError,
    input, output,
    remote::{self, Profile, Profiles},
};

const EXAMPLES: &str = "\
Examples:
  noukai login --server https://flows.example.com       asks for the key, without showing it
  noukai login --profile staging < key.txt              the key from stdin
  noukai logout --profile staging

The key is checked with the server, then kept in noukai/config.toml in your configuration directory, readable by you alone.";

/// Store a server with a key for it, as a profile
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://localhost:8080",
        help = "The server, such as https://flows.example.com"
    )]
    server: String,
    /// Name of the profile
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = profile_name)]
    profile: String,
    /// Store the key without asking the server about it
    #[arg(long)]
    no_verify: bool,
}

/// Forget a profile and its key
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LogoutArgs {
    /// The profile [default: the one in use]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// Asks for the key, checks it, and stores it.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let server = remote::base_url(&args.server)?;
    // Before the key is asked for: nobody wants to type it twice.
    let mut profiles = Profiles::load()?;
    let asked = input::secret(&format!("API key for {server} (not shown): "));
    let api_key = asked.map_err(|error| error.with_hint("`noukai key create` at the server makes one"))?;
    let builder = Noukai::builder().base_url(server.as_str()).api_key(api_key.as_str());
    let client = builder.build().map_err(remote::call_failed)?;
    let known = if args.no_verify { None } else { Some(client.verify_key().await.map_err(remote::call_failed)?) };
    let (org, project) = known.map(|key| (key.organization, key.project)).unzip();
    let whose = match (&org, &project) {
        (Some(org), Some(project)) => format!("for {org}/{project} "),
        _ => String::new(),
    };
    profiles.put(&args.profile, Profile { server: server.clone(), api_key, org, project });
    let path = profiles.save()?;
    output::note(&format!("profile {} {whose}on {server}, kept in {}", args.profile, path.display()));
    Ok(ExitCode::SUCCESS)
}

/// Forgets the profile.
pub async fn logout(args: LogoutArgs) -> Result<ExitCode, CliError> {
    let mut profiles = Profiles::load()?;
    let name = profiles.remove(args.profile.as_deref())?;
    profiles.save()?;
    output::note(&format!(
        "profile {name} is forgotten; the key is still valid: `noukai key revoke` at the server ends it"
    ));
    Ok(ExitCode::SUCCESS)
}

/// A name that cannot be a key by mistake.
fn profile_name(text: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.len() > 50 || !text.chars().all(is_fine) || text.starts_with("nk_") {
        return Err("a profile's name has 1 to 50 letters, digits, `-`, `_` or `.`, and is no key".to_owned());
    }
    Ok(text.to_owned())
}
