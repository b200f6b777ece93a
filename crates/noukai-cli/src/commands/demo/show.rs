//! What the demo prints: at most 80 columns, readable without colours.

use std::time::{Duration, Instant};

use noukai::{StepTrace, StreamEvent};
use serde_json::Value;

use crate::{
    output::{self, Style},
    units,
};

/// Room for a text after the margin.
const TEXT: usize = 74;
const NAME: usize = 22;

/// Since when something goes on.
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long by now, for people.
    pub fn now(&self) -> String {
        units::duration(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

pub fn begin(url: &str, flows: &[String]) {
    let style = Style::stdout();
    output::line(&style.bold("Noukai demo"));
    output::line("");
    output::line(&format!("  Server  {}, its data in a temporary folder", style.cyan(url)));
    output::line(&format!("  Flows   {}", flows.join(", ")));
    output::line("  Model   noukai/echo: built in, offline, free. It answers with its prompt, and");
    output::line("          is slowed down here so that there is something to watch.");
}

pub fn end(took: Duration) {
    let style = Style::stdout();
    let took = units::duration(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    output::line("");
    output::line(&style.green(&format!("Done: four ways, one engine, in {took}.")));
    output::line(&format!("Next: {} serves a folder of your own flows.", style.bold("noukai dev FOLDER")));
}

pub fn title(text: &str) {
    output::line("");
    output::line(&Style::stdout().bold(text));
}

pub fn way(number: u32, name: &str, what: &str, path: &str) {
    title(&format!("{number}. {name}: {what}"));
    output::line(&Style::stdout().dim(&format!("   POST {path}")));
}

pub fn sent(body: &Value) {
    output::line(&format!("   > {}", units::clip(&body.to_string(), TEXT)));
}

pub fn received(result: &Value, took: &str) {
    let style = Style::stdout();
    output::line(&format!("   < {}", style.cyan(&units::clip(&units::result_line(result), TEXT))));
    output::line(&style.dim(&format!("     ({took} from request to result)")));
}

/// A reply that is not the last word.
pub fn moment(clock: &Clock, what: &str, text: &str) {
    output::line(&format!("   {:>8}  {what}  {}", clock.now(), units::clip(text, TEXT - 15)));
}

pub fn tool_call(name: &str, arguments: &str, answer: &str) {
    let style = Style::stdout();
    output::line(&format!(
        "     the model calls   {}",
        style.yellow(&units::clip(&format!("{name}({arguments})"), 55))
    ));
    output::line(&format!("     the demo answers  {}", units::clip(answer, 55)));
}

pub fn step(step: &StepTrace) {
    let facts = units::facts(step.duration_ms.unwrap_or(0), step.tokens, step.cost_usd.as_deref());
    let tick = Style::stdout().green("✓");
    output::line(&format!("   {tick} {:NAME$} {facts}", units::clip(&step.name, NAME)));
}

pub fn event(event: &StreamEvent, clock: &Clock) {
    let text = match event {
        StreamEvent::RunStarted(run) => units::count(usize::try_from(run.step_count).unwrap_or(0), "step"),
        StreamEvent::StepStarted(step) => step.name.clone(),
        StreamEvent::StepCompleted(step) => {
            let facts = units::facts(step.duration_ms, step.tokens, step.cost_usd.as_deref());
            format!("{:11}{facts}", units::clip(&step.name, 11))
        }
        StreamEvent::StepFailed(step) => step.error.message.clone(),
        StreamEvent::FlowCompleted(flow) => {
            let summary = &flow.summary;
            let facts = units::facts(summary.duration_ms, Some(summary.tokens), Some(&summary.cost_usd));
            format!("{:11}{facts}", "in all")
        }
        _ => return,
    };
    output::line(&format!("   {:>8}  {:14}  {text}", clock.now(), event.event_type()));
}
