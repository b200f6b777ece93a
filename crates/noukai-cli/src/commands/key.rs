//! `noukai key`: API keys of a project.

use std::process::ExitCode;

use noukai_api::{CreatedKey, KeyInfo, KeyList, Scope};
use noukai_server::{App, AppError, KeyRequest, Page, Project};

use crate::{
    error::CliError,
    local::{self, Local, Opened},
    output::{self, Style},
    table,
};

/// Keys asked for at once.
const PAGE: u32 = 100;

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
    let outcome = all_keys(&app, &project).await;
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

/// Every page in one.
async fn all_keys(app: &App, project: &Project) -> Result<KeyList, AppError> {
    let mut page = Page { limit: Some(PAGE), cursor: None };
    let mut all = Vec::new();
    loop {
        let KeyList { keys, next_cursor } = app.project_keys(project, &page).await?;
        all.extend(keys);
        page.cursor = next_cursor;
        if page.cursor.is_none() {
            return Ok(KeyList { keys: all, next_cursor: None });
        }
    }
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        local: Local,
    }

    #[tokio::test]
    async fn every_key_is_listed_however_many_pages_they_fill() {
        let data = tempfile::tempdir().unwrap();
        let cli = Cli::parse_from(["noukai", "--data", data.path().to_str().unwrap()]);
        let Opened { app, project } = cli.local.open_or_create().await.unwrap();
        let mut made = Vec::new();
        for _ in 0..=PAGE {
            let request = KeyRequest {
                name: "x".to_owned(),
                environment: "test".to_owned(),
                scopes: vec![Scope::Execute],
                expires_at: None,
                created_by: "test".to_owned(),
            };
            let key_id = app.issue_key(&project, request).await.unwrap().info.key_id;
            app.revoke_project_key(&project, &key_id).await.unwrap();
            made.push(key_id);
        }
        let listed = all_keys(&app, &project).await.unwrap();
        app.close().await;
        let mut listed: Vec<_> = listed.keys.into_iter().map(|key| key.key_id).collect();
        listed.sort();
        made.sort();
        assert_eq!(listed, made);
    }
}
