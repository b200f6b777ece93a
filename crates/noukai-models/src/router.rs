//! Which provider serves a model. Sends nothing itself.

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use async_trait::async_trait;
use noukai_engine::{
    DeltaSink, Model, ModelError, ModelErrorKind, ModelInfo, ModelReply, ModelRequest, StructuredOutput,
};

use crate::{
    Catalogue, ECHO_MODEL, Echo, OwnProviders, Provider, ProviderConfig, Served,
    table::{Closed, Table},
};

const BUILT_IN: &str = "noukai/";
/// For blocks that name no model, where one provider serves all.
const DEFAULT_MODEL: &str = "openai/gpt-4o-mini";

/// All models this server can call: the built-in one, and those of its providers.
pub struct Models {
    echo: Echo,
    table: Table,
    /// Where the operator names one.
    default_model: Option<String>,
    catalogue: Arc<Catalogue>,
}

impl std::fmt::Debug for Models {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Models").field("providers", &self.table.entries).finish_non_exhaustive()
    }
}

impl Models {
    /// Of two providers that serve the same, the first one counts. `default_model` is for blocks that name none;
    /// without it `openai/gpt-4o-mini` where a provider serves it, else `noukai/echo`.
    pub fn new(providers: Vec<Provider>, default_model: Option<String>, catalogue: Arc<Catalogue>) -> Self {
        let entries = providers.into_iter().map(|provider| Served::Ready(Box::new(provider))).collect();
        Self { echo: Echo, table: Table::new(entries), default_model, catalogue }
    }

    /// Whether a model is built in, so that no provider is asked.
    pub fn is_built_in(model: &str) -> bool {
        model.starts_with(BUILT_IN)
    }

    /// What is known of models.
    pub const fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// A provider of the server's, as the operator configured it.
    pub fn configured(&self, name: &str) -> Option<&ProviderConfig> {
        self.providers().find(|config| config.name == name)
    }

    /// All of them.
    pub fn providers(&self) -> impl Iterator<Item = &ProviderConfig> {
        self.table.entries.iter().filter_map(|entry| match entry {
            Served::Ready(provider) => Some(provider.config()),
            Served::Closed(_) => None,
        })
    }

    /// As [`Model::describe`], for a tenant with providers of its own.
    pub fn describe_for(&self, own: &OwnProviders, model: &str) -> ModelInfo {
        if model.starts_with(BUILT_IN) {
            return self.echo.describe(model);
        }
        let (available, provider) = match self.choose(own, model) {
            Some(Served::Ready(provider)) => return provider.describe(model),
            Some(Served::Closed(closed)) => (Err(closed.why.clone()), Some(closed.name.clone())),
            None => (Err(self.not_available(own, model)), None),
        };
        let known = self.catalogue.get(model);
        ModelInfo {
            available,
            provider,
            image_types: known.map(|row| row.image_types.clone()),
            structured_output: known.map_or(StructuredOutput::Native, |row| row.structured_output),
        }
    }

    /// As [`Model::default_model`], for a tenant with providers of its own.
    pub fn default_model_for(&self, own: &OwnProviders) -> &str {
        let fallback = if self.choose(own, DEFAULT_MODEL).is_some() { DEFAULT_MODEL } else { ECHO_MODEL };
        self.default_model.as_deref().unwrap_or(fallback)
    }

    /// As [`Model::complete`], for a tenant with providers of its own. What one of them serves is asked of no other.
    ///
    /// # Errors
    /// As there; `KeyUnreadable` where the model is served by one that cannot be called.
    pub async fn complete_for(
        &self,
        own: &OwnProviders,
        request: &ModelRequest,
        deltas: Option<&dyn DeltaSink>,
    ) -> Result<ModelReply, ModelError> {
        if request.model.starts_with(BUILT_IN) {
            return self.echo.complete(request, deltas).await;
        }
        match self.choose(own, &request.model) {
            Some(Served::Ready(provider)) => provider.complete(request, deltas).await,
            Some(Served::Closed(closed)) => Err(unreadable(closed)),
            None => Err(not_available(self.not_available(own, &request.model))),
        }
    }

    fn choose<'a>(&'a self, own: &'a OwnProviders, model: &str) -> Option<&'a Served> {
        own.groups.iter().find_map(|group| group.get(model)).or_else(|| self.table.get(model))
    }

    fn not_available(&self, own: &OwnProviders, model: &str) -> String {
        let mut message = format!("no provider is configured that serves `{}`; ", shown(model));
        let tables = own.groups.iter().chain([&self.table]);
        let served: Vec<String> = tables.flat_map(|table| &table.entries).map(ToString::to_string).collect();
        if served.is_empty() {
            let _ = write!(message, "there is {ECHO_MODEL} alone");
        } else {
            let _ = write!(message, "configured are {ECHO_MODEL}, {}", served.join(", "));
        }
        let key = model
            .split('/')
            .next()
            .and_then(|vendor| crate::PRESETS.iter().find(|preset| preset.vendors.contains(&vendor))?.key_env.first());
        let hint = key.map_or_else(String::new, |key| format!("{key} or "));
        let _ = write!(message, "; set {hint}OPENROUTER_API_KEY, or [providers] in the configuration");
        message
    }
}

static NONE: OwnProviders = OwnProviders::none();

#[async_trait]
impl Model for Models {
    fn describe(&self, model: &str) -> ModelInfo {
        self.describe_for(&NONE, model)
    }

    fn default_model(&self) -> &str {
        self.default_model_for(&NONE)
    }

    async fn complete(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError> {
        self.complete_for(&NONE, request, deltas).await
    }
}

fn unreadable(closed: &Closed) -> ModelError {
    ModelError {
        kind: ModelErrorKind::KeyUnreadable,
        provider: Some(closed.name.clone()),
        ..not_available(closed.why.clone())
    }
}

pub(crate) fn not_available(message: String) -> ModelError {
    ModelError {
        kind: ModelErrorKind::NotAvailable,
        message,
        provider: None,
        status: None,
        retry_after: None,
        another_key: false,
        hedged: false,
    }
}

/// A model name short enough for a message.
pub(crate) fn shown(model: &str) -> String {
    model.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// The image types a flow can carry.
pub(crate) fn all_image_types() -> BTreeSet<String> {
    ["image/gif", "image/jpeg", "image/png", "image/webp"].map(str::to_owned).into()
}
