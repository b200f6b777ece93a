//! A whole reply on the wire, read from its bytes into typed shapes. Keys given twice, wrong types and broken text
//! are errors here. Streams are read elsewhere, into the same result.

use std::fmt;

use noukai_engine::{ModelErrorKind, Tokens, ToolCall, ToolCallFunction};
use rust_decimal::Decimal;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{fault::Fault, few::Few};
use crate::money;

/// No reply has more tokens than this; larger counts are cut.
const MOST_TOKENS: u64 = 1_000_000_000_000;

/// What a provider answered.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) text: Option<String>,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) tokens: Tokens,
    /// Whether the provider counted tokens at all.
    pub(super) counted: bool,
    pub(super) cost: Option<Decimal>,
    pub(super) model: Option<String>,
}

impl Reply {
    pub(super) fn count(&mut self, usage: &Usage<'_>) {
        let [prompt, completion] =
            [usage.prompt_tokens, usage.completion_tokens].map(|count| count.unwrap_or(0).min(MOST_TOKENS));
        self.tokens = Tokens::new(prompt, completion);
        self.counted = true;
        self.cost = usage.cost.and_then(|cost| money::amount(cost.get()));
    }
}

#[derive(Deserialize)]
struct Completion<'a> {
    model: Option<String>,
    #[serde(borrow)]
    choices: Option<Few<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<Usage<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    message: Option<WireReply>,
    finish_reason: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireReply {
    content: Option<Text>,
    refusal: Option<String>,
    tool_calls: Option<Few<WireCall>>,
}

#[derive(Deserialize)]
struct WireCall {
    id: Option<String>,
    function: WireFunction,
}

#[derive(Deserialize)]
struct WireFunction {
    name: String,
    arguments: Option<String>,
}

/// Tokens and cost, whole replies and streams alike.
#[derive(Deserialize)]
pub(super) struct Usage<'a> {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    /// The number as written: a float would round it.
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
}

/// Reads a whole reply.
pub(super) fn parse(data: &[u8]) -> Result<Reply, Fault> {
    let completion: Completion<'_> = serde_json::from_slice(data).map_err(|error| Fault::not_json(data, &error))?;
    if let Some(error) = completion.error {
        return Err(Fault::in_reply(error));
    }
    let choice = completion.choices.and_then(|choices| choices.0.into_iter().next());
    let choice = choice.ok_or_else(|| Fault::invalid("the provider's reply has no choices"))?;
    let mut reply = from_choice(choice)?;
    reply.model = completion.model;
    if let Some(usage) = &completion.usage {
        reply.count(usage);
    }
    Ok(reply)
}

fn from_choice(choice: Choice<'_>) -> Result<Reply, Fault> {
    if let Some(error) = choice.error {
        return Err(Fault::in_reply(error));
    }
    check_finish(choice.finish_reason.as_deref())?;
    let message = choice.message.ok_or_else(|| Fault::invalid("the provider's reply has no message"))?;
    check_refusal(message.refusal.as_deref())?;
    let calls = message.tool_calls.into_iter().flat_map(|calls| calls.0);
    let tool_calls = calls.map(|call| {
        tool_call(call.id.unwrap_or_default(), call.function.name, call.function.arguments.unwrap_or_default())
    });
    Ok(Reply {
        text: message.content.map(|text| text.0),
        tool_calls: tool_calls.collect::<Result<_, _>>()?,
        ..Reply::default()
    })
}

/// A call whose arguments are JSON, whatever the model wrote.
pub(super) fn tool_call(id: String, name: String, arguments: String) -> Result<ToolCall, Fault> {
    let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
    if name.is_empty() {
        return Err(Fault::invalid("the provider's reply has a tool call without a name"));
    }
    if serde_json::from_str::<IgnoredAny>(&arguments).is_err() {
        return Err(Fault::invalid("the model called a tool with arguments that are not JSON"));
    }
    Ok(ToolCall { id, kind: "function".to_owned(), function: ToolCallFunction { name, arguments } })
}

/// Some reasons to stop are refusals.
pub(super) fn check_finish(reason: Option<&str>) -> Result<(), Fault> {
    match reason {
        Some("content_filter") => {
            Err(Fault::new(ModelErrorKind::Refused, "the provider's content filter stopped the reply"))
        }
        Some("error") => Err(Fault::new(ModelErrorKind::Server, "the provider stopped the reply with an error")),
        _ => Ok(()),
    }
}

/// A refusal is no answer.
pub(super) fn check_refusal(refusal: Option<&str>) -> Result<(), Fault> {
    match refusal.filter(|text| !text.is_empty()) {
        Some(text) => Err(Fault::new(ModelErrorKind::Refused, format!("the model refused: {text}"))),
        None => Ok(()),
    }
}

/// Text as a string, or as parts of which those without text are passed over.
#[derive(Debug)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or a list of content parts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Text, E> {
        Ok(Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Text, A::Error> {
        let mut text = String::new();
        while let Some(part) = parts.next_element::<Part>()? {
            text.push_str(part.text.as_deref().unwrap_or_default());
        }
        Ok(Text(text))
    }
}
