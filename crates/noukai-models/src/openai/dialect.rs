//! What differs between hosts that speak the same format. Writes nothing.

/// How a host departs from the common format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// OpenAI names its models without its own vendor prefix.
    strips_vendor: bool,
    /// OpenRouter states the cost if asked.
    pub(crate) asks_cost: bool,
}

impl Dialect {
    pub(crate) fn of(host: &str) -> Self {
        Self { strips_vendor: is_at(host, "api.openai.com"), asks_cost: is_at(host, "openrouter.ai") }
    }

    /// The name the host knows a model by.
    pub(crate) fn model<'a>(&self, model: &'a str) -> &'a str {
        if self.strips_vendor { model.strip_prefix("openai/").unwrap_or(model) } else { model }
    }
}

fn is_at(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
