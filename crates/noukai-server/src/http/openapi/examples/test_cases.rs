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
            ("from a run", json!({"fromRun": RUN, "name": "as it was on Monday"})),
        ],
        "test_cases::update" => vec![
            ("expectations", json!({"expect": expect(), "onRevision": 1})),
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
        "test_cases::create" | "test_cases::get" => vec![("recorded", recorded())],
        "test_cases::list" => vec![("page", json!({"testCases": [case()], "nextCursor": CASE}))],
        "test_cases::run" | "test_cases::run_one" | "test_cases::get_run" => vec![("failed", test_run())],
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
        {"kind": "contains", "text": "fire", "ignoreCase": true, "at": "reply"},
        {"kind": "rubric", "rubric": "The reply is calm and says what to do first.", "at": "reply"},
    ])
}

fn case() -> Value {
    json!({
        "id": CASE, "flowId": FLOW, "name": "printer", "input": input(), "expect": expect(), "recordedReplies": 0,
        "revision": 1, "createdAt": AT, "createdBy": "ab12cd34", "updatedAt": AT, "updatedBy": "ab12cd34",
    })
}

fn recorded() -> Value {
    let mut case = case();
    case["fromRun"] = json!(RUN);
    case["recordedReplies"] = json!(1);
    case["cassette"] = json!({"version": 1, "replies": [
        {"step": "classify", "json": {"label": "hardware"}, "model": "openai/gpt-4o-mini"},
    ]});
    case
}

fn test_run() -> Value {
    json!({
        "id": TEST_RUN, "flowId": FLOW, "flow": "triage", "version": 0, "hash": "5e0c", "status": "failed", "total": 1,
        "passed": 0, "failed": 1, "startedAt": AT, "completedAt": AT, "durationMs": 12, "createdBy": "ab12cd34",
        "results": [{
            "caseId": CASE, "name": "printer", "status": "failed", "executionId": RUN, "replayed": true,
            "durationMs": 11, "output": {"label": "other"},
            "checks": [{"kind": "subset", "passed": false, "differences": [{
                "at": "label", "message": "is another value", "expected": "\"hardware\"", "got": "\"other\"",
            }]}],
        }],
    })
}
