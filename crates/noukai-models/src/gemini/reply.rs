//! A reply on Google's wire: whole, or in chunks of the same shape.

use noukai_engine::{DeltaSink, TokenDetails, ToolCall};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::wire::{Fault, Few, Gather, MOST, Reply, count, join_text, tool_call};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(default)]
    candidates: Option<Few<Candidate>>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<Usage>,
    model_version: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
    #[serde(default)]
    index: u32,
}

#[derive(Deserialize)]
struct Content {
    parts: Option<Few<Part>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    thought_signature: Option<String>,
    function_call: Option<FunctionCall>,
}

#[derive(Deserialize)]
struct FunctionCall {
    id: Option<String>,
    name: String,
    args: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
}

/// The reply so far.
#[derive(Default)]
pub(super) struct Gathered {
    reply: Reply,
    calls: Vec<ToolCall>,
    /// One per call.
    signatures: Vec<Value>,
    finish_reason: Option<String>,
    begun: bool,
}

impl Gather for Gathered {
    fn event(&mut self, data: &[u8], deltas: &dyn DeltaSink) -> Result<(), Fault> {
        self.take(data, Some(deltas))
    }

    fn has_begun(&self) -> bool {
        self.begun
    }

    /// The body's end alone tells.
    fn is_done(&self) -> bool {
        false
    }

    fn finish(self: Box<Self>) -> Result<Reply, Fault> {
        let mut this = *self;
        match this.finish_reason.as_deref() {
            None => return Err(Fault::invalid("the provider's reply ended before the model did")),
            Some("MAX_TOKENS") => this.reply.truncated = true,
            Some("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS") => {
                return Err(Fault::invalid("the model called a tool in a form that is none"));
            }
            Some(reason) if FILTERS.contains(&reason) => return Err(Reply::filtered(reason)),
            Some(_) => {}
        }
        if this.signatures.iter().any(Value::is_string) {
            this.reply.carried = Some(Value::Array(this.signatures));
        }
        this.reply.tool_calls = this.calls;
        Ok(this.reply)
    }
}

/// Reasons to stop that are a filter's.
const FILTERS: [&str; 8] = [
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "LANGUAGE",
    "IMAGE_PROHIBITED_CONTENT",
];

impl Gathered {
    /// Takes a whole reply, or a chunk of one.
    pub(super) fn take(&mut self, data: &[u8], deltas: Option<&dyn DeltaSink>) -> Result<(), Fault> {
        let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|error| Fault::not_json(data, &error))?;
        if let Some(error) = chunk.error {
            return Err(Fault::in_reply(error));
        }
        if let Some(reason) = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason) {
            return Err(Reply::filtered(&reason));
        }
        if let Some(usage) = chunk.usage_metadata {
            self.count(&usage);
        }
        self.reply.model = self.reply.model.take().or(chunk.model_version);
        let candidates = chunk.candidates.into_iter().flat_map(|candidates| candidates.0);
        candidates.filter(|candidate| candidate.index == 0).try_for_each(|candidate| self.candidate(candidate, deltas))
    }

    /// Thoughts are counted beside the candidates, cached tokens within the prompt.
    fn count(&mut self, usage: &Usage) {
        let reasoning = count(usage.thoughts_token_count);
        let details = TokenDetails { cached: count(usage.cached_content_token_count), cache_written: 0, reasoning };
        let prompt = count(usage.prompt_token_count) + count(usage.tool_use_prompt_token_count);
        self.reply.count(prompt, count(usage.candidates_token_count) + reasoning, details);
    }

    fn candidate(&mut self, candidate: Candidate, deltas: Option<&dyn DeltaSink>) -> Result<(), Fault> {
        let parts = candidate.content.and_then(|content| content.parts).into_iter().flat_map(|parts| parts.0);
        parts.into_iter().try_for_each(|part| self.part(part, deltas))?;
        if candidate.finish_reason.as_deref() == Some("OTHER") {
            let why = candidate.finish_message.unwrap_or_default();
            return Err(Fault::invalid(format!("the model stopped for no reason it names: {why}")));
        }
        self.finish_reason = candidate.finish_reason.or(self.finish_reason.take());
        Ok(())
    }

    fn part(&mut self, part: Part, deltas: Option<&dyn DeltaSink>) -> Result<(), Fault> {
        self.begun = true;
        if let Some(call) = part.function_call {
            let args = call.args.map_or_else(String::new, |args| args.get().to_owned());
            self.calls.push(tool_call(call.id.unwrap_or_default(), call.name, args)?);
            self.signatures.push(part.thought_signature.map_or(Value::Null, Value::String));
        } else if let Some(text) = part.text.filter(|_| !part.thought) {
            if let Some(deltas) = deltas.filter(|_| !text.is_empty()) {
                deltas.text(&text);
            }
            join_text(&mut self.reply.text, &text);
        }
        if self.calls.len() > MOST {
            return Err(Fault::invalid(format!("the provider's reply has more than {MOST} tool calls")));
        }
        Ok(())
    }
}
