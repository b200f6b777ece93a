//! A streamed reply on Anthropic's wire: blocks that begin, grow and end, by index.

use std::collections::BTreeMap;

use noukai_engine::DeltaSink;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::{Content, Usage, finish, thought};
use crate::wire::{Fault, Gather, MOST, Reply, join_text, tool_call};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    message: Option<Start>,
    index: Option<u32>,
    content_block: Option<Content>,
    delta: Option<Delta>,
    usage: Option<Usage>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Start {
    model: Option<String>,
    usage: Option<Usage>,
}

/// More of a block, or how the message ends.
#[derive(Deserialize)]
struct Delta {
    text: Option<String>,
    partial_json: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    stop_reason: Option<String>,
}

/// The reply so far.
#[derive(Default)]
pub(super) struct Gathered {
    model: Option<String>,
    usage: Option<Usage>,
    blocks: BTreeMap<u32, Block>,
    stop_reason: Option<String>,
    begun: bool,
    done: bool,
}

struct Block {
    content: Content,
    input: String,
}

impl Gather for Gathered {
    fn event(&mut self, data: &[u8], deltas: &dyn DeltaSink) -> Result<(), Fault> {
        let event: Event<'_> = serde_json::from_slice(data).map_err(|error| Fault::not_json(data, &error))?;
        if let Some(error) = event.error {
            return Err(Fault::in_reply(error));
        }
        match event.kind.as_str() {
            "message_start" => {
                let start = event.message.ok_or_else(|| Fault::invalid("the provider's stream begins no message"))?;
                (self.model, self.usage) = (start.model, start.usage);
            }
            "content_block_start" => self.begin(event.index.unwrap_or(0), event.content_block, deltas)?,
            "content_block_delta" => {
                if let Some(delta) = event.delta {
                    self.grow(event.index.unwrap_or(0), delta, deltas)?;
                }
            }
            "message_delta" => {
                self.stop_reason = event.delta.and_then(|delta| delta.stop_reason).or(self.stop_reason.take());
                match (&mut self.usage, event.usage) {
                    (Some(usage), Some(later)) => usage.update(&later),
                    (usage, later) => *usage = usage.take().or(later),
                }
            }
            "message_stop" => self.done = true,
            _ => {}
        }
        Ok(())
    }

    fn has_begun(&self) -> bool {
        self.begun
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn finish(self: Box<Self>) -> Result<Reply, Fault> {
        let this = *self;
        if !this.done && this.stop_reason.is_none() {
            return Err(Fault::invalid("the provider's stream ended before the reply did"));
        }
        let mut reply = Reply { model: this.model, ..Reply::default() };
        let mut thoughts = Vec::new();
        for Block { content, input } in this.blocks.into_values() {
            match content.kind.as_str() {
                "text" => join_text(&mut reply.text, content.text.as_deref().unwrap_or_default()),
                "tool_use" => {
                    let (id, name) = (content.id.unwrap_or_default(), content.name.unwrap_or_default());
                    reply.tool_calls.push(tool_call(id, name, input)?);
                }
                _ => thoughts.extend(thought(content)),
            }
        }
        if let Some(usage) = &this.usage {
            usage.tell(&mut reply);
        }
        finish(reply, this.stop_reason.as_deref(), thoughts)
    }
}

impl Gathered {
    fn begin(&mut self, index: u32, content: Option<Content>, deltas: &dyn DeltaSink) -> Result<(), Fault> {
        let content = content.ok_or_else(|| Fault::invalid("the provider's stream begins a block without content"))?;
        self.begun = true;
        if let Some(text) = content.text.as_deref().filter(|text| !text.is_empty()) {
            deltas.text(text);
        }
        self.blocks.insert(index, Block { content, input: String::new() });
        if self.blocks.len() > MOST {
            return Err(Fault::invalid(format!("the provider's reply has more than {MOST} blocks")));
        }
        Ok(())
    }

    fn grow(&mut self, index: u32, delta: Delta, deltas: &dyn DeltaSink) -> Result<(), Fault> {
        let block = self.blocks.get_mut(&index);
        let block = block.ok_or_else(|| Fault::invalid("the provider's stream goes on with a block it never began"))?;
        if let Some(text) = delta.text.filter(|text| !text.is_empty()) {
            deltas.text(&text);
            join_text(&mut block.content.text, &text);
        }
        block.input.push_str(delta.partial_json.as_deref().unwrap_or_default());
        if let Some(thinking) = delta.thinking {
            join_text(&mut block.content.thinking, &thinking);
        }
        block.content.signature = delta.signature.or(block.content.signature.take());
        Ok(())
    }
}
