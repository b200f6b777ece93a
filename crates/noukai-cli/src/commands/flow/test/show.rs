//! A test run as a table: a row per case, with a bar as long as it took and the reasons below those that did not pass.

use noukai_api::{TestResult, TestRun, TestStatus};

use crate::{output::Style, units};

const MARGIN: usize = 2;
const NAME: usize = 28;
const BAR: usize = 20;
const DURATION: usize = 11;
const TOKENS: usize = 13;
const COST: usize = 10;
/// Reasons shown of one case.
const REASONS: usize = 8;

/// The test run in lines.
pub fn lines(run: &TestRun, style: Style) -> Vec<String> {
    let results: Vec<&TestResult> = run.results.iter().flatten().collect();
    let longest = results.iter().filter_map(|result| result.duration_ms).max().unwrap_or(0).max(1);
    let mut lines: Vec<String> = Vec::new();
    for result in &results {
        lines.push(row(result, longest, style));
        lines.extend(reasons(result, style));
    }
    lines.push(String::new());
    lines.push(summary(run, style));
    lines
}

fn row(result: &TestResult, longest: u64, style: Style) -> String {
    let took = result.duration_ms.unwrap_or(0);
    let length = usize::try_from((took * BAR as u64).div_ceil(longest)).unwrap_or(BAR).clamp(1, BAR);
    let (mark, bar) = match result.status {
        TestStatus::Passed => (style.green("✓"), style.green(&"█".repeat(length))),
        TestStatus::Failed | TestStatus::Error => (style.red("✗"), style.red(&"█".repeat(length))),
        _ => (style.dim("-"), style.dim(&"·".repeat(length))),
    };
    let name = units::clip(&result.name, NAME);
    let said = match (result.status, result.replayed) {
        (TestStatus::Passed | TestStatus::Failed, true) => "replayed".to_owned(),
        (TestStatus::Passed | TestStatus::Failed, false) => units::tokens(result.tokens),
        (status, _) => status.as_str().to_owned(),
    };
    let cost = units::cost(result.cost_usd.as_deref());
    let gap = BAR - length;
    format!(
        "{:MARGIN$}{mark} {name:<NAME$} {bar}{:gap$}{:>DURATION$}{said:>TOKENS$}{cost:>COST$}",
        "",
        "",
        units::duration(took)
    )
}

fn reasons(result: &TestResult, style: Style) -> Vec<String> {
    let all = result.reasons();
    let more = all.len().saturating_sub(REASONS);
    let mut lines: Vec<String> = all.into_iter().take(REASONS).collect();
    lines.extend((more > 0).then(|| format!("and {more} more")));
    let indented = |line: &String| {
        let flat = line.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{:MARGIN$}    {}", "", style.dim(&flat))
    };
    lines.iter().map(indented).collect()
}

fn summary(run: &TestRun, style: Style) -> String {
    let version = if run.version == 0 { "draft".to_owned() } else { format!("v{}", run.version) };
    let took = units::duration(run.duration_ms.unwrap_or(0));
    let said = format!("{} of {} passed in {took}", run.passed, run.total);
    let said = if run.status == TestStatus::Passed { style.green(&said) } else { style.red(&said) };
    format!("{:MARGIN$}{} {} {said}", "", style.bold(&run.flow), style.dim(&version))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_case_has_a_row_and_failures_their_reasons() {
        let run = json!({
            "id": "r", "flow_id": "f", "flow": "triage", "version": 3, "hash": "h", "status": "failed", "total": 3,
            "passed": 1, "failed": 2, "started_at": "2026-01-01T00:00:00Z", "duration_ms": 450, "created_by": "ann",
            "results": [
                {"case_id": "1", "name": "good", "status": "passed", "replayed": false, "duration_ms": 100,
                    "tokens": {"prompt": 1, "completion": 2, "total": 3}, "cost_usd": "0.0010"},
                {"case_id": "2", "name": "bad", "status": "failed", "replayed": true, "duration_ms": 400, "checks": [
                    {"kind": "equals", "passed": false, "differences": [
                        {"at": "label", "message": "is another value", "expected": "1", "got": "2"}]}]},
                {"case_id": "3", "name": "a name that is far too long to be shown", "status": "error", "replayed": false,
                    "error": {"code": "VALIDATION_ERROR", "message": "no\nsuch input", "attempt": 1}},
            ],
        });
        let expected = [
            "  ✓ good                         █████                    100 ms     3 tokens    $0.001",
            "  ✗ bad                          ████████████████████     400 ms     replayed         -",
            "      equals: label: is another value, expected 1, got 2",
            "  ✗ a name that is far too long… █                          0 ms        error         -",
            "      no such input [VALIDATION_ERROR]",
            "",
            "  triage v3 1 of 3 passed in 450 ms",
        ];
        assert_eq!(lines(&serde_json::from_value(run).unwrap(), Style::PLAIN), expected);
    }
}
