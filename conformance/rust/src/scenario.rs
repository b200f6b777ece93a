//! A scenario: its client, what its calls leave for the next ones, and the calls themselves.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use noukai::{
    Attempt, CancelToken, Error, EventStream, Execution, Flow, Job, LogPhase, Noukai, NoukaiBuilder, Result,
    StreamEvent, ToolCall, ToolResult,
};
use serde_json::{Value, json};

use crate::{call, outcome};

/// The project that the scenarios run in, and its key.
#[derive(Clone)]
pub struct Place {
    key: String,
    org: String,
    project: String,
}

impl Place {
    /// As the suite says.
    pub fn from_environment() -> anyhow::Result<Self> {
        let named = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
        Ok(Self { key: named("PARITY_KEY")?, org: named("PARITY_ORG")?, project: named("PARITY_PROJECT")? })
    }

    fn filled(&self, text: &str) -> String {
        text.replace("ORG", &self.org).replace("PROJECT", &self.project)
    }

    /// A client's builder with the options of a scenario or of a call.
    fn builder(&self, options: &Value) -> NoukaiBuilder {
        let mut builder = Noukai::builder().api_key(call::text(options, "key").unwrap_or(&self.key)).org(&self.org);
        if !call::flag(options, "without_project") {
            builder = builder.project(&self.project);
        }
        if let Some(timeout) = call::millis(options, "timeout_ms") {
            builder = builder.timeout(timeout);
        }
        match call::number(options, "max_retries") {
            Some(retries) => builder.max_retries(retries),
            None => builder,
        }
    }
}

/// Answers every call.
fn sunny(calls: &[ToolCall]) -> Vec<ToolResult> {
    calls.iter().map(|call| call.answer("sunny")).collect()
}

/// A tool handler: answers each call with `sunny`, or none, or fails.
pub fn handled(kind: &Value, calls: &[ToolCall]) -> std::result::Result<Vec<ToolResult>, &'static str> {
    match kind.as_str() {
        Some("fails") => Err("no weather today"),
        Some("none") => Ok(Vec::new()),
        _ => Ok(sunny(calls)),
    }
}

/// The state of one scenario.
pub struct Scenario<'a> {
    table: &'a Value,
    place: Place,
    client: Noukai,
    requests: Arc<AtomicUsize>,
    sessions: HashMap<String, String>,
    run: Option<(Flow, String)>,
    job: Option<Job>,
    captured: String,
}

