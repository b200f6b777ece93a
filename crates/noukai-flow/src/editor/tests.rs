//! The schema for editors against the check: neither knows a key alone, and what the check takes, the schema takes.

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;

use super::*;
use crate::{
    ProblemCode, check,
    operation::property_tests::{broken, document},
    parse,
};

fn validator() -> &'static Validator {
    static VALIDATOR: LazyLock<Validator> =
        LazyLock::new(|| jsonschema::options().offline().build(&document_schema()).unwrap());
    &VALIDATOR
}

/// The repository's files of that ending.
fn files(folder: &str) -> Vec<(String, String)> {
    let folder = format!("{}/../../{folder}", env!("CARGO_MANIFEST_DIR"));
    let paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = paths
        .filter(|path| path.to_string_lossy().ends_with(".flow.yaml"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    assert!(!files.is_empty(), "{folder}");
    files
}

#[test]
fn every_flow_of_the_repository_fits() {
    let validator = validator();
    for (path, text) in ["examples", "bench/flows", "conformance/flows"].into_iter().flat_map(files) {
        let document = parse(&text, crate::Format::Yaml).unwrap();
        let faults: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{path}: {faults:?}");
    }
}

#[test]
fn the_file_in_the_repository_is_current() {
    let file = include_str!("../../../../docs/flow.schema.json");
    let wanted = serde_json::to_string_pretty(&document_schema()).unwrap() + "\n";
    assert!(file == wanted, "run `cargo xtask openapi` and commit docs/flow.schema.json");
}

#[test]
fn every_key_is_described() {
    let schema = document_schema();
    let definition = |name: &str| schema["definitions"][name].clone();
    for (of, keys) in [
        (schema.clone(), FLOW),
        (definition("step"), NODE),
        (definition("llm"), LLM),
        (definition("code"), CODE),
        (definition("loop"), LOOP),
        (definition("branch"), BRANCH),
        (definition("retry"), RETRY),
        (definition("cache"), CACHE),
    ] {
        for key in keys {
            assert!(of["properties"][key]["description"].is_string(), "{key}");
        }
    }
}

#[test]
fn faults_of_shape_are_refused() {
    let validator = validator();
    let fits = |change: &dyn Fn(&mut Value)| {
        let mut document = json!({"schema": 1, "slug": "demo", "steps": [{"id": "a", "llm": {"prompt": "x"}}]});
        change(&mut document);
        validator.is_valid(&document)
    };
    assert!(fits(&|_| {}));
    let changes: [(&str, Value); 18] = [
        ("/kindd", json!("chat")),
        ("/kind", json!("cat")),
        ("/schema", json!(2)),
        ("/slug", json!("Demo")),
        ("/steps", json!([])),
        ("/steps", json!({})),
        ("/input", json!({"message": "strnig"})),
        ("/steps/0/id", json!("a b")),
        ("/steps/0/modle", json!("x")),
        ("/steps/0/code", json!({"source": "x"})),
        ("/steps/0/llm/modle", json!("x")),
        ("/steps/0/llm/prompt", json!(1)),
        ("/steps/0/llm/config", json!({"temperature": "hot"})),
        ("/steps/0/llm/cache", json!({})),
        ("/steps/0/retry", json!({"max_attempts": 11})),
        ("/steps/0", json!({"id": "a"})),
        ("/steps/0", json!({"id": "a", "parallel": [{"id": "b", "passthrough": {}}], "timeout_ms": 5})),
        ("/steps/0", json!({"id": "a", "branch": {"on": "x", "cases": {"b": [{"id": "c"}]}}})),
    ];
    for (pointer, value) in changes {
        let set = |document: &mut Value| {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let parent = document.pointer_mut(parent).unwrap();
            match key.parse::<usize>() {
                Ok(index) => parent[index] = value.clone(),
                Err(_) => parent[key] = value.clone(),
            }
        };
        assert!(!fits(&set), "{pointer} {value}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_schema_agrees_with_the_check(document in prop_oneof![document(), broken()]) {
        use ProblemCode::{MissingKey, NodeKind, SchemaTooNew, UnknownKey, WrongType};
        let problems = check(&document, &Bounds::default()).problems;
        let of_shape = |code| matches!(code, UnknownKey | MissingKey | NodeKind | WrongType | SchemaTooNew);
        let fits = validator().is_valid(&document);
        if !problems.iter().any(crate::Problem::is_error) {
            prop_assert!(fits, "{}", document);
        }
        if problems.iter().any(|problem| problem.is_error() && of_shape(problem.code)) {
            prop_assert!(!fits, "{:?} {}", problems, document);
        }
    }
}
