//! Every reply against the OpenAPI document.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Reply, events};

static DOCUMENT: LazyLock<Value> = LazyLock::new(noukai_server::openapi_document);
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Panics where a reply is not as the document has it.
pub fn check(method: &Method, path: &str, reply: &Reply) {
    let at = format!("{method} {path} -> {}", reply.status);
    assert!(reply.header("x-request-id").is_some_and(|id| !id.is_empty()), "{at}: no request id");
    let code = reply.status.as_u16();
    assert_eq!(reply.header("www-authenticate").is_some(), code == 401, "{at}");
    assert_eq!(reply.header("retry-after").is_some(), matches!(code, 429 | 503), "{at}");
    let Some(template) = template(method, path) else {
        assert!(matches!(code, 401 | 404 | 405), "{at}: no such route, but {}", reply.text);
        return fits("ErrorBody", &reply.json(), &at);
    };
    let described = &DOCUMENT["paths"][&template][method.as_str().to_lowercase()]["responses"][code.to_string()];
    assert!(!described.is_null(), "{at} is not documented: {}", reply.text);
    assert_eq!(reply.header("etag").is_some(), !described["headers"]["ETag"].is_null(), "{at}: the entity tag");
    let content_type = reply.header("content-type").expect("a content type");
    let schema = &described["content"][content_type]["schema"];
    assert!(!schema.is_null(), "{at}: {content_type} is not documented");
    if content_type == "text/event-stream" {
        events(&reply.text).iter().for_each(|event| fits("EventData", &event.data, &at));
    } else if content_type == "application/xml" {
        assert!(reply.text.starts_with("<?xml "), "{at}: {}", reply.text);
    } else if content_type.starts_with("text/csv") {
        assert!(reply.text.ends_with("\r\n"), "{at}: {}", reply.text);
    } else {
        matches(&format!("{method} {template} {code}"), schema, &reply.json(), &at);
    }
}

fn fits(name: &str, value: &Value, at: &str) {
    matches(name, &json!({"$ref": format!("#/components/schemas/{name}")}), value, at);
}

fn matches(name: &str, schema: &Value, value: &Value, at: &str) {
    let validator = validator(name, schema);
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{at}: {errors:#?}\n{value:#}");
}

fn validator(name: &str, schema: &Value) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let make = || {
        let whole = json!({"components": DOCUMENT["components"], "allOf": [schema]});
        Arc::new(jsonschema::draft202012::new(&whole).expect("a schema"))
    };
    validators.entry(name.to_owned()).or_insert_with(make).clone()
}

/// The route a path belongs to; the one with the most literal parts.
fn template(method: &Method, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap_or_default();
    let paths = DOCUMENT["paths"].as_object().expect("paths").iter();
    let routed = paths.filter(|(_, item)| item.get(method.as_str().to_lowercase()).is_some());
    let fitting = routed.map(|(template, _)| template).filter(|template| is_of(path, template));
    fitting.min_by_key(|template| template.matches('{').count()).cloned()
}

fn is_of(path: &str, template: &str) -> bool {
    let (path, template): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
    let same = |(part, wanted): (&&str, &&str)| wanted.starts_with('{') && !part.is_empty() || part == wanted;
    path.len() == template.len() && path.iter().zip(&template).all(same)
}
