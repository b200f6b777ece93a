//! `noukai provider`: keys for model providers that a project or its organisation brings, and the master key they are
//! sealed with.

use std::process::ExitCode;

use noukai_api::{
    CreateProviderKey, ProviderKeyInfo, ProviderKeyList, ProviderKeyOutcome, ProviderKeyTest, ReplaceProviderKey,
};
use noukai_server::{App, KeyOwner, Overrides, make_master_key};

use crate::{
    error::CliError,
    input,
    local::{self, Local, Opened},
    output::{self, Style},
    table,
};

const EXAMPLES: &str = "\
Examples:
  noukai provider make-master-key
  noukai provider add anthropic < key.txt
  noukai provider add azure --base-url https://acme.openai.azure.com --organization --name Team
  noukai provider list
  noukai provider test
  noukai provider replace 0198... < new-key.txt
  noukai provider rotate-master-key

A key is read from stdin, or asked for without showing it. It is stored encrypted, goes to its one address alone, and is
never shown again. The server may be running meanwhile; it takes up what changed within 30 seconds.";

/// Keys for model providers that a project or its organisation brings
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Add a key; it is read from stdin
    Add(AddArgs),
    /// List the keys that the project's calls may use, without their secrets
    List(AllArgs),
    /// Ask providers whether they take their keys; it costs nothing
    Test(TestArgs),
    /// Put a new secret, read from stdin, in the place of a key's old one
    Replace(OneArgs),
    /// Remove a key; running servers stop using it within 30 seconds
    Remove(OneArgs),
    /// Make the master key that provider keys are sealed with, in a file of its own
    MakeMasterKey(MakeArgs),
    /// Seal all keys, of all projects, with the current master key; may be done again, and beside servers
    RotateMasterKey(AllArgs),
}

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct AddArgs {
    /// openai, anthropic and so on; or a name of your own, with --base-url
    #[arg(value_name = "PROVIDER")]
    provider: String,
    /// The one address the key goes to [default: the provider's own]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// For all projects of the organisation
    #[arg(long)]
    organization: bool,
    /// What the key is for
    #[arg(long)]
    name: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct AllArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct TestArgs {
    /// The key [default: all of the project's, and the server's own]
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct OneArgs {
    /// The key, as `list` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: Local,
}

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct MakeArgs {
    /// Directory with the server's data [default: .noukai]
    #[arg(long, value_name = "DIR")]
    data: Option<std::path::PathBuf>,
    /// Configuration file of the server
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
}

/// Does it.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    match args.action {
        Action::Add(args) => add(args).await,
        Action::List(args) => list(&args).await,
        Action::Test(args) => test(&args).await,
        Action::Replace(args) => replace(&args).await,
        Action::Remove(args) => remove(&args).await,
        Action::MakeMasterKey(args) => make(args),
        Action::RotateMasterKey(args) => rotate(&args).await,
    }
}

