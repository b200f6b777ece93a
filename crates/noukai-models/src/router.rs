//! Which provider serves a model. Sends nothing itself.

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use async_trait::async_trait;
use noukai_engine::{
    DeltaSink, Model, ModelError, ModelErrorKind, ModelInfo, ModelReply, ModelRequest, StructuredOutput,
};

use crate::{Catalogue, ECHO_MODEL, Echo, Provider};

const BUILT_IN: &str = "noukai/";
/// For blocks that name no model, where one provider serves all.
const DEFAULT_MODEL: &str = "openai/gpt-4o-mini";

/// All models this server can call: the built-in one, and those of its providers.
pub struct Models {
    echo: Echo,
    providers: Vec<Provider>,
    /// Longest first.
    routes: Vec<Route>,
    default_model: String,
    catalogue: Arc<Catalogue>,
}

impl std::fmt::Debug for Models {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Models").field("providers", &self.providers).finish_non_exhaustive()
    }
}

impl Models {
    /// Of two providers that serve the same, the first one counts. `default_model` is for blocks that name none;
    /// without it `openai/gpt-4o-mini` where a provider serves it, else `noukai/echo`.
    pub fn new(providers: Vec<Provider>, default_model: Option<String>, catalogue: Arc<Catalogue>) -> Self {
        let mut routes: Vec<Route> = Vec::new();
        for (position, provider) in providers.iter().enumerate() {
            routes.extend(provider.config().models.iter().map(|models| Route::new(models, position)));
        }
        // Stable, so that the first of equals stays first.
        routes.sort_by_key(|route| std::cmp::Reverse(route.name.len()));
        let mut models = Self { echo: Echo, providers, routes, default_model: String::new(), catalogue };
        let fallback = if models.provider(DEFAULT_MODEL).is_some() { DEFAULT_MODEL } else { ECHO_MODEL };
        models.default_model = default_model.unwrap_or_else(|| fallback.to_owned());
        models
    }

    /// What is known of models.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The provider that serves a model.
    pub fn provider(&self, model: &str) -> Option<&Provider> {
        let route = self.routes.iter().find(|route| route.serves(model))?;
        self.providers.get(route.provider)
    }

    fn not_available(&self, model: &str) -> String {
        let mut message = format!("no provider is configured that serves `{}`; ", shown(model));
        if self.providers.is_empty() {
            let _ = write!(message, "there is {ECHO_MODEL} alone");
        } else {
            let served: Vec<String> = self.providers.iter().map(served).collect();
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

/// A name, or what names begin with, and the position of the provider that serves it.
#[derive(Debug)]
struct Route {
    name: String,
    is_prefix: bool,
    provider: usize,
}

impl Route {
    /// `vendor/model`, `vendor/`, `vendor/family*`, or `*`.
    fn new(models: &str, provider: usize) -> Self {
        let name = models.trim_end_matches('*');
        Self { name: name.to_owned(), is_prefix: name.len() < models.len() || name.ends_with('/'), provider }
    }

    fn serves(&self, model: &str) -> bool {
        model == self.name || (self.is_prefix && model.starts_with(&self.name))
    }
}

/// A provider and what it serves, for a message.
fn served(provider: &Provider) -> String {
    format!("{} ({})", provider.name(), provider.config().models.join(" "))
}

#[async_trait]
impl Model for Models {
    fn describe(&self, model: &str) -> ModelInfo {
        if model.starts_with(BUILT_IN) {
            return self.echo.describe(model);
        }
        if let Some(provider) = self.provider(model) {
            return provider.describe(model);
        }
        let known = self.catalogue.get(model);
        ModelInfo {
            available: Err(self.not_available(model)),
            provider: None,
            image_types: known.map(|row| row.image_types.clone()),
            structured_output: known.map_or(StructuredOutput::Native, |row| row.structured_output),
        }
    }

    fn default_model(&self) -> &str {
        &self.default_model
    }

    async fn complete(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError> {
        if request.model.starts_with(BUILT_IN) {
            return self.echo.complete(request, deltas).await;
        }
        match self.provider(&request.model) {
            Some(provider) => provider.complete(request, deltas).await,
            None => Err(not_available(self.not_available(&request.model))),
        }
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
