//! A block's `config` for formats that name things otherwise than OpenAI's. Blocks are written once and may fall back
//! from one vendor to another, so OpenAI's names count everywhere, and what only OpenAI has is left out elsewhere.

use serde_json::{Map, Value};

/// Of OpenAI's format alone, or ours to set.
const OPENAI_ONLY: [&str; 20] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "response_format",
    "usage",
    "latency_ms",
    "n",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "user",
    "store",
    "reasoning_effort",
    "verbosity",
    "modalities",
];

/// The settings all vendors have, taken out of a block's config.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) max_tokens: Option<Value>,
    pub(crate) temperature: Option<Value>,
    pub(crate) top_p: Option<Value>,
    pub(crate) top_k: Option<Value>,
    pub(crate) stop: Vec<Value>,
    pub(crate) seed: Option<Value>,
    pub(crate) frequency_penalty: Option<Value>,
    pub(crate) presence_penalty: Option<Value>,
    pub(crate) parallel_tool_calls: Option<bool>,
    /// The vendor's own.
    pub(crate) rest: Map<String, Value>,
}

/// Sorts a block's config.
pub(crate) fn settings(config: &Map<String, Value>) -> Settings {
    let mut all = Settings::default();
    for (name, value) in config.iter().filter(|(_, value)| !value.is_null()) {
        let place = match name.as_str() {
            "max_tokens" | "max_completion_tokens" => &mut all.max_tokens,
            "temperature" => &mut all.temperature,
            "top_p" => &mut all.top_p,
            "top_k" => &mut all.top_k,
            "seed" => &mut all.seed,
            "frequency_penalty" => &mut all.frequency_penalty,
            "presence_penalty" => &mut all.presence_penalty,
            "stop" => {
                all.stop = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                continue;
            }
            "parallel_tool_calls" => {
                all.parallel_tool_calls = value.as_bool();
                continue;
            }
            name if OPENAI_ONLY.contains(&name) => continue,
            name => {
                all.rest.insert(name.to_owned(), value.clone());
                continue;
            }
        };
        *place = Some(value.clone());
    }
    all
}
