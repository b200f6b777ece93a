//! What a client sets out to do, and what it was told while doing it.
//!
//! One run per errand, however often it must ask: what cannot be asked again safely is given up, and the run looked for
//! by its session afterwards.

mod execute;
mod follow;
mod job;
mod step;
mod tools;

use std::sync::Arc;

use anyhow::Result;
use serde_json::Value;

use crate::case::Case;
use crate::client::{Ask, Client, Event};
use crate::setup::PROJECT;
use crate::shape::Shape;

use self::step::Calls;
pub use follow::{Cut, Follower};

/// How a client goes about its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// One call. With a key it is repeated until there is an answer.
    Execute { keyed: bool },
    /// A job, followed and polled to its end.
    Job { keyed: bool, cut: Cut },
    /// A job that is cancelled so many milliseconds later.
    Cancelled { after: u32 },
    /// Step by step. With keys, each call is repeated until there is an answer.
    Step { keyed: bool },
    /// All steps in one stream, with the model's text as it comes where it is asked for.
    Remaining { deltas: bool },
    /// All steps in one stream, which the client leaves after so many events; it goes on with the trace's stream.
    CutStep { after: u32 },
    /// One call that pauses for tools, answered each time.
    Tools,
    /// A call that names no input, with a key: it is refused, and the key given back.
    Refused,
}

/// One client's aim.
pub struct Errand {
    /// How the model knows the run.
    pub marker: String,
    /// The flow.
    pub shape: Shape,
    /// How.
    pub wish: Wish,
}

/// What a client was told.
#[derive(Debug, Clone)]
pub struct Told {
    /// How the model knows the run.
    pub marker: String,
    /// The session that all runs of the errand are tagged with: one, if all is well.
    pub session: String,
    /// The flow.
    pub shape: Shape,
    /// How it went about it.
    pub wish: Wish,
    /// The run, once its id was known.
    pub execution: Option<String>,
    /// Whether the server took the run on: a job's 202, a pause, the first event of a stream.
    pub acknowledged: bool,
    /// The end of the run as it was told: status and result.
    pub end: Option<(String, Value)>,
    /// Whether the server said that the job is cancelled.
    pub cancelled: bool,
    /// The events of the run, put together from one or many connections to its trace.
    pub followed: Vec<Event>,
    /// The events of step calls, as they came.
    pub stepped: Vec<Event>,
}

impl Told {
    /// Nothing yet.
    pub fn new(marker: &str, session: &str, shape: Shape, wish: Wish) -> Self {
        Self {
            marker: marker.to_owned(),
            session: session.to_owned(),
            shape,
            wish,
            execution: None,
            acknowledged: false,
            end: None,
            cancelled: false,
            followed: Vec::new(),
            stepped: Vec::new(),
        }
    }
}

/// An errand under way.
pub(super) struct Way<'a> {
    pub case: &'a Case,
    pub client: Client,
    pub told: Told,
}

impl Errand {
    /// Does it, and leaves what was told with the case.
    pub async fn run(self, case: &Arc<Case>) -> Result<()> {
        let session = case.choices(&self.marker).uuid().to_string();
        let told = Told::new(&self.marker, &session, self.shape, self.wish);
        let client = case.client.with_choices(case.choices(&format!("{} servers", told.marker)));
        let mut way = Way { case, client, told };
        let outcome = match self.wish {
            Wish::Execute { keyed } => way.execute(keyed).await,
            Wish::Job { keyed, cut } => way.job(keyed, cut).await,
            Wish::Cancelled { after } => way.cancelled_job(after).await,
            Wish::Step { keyed } => way.steps(Calls { remaining: false, deltas: false, keyed }).await,
            Wish::Remaining { deltas } => way.steps(Calls { remaining: true, deltas, keyed: false }).await,
            Wish::CutStep { after } => way.cut_step(after as usize).await,
            Wish::Tools => way.tools().await,
            Wish::Refused => way.refused().await,
        };
        case.tell(way.told);
        outcome
    }
}

impl Way<'_> {
    /// Below the flow's address.
    fn path(&self, rest: &str) -> String {
        format!("/seq/{PROJECT}/{}/{rest}", self.told.shape.slug())
    }

    /// With what tells the run apart from others; with a key, so that it may be repeated.
    fn tagged<'a>(&self, ask: Ask<'a>, keyed: bool) -> Ask<'a> {
        let ask = ask.header("x-session-id", self.told.session.clone());
        if keyed { ask.header("idempotency-key", format!("key-{}", self.told.marker)) } else { ask }
    }

    fn violation(&self, what: &str) {
        self.case.violation(format!("{} ({:?}, {:?}): {what}", self.told.marker, self.told.shape, self.told.wish));
    }

    /// The end of the run, as an answer tells it.
    fn note_end(&mut self, answer: &Value) {
        self.told.execution = answer["executionId"].as_str().map(str::to_owned).or(self.told.execution.take());
        self.told.acknowledged = true;
        let status = answer["status"].as_str().unwrap_or_default().to_owned();
        self.told.end = Some((status, answer["result"].clone()));
    }

    /// Steps that a trace shows as done are stored.
    fn note_trace(&self, trace: &Value) {
        let since = self.case.mock.count();
        let steps = trace["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        for step in steps.iter().filter(|step| step["status"] == "completed") {
            let item = step["loopIndex"].as_u64().map(|index| index.to_string());
            let name = step["stepId"].as_str().unwrap_or_default();
            self.case.facts.note_shown(&self.told.session, name, item, since, "a trace");
        }
    }
}
