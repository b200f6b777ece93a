//! One provider behind the model port: its place in the queue, its key, the call, and what the call's end says of
//! both. Owns the call from request to reply; formats are next door. Retries nothing: that is the engine's.

mod breaker;
mod config;
mod hedge;
mod keys;

use std::{borrow::Cow, collections::HashSet, sync::Arc, time::Duration};

use hyper::{
    Uri,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use noukai_engine::{
    Carried, DeltaSink, ModelError, ModelErrorKind, ModelInfo, ModelReply, ModelRequest, StructuredOutput,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

pub use self::config::{BreakerConfig, ProviderConfig, ProviderError};
use self::{
    breaker::Breaker,
    hedge::{Speaker, race},
    keys::{Key, Keys},
};
use crate::{
    Dialect, Egress, Target,
    anthropic::Anthropic,
    call_id::new_call_id,
    catalogue::Catalogue,
    egress::{Answer, Call},
    gemini::Gemini,
    openai::{self, OpenAi},
    refresh::{self, Listed},
    router::shown,
    wire::{ByTool, Fault, Incoming, Outgoing, Reply, Wire, clean, read, refusal},
};

/// A provider, ready to be called.
pub struct Provider {
    config: ProviderConfig,
    wire: Box<dyn Wire>,
    target: Target,
    /// Where calls go, if that is the same for all models.
    endpoint: Option<Uri>,
    egress: Egress,
    key_header: HeaderName,
    keys: Keys,
    places: Option<Semaphore>,
    breaker: Breaker,
    catalogue: Arc<Catalogue>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Provider").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Provider {
    /// Checks the configuration; connects to nothing.
    ///
    /// # Errors
    /// A base URL that cannot be called, a key that no header may hold.
    pub fn new(config: ProviderConfig, egress: Egress, catalogue: Arc<Catalogue>) -> Result<Self, ProviderError> {
        let target = config.target(&egress).map_err(|error| ProviderError::BaseUrl(config.name.clone(), error))?;
        let wire = wire(&config, &target);
        let (key_header, prefix) = wire.key_header();
        let keys = Keys::new(&config.keys, prefix, &config.name)?;
        let places = config.concurrency.map(|most| Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        let breaker = Breaker::new(config.breaker);
        let endpoint = wire.fixed_path().and_then(|path| target.uri(path));
        Ok(Self { config, wire, target, endpoint, egress, key_header, keys, places, breaker, catalogue })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// What it serves, and how.
    pub const fn config(&self) -> &ProviderConfig {
        &self.config
    }

    pub(crate) fn take_used(&self) -> Vec<usize> {
        self.keys.take_used()
    }

    pub(crate) fn describe(&self, model: &str) -> ModelInfo {
        let known = self.catalogue.get(model);
        let image_types = known.map(|row| row.image_types.clone());
        let best = known.map_or(StructuredOutput::Native, |row| row.structured_output);
        ModelInfo {
            available: Ok(()),
            provider: Some(self.config.name.clone()),
            image_types: if self.config.images_by_url { image_types } else { Some(std::collections::BTreeSet::new()) },
            structured_output: weaker(best, self.config.structured_output),
        }
    }

    /// Calls a model once, or twice where that is configured and the first call is slow.
    pub(crate) async fn complete(
        &self,
        request: &ModelRequest,
        deltas: Option<&dyn DeltaSink>,
    ) -> Result<ModelReply, ModelError> {
        match self.config.hedge_after {
            None => self.once(request, deltas).await,
            // Apart, so that a call without another beside it has no room for two.
            Some(after) => Box::pin(self.hedged(request, deltas, after)).await,
        }
    }

    async fn hedged(
        &self,
        request: &ModelRequest,
        deltas: Option<&dyn DeltaSink>,
        after: Duration,
    ) -> Result<ModelReply, ModelError> {
        let speaker = Speaker::new(deltas);
        let (one, two) = (speaker.voice(1), speaker.voice(2));
        let (end, hedged) = race(&speaker, after, self.once(request, one.sink()), self.once(request, two.sink())).await;
        end.map(|reply| ModelReply { hedged, ..reply }).map_err(|error| ModelError { hedged, ..error })
    }

    /// The models it lists, with the prices it states. `date` is today's, for whoever reads the prices later.
    ///
    /// # Errors
    /// A provider that cannot be reached, refuses, or lists its models in another form.
    pub async fn list(&self, date: &str) -> Result<Listed, ModelError> {
        let Some(key) = self.keys.take() else { return Err(self.no_key()) };
        let source = format!("{}, {}", self.config.name, self.config.base_url);
        let listed = async {
            let uri = self.target.uri("/models").ok_or_else(|| Fault::invalid("the base URL takes no path"))?;
            let call = self.with_key(self.egress.get(&self.target, uri, refresh::TIMEOUT), &key);
            let answer = call.send().await.map_err(Fault::broken)?;
            if !answer.status().is_success() {
                return Err(refusal(answer).await);
            }
            refresh::read(answer, date, &source).await
        };
        listed.await.map_err(|fault| self.error(fault, key.secret()))
    }

    fn no_key(&self) -> ModelError {
        self.error(Fault::new(ModelErrorKind::KeyRejected, "no key is configured"), "")
    }

    fn with_key(&self, mut call: Call, key: &Key) -> Call {
        if let Some(value) = &key.header {
            call = call.header(self.key_header.clone(), value.clone());
        }
        for (name, value) in self.wire.headers() {
            call = call.header(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        call
    }

    async fn once(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError> {
        let _place = self.place().await;
        self.breaker.admit().map_err(|wait| self.set_aside(wait))?;
        let Some(key) = self.keys.take() else {
            return Err(self.no_key());
        };
        match self.call(request, deltas, &key).await {
            Ok(reply) => {
                self.breaker.well();
                Ok(self.finish(reply, &request.model))
            }
            Err(fault) => {
                self.judge(&fault);
                let another_key = self.keys.judge(&key, &fault);
                Err(ModelError { another_key, ..self.error(fault, key.secret()) })
            }
        }
    }

    async fn place(&self) -> Option<SemaphorePermit<'_>> {
        match &self.places {
            // The semaphore is never closed.
            Some(places) => places.acquire().await.ok(),
            None => None,
        }
    }

    fn judge(&self, fault: &Fault) {
        match fault.kind {
            ModelErrorKind::Server | ModelErrorKind::Unreachable => self.breaker.failed(),
            ModelErrorKind::ReplyInvalid => {}
            _ => self.breaker.well(),
        }
    }

    async fn call(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>, key: &Key) -> Result<Reply, Fault> {
        let by_tool = ByTool::of(request, self.wire.as_ref())?;
        let sent = by_tool.as_ref().map_or(request, |by_tool| &by_tool.request);
        let begun = Instant::now();
        let answer = self.send(sent, deltas.is_some(), key).await?;
        if !answer.status().is_success() {
            return Err(refusal(answer).await);
        }
        let mut incoming = Incoming::new(answer, self.config.max_reply_bytes)?;
        let whole = match deltas {
            Some(sink) if !incoming.is_json() => {
                let first = self.config.first_token.map(|limit| begun + limit);
                return settled(read(&mut incoming, self.wire.gather(), sink, first).await?, by_tool, deltas, false);
            }
            _ => self.wire.reply(&incoming.all().await?)?,
        };
        settled(whole, by_tool, deltas, true)
    }

    async fn send(&self, request: &ModelRequest, stream: bool, key: &Key) -> Result<Answer, Fault> {
        let model = self.model_name(&request.model);
        let max_output = self.catalogue.get(&request.model).and_then(|row| row.max_output);
        let body = self.wire.body(&Outgoing { request, model: &model, max_output, stream })?;
        let uri = self.endpoint.clone().or_else(|| self.target.uri(&self.wire.path(&model, stream)));
        let uri = uri.ok_or_else(|| Fault::new(ModelErrorKind::Refused, "the model's name fits in no URL"))?;
        let call = self.with_key(self.egress.post(&self.target, uri, self.config.timeout), key);
        let call = call.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
        let sent = call.send();
        let sent = match self.config.first_token.filter(|_| stream) {
            Some(limit) => tokio::time::timeout(limit, sent).await.map_err(|_| Fault::no_first_token())?,
            None => sent.await,
        };
        sent.map_err(Fault::broken)
    }

    /// The name the provider knows a model by: the catalogue's, or without its vendor.
    fn model_name<'a>(&'a self, model: &'a str) -> Cow<'a, str> {
        let Some(bare) = self.config.vendors.iter().find_map(|vendor| model.strip_prefix(vendor.as_str())) else {
            return Cow::Borrowed(model);
        };
        if let Some(direct) = self.catalogue.get(model).and_then(|row| row.direct.as_deref()) {
            return Cow::Borrowed(direct);
        }
        // `claude-sonnet-4.5` at OpenRouter is `claude-sonnet-4-5` at Anthropic.
        if self.config.dialect == Dialect::Anthropic { Cow::Owned(bare.replace('.', "-")) } else { Cow::Borrowed(bare) }
    }

    /// The provider's own cost wins over the catalogue.
    fn finish(&self, mut reply: Reply, asked: &str) -> ModelReply {
        let listed = || self.catalogue.get(asked).and_then(|row| row.cost(reply.tokens, reply.details));
        let cost = reply.cost.or_else(|| reply.counted.then(listed).flatten());
        name_calls(&mut reply);
        let model =
            reply.model.filter(|model| !model.is_empty()).map_or_else(|| asked.to_owned(), |model| shown(&model));
        let dialect = self.wire.name();
        ModelReply {
            text: reply.text,
            tool_calls: reply.tool_calls,
            tokens: reply.tokens,
            details: reply.details,
            cost,
            model,
            provider: Some(self.config.name.clone()),
            truncated: reply.truncated,
            carried: reply.carried.map(|data| Carried { dialect: dialect.to_owned(), data: Arc::new(data) }),
            hedged: false,
            cached: false,
        }
    }

    fn error(&self, fault: Fault, key: &str) -> ModelError {
        ModelError {
            kind: fault.kind,
            message: clean(&fault.message, key),
            provider: Some(self.config.name.clone()),
            status: fault.status,
            retry_after: fault.retry_after,
            another_key: false,
            hedged: false,
        }
    }

    fn set_aside(&self, wait: Duration) -> ModelError {
        let message = format!(
            "`{}` failed {} times in a row; nothing is sent to it for the next {:.1} s",
            self.config.name,
            self.config.breaker.failures,
            wait.as_secs_f32()
        );
        ModelError { retry_after: Some(wait), ..self.error(Fault::new(ModelErrorKind::SetAside, message), "") }
    }
}

/// A provider's format.
pub(crate) fn wire(config: &ProviderConfig, target: &Target) -> Box<dyn Wire> {
    match config.dialect {
        Dialect::OpenAi => {
            Box::new(OpenAi { dialect: openai::Dialect::of(&config.name, target.host()), api_version: None })
        }
        Dialect::Azure => {
            let newer = config.base_url.trim_end_matches('/').ends_with("/v1");
            let version = config.api_version.clone().or_else(|| Some(openai::AZURE_VERSION.to_owned()));
            let dialect = openai::Dialect { is_azure: true, ..openai::Dialect::default() };
            Box::new(OpenAi { dialect, api_version: version.filter(|_| !newer) })
        }
        Dialect::Anthropic => Box::new(Anthropic),
        Dialect::Gemini => Box::new(Gemini),
    }
}

/// What is asked for by tool comes as text. A text that did not come in pieces is handed on in one.
fn settled(
    mut reply: Reply,
    by_tool: Option<ByTool>,
    deltas: Option<&dyn DeltaSink>,
    whole: bool,
) -> Result<Reply, Fault> {
    let structured = by_tool.is_some_and(|by_tool| by_tool.settle(&mut reply));
    if let (Some(sink), Some(text)) = (deltas.filter(|_| whole || structured), reply.text.as_deref())
        && !text.is_empty()
    {
        sink.text(text);
    }
    Ok(reply)
}

/// Calls without an id, or with one given twice, get one.
fn name_calls(reply: &mut Reply) {
    let mut seen = HashSet::new();
    for call in &mut reply.tool_calls {
        if call.id.is_empty() || !seen.insert(call.id.clone()) {
            call.id = new_call_id();
        }
    }
}

/// The less able of two ways.
fn weaker(one: StructuredOutput, other: StructuredOutput) -> StructuredOutput {
    use StructuredOutput::{Instruction, Native, Tool};
    match (one, other) {
        (Instruction, _) | (_, Instruction) => Instruction,
        (Tool, _) | (_, Tool) => Tool,
        (Native, Native) => Native,
    }
}
