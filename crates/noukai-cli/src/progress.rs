//! The steps of a run on stderr, as they happen: a line for each that is done, and on a terminal a bar below them.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use noukai_api::Tokens;

use crate::{
    output::{self, Style},
    units,
};

const NAME: usize = 24;
/// What the model says is shown beside the bar, the end of it.
const SPOKEN: usize = 48;
const FRAME: Duration = Duration::from_millis(100);

/// What has been shown so far.
pub struct Progress {
    style: Style,
    bar: ProgressBar,
    /// The step whose words stand beside the bar, and their end.
    spoken: (String, String),
}

/// What of an event is shown, whoever told it.
enum Shown<'a> {
    Planned { steps: u32 },
    Began { name: &'a str },
    Said { step: &'a str, text: &'a str },
    Skipped { name: &'a str },
    Completed { name: &'a str, ms: u64, tokens: Option<Tokens>, usd: Option<&'a str> },
    Iteration { step: &'a str, number: u32, total: u32, ms: u64 },
    Failed { name: &'a str, code: &'a str, attempt: u32 },
    Sum { steps: u32, ms: u64, tokens: Tokens, usd: &'a str },
}

impl Progress {
    pub fn new() -> Self {
        if !output::stderr_is_terminal() {
            return Self::lines();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(bar_style());
        bar.enable_steady_tick(FRAME);
        Self { style: Style::stderr(), bar, spoken: Default::default() }
    }

    /// Lines alone, so that others may write between them.
    pub fn lines() -> Self {
        Self { style: Style::stderr(), bar: ProgressBar::hidden(), spoken: Default::default() }
    }

    /// Shows an event of a run in this process, if it is one to show.
    pub fn show(&mut self, event: &noukai_api::StreamEvent) {
        if let Some(shown) = Shown::of_own(event) {
            self.shown(&shown);
        }
    }

    /// Shows an event of a run on a server, if it is one to show.
    pub fn show_remote(&mut self, event: &noukai::StreamEvent) {
        if let Some(shown) = Shown::of_remote(event) {
            self.shown(&shown);
        }
    }

    fn shown(&mut self, shown: &Shown<'_>) {
        match shown {
            Shown::Planned { steps } => self.bar.set_length(u64::from(*steps)),
            Shown::Began { name } => self.bar.set_message((*name).to_owned()),
            Shown::Said { step, text } => self.said(step, text),
            Shown::Skipped { .. } | Shown::Completed { .. } => self.bar.inc(1),
            _ => {}
        }
        let Some(line) = self.line(shown) else { return };
        if self.bar.is_hidden() {
            output::note(&line);
        } else {
            self.bar.println(line);
        }
        if matches!(shown, Shown::Sum { .. } | Shown::Failed { .. }) {
            self.bar.finish_and_clear();
        }
    }

    fn said(&mut self, step: &str, text: &str) {
        if self.bar.is_hidden() {
            return;
        }
        if self.spoken.0 != step {
            self.spoken = (step.to_owned(), String::new());
        }
        let words = &mut self.spoken.1;
        words.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
        if let Some((at, _)) = words.char_indices().rev().nth(SPOKEN) {
            words.drain(..at);
        }
        let message = format!("{step}: {}", self.style.dim(&self.spoken.1));
        self.bar.set_message(message);
    }

    fn line(&self, shown: &Shown<'_>) -> Option<String> {
        match shown {
            Shown::Skipped { name } => Some(self.style.dim(&format!("  - {name:NAME$} skipped"))),
            Shown::Completed { name, ms, tokens, usd } => {
                let facts = units::facts(*ms, *tokens, *usd);
                Some(format!("  {} {name:NAME$} {facts}", self.style.green("✓")))
            }
            Shown::Iteration { step, number, total, ms } => {
                let step = format!("{step} {number}/{total}");
                Some(self.style.dim(&format!("  · {step:NAME$} {:>9}", units::duration(*ms))))
            }
            Shown::Failed { name, code, attempt } => {
                let attempt = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                Some(format!("  {} {name:NAME$} {code}{attempt}", self.style.red("✗")))
            }
            Shown::Sum { steps, ms, tokens, usd } => {
                let steps = units::count(usize::try_from(*steps).unwrap_or(usize::MAX), "step");
                Some(self.style.bold(&format!("    {steps:NAME$} {}", units::facts(*ms, Some(*tokens), Some(usd)))))
            }
            Shown::Planned { .. } | Shown::Began { .. } | Shown::Said { .. } => None,
        }
    }
}

impl<'a> Shown<'a> {
    fn of_own(event: &'a noukai_api::StreamEvent) -> Option<Self> {
        use noukai_api::StreamEvent as Event;
        Some(match event {
            Event::RunStarted { step_count, .. } => Self::Planned { steps: *step_count },
            Event::StepStarted { name, .. } => Self::Began { name },
            Event::StepDelta { step_id, text } => Self::Said { step: step_id, text },
            Event::StepCompleted { name, skipped: true, .. } => Self::Skipped { name },
            Event::StepCompleted { name, duration_ms, tokens, cost_usd, .. } => {
                Self::Completed { name, ms: *duration_ms, tokens: *tokens, usd: cost_usd.as_deref() }
            }
            Event::StepProgress { step_id, loop_index, total, duration_ms } => {
                Self::Iteration { step: step_id, number: loop_index + 1, total: *total, ms: *duration_ms }
            }
            Event::StepError { name, error, .. } => {
                Self::Failed { name, code: error.code.as_str(), attempt: error.attempt }
            }
            Event::FlowCompleted { summary, .. } => Self::Sum {
                steps: summary.steps,
                ms: summary.duration_ms,
                tokens: summary.tokens,
                usd: &summary.cost_usd,
            },
            _ => return None,
        })
    }

    fn of_remote(event: &'a noukai::StreamEvent) -> Option<Self> {
        use noukai::StreamEvent as Event;
        Some(match event {
            Event::RunStarted(run) => Self::Planned { steps: run.step_count },
            Event::StepStarted(step) => Self::Began { name: &step.name },
            Event::StepDelta(delta) => Self::Said { step: &delta.step_id, text: &delta.text },
            Event::StepCompleted(step) if step.skipped => Self::Skipped { name: &step.name },
            Event::StepCompleted(step) => Self::Completed {
                name: &step.name,
                ms: step.duration_ms,
                tokens: step.tokens,
                usd: step.cost_usd.as_deref(),
            },
            Event::StepProgress(step) => Self::Iteration {
                step: &step.step_id,
                number: step.loop_index + 1,
                total: step.total,
                ms: step.duration_ms,
            },
            Event::StepFailed(step) => {
                Self::Failed { name: &step.name, code: &step.error.code, attempt: step.error.attempt }
            }
            Event::FlowCompleted(flow) => Self::Sum {
                steps: flow.summary.steps,
                ms: flow.summary.duration_ms,
                tokens: flow.summary.tokens,
                usd: &flow.summary.cost_usd,
            },
            _ => return None,
        })
    }
}

fn bar_style() -> ProgressStyle {
    let style = ProgressStyle::with_template("  {spinner} {bar:20} {pos}/{len} {elapsed} {wide_msg}");
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉░")
}
