//! The OpenAPI 3.1 document: every route of the table, with what goes in, what comes out, and which errors to expect.
//!
//! Built in code from the route table, the wire types and the error mapping, so that it cannot say anything else than
//! the server does. `operations` holds the words, `examples` the examples, `schemas` the shapes; here they are put
//! together.

mod examples;
mod operations;
mod schemas;
mod spend;

use std::collections::BTreeMap;

use noukai_api::ErrorCode;
use serde_json::{Map, Value, json};

use self::operations::{Content, Operation};
use super::{
    PREFIX, error, reply,
    routes::{ROUTES, Route},
    sse,
};

/// Handlers whose replies carry the revision of what they show.
const TAGGED: &[&str] = &[
    "flows::get",
    "flows::update",
    "flows::document",
    "flows::put_document",
    "versions::get",
    "versions::deprecate",
    "versions::production",
    "versions::set_production",
    "checkpoints::get",
    "models::get",
    "models::update",
    "test_cases::get",
    "test_cases::update",
    "test_cases::gate",
    "test_cases::set_gate",
];

/// The document that `GET /openapi.json` and `noukai openapi` show.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Noukai",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Runs LLM flows.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": PREFIX}],
        "security": [{"apiKey": []}],
        "tags": operations::TAGS.iter().map(|(name, text)| json!({"name": name, "description": text})).collect::<Value>(),
        "paths": paths(),
        "components": {
            "schemas": schemas::all(),
            "parameters": operations::parameters(),
            "headers": headers(),
            "securitySchemes": {"apiKey": {
                "type": "http",
                "scheme": "bearer",
                "description": "`Authorization: Bearer nk_{live|test}_{8-char key id}_{32-char secret}`. A key belongs to one project.",
            }},
        },
    })
}

fn paths() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        if let Some(operation) = operations::of(route) {
            let item = paths.entry(route.path).or_insert_with(|| json!({}));
            item[route.method.to_lowercase()] = describe(route, operation);
        }
    }
    paths.into()
}

fn describe(route: &Route, operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation_id(route, operation),
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": parameters(route, operation),
        "responses": responses(route, operation),
    });
    if let Some(schema) = operation.body {
        described["requestBody"] = request_body(operation, schema);
    }
    if route.is_public() {
        described["security"] = json!([]);
    }
    described
}

/// Routes that share a handler differ in their version or in how they find the run.
fn operation_id(route: &Route, operation: &Operation) -> String {
    let suffix = match route.path {
        path if path.contains("{version}") => "AtVersion",
        path if path.starts_with("/flow-runs/") => "ById",
        _ => "",
    };
    format!("{}{suffix}", operation.id)
}

fn parameters(route: &Route, operation: &Operation) -> Value {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let versioned = route.path.contains("{version}");
    // `?version=` is for the base path alone.
    let others = operation.parameters.iter().copied().filter(|name| !(versioned && *name == "versionQuery"));
    in_path.chain(others).map(|name| reference("parameters", name)).collect()
}

fn request_body(operation: &Operation, schema: &str) -> Value {
    let mut content = json!({"schema": reference("schemas", schema)});
    add_examples(&mut content, examples::requests(operation.name));
    json!({"required": operation.body_required, "content": {"application/json": content}})
}

fn responses(route: &Route, operation: &Operation) -> Value {
    let mut responses = Map::new();
    responses.insert(operation.status.to_string(), success(operation));
    for (status, codes) in by_status(operations::errors(route, operation)) {
        responses.insert(status.to_string(), failure(status, &codes));
    }
    responses.into()
}

fn success(operation: &Operation) -> Value {
    let (content_type, schema) = match operation.reply {
        Content::Json(name) | Content::JsonOrCsv(name) => ("application/json", reference("schemas", name)),
        Content::Either(names) => {
            let either: Value = names.iter().map(|name| reference("schemas", name)).collect();
            ("application/json", json!({"oneOf": either}))
        }
        Content::Anything => ("application/json", json!({"type": "object"})),
        Content::Xml => (reply::XML, json!({"type": "string"})),
        Content::Events => (sse::CONTENT_TYPE, reference("schemas", "EventStream")),
    };
    let mut content = json!({"schema": schema});
    add_examples(&mut content, examples::replies(operation.name));
    let mut contents = json!({content_type: content});
    if matches!(operation.reply, Content::JsonOrCsv(_)) {
        contents[reply::CSV] = json!({"schema": {"type": "string", "description": "RFC 4180, with a line of names."}});
    }
    let mut headers = json!({"X-Request-ID": reference("headers", "RequestId")});
    if TAGGED.contains(&operation.name) {
        headers["ETag"] = reference("headers", "Revision");
    }
    json!({"description": operation.reply_text, "headers": headers, "content": contents})
}

fn failure(status: u16, codes: &[ErrorCode]) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let narrowed = json!({"properties": {"detail": {"properties": {"code": {"enum": names}}}}});
    let mut headers = json!({"X-Request-ID": reference("headers", "RequestId")});
    match status {
        401 => headers["WWW-Authenticate"] = reference("headers", "Authenticate"),
        429 | 503 => headers["Retry-After"] = reference("headers", "RetryAfter"),
        _ => {}
    }
    json!({
        "description": names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        "headers": headers,
        "content": {"application/json": {"schema": {"allOf": [reference("schemas", "ErrorBody"), narrowed]}}},
    })
}

fn by_status(codes: Vec<ErrorCode>) -> BTreeMap<u16, Vec<ErrorCode>> {
    let mut grouped: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes {
        let same = grouped.entry(error::status(code).as_u16()).or_default();
        if !same.contains(&code) {
            same.push(code);
        }
    }
    grouped
}

fn add_examples(content: &mut Value, examples: Vec<(&str, Value)>) {
    if !examples.is_empty() {
        let named = examples.into_iter().map(|(name, value)| (name.to_owned(), json!({"value": value})));
        content["examples"] = named.collect::<Map<_, _>>().into();
    }
}

fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "The caller's own `X-Request-ID` if it is 1 to 128 characters of `A-Z a-z 0-9 . _ -`, else a fresh UUID. Quote it in reports.",
            "required": true,
            "schema": {"type": "string"},
        },
        "Revision": {
            "description": "The revision of what is shown, in quotes: send it as `If-Match` with a change that is made on it.",
            "required": true,
            "schema": {"type": "string"},
        },
        "Authenticate": {
            "required": true,
            "schema": {"const": "Bearer error=\"invalid_token\""},
        },
        "RetryAfter": {
            "description": "Seconds after which another try makes sense.",
            "required": true,
            "schema": {"type": "integer", "minimum": 1},
        },
    })
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

#[cfg(test)]
mod tests;