impl<'a> Scenario<'a> {
    /// With a client of its own.
    pub fn new(table: &'a Value, row: &Value, place: Place) -> anyhow::Result<Self> {
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = requests.clone();
        let count = move |event: &noukai::LogEvent<'_>| {
            if event.phase == LogPhase::Request {
                seen.fetch_add(1, Ordering::Relaxed);
            }
        };
        let client = place.builder(&row["client"]).on_log(count).build()?;
        let captured = uuid::Uuid::new_v4().to_string();
        Ok(Self { table, place, client, requests, sessions: HashMap::new(), run: None, job: None, captured })
    }

    /// The outcome of each call.
    pub async fn run(mut self, row: &Value) -> Vec<Value> {
        let mut outcomes = Vec::new();
        for call in call::list(row, "calls") {
            outcomes.push(self.outcome(call).await);
        }
        outcomes
    }

    async fn outcome(&mut self, call: &Value) -> Value {
        let before = self.requests.load(Ordering::Relaxed);
        let mut found = match Box::pin(self.perform(call)).await {
            Ok(found) => found,
            Err(error) => outcome::error(&error),
        };
        // How often a job is asked for while waiting is each client's own affair.
        if !matches!(call::text(call, "do"), Some("wait" | "capture")) {
            found["requests"] = json!(self.requests.load(Ordering::Relaxed) - before);
        }
        found
    }

    async fn perform(&mut self, call: &Value) -> Result<Value> {
        match call::text(call, "do").unwrap_or_default() {
            "construct" => self.place.builder(call).build().map(|_| json!({"made": true})),
            "flow" => self.address(call),
            "execute" => self.execute(call).await,
            "steps" => self.steps(call).await,
            "events" => self.events(call).await,
            "job" => self.submit(call).await,
            "poll" | "wait" | "cancel" => self.follow_job(call).await,
            "trace" => Ok(outcome::trace(&self.traced(call)?.trace().await?)),
            "step_trace" => self.step_trace(call).await,
            "live_trace" => self.live_trace(call).await,
            "capture" => self.capture(call).await,
            "replay" => self.replay(call).await,
            other => Ok(json!({"unknown": other})),
        }
    }

    fn flow(&self, call: &Value) -> Result<Flow> {
        self.client.flow(self.place.filled(call::text(call, "flow").unwrap_or_default()))
    }

    fn address(&self, call: &Value) -> Result<Value> {
        let address = self.flow(call)?.to_string();
        let neutral = |segment: &str| match segment {
            org if org == self.place.org => "ORG".to_owned(),
            project if project == self.place.project => "PROJECT".to_owned(),
            other => other.to_owned(),
        };
        Ok(json!({"flow": address.split('/').map(neutral).collect::<Vec<_>>()}))
    }

    /// The session that a call names: one id for each name.
    fn session(&mut self, call: &Value) -> Option<String> {
        let name = call::text(call, "session")?;
        let fresh = || uuid::Uuid::new_v4().to_string();
        Some(self.sessions.entry(name.to_owned()).or_insert_with(fresh).clone())
    }

    async fn execute(&mut self, call: &Value) -> Result<Value> {
        let (flow, session, token) = (self.flow(call)?, self.session(call), CancelToken::new());
        let builder = call::call_options!(flow.execute(), call, session, &token);
        let builder = call::tool_options!(builder, self.table, call);
        let mut ended = cancelled_after(call, &token, builder.into_future()).await?;
        self.run = Some((flow, ended.execution_id().to_owned()));
        let mut rounds = vec![outcome::execution(&ended)];
        for answers in call::list(call, "resume") {
            let Execution::Paused(paused) = &ended else { break };
            ended = paused.resume(given(answers, &paused.tool_calls)).await?;
            rounds.push(outcome::execution(&ended));
        }
        Ok(if call.get("resume").is_some() { json!({"rounds": rounds}) } else { rounds.swap_remove(0) })
    }

    async fn steps(&mut self, call: &Value) -> Result<Value> {
        let (flow, session, token) = (self.flow(call)?, self.session(call), CancelToken::new());
        let builder = call::call_options!(flow.steps(), call, session, &token);
        let builder = call::stream_options!(call::tool_options!(builder, self.table, call), call);
        let mut stream = builder.stream();
        let mut found = Vec::new();
        while let Some(step) = stream.next().await {
            match step {
                Ok(step) => found.push(outcome::step(&step)),
                Err(error) => return Ok(broken(found, &error)),
            }
            if call::number(call, "take").is_some_and(|most| found.len() >= most as usize) {
                break;
            }
        }
        self.run = stream.execution_id().map(|id| (flow, id));
        Ok(json!({"events": found}))
    }

    async fn events(&mut self, call: &Value) -> Result<Value> {
        let (flow, session, token) = (self.flow(call)?, self.session(call), CancelToken::new());
        let builder = call::call_options!(flow.events(), call, session, &token);
        let builder = call::stream_options!(call::tool_options!(builder, self.table, call), call);
        let mut stream = builder.run_remaining(call::flag(call, "run_remaining")).stream();
        let found = cancelled_after(call, &token, follow(call, &mut stream)).await;
        self.run = stream.execution_id().map(|id| (flow, id));
        Ok(found)
    }

    async fn submit(&mut self, call: &Value) -> Result<Value> {
        let (flow, session, token) = (self.flow(call)?, self.session(call), CancelToken::new());
        let job = call::call_options!(flow.execute_async(), call, session, &token).await?;
        self.run = Some((flow, job.execution_id().to_owned()));
        self.job = Some(job);
        Ok(json!({"job": "queued"}))
    }

    async fn follow_job(&self, call: &Value) -> Result<Value> {
        let Some(job) = &self.job else { return Ok(json!({"missing": "job"})) };
        let status = match call::text(call, "do") {
            Some("poll") => job.poll().await?,
            Some("cancel") => job.cancel().await?,
            _ => {
                let interval = call::millis(call, "interval_ms").unwrap_or(Duration::from_millis(20));
                let timeout = call::millis(call, "timeout_ms").unwrap_or(Duration::from_secs(30));
                job.wait().interval(interval).timeout(timeout).await?
            }
        };
        Ok(outcome::job(&status))
    }

    /// The run of the call before, or one that nobody knows.
    fn traced(&self, call: &Value) -> Result<noukai::Run> {
        match self.run.as_ref().filter(|_| !call::flag(call, "unknown_run")) {
            Some((flow, id)) => Ok(flow.run(id)),
            None => Ok(self.flow(call)?.run(uuid::Uuid::new_v4().to_string())),
        }
    }

    async fn step_trace(&self, call: &Value) -> Result<Value> {
        let attempt = match call.get("attempt") {
            None => Attempt::Latest,
            Some(Value::String(_)) => Attempt::All,
            Some(_) => Attempt::Number(call::number(call, "attempt").unwrap_or_default()),
        };
        let request = self.traced(call)?.step_trace(call::text(call, "step").unwrap_or_default()).attempt(attempt);
        let traces = match call::number(call, "loop_index") {
            Some(index) => request.loop_index(index).await?,
            None => request.await?,
        };
        Ok(outcome::step_traces(&traces))
    }

    async fn live_trace(&self, call: &Value) -> Result<Value> {
        let events = self.traced(call)?.live_trace().all().await?;
        Ok(json!({"events": events.iter().map(outcome::event).collect::<Vec<_>>()}))
    }

    /// Makes calls in a fresh session, which a later replay is of.
    async fn capture(&mut self, call: &Value) -> Result<Value> {
        let outside = self.client.clone();
        let session = outside.session();
        self.captured = session.id().to_owned();
        self.client = session.client().clone();
        let outcomes = self.nested(call).await;
        self.client = outside;
        Ok(json!({"inside": outcomes}))
    }

    /// Makes calls against the captured session (or the one that the call names).
    async fn replay(&mut self, call: &Value) -> Result<Value> {
        let replay = self.client.replay(call::text(call, "of").unwrap_or(&self.captured)).await?;
        let outside = std::mem::replace(&mut self.client, replay.client().clone());
        let outcomes = self.nested(call).await;
        self.client = outside;
        // A scope that a call ends by its error is not looked at for what was left.
        if outcomes.iter().any(|outcome| outcome.get("error").is_some()) {
            return Ok(json!({"inside": outcomes}));
        }
        replay.finish()?;
        Ok(json!({"inside": outcomes}))
    }

    async fn nested(&mut self, call: &Value) -> Vec<Value> {
        let mut outcomes = Vec::new();
        for inner in call::list(call, "calls") {
            outcomes.push(self.outcome(inner).await);
        }
        outcomes
    }
}

