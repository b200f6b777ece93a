//! A trace as a small waterfall: one bar per step, placed by its start and as long as it took.

use noukai_api::{StepStatus, StepTrace, Trace};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{output::Style, units};

const NAME: usize = 18;
const DURATION: usize = 9;
const TOKENS: usize = 11;
const COST: usize = 9;
const MARGIN: usize = 2;
/// The narrowest useful bar.
const MIN_BAR: usize = 10;

/// The trace in lines of at most `width` columns.
pub fn render(trace: &Trace, width: usize, style: Style) -> Vec<String> {
    let bar = width.saturating_sub(MARGIN + NAME + 1 + 1 + DURATION + TOKENS + COST).max(MIN_BAR);
    let scale = Scale::of(trace, bar);
    let mut lines = heading(trace, style).to_vec();
    lines.push(axis(&scale, style));
    lines.extend(trace.steps.iter().map(|step| row(step, &scale, style)));
    lines
}

/// From time to column.
struct Scale {
    start: OffsetDateTime,
    total_ms: u64,
    columns: usize,
}

impl Scale {
    fn of(trace: &Trace, columns: usize) -> Self {
        let start = parse(&trace.flow_run.started_at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let mut scale = Self { start, total_ms: 0, columns };
        let ends = trace.steps.iter().map(|step| scale.offset_ms(step) + step.duration_ms.unwrap_or(0));
        let last = ends.max().unwrap_or(0);
        scale.total_ms = trace.flow_run.duration_ms.unwrap_or(0).max(last).max(1);
        scale
    }

    /// Milliseconds from the start of the run to the start of the step.
    fn offset_ms(&self, step: &StepTrace) -> u64 {
        let since = parse(&step.started_at).map(|at| (at - self.start).whole_milliseconds());
        since.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)
    }

    /// Empty columns before the bar, and those of the bar: at least one, never beyond the end.
    fn place(&self, step: &StepTrace) -> (usize, usize) {
        let column = |ms: u64| usize::try_from(ms * self.columns as u64 / self.total_ms).unwrap_or(self.columns);
        let offset = self.offset_ms(step);
        let from = column(offset).min(self.columns - 1);
        let to = column(offset + step.duration_ms.unwrap_or(0)).clamp(from + 1, self.columns);
        (from, to - from)
    }
}

fn heading(trace: &Trace, style: Style) -> [String; 2] {
    let run = &trace.flow_run;
    let mut facts = vec![
        format!("{} in {}", run.status.as_str(), units::duration(run.duration_ms.unwrap_or(0))),
        units::count(trace.steps.len(), "step"),
    ];
    facts.extend(run.tokens.map(|tokens| units::tokens(Some(tokens))));
    facts.extend(run.cost_usd.as_deref().map(|usd| units::cost(Some(usd))));
    [
        format!("{:MARGIN$}{}", "", style.dim(&format!("run {}", run.id))),
        format!("{:MARGIN$}{}", "", style.bold(&facts.join(", "))),
    ]
}

fn axis(scale: &Scale, style: Style) -> String {
    let end = units::duration(scale.total_ms);
    let gap = scale.columns.saturating_sub(1 + end.len());
    let line = format!("{:MARGIN$}{:NAME$} 0{:gap$}{end}", "", "", "");
    style.dim(&line)
}

fn row(step: &StepTrace, scale: &Scale, style: Style) -> String {
    let name = units::clip(&label(step), NAME);
    let (before, length) = scale.place(step);
    let after = scale.columns - before - length;
    let bar = match step.status {
        StepStatus::Skipped => style.dim(&"·".repeat(length)),
        StepStatus::Failed => style.red(&"█".repeat(length)),
        StepStatus::Running => style.yellow(&"█".repeat(length)),
        StepStatus::Completed => style.cyan(&"█".repeat(length)),
    };
    let took = match step.status {
        StepStatus::Skipped => "skipped".to_owned(),
        StepStatus::Failed => "failed".to_owned(),
        _ => units::duration(step.duration_ms.unwrap_or(0)),
    };
    let tokens = units::tokens(step.tokens);
    let cost = units::cost(step.cost_usd.as_deref());
    format!(
        "{:MARGIN$}{name:<NAME$} {:before$}{bar}{:after$} {took:>DURATION$}{tokens:>TOKENS$}{cost:>COST$}",
        "", "", ""
    )
}

fn label(step: &StepTrace) -> String {
    let name = if step.name.is_empty() { &step.step_id } else { &step.name };
    let iteration = step.loop_index.map(|index| format!("[{index}]")).unwrap_or_default();
    let attempt = if step.attempt > 1 { format!(" #{}", step.attempt) } else { String::new() };
    format!("{name}{iteration}{attempt}")
}

fn parse(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step(name: &str, start_ms: u32, ms: u64, status: &str) -> serde_json::Value {
        json!({"stepId": name, "name": name, "attempt": 1, "status": status, "durationMs": ms, "truncated": false,
            "startedAt": format!("2026-01-01T00:00:00.{start_ms:03}Z"), "costUsd": "0.0010",
            "tokens": {"prompt": 1, "completion": 2, "total": 3}})
    }

    fn shown(steps: &[serde_json::Value]) -> Vec<String> {
        let trace = json!({"steps": steps, "flowRun": {"id": "r", "flowId": "f", "status": "completed",
            "triggerType": "job", "startedAt": "2026-01-01T00:00:00Z", "durationMs": 300, "stepCount": 3, "version": 0}});
        render(&serde_json::from_value(trace).unwrap(), 80, Style::PLAIN)
    }

    #[test]
    fn bars_stand_where_and_as_long_as_the_steps_did() {
        let lines = shown(&[
            step("first", 0, 100, "completed"),
            step("a name that is far too long", 100, 200, "failed"),
            step("left", 100, 0, "skipped"),
        ]);
        let expected = [
            "  run r",
            "  completed in 300 ms, 3 steps",
            "                     0                      300 ms",
            "  first              █████████                        100 ms   3 tokens   $0.001",
            "  a name that is fa…          ████████████████████    failed   3 tokens   $0.001",
            "  left                        ·                      skipped   3 tokens   $0.001",
        ];
        assert_eq!(lines, expected);
        assert!(lines.iter().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn an_empty_or_odd_trace_is_still_shown() {
        assert_eq!(shown(&[]).len(), 3);
        let mut odd = step("odd", 999, 5_000, "running");
        odd["startedAt"] = json!("yesterday");
        assert_eq!(shown(&[odd]).len(), 4);
    }
}
