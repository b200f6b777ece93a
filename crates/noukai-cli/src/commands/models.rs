//! `noukai models`: what is known of models, and the fetching of prices.

use std::{path::PathBuf, process::ExitCode};

use noukai_server::{KnownModel, Overrides};

use crate::{error::CliError, local, output};

const EXAMPLES: &str = "\
Examples:
  noukai models list
  noukai models list anthropic/
  noukai models refresh
  noukai models refresh --provider my-own

`refresh` writes models.json into the data directory; a server reads it at its start. Rows of the file that `models_file`
names win over it.";

/// Look at models and prices, or fetch them
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    List(ListArgs),
    Refresh(RefreshArgs),
}

/// List models, their sizes and prices, with the date and source of each
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct ListArgs {
    /// Only models whose names begin so
    #[arg(value_name = "PREFIX")]
    prefix: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Fetch models and prices from a provider's list
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct RefreshArgs {
    /// Whose list [default: the first configured provider's, else OpenRouter's]
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
struct Place {
    /// Directory with the server's data [default: .noukai]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Lists, or fetches.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    match args.action {
        Action::List(args) => list(args),
        Action::Refresh(args) => refresh(args).await,
    }
}

fn list(args: ListArgs) -> Result<ExitCode, CliError> {
    let config = args.place.config()?;
    let mut models = noukai_server::known_models(&config).map_err(CliError::failure)?;
    if let Some(prefix) = &args.prefix {
        models.retain(|model| model.model.starts_with(prefix));
    }
    if args.json {
        output::json(&models);
        return Ok(ExitCode::SUCCESS);
    }
    let width = models.iter().map(|model| model.model.len()).max().unwrap_or(0).max(5);
    output::line(&format!("{:width$} {:>9} {:>10} {:>10}  {}", "MODEL", "CONTEXT", "IN $/M", "OUT $/M", "AS OF"));
    models.iter().for_each(|model| output::line(&row(model, width)));
    Ok(ExitCode::SUCCESS)
}

fn row(model: &KnownModel, width: usize) -> String {
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let price = |price: Option<noukai_server::Decimal>| text(price.map(|price| price.normalize().to_string()));
    let source: String = model.source.iter().flat_map(|source| source.chars()).take(40).collect();
    format!(
        "{:width$} {:>9} {:>10} {:>10}  {} {source}",
        model.model,
        text(model.context.map(|context| context.to_string())),
        price(model.input),
        price(model.output),
        text(model.date.clone())
    )
}

async fn refresh(args: RefreshArgs) -> Result<ExitCode, CliError> {
    let config = args.place.config()?;
    let fetched = noukai_server::refresh_models(&config, args.provider.as_deref()).await.map_err(CliError::failure)?;
    output::note(&format!(
        "{} models with prices from {}, in {} ({} without a price left out)",
        fetched.priced,
        fetched.provider,
        fetched.file.display(),
        fetched.unpriced
    ));
    Ok(ExitCode::SUCCESS)
}

impl Place {
    fn config(&self) -> Result<noukai_server::Config, CliError> {
        local::load_config(self.config.as_deref(), Overrides { data: self.data.clone(), ..Overrides::default() })
    }
}
