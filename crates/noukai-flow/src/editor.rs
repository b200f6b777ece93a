//! The JSON Schema of flow documents, for editors: completion, words on hover, and most faults while typing.
//!
//! It says no more than the check does, and less: templates, ids that stand twice and bounds on the whole tree are the
//! check's alone. Draft 7, which editors know best. Keys come from the check, so that neither can know one alone.

use serde_json::{Map, Value, json};

use crate::{
    Bounds, Language,
    check::keys::{BRANCH, CACHE, CACHE_SECONDS, CODE, FLOW, KINDS, LLM, LOOP, NODE, NUMBERS, RETRY},
    schema::TYPES,
};

/// Where a server has the schema, below its address.
pub const SCHEMA_PATH: &str = "/api/v1/schemas/flow.json";

/// The JSON Schema of flow documents.
pub fn document_schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Noukai flow",
        "description": "A flow: what it takes, and the steps that make its result.",
        "type": "object",
        "required": ["schema", "slug", "steps"],
        "properties": properties(FLOW, flow_key),
        "additionalProperties": false,
        "definitions": {
            "steps": {"type": "array", "items": {"$ref": "#/definitions/step"}},
            "someSteps": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/step"}},
            "step": step(),
            "llm": llm(),
            "code": object(CODE, code_key, &["source"]),
            "loop": object(LOOP, loop_key, &["over", "steps"]),
            "branch": object(BRANCH, branch_key, &["on", "cases"]),
            "retry": object(RETRY, retry_key, &[]),
            "cache": object(CACHE, cache_key, CACHE),
            "schema": schema(),
        },
    })
}

fn properties(keys: &[&str], of: fn(&str) -> Value) -> Map<String, Value> {
    keys.iter().map(|key| ((*key).to_owned(), of(key))).collect()
}

fn object(keys: &[&str], of: fn(&str) -> Value, required: &[&str]) -> Value {
    let mut schema = json!({"type": "object", "properties": properties(keys, of), "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

/// A value with a word on what it is.
fn said(text: &str, schema: Value) -> Value {
    let mut fields = Map::new();
    fields.insert("description".to_owned(), text.into());
    fields.extend(schema.as_object().cloned().unwrap_or_default());
    fields.into()
}

/// `$ref` with a word on what it is; draft 7 looks at nothing beside a `$ref`.
fn refers(text: &str, definition: &str) -> Value {
    said(text, json!({"allOf": [{"$ref": format!("#/definitions/{definition}")}]}))
}

fn text(said_of_it: &str) -> Value {
    said(said_of_it, json!({"type": "string"}))
}

fn number(said_of_it: &str, least: u64, most: u64) -> Value {
    said(said_of_it, json!({"type": "integer", "minimum": least, "maximum": most}))
}

fn flow_key(key: &str) -> Value {
    match key {
        "schema" => said("The release of the format.", json!({"const": 1})),
        "slug" => said(
            "The flow's address in its project: 2 to 50 lower-case letters, digits and hyphens.",
            json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,48}[a-z0-9]$"}),
        ),
        "name" => text("For people; the slug where none is given."),
        "description" => text("What the flow is for."),
        "kind" => said(
            "pipeline: each prompt is the user message. chat: each prompt is the system message, the conversation follows.",
            json!({"enum": ["pipeline", "chat"]}),
        ),
        "input" => refers("What a run takes: `{message: string}`, or a JSON Schema object.", "schema"),
        "trace_capture" => said("What traces keep.", json!({"enum": ["metadata_only", "full", "redacted", "off"]})),
        "steps" => refers("The root sequence.", "someSteps"),
        _ => json!({}),
    }
}

/// A step does one thing. What belongs to blocks alone is refused of containers.
fn step() -> Value {
    let one = |kind: &&str| match *kind {
        "llm" | "code" | "passthrough" => json!({"required": [kind]}),
        kind => json!({"required": [kind], "properties": {"retry": false, "timeout_ms": false}}),
    };
    let mut step = object(NODE, node_key, &["id"]);
    step["oneOf"] = KINDS.iter().map(one).collect();
    step
}

fn node_key(key: &str) -> Value {
    let most = Bounds::default().timeout_ms;
    match key {
        "id" => said(
            "Unique in the flow; names the step's output in templates.",
            json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}),
        ),
        "name" => text("For people, and a variable in templates; the id where none is given."),
        "notes" => text("For people who read the flow."),
        "retry" => refers("How often a block is tried.", "retry"),
        "timeout_ms" => number("Milliseconds that one attempt of a block may take.", 1, most),
        "llm" => refers("Renders a prompt and calls a model.", "llm"),
        "code" => refers("Runs a function.", "code"),
        "passthrough" => {
            said("Output = input.", json!({"type": "object", "properties": {}, "additionalProperties": false}))
        }
        "sequence" => refers("Steps in order.", "someSteps"),
        "parallel" => refers("Steps at once, all on the same input.", "someSteps"),
        "loop" => refers("Steps once per item of an array.", "loop"),
        "branch" => refers("The steps of the first case that matches.", "branch"),
        _ => json!({}),
    }
}

