//! The leaves: LLM blocks, code blocks, passthrough, with their bounds.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    code,
    fields::{Fields, Report, expected},
    keys,
    node::Tree,
};
use crate::{Block, FlowKind, Leaf, LlmBlock, OutputSchema, ProblemCode, Retry, Template};

/// Pauses for tools where a block does not say.
const TOOL_ITERATIONS: u32 = 25;

/// The leaf of that kind in `fields`; reports what is wrong with it.
pub(super) fn read(tree: &mut Tree, fields: &Fields, kind: &str) -> Option<Leaf> {
    let retry = retry(tree, fields, kind);
    let timeout_ms = fields.number("timeout_ms", (1, tree.bounds.timeout_ms), tree.report);
    let inner = fields.object(kind, tree.report)?;
    let block = match kind {
        "llm" => Block::Llm(Arc::new(llm(tree, &inner)?)),
        "code" => Block::Code(Arc::new(code::read(&inner, tree.bounds, tree.report)?)),
        _ => {
            inner.only(&[], tree.report);
            Block::Passthrough
        }
    };
    Some(Leaf { block, retry, timeout_ms })
}

/// Whether the leaf takes a caller's tools.
pub(super) fn tools_enabled(leaf: &Leaf) -> bool {
    matches!(&leaf.block, Block::Llm(block) if block.tools_enabled)
}

/// How often the block is tried. A function that is pure fails alike each time, so that a code block is tried once
/// unless it says otherwise.
fn retry(tree: &mut Tree, fields: &Fields, kind: &str) -> Retry {
    let default = Retry::default();
    let default = if kind == "code" { Retry { max_attempts: 1, ..default } } else { default };
    let Some(fields) = fields.object("retry", tree.report) else { return default };
    let (bounds, report) = (tree.bounds, &mut *tree.report);
    fields.only(keys::RETRY, report);
    let attempts = fields.number("max_attempts", (1, bounds.max_attempts), report);
    let initial_ms = fields.number("initial_ms", (0, bounds.timeout_ms), report).unwrap_or(default.initial_ms);
    let max_ms = fields.number("max_ms", (0, bounds.timeout_ms), report).unwrap_or(default.max_ms.max(initial_ms));
    if max_ms < initial_ms {
        fields.invalid("max_ms", format!("{max_ms} is less than `initial_ms`, which is {initial_ms}"), report);
    }
    let max_attempts = attempts.and_then(|number| u32::try_from(number).ok()).unwrap_or(default.max_attempts);
    Retry { max_attempts, initial_ms, max_ms }
}

fn llm(tree: &mut Tree, fields: &Fields) -> Option<LlmBlock> {
    let (bounds, flow_kind, report) = (tree.bounds, tree.flow_kind, &mut *tree.report);
    fields.only(keys::LLM, report);
    let model = model(fields, report);
    let fallback_models = fields.texts("fallback_models", report);
    let system = template(fields, "system", report);
    let prompt = prompt(fields, flow_kind, report);
    if let Some((key, fault)) = fields.get("config").and_then(config_fault) {
        let path = key.map_or_else(|| fields.at("config"), |key| format!("{}.{key}", fields.at("config")));
        report.error(&path, ProblemCode::WrongType, fault);
    }
    let output = fields.get("output").and_then(|schema| reported_schema(&fields.at("output"), schema, report));
    let tools_enabled = fields.flag("tools_enabled", report);
    let iterations = fields.number("max_tool_iterations", (1, bounds.tool_iterations), report);
    let attachments = fields.one_of("attachments", &[("first", false), ("always", true)], report);
    let cache = cache(fields, report);
    Some(LlmBlock {
        model,
        fallback_models,
        system,
        prompt: prompt?,
        config: fields.get("config").and_then(Value::as_object).cloned().unwrap_or_default(),
        output,
        tools_enabled,
        max_tool_iterations: iterations.and_then(|number| u32::try_from(number).ok()).unwrap_or(TOOL_ITERATIONS),
        attachments_always: attachments.unwrap_or(false),
        cache,
    })
}

fn cache(fields: &Fields, report: &mut Report) -> Option<Duration> {
    let cache = fields.object("cache", report)?;
    cache.only(keys::CACHE, report);
    if cache.get("ttl_s").is_none() {
        cache.missing("ttl_s", "say for how many seconds a reply may be given again, such as 3600", report);
    }
    cache.number("ttl_s", (1, keys::CACHE_SECONDS), report).map(Duration::from_secs)
}

fn model(fields: &Fields, report: &mut Report) -> Option<String> {
    let model = fields.text("model", report)?;
    if model.is_empty() || model.contains(char::is_whitespace) {
        fields.invalid("model", "has to be a model's name, such as `openai/gpt-4o-mini`", report);
    }
    Some(model.to_owned())
}

/// The prompt. A chat flow's block may have a system message instead: there, both become the system message.
fn prompt(fields: &Fields, kind: FlowKind, report: &mut Report) -> Option<Template> {
    match fields.get("prompt") {
        None if kind == FlowKind::Chat && fields.get("system").is_some() => Template::compile("").ok(),
        None => {
            fields.missing("prompt", "say what the model is asked, such as `\"{{ message }}\"`", report);
            None
        }
        Some(_) => template(fields, "prompt", report),
    }
}

/// The template under `key`, if there is one that compiles; reports one that does not.
pub(super) fn template(fields: &Fields, key: &str, report: &mut Report) -> Option<Template> {
    let compiled = Template::compile(fields.text(key, report)?);
    compiled.map_err(|error| report.error(&fields.at(key), ProblemCode::TemplateSyntax, error.to_string())).ok()
}

/// The output schema at `path`; reports one that does not compile.
pub(super) fn reported_schema(path: &str, schema: &Value, report: &mut Report) -> Option<OutputSchema> {
    let compiled = output_schema(schema);
    compiled.map_err(|message| report.error(path, ProblemCode::SchemaInvalid, message)).ok()
}

/// The output schema that `schema` is; the error says what is wrong with it.
pub(crate) fn output_schema(schema: &Value) -> Result<OutputSchema, String> {
    OutputSchema::compile(schema).map_err(|error| error.to_string())
}

/// What is wrong with a `config`, and at which of its keys. Keys are the provider's: unknown ones pass.
pub(crate) fn config_fault(config: &Value) -> Option<(Option<&str>, String)> {
    let Some(fields) = config.as_object() else { return Some((None, expected("an object", config))) };
    let (key, value) =
        fields.iter().find(|(key, value)| keys::NUMBERS.contains(&key.as_str()) && !value.is_number())?;
    Some((Some(key), expected("a number", value)))
}
