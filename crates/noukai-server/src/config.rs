//! Configuration: defaults < file < environment < flags, checked as a whole before anything is opened.
//!
//! The only place that reads the environment.

mod code;
mod models;
mod public;
mod retention;
mod vault;

use std::{
    collections::BTreeMap,
    env, fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use noukai_api::{CaptureMode, Limits};
use noukai_models::Secret;
use serde::{Deserialize, Serialize};

use self::code::FileCode;
use self::models::{FileEgress, FileModels, FileNamed, FileProvider};
use self::retention::FileRetention;
use self::vault::FileVault;
pub use self::{code::CodeConfig, models::ModelsConfig, vault::MasterKeySource};
use crate::app::Retention;

const PORT: u16 = 8080;
const DATA: &str = ".noukai";
const CONNECTIONS: usize = 16;
/// Longer than a database takes to restart.
const NODE_LEASE_SECONDS: u64 = 15;
const CONNECTION_BOUNDS: std::ops::RangeInclusive<usize> = 4..=1000;

/// Everything a server needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses to listen on. Port 0 takes a free one, the same for all.
    pub listen: Vec<SocketAddr>,
    /// Directory of the database and other files of this installation.
    pub data: PathBuf,
    /// How the database is kept.
    pub database: DatabaseConfig,
    /// Where models come from.
    pub models: ModelsConfig,
    /// Where the master key is from that provider keys are sealed with.
    pub master_key: MasterKeySource,
    /// How code blocks are run.
    pub code: CodeConfig,
    /// Bounds.
    pub limits: Limits,
    /// How long what is kept.
    pub retention: Retention,
    /// What traces keep where a flow does not say; `None`: as the organisation says.
    pub capture: Option<CaptureMode>,
    /// Where people reach this server, without a slash at its end, such as `https://noukai.example.org`; `None`: only at
    /// this machine's own addresses.
    pub public_url: Option<String>,
    /// Organisation that flow files go to.
    pub org: String,
    /// Project that flow files go to.
    pub project: String,
    /// Folder of flow files that `serve` loads at its start.
    pub flows: Option<PathBuf>,
    /// Jobs run at the same time; 0: none, where other servers on the database run them.
    pub workers: usize,
    /// What this server is called among those that share a database.
    pub node: String,
    /// How long the others take this server to live without hearing of it; then they take over what it did.
    pub node_lease: Duration,
    /// How long a server that was told to stop still takes on what is new, while it says that it is not ready.
    pub drain: Duration,
    /// How long a stopping server waits for what is under way.
    pub grace: Duration,
    /// Where the process is to end or a write to fail.
    #[cfg(feature = "failpoints")]
    pub failpoint: Option<String>,
}

/// How the database is kept.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// A PostgreSQL that several servers may share: `postgres://user:password@host:5432/database?sslmode=verify-full`.
    /// `None`: SQLite in the data directory.
    pub url: Option<Secret>,
    /// Connections to PostgreSQL at the same time; one more listens.
    pub connections: usize,
    /// Whether every commit also survives a loss of power, at the price of a disk flush.
    pub survive_power_loss: bool,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: None, connections: CONNECTIONS, survive_power_loss: false }
    }
}

/// Values from flags; they win over everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Port on the addresses to listen on.
    pub port: Option<u16>,
    /// Data directory.
    pub data: Option<PathBuf>,
    /// URL of a PostgreSQL database.
    pub database: Option<String>,
    /// Jobs run at the same time.
    pub workers: Option<usize>,
    /// Folder of flow files.
    pub flows: Option<PathBuf>,
    /// What traces keep where a flow does not say.
    pub capture: Option<CaptureMode>,
    /// Organisation of the flow files.
    pub org: Option<String>,
    /// Project of the flow files.
    pub project: Option<String>,
}

