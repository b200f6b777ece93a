//! Where models come from: `[provider]`, `[providers.*]`, `[egress]`, and the environment names of vendors' keys.
//!
//! A key belongs to the address it was set for: one from a vendor's own variable goes to that vendor alone, never to a
//! base URL that was written elsewhere.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use noukai_models::{BreakerConfig, Dialect, OPENROUTER_URL, PRESETS, Preset, ProviderConfig, Secret, preset};
use serde::{Deserialize, Serialize};

use super::{ConfigError, FileSecret};

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where models come from.
#[derive(Debug, Clone, Default)]
pub struct ModelsConfig {
    /// In the order in which they are asked whether they serve a model.
    pub providers: Vec<ProviderConfig>,
    /// Used by blocks that name none.
    pub default_model: Option<String>,
    /// Hosts that may be reached though they are not on the public internet.
    pub allow: Vec<String>,
    /// A file of models and prices that wins over what is built in and what was fetched.
    pub file: Option<PathBuf>,
}

/// `[provider]`: one endpoint for all models.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileProvider {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<FileSecret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_model: Option<String>,
}

/// `[egress]`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileEgress {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

/// `[providers.NAME]`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileNamed {
    #[serde(skip_serializing_if = "Option::is_none")]
    base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<FileSecret>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    api_keys: Vec<FileSecret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<Dialect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_token_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hedge_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker_failures: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker_seconds: Option<u64>,
}

/// The file's tables about models.
pub(super) struct FileModels {
    pub provider: FileProvider,
    pub providers: BTreeMap<String, FileNamed>,
    pub egress: FileEgress,
    pub models_file: Option<PathBuf>,
}

/// Puts the file and the environment together. Attempts of blocks end after `block_time`, and calls with them.
pub(super) fn models(file: FileModels, env: Env<'_>, block_time: Duration) -> Result<ModelsConfig, ConfigError> {
    let default_model = env("NOUKAI_DEFAULT_MODEL").or(file.provider.default_model.clone());
    let mut providers: Vec<ProviderConfig> = Vec::new();
    for (name, table) in file.providers {
        providers.push(named(&name, table, env)?);
    }
    let for_all = for_all(file.provider, env)?;
    // A base URL without a key turns the vendors' variables off as it always did: they are not for that address.
    let is_closed = for_all.is_closed;
    providers.extend(for_all.provider.filter(|one| providers.iter().all(|provider| provider.name != one.name)));
    for known in PRESETS.iter().filter(|_| !is_closed) {
        if providers.iter().all(|provider| provider.name != known.name) {
            providers.extend(from_environment(known, env));
        }
    }
    for provider in &mut providers {
        provider.timeout = provider.timeout.min(block_time);
    }
    Ok(ModelsConfig {
        providers,
        default_model,
        allow: env("NOUKAI_EGRESS_ALLOW").map(|list| split(&list)).unwrap_or(file.egress.allow),
        file: env("NOUKAI_MODELS_FILE").map(Into::into).or(file.models_file),
    })
}

struct ForAll {
    provider: Option<ProviderConfig>,
    is_closed: bool,
}

/// `[provider]`: our own names alone.
fn for_all(file: FileProvider, env: Env<'_>) -> Result<ForAll, ConfigError> {
    let url = env("NOUKAI_PROVIDER_BASE_URL").or(file.base_url);
    if url.as_deref().is_some_and(|url| !is_http(url)) {
        return Err(ConfigError("`provider.base_url` must begin with https:// or http://".to_owned()));
    }
    let key = env("NOUKAI_PROVIDER_API_KEY").or_else(|| file.api_key.map(|key| key.0));
    let is_closed = url.is_some() && key.is_none();
    let provider =
        key.map(|key| ProviderConfig::for_all(url.unwrap_or_else(|| OPENROUTER_URL.to_owned()), Secret::new(key)));
    Ok(ForAll { provider, is_closed })
}

