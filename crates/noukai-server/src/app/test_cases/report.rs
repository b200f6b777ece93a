//! A test run for build servers: JUnit XML.

use std::time::Duration;

use noukai_api::{TestResult, TestRun, TestStatus};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

/// A test run, with its results, as JUnit XML: one suite named after the flow and its version, a case per test case.
pub fn junit(run: &TestRun) -> String {
    let version = if run.version == 0 { "draft".to_owned() } else { format!("v{}", run.version) };
    let mut suite = TestSuite::new(format!("{} {version}", run.flow));
    suite.add_properties([
        Property::new("testRunId", run.id.as_str()),
        Property::new("flowId", run.flow_id.as_str()),
        Property::new("hash", run.hash.as_str()),
    ]);
    if let Some(took) = run.duration_ms {
        suite.set_time(Duration::from_millis(took));
    }
    suite.add_test_cases(run.results.iter().flatten().map(|result| case(&run.flow, result)));
    let mut report = Report::new("noukai");
    report.add_test_suite(suite);
    // Only a writer that fails makes this fail, and a string does not.
    report.to_string().unwrap_or_default()
}

fn case(flow: &str, result: &TestResult) -> TestCase {
    let mut case = TestCase::new(result.name.as_str(), status(result));
    case.set_classname(flow).set_assertions(result.checks.len());
    if let Some(took) = result.duration_ms {
        case.set_time(Duration::from_millis(took));
    }
    if let Some(run) = &result.execution_id {
        case.add_property(Property::new("executionId", run.as_str()));
    }
    case
}

fn status(result: &TestResult) -> TestCaseStatus {
    let kind = match result.status {
        TestStatus::Passed => return TestCaseStatus::success(),
        TestStatus::Pending | TestStatus::Running => return TestCaseStatus::skipped(),
        TestStatus::Failed => NonSuccessKind::Failure,
        TestStatus::Error | TestStatus::Interrupted => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    let reasons = result.reasons();
    let first = reasons.first().map_or(result.status.as_str(), String::as_str);
    status.set_type(result.status.as_str()).set_message(first).set_description(reasons.join("\n"));
    status
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_has_every_case_and_is_valid_xml_whatever_they_say() {
        let run = serde_json::from_value(json!({
            "id": "r", "flow_id": "f", "flow": "triage", "version": 3, "hash": "h", "status": "failed", "total": 4,
            "passed": 1, "failed": 2, "started_at": "2026-01-01T00:00:00Z", "duration_ms": 1500, "created_by": "ann",
            "results": [
                {"case_id": "1", "name": "good", "status": "passed", "replayed": true, "duration_ms": 250,
                    "execution_id": "e-1", "checks": [{"kind": "equals", "passed": true}]},
                {"case_id": "2", "name": "a <b> & \"c\" \u{1b}[31m", "status": "failed", "replayed": false, "checks": [
                    {"kind": "equals", "passed": false, "differences": [
                        {"at": "label", "message": "is another value", "expected": "\"]]>\"", "got": "\"<x>\""}]},
                    {"kind": "rubric", "passed": false, "reason": "it is rude"}]},
                {"case_id": "3", "name": "broken", "status": "error", "replayed": false, "error": {
                    "code": "VALIDATION_ERROR", "message": "no such input", "attempt": 1}},
                {"case_id": "4", "name": "waiting", "status": "pending", "replayed": false},
            ],
        }));
        insta::assert_snapshot!(junit(&run.expect("a test run")), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="noukai" tests="4" skipped="1" failures="1" errors="1">
            <testsuite name="triage v3" tests="4" skipped="1" errors="1" failures="1" time="1.500">
                <properties>
                    <property name="testRunId" value="r"/>
                    <property name="flowId" value="f"/>
                    <property name="hash" value="h"/>
                </properties>
                <testcase name="good" classname="triage" assertions="1" time="0.250">
                    <properties>
                        <property name="executionId" value="e-1"/>
                    </properties>
                </testcase>
                <testcase name="a &lt;b&gt; &amp; &quot;c&quot; " classname="triage" assertions="2">
                    <failure message="equals: label: is another value, expected &quot;]]&gt;&quot;, got &quot;&lt;x&gt;&quot;" type="failed">equals: label: is another value, expected &quot;]]&gt;&quot;, got &quot;&lt;x&gt;&quot;
        rubric: it is rude</failure>
                </testcase>
                <testcase name="broken" classname="triage" assertions="0">
                    <error message="no such input [VALIDATION_ERROR]" type="error">no such input [VALIDATION_ERROR]</error>
                </testcase>
                <testcase name="waiting" classname="triage" assertions="0">
                    <skipped/>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }
}