/// What is wrong with the configuration, in one line.
#[derive(Debug, Clone)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// The file's shape; also the shape of [`Config::masked`].
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    listen: Vec<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flows: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_capture: Option<CaptureMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drain_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shutdown_seconds: Option<u64>,
    database: FileDatabase,
    #[serde(skip_serializing_if = "Option::is_none")]
    models_file: Option<PathBuf>,
    provider: FileProvider,
    retention: FileRetention,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    providers: BTreeMap<String, FileNamed>,
    egress: FileEgress,
    vault: FileVault,
    code: FileCode,
    limits: toml::Table,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileDatabase {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<FileSecret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<usize>,
    survive_power_loss: bool,
}

/// A secret in the file. Written back as a mask.
#[derive(Deserialize)]
#[serde(transparent)]
struct FileSecret(String);

impl fmt::Debug for FileSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Serialize for FileSecret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[secret]")
    }
}

impl Config {
    /// Reads the file (where one is named), the environment and the flags.
    ///
    /// # Errors
    /// One line that names what is wrong and where.
    pub fn load(file: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        let file = file.map(read_file).transpose()?.unwrap_or_default();
        Self::merge(file, &|name| env::var(name).ok().filter(|value| !value.is_empty()), overrides)
    }

    fn merge(file: File, env: &dyn Fn(&str) -> Option<String>, flags: Overrides) -> Result<Self, ConfigError> {
        let limits = limits(&file.limits, env)?;
        let from = FileModels {
            provider: file.provider,
            providers: file.providers,
            egress: file.egress,
            models_file: file.models_file,
        };
        let models = models::models(from, env, Duration::from_secs(limits.block_seconds))?;
        let config = Self {
            listen: listen(&file.listen, env, &flags)?,
            data: flags
                .data
                .or_else(|| env("NOUKAI_DATA").map(Into::into))
                .or(file.data)
                .unwrap_or_else(|| DATA.into()),
            database: database(file.database, env, flags.database)?,
            retention: file.retention.merge(env, limits.trace_retention_days)?,
            models,
            master_key: file.vault.merge(env)?,
            code: file.code.merge(env)?,
            limits,
            capture: flags.capture.or(file.trace_capture),
            public_url: env("NOUKAI_PUBLIC_URL").or(file.public_url).map(|url| public::url(&url)).transpose()?,
            org: flags.org.or_else(|| env("NOUKAI_ORG")).or(file.org).unwrap_or_else(|| "local".to_owned()),
            project: flags
                .project
                .or_else(|| env("NOUKAI_PROJECT"))
                .or(file.project)
                .unwrap_or_else(|| "dev".to_owned()),
            flows: flags.flows.or_else(|| env("NOUKAI_FLOWS").map(Into::into)).or(file.flows),
            workers: flags.workers.or(number(env, "NOUKAI_WORKERS")?).or(file.workers).unwrap_or(64),
            node_lease: Duration::from_secs(number(env, "NOUKAI_NODE_LEASE_SECONDS")?.unwrap_or(NODE_LEASE_SECONDS)),
            node: env("NOUKAI_NODE").or_else(|| env("HOSTNAME")).unwrap_or_else(|| "noukai".to_owned()),
            drain: Duration::from_secs(number(env, "NOUKAI_DRAIN_SECONDS")?.or(file.drain_seconds).unwrap_or(0)),
            grace: Duration::from_secs(number(env, "NOUKAI_SHUTDOWN_SECONDS")?.or(file.shutdown_seconds).unwrap_or(30)),
            #[cfg(feature = "failpoints")]
            failpoint: env("NOUKAI_FAILPOINT"),
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        for (name, slug) in [("org", &self.org), ("project", &self.project)] {
            if !noukai_flow::is_slug(slug) {
                return Err(ConfigError(format!("`{name}`: `{slug}` is no slug: {}", crate::app::SLUG_RULE)));
            }
        }
        if self.workers == 0 && self.database.url.is_none() {
            return Err(ConfigError("`workers` must be at least 1, or jobs would wait for ever".to_owned()));
        }
        if self.node_lease < Duration::from_secs(3) {
            return Err(ConfigError("NOUKAI_NODE_LEASE_SECONDS must be at least 3".to_owned()));
        }
        if !CONNECTION_BOUNDS.contains(&self.database.connections) {
            return Err(ConfigError("`database.connections` must be between 4 and 1000".to_owned()));
        }
        for (name, limit) in
            [("job_attempts", self.limits.job_attempts), ("concurrent_jobs", self.limits.concurrent_jobs)]
        {
            if limit == 0 {
                return Err(ConfigError(format!("`limits.{name}` must be at least 1, or no job would ever run")));
            }
        }
        Ok(())
    }

    /// The effective configuration as TOML, secrets masked.
    pub fn masked(&self) -> String {
        let models = models::masked(&self.models);
        let file = File {
            listen: self.listen.clone(),
            data: Some(self.data.clone()),
            flows: self.flows.clone(),
            public_url: self.public_url.clone(),
            org: Some(self.org.clone()),
            project: Some(self.project.clone()),
            trace_capture: self.capture,
            workers: Some(self.workers),
            drain_seconds: Some(self.drain.as_secs()),
            shutdown_seconds: Some(self.grace.as_secs()),
            database: FileDatabase {
                url: self.database.url.as_ref().map(|_| FileSecret(String::new())),
                connections: Some(self.database.connections),
                survive_power_loss: self.database.survive_power_loss,
            },
            retention: FileRetention::of(&self.retention),
            models_file: models.models_file,
            provider: models.provider,
            providers: models.providers,
            egress: models.egress,
            vault: FileVault::of(&self.master_key),
            code: FileCode::of(&self.code),
            limits: toml::Table::try_from(snake(&self.limits)).unwrap_or_default(),
        };
        toml::to_string(&file).unwrap_or_else(|error| format!("# {error}\n"))
    }
}

fn read_file(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("cannot read the configuration {}: {error}", path.display())))?;
    // The parser's own message may quote the line, and with it a secret; its position is enough.
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
        ConfigError(format!("{}, line {line}: {}", path.display(), error.message()))
    })
}

