//! A cage that does what it is told, by the first word of a body: the id of its step.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use noukai_engine::{Code, CodeCall, CodeError, CodeErrorKind, CodeProblem, CodeReply, CodeSource};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Sink;

/// What the cage does when it is called once.
#[derive(Debug, Clone)]
pub enum Call {
    /// The function gives this.
    Gives(Value),
    /// It prints, and gives this.
    Prints(&'static str, Value),
    /// It fails.
    Fails(CodeError),
    /// It never ends.
    Hangs,
}

impl Call {
    pub fn fails(kind: CodeErrorKind) -> Self {
        Self::Fails(CodeError::new(kind, format!("scripted: {kind:?}")))
    }
}

/// What the cage is told, and what it was called with.
#[derive(Default)]
pub struct Calls {
    told: Mutex<HashMap<String, VecDeque<Call>>>,
    made: Mutex<Vec<CodeCall>>,
}

impl Calls {
    pub fn tell(&self, step: &str, calls: impl IntoIterator<Item = Call>) {
        self.told.lock().entry(step.to_owned()).or_default().extend(calls);
    }

    pub fn made(&self) -> Vec<CodeCall> {
        self.made.lock().clone()
    }
}

/// The cage in one pass.
pub struct ScriptedCode {
    pub calls: Arc<Calls>,
    pub sink: Arc<Sink>,
}

#[async_trait]
impl Code for ScriptedCode {
    async fn check(&self, _source: &CodeSource) -> Result<Vec<CodeProblem>, CodeError> {
        Ok(Vec::new())
    }

    async fn call(&self, call: &CodeCall) -> Result<CodeReply, CodeError> {
        let step = call.source.body.split_whitespace().next().unwrap_or_default();
        self.sink.called(step);
        self.calls.made.lock().push(call.clone());
        let told = self.calls.told.lock().get_mut(step).and_then(VecDeque::pop_front);
        match told.unwrap_or_else(|| answer(call)) {
            Call::Gives(output) => Ok(reply(output, "")),
            Call::Prints(printed, output) => Ok(reply(output, printed)),
            Call::Fails(error) => Err(error),
            Call::Hangs => std::future::pending().await,
        }
    }
}

fn reply(output: Value, printed: &str) -> CodeReply {
    let output = output.as_object().cloned().unwrap_or_default();
    CodeReply { output, printed: printed.to_owned(), printed_truncated: false, duration: Duration::ZERO }
}

/// An output that depends on all arguments; fails on an odd argument where the body says so.
fn answer(call: &CodeCall) -> Call {
    if call.source.body.contains("fail odd") && call.arguments.iter().any(|value| value.as_u64() == Some(1)) {
        return Call::fails(CodeErrorKind::Error);
    }
    let arguments: String = call.arguments.iter().map(ToString::to_string).collect();
    let text = format!("{}{}{arguments}", call.source.body, call.initial);
    let hash = text.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let word = format!("{:05x}", hash >> 12);
    let list: Vec<String> = (0..hash % 3).map(|item| format!("{word}-{item}")).collect();
    Call::Gives(json!({"message": word, "label": if hash & 16 == 0 { "x" } else { "y" }, "list": list}))
}
