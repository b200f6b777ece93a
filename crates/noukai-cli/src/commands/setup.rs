//! `noukai setup`: a token for making the first account.

use std::process::ExitCode;

use serde_json::json;

use crate::{error::CliError, local::Local, output};

const EXAMPLES: &str = "\
Examples:
  noukai setup
  noukai setup --data /var/lib/noukai

`noukai serve` prints such a token by itself at its first start. It is good for a day, and for one account:
  curl localhost:8080/api/v1/setup -d '{\"token\": \"nku_...\", \"organization\": \"acme\", \"project\": \"demo\",
    \"email\": \"you@example.org\", \"name\": \"You\", \"password\": \"...\"}'";

/// Print a token for making the first account
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

/// Prints the token, on stdout and nowhere else.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let app = args.local.app().await?;
    let outcome = app.setup_token().await;
    app.close().await;
    let Some(token) = outcome? else {
        let hint = "an owner of the organisation can invite you: POST /api/v1/orgs/ORG/invitations";
        return Err(CliError::failure("there is an account already").with_hint(hint));
    };
    if args.json {
        output::json_line(&json!({"token": token}));
    } else {
        output::line(&token);
    }
    Ok(ExitCode::SUCCESS)
}