/// Reads a stream, answers its pauses and goes back where the call says so.
async fn follow(call: &Value, stream: &mut EventStream) -> Value {
    let mut back = call::number(call, "back_to");
    let mut found = Vec::new();
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => return broken(found, &error),
        };
        found.push(outcome::event(&event));
        let done = match &event {
            StreamEvent::ToolCallsRequired(pause) if call::flag(call, "answer") => {
                pause.resume(sunny(&pause.tool_calls))
            }
            StreamEvent::StepPaused(_) => back.take().map_or(Ok(()), |index| stream.go_to(index)),
            _ => Ok(()),
        };
        if let Err(error) = done {
            return broken(found, &error);
        }
        if call::number(call, "take").is_some_and(|most| found.len() >= most as usize) {
            break;
        }
    }
    json!({"events": found})
}

/// What a stream gave before its error.
fn broken(events: Vec<Value>, error: &Error) -> Value {
    let mut found = outcome::error(error);
    if !events.is_empty() {
        found["events"] = Value::Array(events);
    }
    found
}

/// The tool results that a call gives by hand: `sunny` for each, none at all, or one for another call.
fn given(answers: &Value, calls: &[ToolCall]) -> Vec<ToolResult> {
    match answers.as_str() {
        Some("none") => Vec::new(),
        Some("another") => vec![ToolResult::new("call-of-another", "sunny")],
        _ => sunny(calls),
    }
}

/// Does the work; cancels it after the call's time, if it has one.
async fn cancelled_after<T>(call: &Value, token: &CancelToken, work: impl Future<Output = T>) -> T {
    let Some(after) = call::millis(call, "cancel_after_ms") else { return work.await };
    let cancel = async {
        tokio::time::sleep(after).await;
        token.cancel();
    };
    tokio::join!(work, cancel).0
}
