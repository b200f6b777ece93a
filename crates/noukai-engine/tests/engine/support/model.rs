//! A model that says what it is told to say, and otherwise repeats its prompt.
//!
//! Prompts in these tests begin with the id of their step, so that the model knows who asks.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use noukai_engine::{
    DeltaSink, Message, Model, ModelError, ModelErrorKind, ModelInfo, ModelReply, ModelRequest, Ports,
    StructuredOutput, Tokens, ToolCall, ToolCallFunction,
};
use parking_lot::Mutex;
use rust_decimal::Decimal;
use serde_json::Value;

use super::{
    Sink, StoppedClock,
    code::{Calls, ScriptedCode},
};

/// What the model does when it is asked once.
#[derive(Debug, Clone)]
pub enum Turn {
    /// It says this.
    Text(String),
    /// It repeats the last user turn.
    Echo,
    /// It wants tools called: id and name each.
    Calls(Vec<(&'static str, &'static str)>),
    /// It fails.
    Fails(ModelErrorKind),
    /// It says this, then fails.
    Breaks(&'static str, ModelErrorKind),
    /// It fails with one key of several.
    Locks(ModelErrorKind),
    /// It has said this before.
    Again(&'static str),
    /// It is cut off after this.
    Truncated(&'static str),
    /// It fails, and asks for so much time.
    Busy(Duration),
    /// It takes a while first.
    After(Duration, Box<Self>),
    /// It never answers.
    Hangs,
}

impl Turn {
    pub fn after(ms: u64, turn: Self) -> Self {
        Self::After(Duration::from_millis(ms), Box::new(turn))
    }

    pub fn json(value: &Value) -> Self {
        Self::Text(value.to_string())
    }
}

type Fallback = fn(&ModelRequest) -> Turn;

/// What the model is told, and what it was asked.
pub struct Script {
    turns: Mutex<HashMap<String, VecDeque<Turn>>>,
    fallback: Fallback,
    structured_output: StructuredOutput,
    requests: Mutex<Vec<ModelRequest>>,
    kept: Mutex<Vec<(ModelRequest, ModelReply)>>,
    flying: Mutex<Flying>,
    /// The cage's part.
    pub code: Arc<Calls>,
}

#[derive(Default)]
struct Flying {
    now: usize,
    most: usize,
}

impl Script {
    /// Repeats every prompt.
    pub fn echo() -> Self {
        Self::new(|_| Turn::Echo)
    }

    pub fn new(fallback: Fallback) -> Self {
        Self {
            turns: Mutex::default(),
            fallback,
            structured_output: StructuredOutput::Native,
            requests: Mutex::default(),
            kept: Mutex::default(),
            flying: Mutex::default(),
            code: Arc::default(),
        }
    }

    /// The next turns for a step, or for a model.
    pub fn on(self, who: &str, turns: impl IntoIterator<Item = Turn>) -> Self {
        self.turns.lock().entry(who.to_owned()).or_default().extend(turns);
        self
    }

    /// The model takes no schemas.
    pub fn without_schemas(self) -> Self {
        self.structuring(StructuredOutput::Instruction)
    }

    pub fn structuring(self, structured_output: StructuredOutput) -> Self {
        Self { structured_output, ..self }
    }

    pub fn requests(&self) -> Vec<ModelRequest> {
        self.requests.lock().clone()
    }

    /// What may be given again, and for which request.
    pub fn kept(&self) -> Vec<(ModelRequest, ModelReply)> {
        self.kept.lock().clone()
    }

    /// How often the model was asked.
    pub fn calls(&self) -> usize {
        self.requests.lock().len()
    }

    /// The most calls at the same time.
    pub fn most_at_once(&self) -> usize {
        self.flying.lock().most
    }

    /// The world of one pass.
    pub fn ports(self: &Arc<Self>, sink: &Arc<Sink>) -> Ports {
        Ports {
            model: Arc::new(Scripted { script: self.clone(), sink: sink.clone() }),
            code: Arc::new(ScriptedCode { calls: self.code.clone(), sink: sink.clone() }),
            sink: sink.clone(),
            clock: Arc::new(StoppedClock),
        }
    }

    fn turn(&self, request: &ModelRequest) -> Turn {
        let mut turns = self.turns.lock();
        let mut next = |who: &str| turns.get_mut(who).and_then(VecDeque::pop_front);
        let told = next(&asker(request)).or_else(|| next(&request.model));
        told.unwrap_or_else(|| (self.fallback)(request))
    }
}

/// A script at work in one pass.
pub struct Scripted {
    script: Arc<Script>,
    sink: Arc<Sink>,
}

/// One call in flight; dropped, it is over.
struct InFlight<'a>(&'a Mutex<Flying>);

impl<'a> InFlight<'a> {
    fn begin(flying: &'a Mutex<Flying>) -> Self {
        let mut counts = flying.lock();
        counts.now += 1;
        counts.most = counts.most.max(counts.now);
        drop(counts);
        Self(flying)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.lock().now -= 1;
    }
}

#[async_trait]
impl Model for Scripted {
    fn describe(&self, _model: &str) -> ModelInfo {
        ModelInfo {
            available: Ok(()),
            provider: Some("test".to_owned()),
            image_types: None,
            structured_output: self.script.structured_output,
        }
    }

    fn default_model(&self) -> &str {
        "test/default"
    }

    async fn complete(&self, request: &ModelRequest, deltas: Option<&dyn DeltaSink>) -> Result<ModelReply, ModelError> {
        self.sink.called(&asker(request));
        self.script.requests.lock().push(request.clone());
        let _flying = InFlight::begin(&self.script.flying);
        let mut turn = self.script.turn(request);
        while let Turn::After(time, then) = turn {
            tokio::time::sleep(time).await;
            turn = *then;
        }
        let truncated = matches!(turn, Turn::Truncated(_));
        let cached = matches!(turn, Turn::Again(_));
        let (text, calls) = match turn {
            Turn::Text(text) => (Some(text), Vec::new()),
            Turn::Echo => (Some(last_user_text(request).to_owned()), Vec::new()),
            Turn::Calls(calls) => (None, calls),
            Turn::Truncated(text) | Turn::Again(text) => (Some(text.to_owned()), Vec::new()),
            Turn::Breaks(text, kind) => {
                deltas.into_iter().for_each(|sink| text.split_inclusive(' ').for_each(|word| sink.text(word)));
                return Err(failure(kind, None));
            }
            Turn::Locks(kind) => return Err(ModelError { another_key: true, ..failure(kind, None) }),
            Turn::Fails(kind) => return Err(failure(kind, None)),
            Turn::Busy(time) => return Err(failure(ModelErrorKind::RateLimited, Some(time))),
            Turn::Hangs | Turn::After(..) => std::future::pending().await,
        };
        if let (Some(sink), Some(text)) = (deltas, &text) {
            text.split_inclusive(' ').for_each(|word| sink.text(word));
        }
        Ok(ModelReply {
            text,
            tool_calls: calls.into_iter().map(tool_call).collect(),
            tokens: Tokens::new(10, 1),
            cost: Some(Decimal::new(5, 3)),
            model: request.model.clone(),
            provider: Some("test".to_owned()),
            truncated,
            cached,
            ..ModelReply::default()
        })
    }

    async fn keep(&self, request: &ModelRequest, reply: &ModelReply) {
        self.script.kept.lock().push((request.clone(), reply.clone()));
    }
}

fn tool_call((id, name): (&str, &str)) -> ToolCall {
    let function = ToolCallFunction { name: name.to_owned(), arguments: "{}".to_owned() };
    ToolCall { id: id.to_owned(), kind: "function".to_owned(), function }
}

fn failure(kind: ModelErrorKind, retry_after: Option<Duration>) -> ModelError {
    let status = match kind {
        ModelErrorKind::NotAvailable
        | ModelErrorKind::KeyUnreadable
        | ModelErrorKind::Unreachable
        | ModelErrorKind::ReplyInvalid
        | ModelErrorKind::SetAside => None,
        ModelErrorKind::Declined | ModelErrorKind::Filtered => Some(200),
        ModelErrorKind::KeyRejected => Some(401),
        ModelErrorKind::RateLimited => Some(429),
        ModelErrorKind::Server => Some(503),
        ModelErrorKind::Refused => Some(400),
        ModelErrorKind::Exhausted | ModelErrorKind::Unaccounted => None,
    };
    let (message, provider) = (format!("scripted: {kind:?}"), Some("test".to_owned()));
    ModelError { kind, message, provider, status, retry_after, another_key: false, hedged: false }
}

/// The step that asks: the first word of its prompt, which stands last, or first in a chat.
fn asker(request: &ModelRequest) -> String {
    let words = |text: &str| text.split(|c: char| c.is_whitespace() || c == ':').next().unwrap_or_default().to_owned();
    let system = request.messages.iter().find_map(|message| match message {
        Message::System { text } => Some(words(text)),
        _ => None,
    });
    let mut users = request.messages.iter().filter_map(|message| match message {
        Message::User { text, .. } => Some(words(text)),
        _ => None,
    });
    users.next_back().or(system).unwrap_or_default()
}

fn last_user_text(request: &ModelRequest) -> &str {
    let users = request.messages.iter().rev().find_map(|message| match message {
        Message::User { text, .. } => Some(text.as_str()),
        _ => None,
    });
    users.unwrap_or_default()
}

/// A reply that depends on every letter of the prompt and fits the schema of the property test's blocks.
pub fn answer(request: &ModelRequest) -> Turn {
    let prompt = last_user_text(request);
    let hash = prompt
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let word = format!("{:05x}", hash >> 44);
    if prompt.contains("[fail 1]") {
        return Turn::Fails(ModelErrorKind::Refused);
    }
    let told = match &request.output {
        Some(_) => {
            let list: Vec<String> = (0..hash % 3).map(|item| format!("{word}-{item}")).collect();
            let label = if hash & 16 == 0 { "x" } else { "y" };
            Turn::json(&serde_json::json!({ "label": label, "list": list }))
        }
        None => Turn::Text(word),
    };
    Turn::after(hash % 4, told)
}
