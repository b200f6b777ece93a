//! A streamed reply: events in, text out as it comes, the whole reply at the end.

use std::collections::BTreeMap;

use noukai_engine::DeltaSink;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::reply::{Text, Usage, check_finish, check_refusal, kept};
use crate::wire::{Fault, Few, Gather, MOST, Reply, join_text, tool_call};

#[derive(Deserialize)]
struct Chunk<'a> {
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
    #[serde(default)]
    index: u32,
    delta: Option<Delta>,
    finish_reason: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<Text>,
    refusal: Option<String>,
    tool_calls: Option<Few<CallDelta>>,
    /// That the model thinks is all that counts.
    reasoning: Option<IgnoredAny>,
    reasoning_content: Option<IgnoredAny>,
    reasoning_details: Option<Few<Box<RawValue>>>,
}

#[derive(Deserialize)]
struct CallDelta {
    index: Option<u32>,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

/// The reply so far.
#[derive(Default)]
pub(super) struct Gathered {
    reply: Reply,
    /// OpenRouter's, in pieces.
    reasoning: String,
    /// The model has said or thought something.
    begun: bool,
    refusal: String,
    calls: BTreeMap<u32, PartialCall>,
    /// The call begun last, for providers that number none.
    last_call: u32,
    /// A reason to stop was given.
    finished: bool,
    /// The stream's own end was seen.
    done: bool,
}

#[derive(Default)]
struct PartialCall {
    id: String,
    name: String,
    arguments: String,
}

impl Gather for Gathered {
    fn has_begun(&self) -> bool {
        self.begun
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn event(&mut self, data: &[u8], deltas: &dyn DeltaSink) -> Result<(), Fault> {
        if data == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|error| Fault::not_json(data, &error))?;
        if let Some(error) = chunk.error {
            return Err(Fault::in_reply(error));
        }
        if let Some(usage) = &chunk.usage {
            usage.tell(&mut self.reply);
        }
        self.reply.model = self.reply.model.take().or(chunk.model);
        let first = chunk.choices.into_iter().flat_map(|choices| choices.0).filter(|choice| choice.index == 0);
        first.into_iter().try_for_each(|choice| self.choice(choice, deltas))
    }

    fn finish(self: Box<Self>) -> Result<Reply, Fault> {
        let mut this = *self;
        if !this.done && !this.finished {
            return Err(Fault::invalid("the provider's stream ended before the reply did"));
        }
        check_refusal(Some(&this.refusal))?;
        let calls = this.calls.into_values().map(|call| tool_call(call.id, call.name, call.arguments));
        this.reply.tool_calls = calls.collect::<Result<_, _>>()?;
        this.reply.carried = kept(&(this.reasoning + "]"));
        Ok(this.reply)
    }
}

impl Gathered {
    fn choice(&mut self, choice: Choice<'_>, deltas: &dyn DeltaSink) -> Result<(), Fault> {
        if let Some(error) = choice.error {
            return Err(Fault::in_reply(error));
        }
        if let Some(delta) = choice.delta {
            self.delta(delta, deltas)?;
        }
        self.reply.truncated |= check_finish(choice.finish_reason.as_deref())?;
        self.finished |= choice.finish_reason.is_some();
        Ok(())
    }

    fn delta(&mut self, delta: Delta, deltas: &dyn DeltaSink) -> Result<(), Fault> {
        if let Some(Text(text)) = delta.content {
            if !text.is_empty() {
                self.begun = true;
                deltas.text(&text);
            }
            join_text(&mut self.reply.text, &text);
        }
        self.begun |= delta.tool_calls.is_some() || delta.reasoning.is_some() || delta.reasoning_content.is_some();
        for piece in delta.reasoning_details.iter().flat_map(|details| &details.0) {
            self.reasoning.push(if self.reasoning.is_empty() { '[' } else { ',' });
            self.reasoning.push_str(piece.get());
        }
        self.refusal.push_str(delta.refusal.as_deref().unwrap_or_default());
        delta.tool_calls.into_iter().flat_map(|calls| calls.0).try_for_each(|call| self.call(call))
    }

    fn call(&mut self, delta: CallDelta) -> Result<(), Fault> {
        self.last_call = delta.index.unwrap_or_else(|| self.unnumbered(delta.id.as_deref()));
        let call = self.calls.entry(self.last_call).or_default();
        if let Some(id) = delta.id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        if let Some(function) = delta.function {
            // Some providers repeat the name in every piece; none cuts it.
            if let Some(name) = function.name.filter(|_| call.name.is_empty()) {
                call.name = name;
            }
            call.arguments.push_str(function.arguments.as_deref().unwrap_or_default());
        }
        if self.calls.len() > MOST {
            return Err(Fault::invalid(format!("the provider's reply has more than {MOST} tool calls")));
        }
        Ok(())
    }

    /// A new id begins a new call; anything else goes on with the last one.
    fn unnumbered(&self, id: Option<&str>) -> u32 {
        let goes_on =
            self.calls.get(&self.last_call).is_none_or(|call| id.is_none_or(|id| id.is_empty() || id == call.id));
        if goes_on { self.last_call } else { self.last_call.saturating_add(1) }
    }
}
