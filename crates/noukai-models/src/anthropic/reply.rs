//! A whole reply on Anthropic's wire, and what streams share with it.

use noukai_engine::TokenDetails;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::wire::{Fault, Few, Reply, count, join_text, tool_call};

#[derive(Deserialize)]
struct WireReply<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    model: Option<String>,
    content: Option<Few<Content>>,
    stop_reason: Option<String>,
    usage: Option<Usage>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A content block; of kinds not named here nothing is read.
#[derive(Deserialize)]
pub(super) struct Content {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: Option<String>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) input: Option<Box<RawValue>>,
    pub(super) thinking: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) data: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Usage {
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) cache_creation_input_tokens: Option<u64>,
    pub(super) cache_read_input_tokens: Option<u64>,
}

impl Usage {
    /// Takes what a later count says anew.
    pub(super) fn update(&mut self, later: &Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.cache_creation_input_tokens = later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = later.cache_read_input_tokens.or(self.cache_read_input_tokens);
    }

    /// What was written to the cache or read from it is counted beside the input.
    pub(super) fn tell(&self, reply: &mut Reply) {
        let details = TokenDetails {
            cached: count(self.cache_read_input_tokens),
            cache_written: count(self.cache_creation_input_tokens),
            reasoning: 0,
        };
        let prompt = count(self.input_tokens) + details.cached + details.cache_written;
        reply.count(prompt, count(self.output_tokens), details);
    }
}

/// Reads a whole reply.
pub(super) fn parse(data: &[u8]) -> Result<Reply, Fault> {
    let message: WireReply<'_> = serde_json::from_slice(data).map_err(|error| Fault::not_json(data, &error))?;
    if let Some(error) = message.error {
        return Err(Fault::in_reply(error));
    }
    let content = message.content.filter(|_| message.kind.as_deref() == Some("message"));
    let content = content.ok_or_else(|| Fault::invalid("the provider's reply is no message"))?;
    let mut reply = Reply { model: message.model, ..Reply::default() };
    let mut thoughts = Vec::new();
    content.0.into_iter().try_for_each(|block| take(&mut reply, &mut thoughts, block))?;
    if let Some(usage) = &message.usage {
        usage.tell(&mut reply);
    }
    finish(reply, message.stop_reason.as_deref(), thoughts)
}

fn take(reply: &mut Reply, thoughts: &mut Vec<Value>, block: Content) -> Result<(), Fault> {
    match block.kind.as_str() {
        "text" => join_text(&mut reply.text, block.text.as_deref().unwrap_or_default()),
        "tool_use" => {
            let input = block.input.map_or_else(String::new, |input| input.get().to_owned());
            reply.tool_calls.push(tool_call(block.id.unwrap_or_default(), block.name.unwrap_or_default(), input)?);
        }
        _ => thoughts.extend(thought(block)),
    }
    Ok(())
}

/// A block of thoughts, as it must be sent back.
pub(super) fn thought(block: Content) -> Option<Value> {
    match block.kind.as_str() {
        "thinking" => Some(
            json!({"type": "thinking", "thinking": block.thinking?, "signature": block.signature.unwrap_or_default()}),
        ),
        "redacted_thinking" => Some(json!({"type": "redacted_thinking", "data": block.data?})),
        _ => None,
    }
}

/// The end that its reason to stop gives a reply. Thoughts are only wanted back with calls.
pub(super) fn finish(mut reply: Reply, reason: Option<&str>, thoughts: Vec<Value>) -> Result<Reply, Fault> {
    match reason {
        Some("refusal") => return Err(Reply::declined(reply.text.as_deref().unwrap_or_default())),
        Some("max_tokens" | "model_context_window_exceeded") => reply.truncated = true,
        _ => {}
    }
    if !reply.tool_calls.is_empty() && !thoughts.is_empty() {
        reply.carried = Some(Value::Array(thoughts));
    }
    Ok(reply)
}
