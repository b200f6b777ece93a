//! How to reach a provider, as the operator says it.

use std::time::Duration;

use noukai_engine::StructuredOutput;

use crate::{Dialect, Egress, EgressError, Preset, Secret, Target, preset};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
const DEFAULT_MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// One provider. Its keys go to its base URL and nowhere else.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// Short name for routes and errors, such as `openrouter`.
    pub name: String,
    /// What it speaks.
    pub dialect: Dialect,
    /// Where it answers.
    pub base_url: String,
    /// Whether the operator wrote the base URL, so that it may be anywhere; else it must be on the public internet.
    pub own_url: bool,
    /// Sent as its format says, taken in turns; none is sent where there is none.
    pub keys: Vec<Secret>,
    /// Models it serves: whole names, or what they begin with, such as `anthropic/`; `*` for all.
    pub models: Vec<String>,
    /// What is taken off the front of a model's name before it is sent.
    pub vendors: Vec<String>,
    /// The most it does to structure a reply.
    pub structured_output: StructuredOutput,
    /// Whether it fetches images by their URL.
    pub images_by_url: bool,
    /// Azure's version of the API.
    pub api_version: Option<String>,
    /// From the first byte sent to the last one read, streams included.
    pub timeout: Duration,
    /// How long the first token of a stream may take.
    pub first_token: Option<Duration>,
    /// Where reading a reply stops.
    pub max_reply_bytes: usize,
    /// Calls at the same time; more wait.
    pub concurrency: Option<usize>,
    /// When to leave it alone for a while.
    pub breaker: BreakerConfig,
    /// After how long without a sign of life a call is made a second time, the first to answer counting.
    pub hedge_after: Option<Duration>,
}

/// When a provider that fails is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a row; 0: never.
    pub failures: u32,
    /// For how long, until a single call tries it again.
    pub pause: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 20, pause: Duration::from_secs(5) }
    }
}

impl ProviderConfig {
    /// Where its calls go.
    ///
    /// # Errors
    /// A base URL that cannot be called.
    pub(crate) fn target(&self, egress: &Egress) -> Result<Target, EgressError> {
        if self.own_url { egress.operators_target(&self.base_url) } else { egress.target(&self.base_url) }
    }

    /// A provider by its name: a vendor this release knows, or an OpenAI-compatible server at `base_url`. `None` where
    /// it is no known vendor, or one without an address of its own, and no base URL is given.
    pub fn named(name: &str, base_url: Option<String>, keys: Vec<Secret>) -> Option<Self> {
        let known = preset(name);
        let own_url = base_url.is_some() || known.is_some_and(|known| known.keyless);
        let base_url = base_url.or_else(|| known?.base_url.map(str::to_owned))?;
        let vendors: Vec<String> = match known {
            Some(known) => known.vendors.iter().map(|vendor| format!("{vendor}/")).collect(),
            None => vec![format!("{name}/")],
        };
        let models = if vendors.is_empty() { vec!["*".to_owned()] } else { vendors.clone() };
        let plain = Self { own_url, keys, models, vendors, ..Self::at(name, base_url) };
        Some(match known {
            Some(known) => Self {
                dialect: known.dialect,
                structured_output: known.structured_output,
                images_by_url: known.images_by_url,
                ..plain
            },
            None => plain,
        })
    }

    /// Any OpenAI-compatible endpoint, for all models no other provider serves.
    pub fn for_all(base_url: impl Into<String>, key: Secret) -> Self {
        let base_url = base_url.into();
        let host = url::Url::parse(&base_url).ok().and_then(|url| url.host_str().map(str::to_owned));
        let host = host.unwrap_or_else(|| "provider".to_owned());
        let at = |preset: &&Preset| preset.base_url.is_some_and(|url| url.contains(&format!("//{host}/")));
        let known = crate::PRESETS.iter().filter(|preset| !preset.keyless).find(at);
        let name = known.map_or(host.as_str(), |preset| preset.name).to_owned();
        Self {
            keys: if key.is_empty() { Vec::new() } else { vec![key] },
            models: vec!["*".to_owned()],
            vendors: if name == "openai" { vec!["openai/".to_owned()] } else { Vec::new() },
            ..Self::at(&name, base_url)
        }
    }

    /// An OpenAI-compatible endpoint of the operator's that serves no model yet.
    fn at(name: &str, base_url: String) -> Self {
        Self {
            name: name.to_owned(),
            dialect: Dialect::OpenAi,
            base_url,
            own_url: true,
            keys: Vec::new(),
            models: Vec::new(),
            vendors: Vec::new(),
            structured_output: StructuredOutput::Native,
            images_by_url: true,
            api_version: None,
            timeout: DEFAULT_TIMEOUT,
            first_token: None,
            max_reply_bytes: DEFAULT_MAX_REPLY_BYTES,
            concurrency: None,
            breaker: BreakerConfig::default(),
            hedge_after: None,
        }
    }
}

/// Why a provider cannot be used as configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Not a URL to append a path to, or one that may not be reached.
    #[error("`{0}`: the base URL: {1}")]
    BaseUrl(String, EgressError),
    /// Not a header value.
    #[error("`{0}`: the API key has characters that no HTTP header may hold")]
    ApiKey(String),
}