/// In a chat flow the system message may stand alone.
fn llm() -> Value {
    let mut llm = object(LLM, llm_key, &[]);
    llm["anyOf"] = json!([{"required": ["prompt"]}, {"required": ["system"]}]);
    llm
}

fn llm_key(key: &str) -> Value {
    let bounds = Bounds::default();
    match key {
        "model" => said(
            "`vendor/model`, such as `openai/gpt-4o-mini`; the server's default where none is given.",
            json!({"type": "string", "pattern": "^\\S+$"}),
        ),
        "fallback_models" => said(
            "Tried in order when the model fails for reasons of its provider.",
            json!({"type": "array", "items": {"type": "string", "minLength": 1}}),
        ),
        "system" => text("The system message, a template."),
        "prompt" => text("The user message, a template: `Label this: {{ message }}`."),
        "config" => said(
            "What goes to the model's provider, and whatever else it takes.",
            json!({"type": "object", "properties": properties(NUMBERS, |_| json!({"type": "number"}))}),
        ),
        "output" => refers("What the reply must look like: `{label: string}`, or a JSON Schema object.", "schema"),
        "tools_enabled" => said("Whether the caller's tools are offered.", json!({"type": "boolean"})),
        "max_tool_iterations" => number("Pauses for tools that one run may make.", 1, bounds.tool_iterations),
        "attachments" => said(
            "first: images go to the LLM blocks that run first. always: to this one too.",
            json!({"enum": ["first", "always"]}),
        ),
        "cache" => refers("Whether, and for how long, a reply is given again for the same request.", "cache"),
        _ => json!({}),
    }
}

fn cache_key(_: &str) -> Value {
    number("Seconds that a reply is given again for the same request.", 1, CACHE_SECONDS)
}

fn code_key(key: &str) -> Value {
    let languages: Vec<&str> = Language::ALL.iter().map(|language| language.as_str()).collect();
    match key {
        "language" => said("What the function is written in.", json!({"enum": languages})),
        "input" => said(
            "What the function takes: a list of fields, or a schema of them.",
            json!({"anyOf": [
                {"type": "array", "items": {"type": "string", "minLength": 1}}, {"$ref": "#/definitions/schema"},
            ]}),
        ),
        "source" => said("The function's body.", json!({"type": "string", "minLength": 1})),
        "output" => refers("What it must return: `{label: string}`, or a JSON Schema object.", "schema"),
        _ => json!({}),
    }
}

fn loop_key(key: &str) -> Value {
    match key {
        "over" => text("Dotted path of the array to walk over: `items`, `classify.items`."),
        "concurrency" => number("Items at once.", 1, Bounds::default().loop_concurrency),
        "on_item_error" => said(
            "fail: the loop fails. continue: `{\"error\": ...}` stands in the item's place.",
            json!({"enum": ["fail", "continue"]}),
        ),
        "steps" => refers("What is done with each item.", "someSteps"),
        _ => json!({}),
    }
}

fn branch_key(key: &str) -> Value {
    match key {
        "on" => text("Template whose text chooses the case: `{{ label }}`."),
        "cases" => said(
            "The steps for each value.",
            json!({"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/definitions/steps"}}),
        ),
        "else" => refers("The steps where no case matches.", "steps"),
        _ => json!({}),
    }
}

fn retry_key(key: &str) -> Value {
    let bounds = Bounds::default();
    match key {
        "max_attempts" => number("Attempts per model, the first included.", 1, bounds.max_attempts),
        "initial_ms" => number("Milliseconds before the second attempt; doubles from there.", 0, bounds.timeout_ms),
        "max_ms" => number("Milliseconds at the most.", 0, bounds.timeout_ms),
        _ => json!({}),
    }
}

/// The short form or a JSON Schema. What a type may be called is known only of the short form's fields.
fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"$schema": {"type": "string"}, "title": {"type": "string"}, "description": {"type": "string"},
            "model": {"type": "string"}, "$ref": {"type": "string"}, "$comment": {"type": "string"}},
        "additionalProperties": {"anyOf": [{"enum": TYPES}, {"type": ["object", "array", "boolean", "number"]}]},
    })
}

#[cfg(test)]
mod tests;
