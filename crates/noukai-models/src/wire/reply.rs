//! A reply as every wire format gives it. Reads no format.

use noukai_engine::{ModelErrorKind, TokenDetails, Tokens, ToolCall, ToolCallFunction};
use rust_decimal::Decimal;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Fault;

/// No reply has more tokens than this; larger counts are cut.
const MOST_TOKENS: u64 = 1_000_000_000_000;

/// What a provider answered.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) text: Option<String>,
    pub(crate) tool_calls: Vec<ToolCall>,
    pub(crate) tokens: Tokens,
    pub(crate) details: TokenDetails,
    /// Whether the provider counted tokens at all.
    pub(crate) counted: bool,
    /// As the provider states it.
    pub(crate) cost: Option<Decimal>,
    pub(crate) model: Option<String>,
    /// Whether it was cut off at a limit of tokens.
    pub(crate) truncated: bool,
    /// What the provider wants back with the turn.
    pub(crate) carried: Option<Value>,
}

impl Reply {
    /// Takes the provider's counts: all tokens read, all tokens written, and those among them that are priced apart.
    pub(crate) fn count(&mut self, prompt: u64, completion: u64, details: TokenDetails) {
        self.tokens = Tokens::new(prompt.min(MOST_TOKENS), completion.min(MOST_TOKENS));
        self.details = TokenDetails {
            cached: details.cached.min(self.tokens.prompt),
            cache_written: details.cache_written.min(self.tokens.prompt),
            reasoning: details.reasoning.min(self.tokens.completion),
        };
        self.counted = true;
    }

    /// The model said that it will not answer.
    pub(crate) fn declined(why: &str) -> Fault {
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        Fault::new(ModelErrorKind::Declined, format!("the model declined to answer{why}"))
    }

    /// A filter stopped the call.
    pub(crate) fn filtered(why: &str) -> Fault {
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        Fault::new(ModelErrorKind::Filtered, format!("the provider's content filter stopped the call{why}"))
    }
}

/// A count that may be missing.
pub(crate) fn count(count: Option<u64>) -> u64 {
    count.unwrap_or(0).min(MOST_TOKENS)
}

/// Adds text to text, if there is any.
pub(crate) fn join_text(text: &mut Option<String>, more: &str) {
    text.get_or_insert_default().push_str(more);
}

/// A call whose arguments are JSON, whatever the model wrote.
pub(crate) fn tool_call(id: String, name: String, arguments: String) -> Result<ToolCall, Fault> {
    let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
    if name.is_empty() {
        return Err(Fault::invalid("the provider's reply has a tool call without a name"));
    }
    if serde_json::from_str::<IgnoredAny>(&arguments).is_err() {
        return Err(Fault::invalid("the model called a tool with arguments that are not JSON"));
    }
    Ok(ToolCall { id, kind: "function".to_owned(), function: ToolCallFunction { name, arguments } })
}
