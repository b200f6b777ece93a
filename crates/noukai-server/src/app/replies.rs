//! The models as a project calls them: with keys of its own where it has any, and with replies that it is given again. Owns
//! what makes two requests the same, and what is kept of a reply. A project is never given another's.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use noukai_engine::{
    Carried, DeltaSink, Model, ModelError, ModelErrorKind, ModelInfo, ModelReply, ModelRequest, ToolCall,
};
use noukai_flow::document_hash;
use noukai_models::{Models, OwnProviders};
use noukai_store::{CachedReply, ProjectId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{App, AppError};

/// Version of what is kept. What has another is not given again.
const VERSION: u32 = 1;

static NONE: OwnProviders = OwnProviders::none();

/// The model port of one project's runs.
struct ProjectModels {
    app: App,
    project: ProjectId,
}

/// What is kept of a reply.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    v: u32,
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
    model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carried: Option<Carried>,
}

impl Kept {
    fn of(reply: &ModelReply) -> Self {
        Self {
            v: VERSION,
            text: reply.text.clone(),
            tool_calls: reply.tool_calls.clone(),
            model: reply.model.clone(),
            provider: reply.provider.clone(),
            carried: reply.carried.clone(),
        }
    }

    /// Uses nothing and costs nothing.
    fn again(self) -> ModelReply {
        ModelReply {
            text: self.text,
            tool_calls: self.tool_calls,
            cost: Some(Decimal::ZERO),
            model: self.model,
            provider: self.provider,
            carried: self.carried,
            cached: true,
            ..ModelReply::default()
        }
    }
}

impl App {
    /// The models for a project's runs.
    pub(crate) async fn models_of(&self, project: ProjectId) -> Arc<dyn Model> {
        // So that models can be described without waiting. One that cannot be looked up fails when it is called.
        let _ = self.own_providers(project).await;
        Arc::new(ProjectModels { app: self.clone(), project })
    }
}

impl ProjectModels {
    async fn kept(&self, request: &ModelRequest, age: Duration) -> Result<Option<Kept>, AppError> {
        let now = self.app.shared_now();
        let found = self.app.store().cached_reply(self.project, &key(request)?, now - age, now).await?;
        let kept = found.and_then(|text| serde_json::from_str::<Kept>(&text).ok());
        Ok(kept.filter(|kept| kept.v == VERSION))
    }

    /// A provider of the project's own, else its organisation's, else the server's.
    async fn call(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError> {
        let models = self.app.model();
        if Models::is_built_in(&request.model) {
            return models.complete(request, deltas).await;
        }
        let own = self.app.own_providers(self.project).await.map_err(|error| unknown_keys(&error))?;
        models.complete_for(&own.providers, request, deltas).await
    }

    /// What is larger than may be kept is not.
    async fn store(&self, request: &ModelRequest, reply: &ModelReply, age: Duration) -> Result<(), AppError> {
        let limits = self.app.limits();
        let text = serde_json::to_string(&Kept::of(reply)).map_err(AppError::internal)?;
        if text.len() as u64 > limits.cached_reply_bytes {
            return Ok(());
        }
        let kept_at = self.app.shared_now();
        let (key, expires_at) = (key(request)?, kept_at + age);
        let kept = CachedReply { project_id: self.project, key, reply: text, kept_at, expires_at };
        Ok(self.app.store().cache_reply(kept, limits.reply_cache_bytes).await?)
    }
}

#[async_trait]
impl Model for ProjectModels {
    /// By what is known of the project's own providers; a run looks them up before it begins.
    fn describe(&self, model: &str) -> ModelInfo {
        match self.app.own_providers_known(self.project) {
            Some(own) => self.app.model().describe_for(&own.providers, model),
            None => self.app.model().describe(model),
        }
    }

    fn default_model(&self) -> &str {
        let own = self.app.own_providers_known(self.project);
        self.app.model().default_model_for(own.as_ref().map_or(&NONE, |own| &own.providers))
    }

