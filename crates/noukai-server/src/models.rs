//! Wiring of models: providers as configured, what is known of models, and the fetching of that.

use std::{fmt, fs, io::Write, path::Path, path::PathBuf, sync::Arc};

use noukai_models::{Catalogue, Egress, KnownModel, Models, Provider, ProviderConfig};

use crate::{config::Config, server::StartError};

/// Models and prices as they were fetched, in the data directory.
const FETCHED: &str = "models.json";

/// What was fetched.
#[derive(Debug, Clone)]
pub struct Refreshed {
    /// The provider's name.
    pub provider: String,
    /// Models whose prices were written down.
    pub priced: usize,
    /// Models it has but states no price of; they were left out.
    pub unpriced: usize,
    /// Where they were written to.
    pub file: PathBuf,
}

/// The models of a server, and the client that calls them.
pub(crate) fn models(config: &Config) -> Result<(Arc<Models>, Egress), StartError> {
    let settings = &config.models;
    let egress = egress(config)?;
    let catalogue = Arc::new(catalogue(config)?);
    let new = |provider: &ProviderConfig| Provider::new(provider.clone(), egress.clone(), catalogue.clone());
    let providers = settings.providers.iter().map(new).collect::<Result<Vec<_>, _>>().map_err(|error| wrong(&error))?;
    Ok((Arc::new(Models::new(providers, settings.default_model.clone(), catalogue)), egress))
}

/// What a server with this configuration knows of models, by name.
///
/// # Errors
/// A file of models that cannot be read or is none.
pub fn known_models(config: &Config) -> Result<Vec<KnownModel>, StartError> {
    Ok(catalogue(config)?.rows().cloned().collect())
}

/// Fetches a provider's list of models and prices into the data directory: that of `provider`, or of the first that
/// is configured, or OpenRouter's, which needs no key. A server takes it in at its next start.
///
/// # Errors
/// No such provider; one that cannot be reached or lists no prices; a file that cannot be written. What was fetched
/// before then stays.
pub async fn refresh_models(config: &Config, provider: Option<&str>) -> Result<Refreshed, StartError> {
    let chosen = choose(config, provider)?;
    let catalogue = Arc::new(Catalogue::built_in());
    let caller = Provider::new(chosen.clone(), egress(config)?, catalogue).map_err(|error| wrong(&error))?;
    let date = time::OffsetDateTime::now_utc().date().to_string();
    let listed = caller.list(&date).await.map_err(|error| wrong(&error.message))?;
    if listed.file.models.is_empty() {
        let why = format!("`{}` states no prices ({} models without one)", chosen.name, listed.unpriced);
        return Err(wrong(&format!("{why}; try --provider openrouter")));
    }
    let text = serde_json::to_string_pretty(&listed.file).map_err(|error| wrong(&error))?;
    let file = config.data.join(FETCHED);
    write_whole(&config.data, &file, &text).map_err(|error| wrong(&format!("{}: {error}", file.display())))?;
    Ok(Refreshed { provider: chosen.name, priced: listed.file.models.len(), unpriced: listed.unpriced, file })
}

fn choose(config: &Config, name: Option<&str>) -> Result<ProviderConfig, StartError> {
    let providers = &config.models.providers;
    let openrouter = || ProviderConfig::named("openrouter", None, Vec::new());
    let found = match name {
        None => providers.first().cloned().or_else(openrouter),
        Some("openrouter") => providers.iter().find(|one| one.name == "openrouter").cloned().or_else(openrouter),
        Some(name) => providers.iter().find(|one| one.name == name).cloned(),
    };
    let names: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
    found.ok_or_else(|| {
        let name = name.unwrap_or_default();
        wrong(&format!("no provider `{name}` is configured; there are openrouter {}", names.join(" ")))
    })
}

/// Built in, then what was fetched, then the operator's own file.
fn catalogue(config: &Config) -> Result<Catalogue, StartError> {
    let mut catalogue = Catalogue::built_in();
    let fetched = Some(config.data.join(FETCHED)).filter(|path| path.is_file());
    for path in fetched.iter().chain(&config.models.file) {
        let at = |error: &dyn fmt::Display| wrong(&format!("{}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| at(&error))?;
        catalogue.add(&text).map_err(|error| at(&error))?;
    }
    Ok(catalogue)
}

fn egress(config: &Config) -> Result<Egress, StartError> {
    Egress::allowing(&config.models.allow).map_err(|error| wrong(&error))
}

/// A reader sees the old file or the new one, never half of one.
fn write_whole(folder: &Path, file: &Path, text: &str) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let partial = file.with_extension(format!("json.{}", std::process::id()));
    let mut out = fs::File::create(&partial)?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).and_then(|()| fs::rename(&partial, file))
}

fn wrong(error: &dyn fmt::Display) -> StartError {
    StartError::new(format!("models: {error}"))
}
