//! The keys a document may have, and where. The check and the schema for editors both go by them.

/// Of the document.
pub(crate) const FLOW: &[&str] = &["schema", "slug", "name", "description", "kind", "input", "trace_capture", "steps"];
/// Of a step.
pub(crate) const NODE: &[&str] = &[
    "id",
    "name",
    "notes",
    "retry",
    "timeout_ms",
    "llm",
    "code",
    "passthrough",
    "sequence",
    "parallel",
    "loop",
    "branch",
];
/// What a step may do; each is a key.
pub(crate) const KINDS: &[&str] = &["llm", "code", "passthrough", "sequence", "parallel", "loop", "branch"];
/// Of `llm`.
pub(crate) const LLM: &[&str] = &[
    "model",
    "fallback_models",
    "system",
    "prompt",
    "config",
    "output",
    "tools_enabled",
    "max_tool_iterations",
    "attachments",
    "cache",
];
/// Of `code`.
pub(crate) const CODE: &[&str] = &["language", "input", "source", "output"];
/// Of `loop`.
pub(crate) const LOOP: &[&str] = &["over", "concurrency", "on_item_error", "steps"];
/// Of `branch`.
pub(crate) const BRANCH: &[&str] = &["on", "cases", "else"];
/// Of `retry`.
pub(crate) const RETRY: &[&str] = &["max_attempts", "initial_ms", "max_ms"];
/// Of `cache`.
pub(crate) const CACHE: &[&str] = &["ttl_s"];
/// Of `config`: those that have to be numbers, wherever they go.
pub(crate) const NUMBERS: &[&str] =
    &["temperature", "max_tokens", "top_p", "seed", "presence_penalty", "frequency_penalty", "latency_ms"];

/// Seconds that a reply may be given again at the most: 30 days.
pub(crate) const CACHE_SECONDS: u64 = 30 * 24 * 3_600;
