//! The model port: what an LLM block asks of a provider, and what comes back.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use noukai_api::ErrorCode;
pub use noukai_api::{
    TokenDetails, Tokens, Tool, ToolCall, ToolCallFunction, ToolChoice, ToolChoiceFunction, ToolChoiceMode,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::LoopPath;

/// A provider, or a router over several.
#[async_trait]
pub trait Model: Send + Sync {
    /// What is known of a model without calling it. Must not block.
    fn describe(&self, model: &str) -> ModelInfo;

    /// The model used where a block names none.
    fn default_model(&self) -> &str;

    /// Calls a model once: no retries, no fallbacks, those are the engine's.
    ///
    /// Where `deltas` is given the provider streams, and text is handed over as it comes; the reply is whole all
    /// the same. The future may be dropped at any time.
    async fn complete(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError>;

    /// A reply was fit to be used: it may be given again for the same request, as [`ModelRequest::cache`] says. Called
    /// only where that is set, and never for a reply that was given again itself.
    async fn keep(&self, _request: &ModelRequest, _reply: &ModelReply) {}
}

/// Takes model text as it comes. Must not block.
pub trait DeltaSink: Send + Sync {
    /// Some more text.
    fn text(&self, text: &str);
}

/// What is known of a model without calling it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// Whether a configured provider serves it; else why not, for a person.
    pub available: Result<(), String>,
    /// Who would be asked.
    pub provider: Option<String>,
    /// Image MIME types it can see; `None`: not known, so let the provider decide.
    pub image_types: Option<BTreeSet<String>>,
    /// How it is brought to give a reply that fits a JSON Schema.
    pub structured_output: StructuredOutput,
}

/// How a model is brought to give a reply that fits a JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StructuredOutput {
    /// It takes the schema as such.
    Native,
    /// It is made to call a tool whose parameters are the schema.
    Tool,
    /// It is asked in words.
    Instruction,
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallSite {
    /// The LLM block; empty for a call that no block makes.
    pub step: Arc<str>,
    /// Iterations it stands in.
    pub path: LoopPath,
}

/// One call.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// Who asks. Providers learn nothing of it.
    pub site: CallSite,
    /// `vendor/model`.
    pub model: String,
    /// System message first, if there is one.
    pub messages: Vec<Message>,
    /// The block's `config`: `temperature`, `max_tokens` and whatever else the provider takes.
    pub config: Map<String, Value>,
    /// JSON Schema the reply must fit, where it is not asked for in words.
    pub output: Option<OutputFormat>,
    /// Tools on offer.
    pub tools: Vec<Tool>,
    /// How they may be used.
    pub tool_choice: Option<ToolChoice>,
    /// How old a reply to the same request may be that is given again; `None`: none is, and none is kept.
    pub cache: Option<Duration>,
}

/// A JSON Schema with the name providers want for it.
#[derive(Debug, Clone)]
pub struct OutputFormat {
    /// `[A-Za-z0-9_-]{1,64}`.
    pub name: String,
    /// An object schema.
    pub schema: Arc<Value>,
    /// Whether to have it by a forced tool call, whose arguments then stand as the reply's text.
    pub by_tool: bool,
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Message {
    /// The block's author speaks.
    System {
        /// The text.
        text: String,
    },
    /// The user speaks.
    User {
        /// The text.
        text: String,
        /// Images by URL.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<Image>,
    },
    /// The model spoke.
    Assistant {
        /// The text, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The calls it asked for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
        /// What its provider wants back with the turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        carried: Option<Carried>,
    },
    /// A tool answered.
    Tool {
        /// The call it answers.
        call_id: String,
        /// The tool's name, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The result as text.
        content: String,
    },
}

/// What a provider gave with a turn and wants back with it, such as signed thoughts. Opaque, and of no use to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// The wire format it belongs to.
    pub dialect: String,
    /// As it came.
    pub data: Arc<Value>,
}

/// An image by URL. Nobody here fetches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `https` URL.
    pub url: String,
    /// `image/...`.
    pub mime_type: String,
}

/// What a model gave.
#[derive(Debug, Clone, Default)]
pub struct ModelReply {
    /// The text, if any.
    pub text: Option<String>,
    /// Calls it wants made.
    pub tool_calls: Vec<ToolCall>,
    /// Tokens as the provider counted them.
    pub tokens: Tokens,
    /// Which of them were cached or thoughts, as far as the provider says.
    pub details: TokenDetails,
    /// US dollars; `None` where no price is known.
    pub cost: Option<Decimal>,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// The provider's short name, such as `openrouter`; `None` for what is built in.
    pub provider: Option<String>,
    /// Whether it was cut off at a limit of tokens.
    pub truncated: bool,
    /// To be sent back with the turn.
    pub carried: Option<Carried>,
    /// Whether a second call was made beside it, whose tokens nobody knows.
    pub hedged: bool,
    /// Whether it was given before and no model was called: it used no tokens and cost nothing.
    pub cached: bool,
}

/// Why a call failed. The message is for the flow's owner; it holds no secrets and at most a few hundred
/// characters of what the provider said.
#[derive(Debug, Clone)]
pub struct ModelError {
    /// What to do about it.
    pub kind: ModelErrorKind,
    /// One sentence.
    pub message: String,
    /// The provider's short name, such as `openrouter`.
    pub provider: Option<String>,
    /// The HTTP status it answered with.
    pub status: Option<u16>,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
    /// Whether the fault lies with one key of several, so that the same call may be made again at once.
    pub another_key: bool,
    /// Whether a second call was made beside it.
    pub hedged: bool,
}

/// What to do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelErrorKind {
    /// No provider serves the model. Not retried.
    NotAvailable,
    /// The provider refused the key. Not retried.
    KeyRejected,
    /// There is a key, but it cannot be read here. Not retried, and no other takes its place.
    KeyUnreadable,
    /// 429. Retried, then the next model.
    RateLimited,
    /// 5xx. Retried, then the next model.
    Server,
    /// No connection, or it broke. Retried, then the next model.
    Unreachable,
    /// Other 4xx: the same call would fail again. Not retried.
    Refused,
    /// The model declined to answer. Not retried.
    Declined,
    /// A content filter stopped the prompt or the reply. Not retried.
    Filtered,
    /// The provider failed so often that nothing is sent to it for now. The next model at once; else retried.
    SetAside,
    /// The reply is not what the wire format promises, or over a limit. Retried, then the next model.
    ReplyInvalid,
    /// Whoever pays for calls has nothing left to pay with. Not retried, and the run ends.
    Exhausted,
    /// Nobody could keep account of the call, so it was not made. Not retried, and the run ends.
    Unaccounted,
}

impl ModelErrorKind {
    /// Whether the same call may succeed later or elsewhere.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Server | Self::Unreachable | Self::ReplyInvalid | Self::SetAside)
    }

    /// What a step is said to have failed by.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NotAvailable => ErrorCode::ModelNotAvailable,
            Self::KeyRejected => ErrorCode::ByokKeyRejected,
            Self::KeyUnreadable => ErrorCode::MasterKeyUnavailable,
            Self::RateLimited => ErrorCode::ModelRateLimited,
            Self::Server | Self::Refused => ErrorCode::ModelError,
            Self::Declined => ErrorCode::ModelRefusal,
            Self::Filtered => ErrorCode::ModelContentFiltered,
            Self::Unreachable | Self::SetAside => ErrorCode::ModelUnreachable,
            Self::ReplyInvalid => ErrorCode::ModelReplyInvalid,
            Self::Exhausted => ErrorCode::CreditsExhausted,
            Self::Unaccounted => ErrorCode::BillingUnavailable,
        }
    }
}
