//! A whole reply on the wire, read from its bytes into typed shapes. Keys given twice, wrong types and broken text
//! are errors here. Streams are read elsewhere, into the same result.

use std::fmt;

use noukai_engine::{ModelErrorKind, TokenDetails};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use crate::{
    money,
    wire::{Fault, Few, Reply, count, tool_call},
};

/// Bytes of what is kept to be sent back.
const MOST_CARRIED: usize = 1024 * 1024;

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
    /// OpenRouter's, which some models want back.
    reasoning_details: Option<Box<RawValue>>,
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
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's name for cached tokens.
    prompt_cache_hit_tokens: Option<u64>,
    /// The number as written: a float would round it.
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl Usage<'_> {
    pub(super) fn tell(&self, reply: &mut Reply) {
        let (prompt, mut completion) = (count(self.prompt_tokens), count(self.completion_tokens));
        let read = self.prompt_tokens_details.as_ref();
        let reasoning = count(self.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens));
        // xAI counts thoughts beside the completion, others within it; the total tells.
        if reasoning > 0 && self.total_tokens == Some(prompt + completion + reasoning) {
            completion += reasoning;
        }
        let details = TokenDetails {
            cached: count(read.and_then(|details| details.cached_tokens).or(self.prompt_cache_hit_tokens)),
            cache_written: count(read.and_then(|details| details.cache_write_tokens)),
            reasoning,
        };
        reply.count(prompt, completion, details);
        reply.cost = self.cost.and_then(|cost| money::amount(cost.get()));
    }
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
        usage.tell(&mut reply);
    }
    Ok(reply)
}

fn from_choice(choice: Choice<'_>) -> Result<Reply, Fault> {
    if let Some(error) = choice.error {
        return Err(Fault::in_reply(error));
    }
    let truncated = check_finish(choice.finish_reason.as_deref())?;
    let message = choice.message.ok_or_else(|| Fault::invalid("the provider's reply has no message"))?;
    check_refusal(message.refusal.as_deref())?;
    let calls = message.tool_calls.into_iter().flat_map(|calls| calls.0);
    let tool_calls = calls.map(|call| {
        tool_call(call.id.unwrap_or_default(), call.function.name, call.function.arguments.unwrap_or_default())
    });
    Ok(Reply {
        text: message.content.map(|text| text.0),
        tool_calls: tool_calls.collect::<Result<_, _>>()?,
        truncated,
        carried: message.reasoning_details.and_then(|details| kept(details.get())),
        ..Reply::default()
    })
}

/// A list as text, as it came: as values it would take many times its size.
pub(super) fn kept(list: &str) -> Option<Value> {
    let fits = list.starts_with('[') && list.len() <= MOST_CARRIED;
    fits.then(|| Value::String(list.to_owned()))
}

/// Some reasons to stop are refusals. True where the reply was cut off.
pub(super) fn check_finish(reason: Option<&str>) -> Result<bool, Fault> {
    match reason {
        Some("content_filter") => Err(Reply::filtered("")),
        Some("error" | "insufficient_system_resource") => {
            Err(Fault::new(ModelErrorKind::Server, "the provider stopped the reply with an error"))
        }
        Some("length" | "model_length") => Ok(true),
        _ => Ok(false),
    }
}

/// A refusal is no answer.
pub(super) fn check_refusal(refusal: Option<&str>) -> Result<(), Fault> {
    refusal.filter(|text| !text.is_empty()).map_or(Ok(()), |text| Err(Reply::declined(text)))
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