fn named(name: &str, table: FileNamed, env: Env<'_>) -> Result<ProviderConfig, ConfigError> {
    if !noukai_flow::is_slug(name) || name == "noukai" {
        return Err(ConfigError(format!("`providers.{name}`: `{name}` is no name for a provider")));
    }
    let wrong = |message: String| ConfigError(format!("`providers.{name}`: {message}"));
    let known = preset(name);
    let variable = |what: &str| env(&format!("NOUKAI_PROVIDERS_{}_{what}", name.to_uppercase().replace('-', "_")));
    let own_url = variable("BASE_URL").or(table.base_url);
    let vendors_url = own_url.is_none().then(|| vendors_url(known?, env)).flatten();
    let mut keys: Vec<String> = table.api_key.into_iter().chain(table.api_keys).map(|key| key.0).collect();
    if let Some(list) = variable("API_KEY") {
        keys = split(&list);
    }
    if keys.is_empty() && own_url.is_none() {
        keys = known.and_then(|known| vendors_keys(known, env)).unwrap_or_default();
    }
    let has_key = !keys.is_empty();
    let address_is_own = own_url.is_some();
    let secrets = keys.into_iter().map(Secret::new).collect();
    let config = ProviderConfig::named(name, own_url.or(vendors_url), secrets)
        .ok_or_else(|| wrong("needs a base_url".to_owned()))?;
    if !is_http(&config.base_url) {
        return Err(wrong("base_url must begin with https:// or http://".to_owned()));
    }
    if !has_key && !address_is_own && known.is_some_and(|known| !known.keyless) {
        let variable = known.and_then(|known| known.key_env.first()).copied().unwrap_or("api_key");
        return Err(wrong(format!("needs an api_key, or {variable} in the environment")));
    }
    let seconds = |seconds: Option<u64>| seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let breaker = BreakerConfig {
        failures: table.breaker_failures.unwrap_or(config.breaker.failures),
        pause: seconds(table.breaker_seconds).unwrap_or(config.breaker.pause),
    };
    Ok(ProviderConfig {
        dialect: table.dialect.unwrap_or(config.dialect),
        models: table.models.unwrap_or(config.models),
        api_version: table.api_version,
        concurrency: table.concurrency.filter(|most| *most > 0),
        timeout: seconds(table.timeout_seconds).unwrap_or(Duration::MAX),
        first_token: seconds(table.first_token_seconds),
        hedge_after: table.hedge_after_ms.filter(|ms| *ms > 0).map(Duration::from_millis),
        breaker,
        ..config
    })
}

/// A vendor whose key is in the environment.
fn from_environment(known: &'static Preset, env: Env<'_>) -> Option<ProviderConfig> {
    let keys = vendors_keys(known, env)?.into_iter().map(Secret::new).collect();
    let url = vendors_url(known, env);
    // What was set up as the one endpoint of everything goes on being that.
    let for_all = known.name == "openai" && url.is_some() && env("OPENROUTER_API_KEY").is_none();
    let config = ProviderConfig::named(known.name, url, keys)?;
    Some(ProviderConfig {
        models: if for_all { vec!["*".to_owned()] } else { config.models },
        timeout: Duration::MAX,
        ..config
    })
}

fn vendors_keys(known: &Preset, env: Env<'_>) -> Option<Vec<String>> {
    known.key_env.iter().find_map(|name| env(name)).map(|list| split(&list)).filter(|keys| !keys.is_empty())
}

fn vendors_url(known: &Preset, env: Env<'_>) -> Option<String> {
    let bedrock = || {
        let region = env("AWS_REGION").or_else(|| env("AWS_DEFAULT_REGION")).filter(|_| known.name == "bedrock")?;
        Some(format!("https://bedrock-runtime.{region}.amazonaws.com/openai/v1"))
    };
    known.url_env.and_then(env).or_else(bedrock)
}

fn is_http(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn split(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// What is in force, as the file would say it.
pub(super) fn masked(models: &ModelsConfig) -> FileModels {
    let table = |provider: &ProviderConfig| FileNamed {
        base_url: Some(provider.base_url.clone()),
        api_keys: provider.keys.iter().map(|_| FileSecret(String::new())).collect(),
        dialect: Some(provider.dialect),
        models: Some(provider.models.clone()),
        api_version: provider.api_version.clone(),
        concurrency: provider.concurrency,
        timeout_seconds: Some(provider.timeout.as_secs()),
        first_token_seconds: provider.first_token.map(|limit| limit.as_secs()),
        hedge_after_ms: provider.hedge_after.and_then(|after| u64::try_from(after.as_millis()).ok()),
        breaker_failures: Some(provider.breaker.failures),
        breaker_seconds: Some(provider.breaker.pause.as_secs()),
        ..FileNamed::default()
    };
    FileModels {
        provider: FileProvider { default_model: models.default_model.clone(), ..FileProvider::default() },
        providers: models.providers.iter().map(|provider| (provider.name.clone(), table(provider))).collect(),
        egress: FileEgress { allow: models.allow.clone() },
        models_file: models.file.clone(),
    }
}
