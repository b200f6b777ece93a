//! Which provider serves a model, and what is known of it. Sends nothing itself.

use std::collections::BTreeSet;

use async_trait::async_trait;
use noukai_engine::{DeltaSink, Model, ModelError, ModelErrorKind, ModelInfo, ModelReply, ModelRequest};

use crate::{ECHO_MODEL, Echo, OpenAiCompatible, openai::DEFAULT_MODEL, table};

const BUILT_IN: &str = "noukai/";

/// All models this server can call: the built-in one, and those of a provider if one is configured.
#[derive(Debug)]
pub struct Models {
    echo: Echo,
    provider: Option<OpenAiCompatible>,
    default_model: String,
}

impl Models {
    /// `default_model` is for blocks that name none; without it `noukai/echo` where there is no provider, else
    /// `openai/gpt-4o-mini`.
    pub fn new(provider: Option<OpenAiCompatible>, default_model: Option<String>) -> Self {
        let fallback = if provider.is_some() { DEFAULT_MODEL } else { ECHO_MODEL };
        let default_model = default_model.unwrap_or_else(|| fallback.to_owned());
        Self { echo: Echo, provider, default_model }
    }

    /// The provider that serves the model, or why none does.
    fn provider(&self, model: &str) -> Result<&OpenAiCompatible, String> {
        self.provider.as_ref().ok_or_else(|| {
            format!(
                "no provider is configured that serves `{}`: set NOUKAI_PROVIDER_API_KEY (and \
                 NOUKAI_PROVIDER_BASE_URL), or use {ECHO_MODEL}",
                shown(model)
            )
        })
    }
}

#[async_trait]
impl Model for Models {
    fn describe(&self, model: &str) -> ModelInfo {
        if model.starts_with(BUILT_IN) {
            return self.echo.describe(model);
        }
        table::describe(model, self.provider(model).map(|_| ()))
    }

    fn default_model(&self) -> &str {
        &self.default_model
    }

    async fn complete(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError> {
        if request.model.starts_with(BUILT_IN) {
            return self.echo.complete(request, deltas).await;
        }
        match self.provider(&request.model) {
            Ok(provider) => provider.complete(request, deltas).await,
            Err(message) => Err(not_available(message)),
        }
    }
}

pub(crate) fn not_available(message: String) -> ModelError {
    ModelError { kind: ModelErrorKind::NotAvailable, message, provider: None, status: None, retry_after: None }
}

/// A model name short enough for a message.
pub(crate) fn shown(model: &str) -> String {
    model.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// The image types a flow can carry.
pub(crate) fn all_image_types() -> BTreeSet<String> {
    ["image/gif", "image/jpeg", "image/png", "image/webp"].map(str::to_owned).into()
}