async fn add(args: AddArgs) -> Result<ExitCode, CliError> {
    let api_key = input::secret(&format!("Key for {} (not shown): ", args.provider))?;
    let Opened { app, project } = args.local.open_or_create().await?;
    let request = CreateProviderKey {
        provider: args.provider,
        api_key,
        project_id: None,
        organization: args.organization,
        base_url: args.base_url,
        name: args.name,
    };
    let outcome = app.add_provider_key(KeyOwner::from(&project), request, super::AUTHOR).await;
    app.close().await;
    let added = outcome?;
    if args.json {
        output::json_line(&added);
    } else {
        output::line(&added.id);
        let whose = if args.organization { project.org.clone() } else { local::address(&project) };
        output::note(&format!("a key of {whose} for {}, which goes to {} alone", added.provider, added.base_url));
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: &AllArgs) -> Result<ExitCode, CliError> {
    let Opened { app, project } = args.local.open().await?;
    let outcome = app.provider_keys(KeyOwner::from(&project)).await;
    app.close().await;
    let list = outcome?;
    if args.json {
        output::json(&list);
    } else if list.provider_keys.is_empty() {
        output::note(&format!("{} has no provider keys", local::address(&project)));
    } else {
        table(&list).iter().for_each(|line| output::line(line));
    }
    Ok(ExitCode::SUCCESS)
}

async fn test(args: &TestArgs) -> Result<ExitCode, CliError> {
    let Opened { app, project } = args.local.open().await?;
    let outcome = tests(&app, KeyOwner::from(&project), args.id.as_deref()).await;
    app.close().await;
    let tests = outcome?;
    if args.json {
        output::json(&tests);
    } else if tests.is_empty() {
        output::note("there is no key to test");
    } else {
        tests.iter().for_each(print);
    }
    let fine =
        tests.iter().all(|test| matches!(test.outcome, ProviderKeyOutcome::Accepted | ProviderKeyOutcome::Unclear));
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn tests(app: &App, owner: KeyOwner, id: Option<&str>) -> Result<Vec<ProviderKeyTest>, CliError> {
    if let Some(id) = id {
        return Ok(vec![app.test_provider_key(owner, id).await?]);
    }
    let mut tests = app.test_server_providers().await;
    for key in app.provider_keys(owner).await?.provider_keys {
        tests.push(app.test_provider_key(owner, &key.id).await?);
    }
    Ok(tests)
}

fn print(test: &ProviderKeyTest) {
    let style = Style::stdout();
    let health = match test.outcome {
        ProviderKeyOutcome::Accepted => style.green("ok  "),
        ProviderKeyOutcome::Unclear => style.yellow("warn"),
        ProviderKeyOutcome::Refused | ProviderKeyOutcome::Unreachable => style.red("fail"),
    };
    let whose = test.id.as_deref().unwrap_or("server");
    output::line(&format!("{health}  {} ({}) {whose}: {}", test.provider, test.base_url, test.message));
}

async fn replace(args: &OneArgs) -> Result<ExitCode, CliError> {
    let api_key = input::secret("New key (not shown): ")?;
    let Opened { app, project } = args.local.open().await?;
    let request = ReplaceProviderKey { api_key };
    let outcome = app.replace_provider_key(KeyOwner::from(&project), &args.id, request).await;
    app.close().await;
    let replaced = outcome?;
    if args.json {
        output::json_line(&replaced);
    } else {
        output::line(&format!("replaced {} for {}", replaced.id, replaced.provider));
    }
    Ok(ExitCode::SUCCESS)
}

async fn remove(args: &OneArgs) -> Result<ExitCode, CliError> {
    let Opened { app, project } = args.local.open().await?;
    let outcome = app.remove_provider_key(KeyOwner::from(&project), &args.id).await;
    app.close().await;
    let removed = outcome?;
    if args.json {
        output::json_line(&removed);
    } else {
        output::line(&format!("removed {}", removed.id));
    }
    Ok(ExitCode::SUCCESS)
}

fn make(args: MakeArgs) -> Result<ExitCode, CliError> {
    let overrides = Overrides { data: args.data, ..Overrides::default() };
    let config = local::load_config(args.config.as_deref(), overrides)?;
    let (path, id) = make_master_key(&config).map_err(CliError::failure)?;
    output::line(&path.display().to_string());
    output::note(&format!(
        "master key {id}; without it provider keys cannot be read: keep a copy apart from the database"
    ));
    output::note("a server that runs takes it up when it is started again");
    Ok(ExitCode::SUCCESS)
}

async fn rotate(args: &AllArgs) -> Result<ExitCode, CliError> {
    let Opened { app, .. } = args.local.open().await?;
    let outcome = app.rotate_master_key().await;
    app.close().await;
    let resealed = outcome?;
    if args.json {
        let (with, done, unreadable) = (&resealed.with, resealed.done, &resealed.unreadable);
        output::json_line(&serde_json::json!({"with": with, "done": done, "unreadable": unreadable}));
    } else {
        output::line(&format!("{} provider keys sealed anew with {}", resealed.done, resealed.with));
        resealed.unreadable.iter().for_each(|key| output::note(&format!("left as it is: {key}")));
    }
    Ok(if resealed.unreadable.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(list: &ProviderKeyList) -> Vec<String> {
    let head = ["ID", "PROVIDER", "FOR", "KEY", "ADDRESS", "NAME", "LAST USED", "STATE"];
    table::lines(head, list.provider_keys.iter().map(row), Style::stdout())
}

fn row(key: &ProviderKeyInfo) -> [String; 8] {
    let scope = if key.project_id.is_some() { "project" } else { "organisation" };
    let used = key.last_used_at.as_ref().map_or_else(|| "never".to_owned(), |at| at.chars().take(16).collect());
    let state = if key.readable { "ready" } else { "unreadable: its master key is not there" };
    [
        key.id.clone(),
        key.provider.clone(),
        scope.to_owned(),
        format!("...{}", key.last_four),
        key.base_url.clone(),
        key.name.clone(),
        used,
        state.to_owned(),
    ]
}
