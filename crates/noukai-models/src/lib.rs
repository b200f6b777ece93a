//! LLM providers behind the engine's model port.
//!
//! Owns vendors' wire formats, the price and capability table, the client for outgoing calls, and the built-in model
//! `noukai/echo`. Knows no flow, no run, no store; retries and fallbacks are the engine's.

mod call_id;
mod echo;
mod egress;
mod money;
mod openai;
mod probe;
mod router;
mod secret;
mod table;

#[cfg(test)]
mod tests;

pub use echo::{ECHO_MODEL, Echo};
pub use egress::{Egress, EgressError};
pub use money::decimal_text;
pub use openai::{OPENROUTER_URL, OpenAiCompatible, ProviderConfig, ProviderError};
pub use probe::{Probe, probe};
pub use router::Models;
pub use secret::Secret;
pub use table::{KnownModel, known_model, known_models};