    /// A store that fails is as one that has nothing.
    async fn complete(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError> {
        if let Some(age) = request.cache {
            let kept = self.kept(request, age).await.unwrap_or_else(|error| {
                tracing::warn!(project = %self.project, %error, "cannot look for a kept reply; the model is called");
                None
            });
            if let Some(kept) = kept {
                if let (Some(sink), Some(text)) = (deltas, &kept.text) {
                    sink.text(text);
                }
                return Ok(kept.again());
            }
        }
        self.call(request, deltas).await
    }

    async fn keep(&self, request: &ModelRequest, reply: &ModelReply) {
        let Some(age) = request.cache else { return };
        if let Err(error) = self.store(request, reply, age).await {
            tracing::warn!(project = %self.project, %error, "a reply could not be kept");
        }
    }
}

/// Nobody else's key is taken only because it is not known whether there is one.
fn unknown_keys(error: &AppError) -> ModelError {
    ModelError {
        kind: ModelErrorKind::Unreachable,
        message: format!("which provider keys the project has cannot be looked up: {}", error.message),
        provider: None,
        status: None,
        retry_after: None,
        another_key: false,
        hedged: false,
    }
}

/// The same for requests that a model could not tell apart: name, turns, images, settings, schema, tools.
fn key(request: &ModelRequest) -> Result<String, AppError> {
    let messages = serde_json::to_value(&request.messages).map_err(AppError::internal)?;
    let output = request.output.as_ref();
    let output = output.map(|output| json!({"name": output.name, "schema": *output.schema, "tool": output.by_tool}));
    Ok(document_hash(&json!({
        "model": request.model,
        "messages": messages,
        "config": request.config,
        "output": output.unwrap_or(Value::Null),
        "tools": request.tools,
        "choice": request.tool_choice,
    })))
}

#[cfg(test)]
mod tests {
    use noukai_engine::{CallSite, Image, Message, OutputFormat, ToolChoice, ToolChoiceMode};

    use super::*;

    fn request() -> ModelRequest {
        let config = json!({"temperature": 0, "max_tokens": 5});
        ModelRequest {
            site: CallSite::default(),
            model: "a/b".to_owned(),
            messages: vec![Message::User { text: "hi".to_owned(), images: Vec::new() }],
            config: config.as_object().cloned().unwrap_or_default(),
            output: None,
            tools: Vec::new(),
            tool_choice: None,
            cache: Some(Duration::from_secs(1)),
        }
    }

    fn user(text: &str, url: &str) -> Vec<Message> {
        let image = Image { url: url.to_owned(), mime_type: "image/png".to_owned() };
        vec![Message::User { text: text.to_owned(), images: vec![image] }]
    }

    fn output(by_tool: bool, schema: Value) -> Option<OutputFormat> {
        Some(OutputFormat { name: "output".to_owned(), schema: schema.into(), by_tool })
    }

    #[test]
    fn whatever_a_model_could_tell_apart_has_another_key() {
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        let tool = json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}});
        let tools = serde_json::from_value(json!([tool])).unwrap();
        let system = Message::System { text: "hi".to_owned() };
        let all = [
            request(),
            ModelRequest { model: "a/c".to_owned(), ..request() },
            ModelRequest { messages: vec![system], ..request() },
            ModelRequest { messages: user("hi", "https://x/1.png"), ..request() },
            ModelRequest { messages: user("hi", "https://x/2.png"), ..request() },
            ModelRequest { config: object(json!({"temperature": 1, "max_tokens": 5})), ..request() },
            ModelRequest { output: output(false, json!({"type": "object"})), ..request() },
            ModelRequest { output: output(true, json!({"type": "object"})), ..request() },
            ModelRequest { output: output(false, json!({"type": "object", "required": ["a"]})), ..request() },
            ModelRequest { tools, ..request() },
            ModelRequest { tool_choice: Some(ToolChoice::Mode(ToolChoiceMode::None)), ..request() },
        ];
        let keys: std::collections::BTreeSet<String> = all.iter().map(|request| key(request).unwrap()).collect();
        assert_eq!(keys.len(), all.len());
    }

    #[test]
    fn what_makes_no_difference_to_a_model_has_the_same_key() {
        let turned = json!({"max_tokens": 5, "temperature": 0}).as_object().cloned().unwrap_or_default();
        let other = ModelRequest { config: turned, cache: Some(Duration::from_secs(9)), ..request() };
        assert_eq!(key(&other).unwrap(), key(&request()).unwrap());
    }
}
