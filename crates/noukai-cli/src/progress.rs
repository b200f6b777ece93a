//! The steps of a run on stderr, as they happen.

use noukai_api::{RunSummary, StepError, StreamEvent};

use crate::{
    output::{self, Style},
    units,
};

const NAME: usize = 24;

/// What has been shown so far.
pub struct Progress {
    style: Style,
    /// Whether the model's words are shown as they come.
    live: bool,
    /// The step whose words stand on the unfinished last line. Others wait for their own line.
    speaking: Option<String>,
}

impl Progress {
    pub fn new() -> Self {
        Self { style: Style::stderr(), live: output::stderr_is_terminal(), speaking: None }
    }

    /// Shows one event, if it is one to show.
    pub fn show(&mut self, event: &StreamEvent) {
        if let StreamEvent::StepDelta { step_id, text } = event {
            return self.delta(step_id, text);
        }
        let Some(line) = self.line(event) else { return };
        if self.speaking.take().is_some() {
            output::partial("\n");
        }
        output::note(&line);
    }

    fn delta(&mut self, step_id: &str, text: &str) {
        if !self.live {
            return;
        }
        let speaking = self.speaking.get_or_insert_with(|| {
            output::partial("    ");
            step_id.to_owned()
        });
        if speaking == step_id {
            output::partial(&self.style.dim(text));
        }
    }

    fn line(&self, event: &StreamEvent) -> Option<String> {
        match event {
            StreamEvent::StepCompleted { name, skipped: true, .. } => {
                Some(self.style.dim(&format!("  - {name:NAME$} skipped")))
            }
            StreamEvent::StepCompleted { name, duration_ms, tokens, cost_usd, .. } => {
                let facts = units::facts(*duration_ms, *tokens, cost_usd.as_deref());
                Some(format!("  {} {name:NAME$} {facts}", self.style.green("✓")))
            }
            StreamEvent::StepProgress { step_id, loop_index, total, duration_ms } => {
                let step = format!("{step_id} {}/{total}", loop_index + 1);
                Some(self.style.dim(&format!("  · {step:NAME$} {:>9}", units::duration(*duration_ms))))
            }
            StreamEvent::StepError { name, error, .. } => Some(self.failed(name, error)),
            StreamEvent::FlowCompleted { summary, .. } => Some(self.sum(summary)),
            _ => None,
        }
    }

    fn failed(&self, name: &str, error: &StepError) -> String {
        let attempt = if error.attempt > 1 { format!(", attempt {}", error.attempt) } else { String::new() };
        format!("  {} {name:NAME$} {}{attempt}", self.style.red("✗"), error.code)
    }

    fn sum(&self, summary: &RunSummary) -> String {
        let steps = units::count(usize::try_from(summary.steps).unwrap_or(usize::MAX), "step");
        let facts = units::facts(summary.duration_ms, Some(summary.tokens), Some(&summary.cost_usd));
        self.style.bold(&format!("    {steps:NAME$} {facts}"))
    }
}
