//! Any provider that speaks OpenAI's chat completions, OpenRouter by default. Owns one call from request to reply;
//! the wire format is in the files below. Retries nothing.
//!
//! The wire code is our own because no client library bounds a reply as it arrives and at once shows the status,
//! `Retry-After` and the body of an error.

mod body;
mod dialect;
mod fault;
mod few;
mod incoming;
mod redact;
mod reply;
mod retry_after;
mod sse;
mod stream;
mod strict;

use std::time::Duration;

use async_trait::async_trait;
use hyper::{
    Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use noukai_engine::{DeltaSink, Model, ModelError, ModelErrorKind, ModelInfo, ModelReply, ModelRequest};
use url::Url;

pub(crate) use self::{body::Body, dialect::Dialect};
use self::{fault::Fault, incoming::Incoming, reply::Reply};
use crate::{Egress, Secret, call_id::new_call_id, egress::Answer, router::shown, table};

/// Where OpenRouter answers.
pub const OPENROUTER_URL: &str = "https://openrouter.ai/api/v1";

/// For blocks that name no model.
pub(crate) const DEFAULT_MODEL: &str = "openai/gpt-4o-mini";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
const DEFAULT_MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// How to reach a provider. The key goes to `base_url` and nowhere else.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// Short name for errors, such as `openrouter`.
    pub name: String,
    /// What `/chat/completions` is appended to.
    pub base_url: String,
    /// Sent as a bearer token; none is sent where it is empty.
    pub api_key: Secret,
    /// From the first byte sent to the last one read, streams included.
    pub timeout: Duration,
    /// Where reading a reply stops.
    pub max_reply_bytes: usize,
}

impl ProviderConfig {
    /// OpenRouter.
    pub fn openrouter(api_key: Secret) -> Self {
        Self::at(OPENROUTER_URL, api_key)
    }

    /// A provider by its base URL, named after its host.
    pub fn at(base_url: impl Into<String>, api_key: Secret) -> Self {
        let base_url = base_url.into();
        Self {
            name: provider_name(&base_url),
            base_url,
            api_key,
            timeout: DEFAULT_TIMEOUT,
            max_reply_bytes: DEFAULT_MAX_REPLY_BYTES,
        }
    }
}

fn provider_name(base_url: &str) -> String {
    let url = Url::parse(base_url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or("provider");
    match host {
        "openrouter.ai" => "openrouter".to_owned(),
        "api.openai.com" => "openai".to_owned(),
        host => host.to_owned(),
    }
}

/// Why a provider cannot be used as configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Not a URL to append a path to.
    #[error("the provider's base URL must be http or https, with a host and without user, query or fragment")]
    BaseUrl,
    /// Not a header value.
    #[error("the provider's API key has characters that no HTTP header may hold")]
    ApiKey,
}

/// A provider behind the model port.
pub struct OpenAiCompatible {
    config: ProviderConfig,
    endpoint: Uri,
    authorization: Option<HeaderValue>,
    dialect: Dialect,
    egress: Egress,
}

impl std::fmt::Debug for OpenAiCompatible {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OpenAiCompatible").field("config", &self.config).finish_non_exhaustive()
    }
}

impl OpenAiCompatible {
    /// Checks the configuration; connects to nothing.
    pub fn new(config: ProviderConfig, egress: Egress) -> Result<Self, ProviderError> {
        let endpoint = endpoint(&config.base_url).ok_or(ProviderError::BaseUrl)?;
        let authorization = authorization(&config.api_key)?;
        let dialect = Dialect::of(endpoint.host().unwrap_or_default());
        Ok(Self { config, endpoint, authorization, dialect, egress })
    }

    async fn call(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<Reply, Fault> {
        let answer = self.send(request, deltas.is_some()).await?;
        if !answer.status().is_success() {
            return Err(incoming::refusal(answer).await);
        }
        let mut incoming = Incoming::new(answer, self.config.max_reply_bytes)?;
        match deltas {
            Some(sink) if !incoming.is_json() => stream::read(&mut incoming, sink).await,
            sink => {
                let reply = reply::parse(&incoming.all().await?)?;
                if let (Some(sink), Some(text)) = (sink, reply.text.as_deref().filter(|text| !text.is_empty())) {
                    sink.text(text);
                }
                Ok(reply)
            }
        }
    }

    async fn send(&self, request: &ModelRequest, stream: bool) -> Result<Answer, Fault> {
        let body = Body::new(request, &self.dialect, stream);
        let body = serde_json::to_vec(&body).map_err(|error| {
            Fault::new(ModelErrorKind::Refused, format!("the request cannot be written as JSON: {error}"))
        })?;
        let mut call = self.egress.post(self.endpoint.clone(), self.config.timeout);
        if let Some(value) = &self.authorization {
            call = call.header(AUTHORIZATION, value.clone());
        }
        let call = call.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
        call.send().await.map_err(Fault::broken)
    }

    fn error(&self, fault: Fault) -> ModelError {
        ModelError {
            kind: fault.kind,
            message: redact::clean(&fault.message, self.config.api_key.expose()),
            provider: Some(self.config.name.clone()),
            status: fault.status,
            retry_after: fault.retry_after,
        }
    }
}

#[async_trait]
impl Model for OpenAiCompatible {
    fn describe(&self, model: &str) -> ModelInfo {
        table::describe(model, Ok(()))
    }

    fn default_model(&self) -> &str {
        DEFAULT_MODEL
    }

    async fn complete(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError> {
        let reply = self.call(request, deltas).await.map_err(|fault| self.error(fault))?;
        Ok(finish(reply, &request.model))
    }
}

/// The provider's own cost wins over the price table.
fn finish(mut reply: Reply, asked: &str) -> ModelReply {
    let listed = || table::known_model(asked).and_then(|row| row.cost(reply.tokens));
    let cost = reply.cost.or_else(|| reply.counted.then(listed).flatten());
    let mut seen = std::collections::HashSet::new();
    for call in &mut reply.tool_calls {
        if call.id.is_empty() || !seen.insert(call.id.clone()) {
            call.id = new_call_id();
        }
    }
    let model = reply.model.filter(|model| !model.is_empty()).map_or_else(|| asked.to_owned(), |model| shown(&model));
    ModelReply { text: reply.text, tool_calls: reply.tool_calls, tokens: reply.tokens, cost, model }
}

fn endpoint(base_url: &str) -> Option<Uri> {
    let base = Url::parse(base_url.trim()).ok()?;
    let plain = base.username().is_empty() && base.password().is_none();
    let bare = base.query().is_none() && base.fragment().is_none() && base.has_host();
    if !plain || !bare || !matches!(base.scheme(), "http" | "https") {
        return None;
    }
    let mut endpoint = base.clone();
    endpoint.set_path(&format!("{}/chat/completions", base.path().trim_end_matches('/')));
    endpoint.as_str().parse().ok()
}

fn authorization(key: &Secret) -> Result<Option<HeaderValue>, ProviderError> {
    if key.is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| ProviderError::ApiKey)?;
    value.set_sensitive(true);
    Ok(Some(value))
}
