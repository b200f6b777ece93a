//! What the tests share: a world to run flows in, and how a run is written down.

mod code;
mod model;
mod sink;
mod transcript;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use noukai_engine::{Clock, DoneOutputs, Event, Outcome, RunBounds, RunReport, RunSpec, ToolPause, Until, Usage, run};
use noukai_flow::{Bounds, Flow, Format, check, parse};
use serde_json::Value;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::{
    code::Call,
    model::{Script, Turn, answer},
    sink::Sink,
    transcript::{request_text, transcript},
};

/// The project of every run.
pub const TENANT: Uuid = Uuid::from_u128(7);

/// The flow of a YAML document; `schema` and `slug` are added, and `steps:` where the text is a bare list.
pub fn flow(yaml: &str) -> Arc<Flow> {
    let steps = if yaml.trim_start().starts_with('-') { "steps:\n" } else { "" };
    let text = format!("schema: 1\nslug: test-flow\n{steps}{yaml}");
    let document = parse(&text, Format::Yaml).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    flow_of(&document)
}

/// The flow of a document.
pub fn flow_of(document: &Value) -> Arc<Flow> {
    let checked = check(document, &Bounds::default());
    Arc::new(checked.flow.unwrap_or_else(|| panic!("{:#?}\n{document:#}", checked.problems)))
}

/// A pass over the whole flow, on these inputs.
pub fn spec(flow: &Arc<Flow>, initial: &Value) -> RunSpec {
    RunSpec {
        tenant: TENANT,
        flow: flow.clone(),
        initial: Arc::new(initial.clone()),
        conversation: Vec::new(),
        images: Vec::new(),
        tools: Vec::new(),
        tool_choice: None,
        done: DoneOutputs::default(),
        replacements: BTreeMap::new(),
        cursor: 0,
        until: Until::End,
        resume: None,
        bounds: RunBounds {
            attempts: 10_000,
            total_bytes: 64 * 1024 * 1024,
            loop_items: 100,
            loop_concurrency: 4,
            run_time: Duration::from_secs(3600),
            block_time: Duration::from_secs(600),
            output_bytes: 10_000,
        },
        deltas: false,
    }
}

/// The same, where steps may give as much as random flows do: loops in loops in parallel containers repeat themselves.
pub fn roomy(spec: RunSpec) -> RunSpec {
    RunSpec { bounds: RunBounds { output_bytes: 1024 * 1024, ..spec.bounds }, ..spec }
}

/// How a pass went.
pub struct Ran {
    pub flow: Arc<Flow>,
    pub report: RunReport,
    pub events: Vec<Event>,
}

impl Ran {
    /// The events and the end, a line each; times and durations are left out.
    pub fn text(&self) -> String {
        transcript(&self.flow, &self.events, &self.report.outcome)
    }

    /// What each attempt used, in the order of their ends.
    pub fn usages(&self) -> Vec<Usage> {
        let used = |event: &Event| match event {
            Event::AttemptFailed { usage, .. } | Event::AttemptCompleted { usage, .. } => Some(usage.clone()),
            _ => None,
        };
        self.events.iter().filter_map(used).collect()
    }

    /// The result of a run that is complete.
    pub fn result(&self) -> Value {
        match &self.report.outcome {
            Outcome::Completed { result } => result.as_ref().clone(),
            _ => panic!("not complete:\n{}", self.text()),
        }
    }

    /// The pause of a run that waits for tools.
    pub fn pause(&self) -> ToolPause {
        match &self.report.outcome {
            Outcome::ToolPause(pause) => pause.as_ref().clone(),
            _ => panic!("not paused:\n{}", self.text()),
        }
    }
}

/// Runs a pass, and checks what holds for every pass: nothing is done before what it builds on is stored, and no
/// attempt is left open.
pub async fn drive(spec: RunSpec, script: &Arc<Script>) -> Ran {
    drive_with(spec, script, |sink| sink, &CancellationToken::new()).await
}

/// As [`drive`], with a sink of one's own making and a token that may fire.
pub async fn drive_with(
    spec: RunSpec,
    script: &Arc<Script>,
    prepare: impl FnOnce(Sink) -> Sink,
    cancel: &CancellationToken,
) -> Ran {
    let flow = spec.flow.clone();
    let resumed = spec.resume.as_ref().map(|resume| resume.pause.attempt);
    let sink = Arc::new(prepare(Sink::new(flow.clone())));
    let ports = script.ports(&sink);
    let report = run(spec, &ports, cancel).await;
    let ran = Ran { flow, report, events: sink.events() };
    assert_eq!(sink.faults(), Vec::<String>::new(), "{}", ran.text());
    let paused = match &ran.report.outcome {
        Outcome::ToolPause(pause) if resumed != Some(pause.attempt) => vec![(pause.leaf, Vec::new(), pause.attempt)],
        _ => Vec::new(),
    };
    assert_eq!(sink.open_attempts(), paused, "attempts that never ended:\n{}", ran.text());
    ran
}

/// The wall clock stands still; durations are the runtime's.
pub struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }
}

/// Runs a flow to its end; its events and its end, a line each.
pub async fn check_run(yaml: &str, initial: Value, script: Script) -> String {
    drive(spec(&flow(yaml), &initial), &Arc::new(script)).await.text()
}
