//! `noukai key`: API keys of a project.

use std::process::ExitCode;

use noukai_api::{CreatedKey, KeyInfo, Scope};
use noukai_server::KeyRequest;

use crate::{
    error::CliError,
    local::{self, Local, Opened},
    output::{self, Style},
    table,
};

const EXAMPLES: &str = "\
Examples:
  noukai key create --name ci
  noukai key create --name ops --env live --scope execute,author,admin
  noukai key list
  noukai key revoke 3fK9aQ2x

The secret is shown once, when the key is made. The server may be running meanwhile.";

/// Create, list and revoke API keys
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Create a key and print it; the secret is shown this once
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct CreateArgs {
    /// What the key is for
    #[arg(long)]
    name: String,
    /// Where the key is meant to be used
    #[arg(long, value_name = "ENV", default_value = "live", value_parser = ["live", "test"])]
    env: String,
    /// What the key may do: execute, author, admin; several with commas
    #[arg(long, value_name = "SCOPES", default_value = "execute", value_delimiter = ',', value_parser = scope)]
    scope: Vec<Scope>,
    /// When it ends, as in 2027-01-31T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

/// List the project's keys, without their secrets
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct ListArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

/// Revoke a key; a running server refuses it within 30 seconds
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct RevokeArgs {
    /// The key's id: the eight characters after nk_live_ or nk_test_
    #[arg(value_name = "KEY_ID")]
    key_id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

fn scope(text: &str) -> Result<Scope, String> {
    let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == text.trim());
    found.ok_or_else(|| "a scope is execute, author or admin".to_owned())
}

/// Creates, lists or revokes.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    match args.action {
        Action::Create(args) => create(args).await,
        Action::List(args) => list(&args).await,
        Action::Revoke(args) => revoke(&args).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn create(args: CreateArgs) -> Result<(), CliError> {
    let Opened { app, project } = args.local.open_or_create().await?;
    let request = KeyRequest {
        name: args.name,
        environment: args.env,
        scopes: args.scope,
        expires_at: args.expires_at,
        created_by: super::AUTHOR.to_owned(),
    };
    let outcome = app.issue_key(&project, request).await;
    app.close().await;
    let created = outcome?;
    if args.json {
        output::json_line(&created);
    } else {
        print_created(&created, &local::address(&project));
    }
    Ok(())
}

/// The key alone on stdout, so that a script can take it.
fn print_created(created: &CreatedKey, project: &str) {
    output::line(&created.key);
    let scopes = scopes(&created.info);
    output::note(&format!("key {} of {project}, for {scopes}; keep it, it is not shown again", created.info.key_id));
}

async fn list(args: &ListArgs) -> Result<(), CliError> {
    let Opened { app, project } = args.local.open().await?;
    let outcome = app.project_keys(&project).await;
    app.close().await;
    let list = outcome?;
    if args.json {
        output::json(&list);
    } else if list.keys.is_empty() {
        output::note(&format!("{} has no keys", local::address(&project)));
    } else {
        table(&list.keys).iter().for_each(|line| output::line(line));
    }
    Ok(())
}

async fn revoke(args: &RevokeArgs) -> Result<(), CliError> {
    let Opened { app, project } = args.local.open().await?;
    let outcome = app.revoke_project_key(&project, &args.key_id).await;
    app.close().await;
    let deleted = outcome?;
    if args.json {
        output::json_line(&deleted);
    } else {
        output::line(&format!("revoked {}", deleted.key_id));
    }
    Ok(())
}

fn table(keys: &[KeyInfo]) -> Vec<String> {
    let head = ["KEY ID", "NAME", "ENV", "SCOPES", "CREATED", "STATE"];
    table::lines(head, keys.iter().map(row), Style::stdout())
}

fn row(key: &KeyInfo) -> [String; 6] {
    let day = |time: &str| time.chars().take(10).collect::<String>();
    let state = match (&key.revoked_at, &key.expires_at) {
        (Some(at), _) => format!("revoked {}", day(at)),
        (None, Some(at)) => format!("until {}", day(at)),
        (None, None) => "active".to_owned(),
    };
    [key.key_id.clone(), key.name.clone(), key.environment.clone(), scopes(key), day(&key.created_at), state]
}

fn scopes(key: &KeyInfo) -> String {
    key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}
