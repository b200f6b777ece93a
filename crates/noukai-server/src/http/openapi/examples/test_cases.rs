//! Examples of test cases and test runs.

use serde_json::{Value, json};

use super::{FLOW, RUN};

const CASE: &str = "01985f40-21b7-7d11-8c52-91d7be0f6a13";
const TEST_RUN: &str = "01985f41-90cc-7f02-9a3d-5e4c8b7a6f21";
const AT: &str = "2026-03-01T09:30:00.000000Z";

pub(super) fn requests(handler: &str) -> Vec<(&'static str, Value)> {
    match handler {
        "test_cases::create" => vec![
            ("written", json!({"name": "printer", "input": input(), "expect": expect()})),
            ("from a run", json!({"from_run": RUN, "name": "as it was on Monday"})),
        ],
        "test_cases::update" => vec![
            ("expectations", json!({"expect": expect(), "on_revision": 1})),
            ("without its cassette", json!({"cassette": null})),
        ],
        "test_cases::run" => {
            vec![("all on the draft", json!({})), ("some on a version", json!({"version": "v3", "cases": ["printer"]}))]
        }
        "test_cases::run_one" => vec![("on the draft", json!({"version": "draft"}))],
        "test_cases::set_gate" => {
            vec![("all", json!({"all": true})), ("some", json!({"cases": ["printer"]})), ("none", json!({}))]
        }
        _ => Vec::new(),
    }
}

pub(super) fn replies(handler: &str) -> Vec<(&'static str, Value)> {
    match handler {
        "test_cases::create" | "test_cases::get" | "test_cases::update" => vec![("recorded", recorded())],
        "test_cases::remove" => vec![("as it was", case())],
        "test_cases::list" => vec![("page", json!({"test_cases": [case()], "next_cursor": CASE}))],
        "test_cases::run" | "test_cases::run_one" | "test_cases::get_run" => vec![("failed", test_run())],
        "test_cases::list_runs" => {
            let mut short = test_run();
            short.as_object_mut().map(|fields| fields.remove("results"));
            vec![("page", json!({"test_runs": [short], "next_cursor": TEST_RUN}))]
        }
        "test_cases::trace" => {
            let case = json!({"result": test_run()["results"][0]});
            vec![("page", json!({"test_run_id": TEST_RUN, "status": "failed", "cases": [case]}))]
        }
        "test_cases::gate" | "test_cases::set_gate" => {
            vec![("all must pass", json!({"all": true})), ("open", json!({}))]
        }
        "test_cases::report" => vec![("passed", json!(REPORT))],
        _ => Vec::new(),
    }
}

const REPORT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"noukai\" tests=\"1\" skipped=\"0\" \
    failures=\"0\" errors=\"0\">\n    <testsuite name=\"triage draft\" tests=\"1\" skipped=\"0\" errors=\"0\" \
    failures=\"0\">\n        <testcase name=\"printer\" classname=\"triage\"/>\n    </testsuite>\n</testsuites>\n";

fn input() -> Value {
    json!({"message": "Printer on fire"})
}

fn expect() -> Value {
    json!([
        {"kind": "subset", "value": {"label": "hardware"}},
        {"kind": "contains", "text": "fire", "ignore_case": true, "at": "reply"},
        {"kind": "rubric", "rubric": "The reply is calm and says what to do first.", "at": "reply"},
    ])
}

pub(super) fn case() -> Value {
    json!({
        "id": CASE, "flow_id": FLOW, "name": "printer", "input": input(), "expect": expect(), "recorded_replies": 0,
        "revision": 1, "created_at": AT, "created_by": "ab12cd34", "updated_at": AT, "updated_by": "ab12cd34",
    })
}

fn recorded() -> Value {
    let mut case = case();
    case["from_run"] = json!(RUN);
    case["recorded_replies"] = json!(1);
    case["cassette"] = json!({"version": 1, "replies": [
        {"step": "classify", "json": {"label": "hardware"}, "model": "openai/gpt-4o-mini"},
    ]});
    case
}

fn test_run() -> Value {
    json!({
        "id": TEST_RUN, "flow_id": FLOW, "flow": "triage", "version": 0, "hash": "5e0c", "status": "failed", "total": 1,
        "passed": 0, "failed": 1, "started_at": AT, "completed_at": AT, "duration_ms": 12, "created_by": "ab12cd34",
        "results": [{
            "case_id": CASE, "name": "printer", "status": "failed", "execution_id": RUN, "replayed": true,
            "duration_ms": 11, "output": {"label": "other"},
            "checks": [{"kind": "subset", "passed": false, "differences": [{
                "at": "label", "message": "is another value", "expected": "\"hardware\"", "got": "\"other\"",
            }]}],
        }],
    })
}