fn number<T: std::str::FromStr>(env: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<Option<T>, ConfigError> {
    let parse = |text: String| text.parse().map_err(|_| ConfigError(format!("{name}: `{text}` is no fitting number")));
    env(name).map(parse).transpose()
}

fn listen(
    file: &[SocketAddr],
    env: &dyn Fn(&str) -> Option<String>,
    flags: &Overrides,
) -> Result<Vec<SocketAddr>, ConfigError> {
    let from_env = env("NOUKAI_LISTEN").map(|text| {
        let wrong = |part: &str| ConfigError(format!("NOUKAI_LISTEN: `{part}` is no address such as 127.0.0.1:8080"));
        text.split(',').map(|part| part.trim().parse().map_err(|_| wrong(part))).collect::<Result<Vec<_>, _>>()
    });
    let mut listen = match (&flags.listen[..], from_env.transpose()?, file) {
        ([], None, []) => vec![loopback(Ipv4Addr::LOCALHOST.into()), loopback(Ipv6Addr::LOCALHOST.into())],
        ([], None, file) => file.to_vec(),
        ([], Some(from_env), _) => from_env,
        (flags, _, _) => flags.to_vec(),
    };
    if let Some(port) = flags.port {
        listen.iter_mut().for_each(|address| address.set_port(port));
    }
    Ok(listen)
}

const fn loopback(ip: IpAddr) -> SocketAddr {
    SocketAddr::new(ip, PORT)
}

/// The URL may hold a password, so that it is a secret as a whole.
fn database(
    file: FileDatabase,
    env: &dyn Fn(&str) -> Option<String>,
    flag: Option<String>,
) -> Result<DatabaseConfig, ConfigError> {
    let url = flag.or_else(|| env("NOUKAI_DATABASE")).or_else(|| file.url.map(|url| url.0));
    if url.as_deref().is_some_and(|url| !url.starts_with("postgres://") && !url.starts_with("postgresql://")) {
        let why = "`database.url` must begin with postgres://; leave it out to keep SQLite in the data directory";
        return Err(ConfigError(why.to_owned()));
    }
    Ok(DatabaseConfig {
        url: url.map(Secret::new),
        connections: number(env, "NOUKAI_DATABASE_CONNECTIONS")?.or(file.connections).unwrap_or(CONNECTIONS),
        survive_power_loss: file.survive_power_loss,
    })
}

/// Limits that are off where nobody sets them.
const RATES: [&str; 5] = [
    "requests_per_second",
    "key_requests_per_minute",
    "project_requests_per_minute",
    "key_tokens_per_minute",
    "project_tokens_per_minute",
];

/// Limits from the file, in snake_case, each overridable by `NOUKAI_LIMITS_<NAME>`.
fn limits(file: &toml::Table, env: &dyn Fn(&str) -> Option<String>) -> Result<Limits, ConfigError> {
    let mut all = snake(&Limits::default());
    // Off by default, so that they are not among those.
    for rate in RATES {
        all.insert(rate.to_owned(), serde_json::Value::Null);
    }
    let names: Vec<String> = all.keys().cloned().collect();
    for (name, value) in file {
        if !all.contains_key(name) {
            return Err(ConfigError(format!("`limits.{name}` is no limit; there are {}", names.join(", "))));
        }
        let number = value.as_integer().filter(|number| *number >= 0);
        let number = number.ok_or_else(|| ConfigError(format!("`limits.{name}` must be a whole number")))?;
        all.insert(name.clone(), number.into());
    }
    for name in names {
        let variable = format!("NOUKAI_LIMITS_{}", name.to_uppercase());
        if let Some(value) = number::<u64>(env, &variable)? {
            all.insert(name, value.into());
        }
    }
    let camel = all.into_iter().map(|(name, value)| (camel(&name), value)).collect();
    serde_json::from_value(serde_json::Value::Object(camel)).map_err(|error| ConfigError(format!("`limits`: {error}")))
}

/// Limits by their names in the file.
fn snake(limits: &Limits) -> serde_json::Map<String, serde_json::Value> {
    let fields = match serde_json::to_value(limits) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let snake = |name: &str| {
        name.chars().fold(String::new(), |mut text, c| {
            if c.is_ascii_uppercase() {
                text.push('_');
            }
            text.push(c.to_ascii_lowercase());
            text
        })
    };
    fields.into_iter().map(|(name, value)| (snake(&name), value)).collect()
}

fn camel(name: &str) -> String {
    let mut up = false;
    name.chars().fold(String::new(), |mut text, c| {
        if c == '_' {
            up = true;
        } else {
            text.push(if std::mem::take(&mut up) { c.to_ascii_uppercase() } else { c });
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, env: &[(&str, &str)], flags: Overrides) -> Result<Config, ConfigError> {
        let file = toml::from_str(file).map_err(|error| ConfigError(error.message().to_owned()))?;
        let lookup = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Config::merge(file, &lookup, flags)
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file = "data = 'file'\norg = 'from-file'\n[limits]\ntools = 3\nattachments = 2";
        let env = [("NOUKAI_DATA", "env"), ("NOUKAI_LIMITS_TOOLS", "5")];
        let flags = Overrides { port: Some(9), ..Overrides::default() };
        let config = load(file, &env, flags).unwrap();
        assert_eq!(config.data, PathBuf::from("env"));
        assert_eq!((config.org.as_str(), config.project.as_str()), ("from-file", "dev"));
        assert_eq!((config.limits.tools, config.limits.attachments, config.limits.nesting), (5, 2, 16));
        let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, ["127.0.0.1:9", "[::1]:9"]);
    }

    #[test]
    fn a_key_is_never_sent_to_another_host_than_its_own() {
        let env = [("NOUKAI_PROVIDER_BASE_URL", "http://127.0.0.1:1/v1"), ("OPENROUTER_API_KEY", "sk-canary")];
        let config = load("", &env, Overrides::default()).unwrap();
        assert!(config.models.providers.is_empty(), "{config:?}");
    }

    /// Names, base URLs, and the models served.
    fn providers(file: &str, env: &[(&str, &str)]) -> Vec<(String, String, String)> {
        let config = load(file, env, Overrides::default()).unwrap();
        let of = |provider: &noukai_models::ProviderConfig| {
            (provider.name.clone(), provider.base_url.clone(), provider.models.join(" "))
        };
        config.models.providers.iter().map(of).collect()
    }

    fn one(name: &str, url: &str, models: &str) -> (String, String, String) {
        (name.to_owned(), url.to_owned(), models.to_owned())
    }

    #[test]
    fn each_vendor_has_its_variable() {
        let openrouter = one("openrouter", "https://openrouter.ai/api/v1", "*");
        let anthropic = one("anthropic", "https://api.anthropic.com/v1", "anthropic/");
        let env = [("ANTHROPIC_API_KEY", "a"), ("OPENROUTER_API_KEY", "b"), ("AWS_REGION", "eu-west-1")];
        assert_eq!(providers("", &env), [openrouter.clone(), anthropic.clone()]);
        let own = [("NOUKAI_PROVIDER_API_KEY", "own"), ("ANTHROPIC_API_KEY", "a"), ("OPENROUTER_API_KEY", "b")];
        assert_eq!(providers("", &own), [openrouter, anthropic]);
        let bedrock = [("AWS_BEARER_TOKEN_BEDROCK", "k"), ("AWS_REGION", "eu-west-1")];
        let url = "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1";
        assert_eq!(providers("", &bedrock), [one("bedrock", url, "bedrock/")]);
        assert_eq!(providers("", &[("AZURE_OPENAI_API_KEY", "k")]), []);
    }

    #[test]
    fn openai_alone_serves_its_own_and_with_an_address_everything() {
        let own = [("OPENAI_API_KEY", "k")];
        assert_eq!(providers("", &own), [one("openai", "https://api.openai.com/v1", "openai/")]);
        let elsewhere = [("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")];
        assert_eq!(providers("", &elsewhere), [one("openai", "http://127.0.0.1:1/v1", "*")]);
    }

    #[test]
    fn tables_and_their_variables() {
        let file = "[providers.anthropic]\nbase_url = 'http://10.0.0.1/v1'\nmodels = ['anthropic/', 'x/y']\n\
            [providers.my-own]\nbase_url = 'http://10.0.0.2/v1'\napi_keys = ['a', 'b']\nconcurrency = 3\n\
            timeout_seconds = 9\nhedge_after_ms = 5\nbreaker_failures = 0\n[providers.ollama]";
        // A vendor's key does not go to another address than the vendor's.
        let env = [("ANTHROPIC_API_KEY", "vendor"), ("NOUKAI_PROVIDERS_MY_OWN_BASE_URL", "http://10.0.0.3/v1")];
        let config = load(file, &env, Overrides::default()).unwrap();
        let [anthropic, own, ollama] = config.models.providers.as_slice() else { panic!("{config:?}") };
        assert!(anthropic.keys.is_empty());
        assert_eq!((own.base_url.as_str(), own.keys.len()), ("http://10.0.0.3/v1", 2));
        assert_eq!((own.concurrency, own.timeout, own.breaker.failures), (Some(3), Duration::from_secs(9), 0));
        assert_eq!(ollama.base_url, "http://127.0.0.1:11434/v1");
        assert_eq!(ollama.timeout, Duration::from_secs(config.limits.block_seconds));
        let env = [("NOUKAI_PROVIDERS_ANTHROPIC_API_KEY", "one, two")];
        assert_eq!(load(file, &env, Overrides::default()).unwrap().models.providers[0].keys.len(), 2);
    }

    #[test]
    fn secrets_are_masked() {
        let config = load(
            "[provider]\napi_key = 'sk-canary'\n[providers.mine]\nbase_url = 'http://x'\napi_keys = ['canary-2']",
            &[],
            Overrides::default(),
        )
        .unwrap();
        assert_eq!(config.models.providers[0].keys.len(), 1);
        assert!(!config.masked().contains("canary"), "{}", config.masked());
        assert!(!format!("{config:?}").contains("canary"));
        let again: File = toml::from_str(&config.masked()).unwrap();
        assert_eq!(again.limits.len(), config_limits_len());
        let url = "[database]\nurl = 'postgres://ann:canary@db/flows'";
        let flag = Overrides { database: Some("postgres://ann:canary@other/flows".to_owned()), ..Overrides::default() };
        for config in [load(url, &[], Overrides::default()), load("", &[], flag)].map(Result::unwrap) {
            assert!(config.database.url.as_ref().is_some_and(|url| url.expose().contains("canary")));
            assert!(!config.masked().contains("canary") && config.masked().contains("url"), "{}", config.masked());
            assert!(!format!("{config:?}").contains("canary"));
        }
    }

    #[test]
    fn only_a_shared_database_may_have_servers_without_workers() {
        let none = || Overrides { workers: Some(0), ..Overrides::default() };
        assert!(load("", &[], none()).unwrap_err().to_string().contains("workers"));
        let config = load("", &[("NOUKAI_DATABASE", "postgres://db/flows")], none()).unwrap();
        assert_eq!(config.workers, 0);
    }

    fn config_limits_len() -> usize {
        snake(&Limits::default()).len()
    }

    #[test]
    fn what_is_not_said_is_kept_as_long_as_traces() {
        let file = "[limits]\ntrace_retention_days = 9\n[retention]\nfull_days = 2\nsession_days = 90";
        let config = load(file, &[("NOUKAI_RETENTION_REDACTED_DAYS", "3")], Overrides::default()).unwrap();
        let expected = Retention {
            full_days: 2,
            redacted_days: 3,
            session_days: Some(90),
            retry_days: 7,
            usage_days: 400,
            ..Retention::all(9)
        };
        assert_eq!(config.retention, expected);
        assert!(config.masked().contains("session_days = 90"), "{}", config.masked());
    }

    #[test]
    fn wrong_values_are_named() {
        for (file, part) in [
            ("workerz = 3", "workerz"),
            ("[limits]\ntolls = 3", "limits.tolls"),
            ("[limits]\ntools = -1", "limits.tools"),
            ("[retention]\nfull_weeks = 2", "full_weeks"),
            ("[limits]\njob_attempts = 0", "limits.job_attempts"),
            ("[limits]\nconcurrent_jobs = 0", "limits.concurrent_jobs"),
            ("org = 'A'", "org"),
            ("[provider]\nbase_url = 'ftp://x'", "base_url"),
            ("[database]\nurl = 'mysql://x'", "database.url"),
            ("[database]\nconnections = 1", "database.connections"),
            ("[providers.mine]\napi_key = 'x'", "providers.mine"),
            ("[providers.anthropic]", "ANTHROPIC_API_KEY"),
            ("[providers.noukai]\nbase_url = 'http://x'", "noukai"),
            ("[providers.mine]\nbase_url = 'x'", "base_url"),
            ("[providers.mine]\nurl = 'x'", "url"),
            ("[egress]\ndeny = ['x']", "deny"),
        ] {
            let error = load(file, &[], Overrides::default()).unwrap_err().to_string();
            assert!(error.contains(part), "{file}: {error}");
        }
    }
}
