//! What differs between hosts that speak OpenAI's chat completions. Writes nothing.

use std::borrow::Cow;

/// How a host departs from the common format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Dialect {
    /// OpenRouter states the cost if asked.
    pub(crate) asks_cost: bool,
    /// OpenAI's newer models take `max_completion_tokens` alone.
    pub(crate) renames_max_tokens: bool,
    /// Mistral counts the tokens of a stream unasked, calls a forced choice `any`, and takes only short call ids.
    pub(crate) is_mistral: bool,
    /// Azure sends the key in a header of its own and may have the model in its path.
    pub(crate) is_azure: bool,
}

impl Dialect {
    /// How a provider of this name at this host departs.
    pub(crate) fn of(name: &str, host: &str) -> Self {
        Self {
            asks_cost: name == "openrouter" || is_at(host, "openrouter.ai"),
            // Other servers under that name need not know the newer word.
            renames_max_tokens: is_at(host, "api.openai.com"),
            is_mistral: name == "mistral" || is_at(host, "api.mistral.ai"),
            is_azure: is_at(host, "openai.azure.com"),
        }
    }

    /// A call's id as the host takes it.
    pub(crate) fn call_id<'a>(&self, id: &'a str) -> Cow<'a, str> {
        let fits = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !self.is_mistral || fits { Cow::Borrowed(id) } else { Cow::Owned(short_id(id)) }
    }
}

/// The same nine characters for the same id.
fn short_id(id: &str) -> String {
    // FNV-1a: stable, and spread well enough among the few calls of one conversation.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}").chars().take(9).collect()
}

fn is_at(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
