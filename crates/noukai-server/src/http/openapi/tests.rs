//! The document against the route table, against itself, and against its own examples.

use std::collections::BTreeSet;

use super::*;

fn operations_of(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("a path item").iter();
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    });
    all.collect()
}

#[test]
fn the_document_and_the_route_table_agree() {
    let document = document();
    let described: BTreeSet<_> = operations_of(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let routed: BTreeSet<_> = ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(described, routed);
    assert_eq!(routed.len(), ROUTES.len(), "a route stands there twice");
}

#[test]
fn only_public_routes_do_without_a_key() {
    let document = document();
    for (method, path, operation) in operations_of(&document) {
        let public = super::super::routes::PUBLIC.contains(&path.as_str());
        assert_eq!(operation.get("security").is_some(), public, "{method} {path}");
        // A public route may ask for another secret, such as a password.
        assert!(public || operation["responses"].get("401").is_some(), "{method} {path}");
    }
}

#[test]
fn every_operation_has_its_own_id_and_all_path_parameters() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations_of(&document) {
        assert!(ids.insert(operation["operationId"].as_str().expect("an id").to_owned()), "{method} {path}");
        let parameters = operation["parameters"].as_array().expect("parameters");
        for part in path.split('/').filter(|part| part.starts_with('{')) {
            let wanted = format!("#/components/parameters/{}", part.trim_matches(['{', '}']));
            assert!(parameters.iter().any(|one| one["$ref"] == *wanted), "{method} {path} {part}");
        }
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_resolves() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

/// A schema of the document, with all others beside it.
fn validator(document: &Value, schema: &Value) -> jsonschema::Validator {
    let whole = json!({"components": document["components"], "allOf": [schema]});
    jsonschema::draft202012::new(&whole).expect("a schema")
}

#[test]
fn every_example_fits_its_schema() {
    let document = document();
    let mut checked = 0;
    for (method, path, operation) in operations_of(&document) {
        let bodies = operation.pointer("/requestBody/content").into_iter();
        let replies = operation["responses"].as_object().expect("responses").values();
        for content in bodies.chain(replies.map(|reply| &reply["content"])) {
            for media in content.as_object().expect("content").values() {
                let validator = validator(&document, &media["schema"]);
                for (name, example) in media.get("examples").and_then(Value::as_object).into_iter().flatten() {
                    let errors: Vec<_> =
                        validator.iter_errors(&example["value"]).map(|error| error.to_string()).collect();
                    assert_eq!(errors, Vec::<String>::new(), "{method} {path} {name}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 10);
}

/// Every body that is sent, and every reply of the management API.
#[test]
fn what_goes_in_is_shown_and_what_comes_out_of_management() {
    let document = document();
    for (method, path, operation) in operations_of(&document) {
        let managed = ["authoring", "tests", "keys", "people"].map(Value::from).contains(&operation["tags"][0]);
        let replies = operation["responses"].as_object().expect("responses").iter();
        let success = replies.filter(|(status, _)| managed && status.starts_with('2'));
        let success = success.map(|(_, reply)| &reply["content"]);
        for content in operation.pointer("/requestBody/content").into_iter().chain(success) {
            for (media, shown) in content.as_object().expect("content") {
                assert!(shown.get("examples").is_some(), "{method} {path} {media} has no example");
            }
        }
    }
}

#[test]
fn requests_may_leave_out_what_replies_may_not() {
    let schemas = schemas::all();
    assert!(schemas["ExecuteRequest"].get("required").is_none(), "{}", schemas["ExecuteRequest"]);
    let required = schemas["StepTrace"]["required"].as_array().expect("required");
    assert!(required.contains(&json!("truncated")) && !required.contains(&json!("tokens")));
    assert_eq!(schemas["StepTrace"]["properties"]["modelUsed"]["type"], "string", "never null");
    let slug = &schemas["SessionExecution"]["properties"]["slug"]["type"];
    assert_eq!(slug, &json!(["string", "null"]), "sessions send null");
}

#[test]
fn each_event_carries_its_type() {
    let events = schemas::all()["StreamEvent"]["oneOf"].as_array().expect("variants").clone();
    let types: BTreeSet<_> = events.iter().filter_map(|one| one["properties"]["eventType"]["const"].as_str()).collect();
    assert_eq!(types.len(), events.len());
    assert!(types.contains("step_paused_for_tool_calls"));
}
