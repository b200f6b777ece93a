//! LLM providers behind the engine's model port.
//!
//! Owns vendors' wire formats, the catalogue of models and prices, the client for outgoing calls, and the built-in
//! model `noukai/echo`. Knows no flow, no run, no store; retries and fallbacks are the engine's.
//!
//! The wire code is our own; docs/providers.md says where the libraries that were looked at fall short.

mod anthropic;
mod call_id;
mod catalogue;
mod echo;
mod egress;
mod gemini;
mod money;
mod openai;
mod presets;
mod probe;
mod provider;
mod refresh;
mod router;
mod secret;
mod table;
mod wire;

#[cfg(test)]
mod tests;

pub use catalogue::{Catalogue, CatalogueError, CatalogueFile, KnownModel};
pub use echo::{ECHO_MODEL, Echo};
pub use egress::{Egress, EgressError, Target};
pub use money::decimal_text;
pub use presets::{Dialect, PRESETS, Preset, preset};
pub use probe::{Probe, probe};
pub use provider::{BreakerConfig, Provider, ProviderConfig, ProviderError};
pub use refresh::Listed;
pub use router::Models;
pub use secret::Secret;
pub use table::{Closed, OwnProviders, Served};

/// Where OpenRouter answers.
pub const OPENROUTER_URL: &str = "https://openrouter.ai/api/v1";
