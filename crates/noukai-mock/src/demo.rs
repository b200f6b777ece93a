//! The demonstration: a handful of flows, kept in memory, answered as the contract says.

use std::sync::{Mutex, MutexGuard};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{KEY, Reply, Request, http::Piece};

const TIME: &str = "2026-01-01T00:00:00.000Z";
const FLOW_ID: &str = "f-1";

/// The runs so far.
#[derive(Default)]
pub struct Demo(Mutex<Vec<Run>>);

#[derive(Clone)]
struct Run {
    id: String,
    slug: String,
    session: String,
    trigger: &'static str,
    status: &'static str,
    message: String,
    result: Value,
    steps: Vec<(String, Value)>,
}

impl Demo {
    /// Answers a request.
    pub fn answer(&self, request: &Request) -> Reply {
        if request.header("authorization") != format!("Bearer {KEY}") {
            return Reply::error(401, "UNAUTHENTICATED");
        }
        let path = request.path.trim_start_matches("/api/v1/");
        let segments: Vec<&str> = path.split('/').collect();
        match (request.method.as_str(), &segments[..]) {
            ("GET", ["keys", "verify"]) => Reply::json(
                200,
                &json!({"key_id": "abcdefgh", "project_id": "p-1", "project": "demo", "organization_id": "o-1",
                    "organization": "acme", "environment": "test", "scopes": ["execute"]}),
            ),
            ("GET", ["seq", "sessions", id]) => self.session(id),
            ("GET", ["flow-runs", id, rest @ ..]) => self.run(id, rest, request),
            (_, ["seq", "acme", "demo", slug, rest @ ..]) => self.flow(slug, rest, request),
            _ => Reply::error(404, "NOT_FOUND"),
        }
    }

    fn runs(&self) -> MutexGuard<'_, Vec<Run>> {
        self.0.lock().unwrap()
    }

    fn find(&self, id: &str) -> Option<Run> {
        self.runs().iter().find(|run| run.id == id).cloned()
    }

    fn flow(&self, slug: &str, rest: &[&str], request: &Request) -> Reply {
        let known = ["hello", "two-steps", "weather", "fails", "slow"];
        match (request.method.as_str(), rest) {
            _ if slug == "busy" => Reply::error(429, "RATE_LIMITED").header("retry-after", "1"),
            _ if !known.contains(&slug) => Reply::error(404, "FLOW_NOT_FOUND"),
            ("POST", [version, rest @ ..]) if version.starts_with('v') => self.flow(slug, rest, request),
            ("POST", ["execute"]) => self.execute(slug, request),
            ("POST", ["step"]) => self.step(slug, request),
            ("POST", ["jobs"]) => self.submit(slug, request),
            ("GET", ["jobs", id]) => self.job(id, false),
            ("DELETE", ["jobs", id]) => self.job(id, true),
            ("GET", ["runs", id, rest @ ..]) => self.run(id, rest, request),
            _ => Reply::error(404, "NOT_FOUND"),
        }
    }

    fn begin(&self, slug: &str, trigger: &'static str, request: &Request) -> Run {
        let body = request.json();
        let message = body["message"].as_str().or(body["parameters"]["message"].as_str());
        let message = message.or(body["messages"][0]["content"].as_str()).unwrap_or_default().to_owned();
        let mut run = Run {
            id: Uuid::new_v4().to_string(),
            slug: slug.to_owned(),
            session: request.header("x-session-id").to_owned(),
            trigger,
            status: "completed",
            result: json!(format!("Hello: {message}")),
            message,
            steps: Vec::new(),
        };
        match slug {
            "hello" | "weather" => run.steps.push(("greet".to_owned(), run.result.clone())),
            "two-steps" => run.result = Value::Null,
            "slow" => (run.status, run.result) = ("running", Value::Null),
            _ => {
                run.status = "failed";
                run.result = json!({"error": {"code": "MODEL_NOT_AVAILABLE", "message": "no provider serves it",
                    "stepId": "greet", "attempt": 1}});
            }
        }
        self.runs().push(run.clone());
        run
    }

    fn update(&self, run: &Run) {
        if let Some(kept) = self.runs().iter_mut().find(|kept| kept.id == run.id) {
            *kept = run.clone();
        }
    }

    fn execute(&self, slug: &str, request: &Request) -> Reply {
        let body = request.json();
        let mut run = match body["executionId"].as_str().and_then(|id| self.find(id)) {
            Some(run) => run,
            None => self.begin(slug, "execute", request),
        };
        if slug == "weather" {
            let Some(answer) = last_answer(&body) else { return Reply::json(200, &self.pause(&run)) };
            run.result = json!(format!("In {}: {answer}", run.message));
            run.steps = vec![("answer".to_owned(), run.result.clone())];
            self.update(&run);
        }
        let reply = json!({"status": run.status, "result": run.result, "flowId": FLOW_ID,
            "blockCount": run.steps.len().max(1), "executionId": run.id});
        Reply::json(200, &reply).header("x-request-id", "req-1")
    }

    fn pause(&self, run: &Run) -> Value {
        let arguments = json!({"city": run.message}).to_string();
        let call = json!({"id": "call_1", "type": "function",
            "function": {"name": "get_weather", "arguments": arguments}});
        json!({"status": "tool_calls_required", "executionId": run.id, "pausedAtStep": "answer", "iterationsUsed": 1,
            "toolCallMessages": [{"role": "assistant", "content": null, "toolCalls": [call], "tool_calls": [call]}],
            "toolCalls": [call], "accumulatedOutputs": {}, "flowId": FLOW_ID, "blockCount": 1})
    }

    fn submit(&self, slug: &str, request: &Request) -> Reply {
        let run = self.begin(slug, "job", request);
        Reply::json(202, &json!({"executionId": run.id, "status": "started", "flowId": FLOW_ID, "blockCount": 1}))
    }

    fn job(&self, id: &str, is_cancelled: bool) -> Reply {
        let Some(mut run) = self.find(id) else { return Reply::error(404, "JOB_NOT_FOUND") };
        if is_cancelled && run.status == "running" {
            run.status = "cancelled";
            self.update(&run);
        }
        let mut status = json!({"executionId": run.id, "status": run.status});
        match run.status {
            "completed" => status["result"] = run.result,
            "running" => {}
            _ => status["error"] = json!("no provider serves it"),
        }
        Reply::json(200, &status)
    }

    fn step(&self, slug: &str, request: &Request) -> Reply {
        let body = request.json();
        let is_first = body["executionId"].is_null();
        let mut run = match body["executionId"].as_str().and_then(|id| self.find(id)) {
            Some(run) => run,
            None => self.begin(slug, "step", request),
        };
        let mut stream = Stream::new(&run.id);
        if is_first {
            stream.add(json!({"eventType": "run_started", "runId": run.id, "flowId": FLOW_ID, "version": 0,
                "stepCount": if slug == "two-steps" { 2 } else { 1 }}));
        }
        match slug {
            "weather" => match last_answer(&body) {
                None => {
                    let mut pause = self.pause(&run);
                    pause["eventType"] = json!("step_paused_for_tool_calls");
                    pause["stepId"] = json!("answer");
                    pause["stepIndex"] = json!(0);
                    stream.add(pause);
                }
                Some(answer) => {
                    let output = json!(format!("In {}: {answer}", run.message));
                    stream.step(0, "answer", &output, true);
                    run.result = output;
                }
            },
            "two-steps" => self.two_steps(&mut run, &body, &mut stream),
            "fails" => stream.add(json!({"eventType": "step_error", "stepId": "greet", "name": "greet",
                "error": {"code": "MODEL_NOT_AVAILABLE", "message": "no provider serves it", "attempt": 1}})),
            _ => stream.step(0, "greet", &run.result, true),
        }
        self.update(&run);
        stream.reply()
    }

    fn two_steps(&self, run: &mut Run, body: &Value, stream: &mut Stream) {
        let from = body["stepIndex"].as_u64().unwrap_or(0);
        let mut outputs = body["accumulatedOutputs"].as_object().cloned().unwrap_or_default();
        for (step, output) in body["inputOverrides"].as_object().into_iter().flatten() {
            outputs.insert(step.clone(), output.clone());
        }
        if from == 0 {
            let output = json!(format!("first: {}", run.message));
            run.steps = vec![("first".to_owned(), output.clone())];
            stream.step(0, "first", &output, false);
            outputs.insert("first".to_owned(), output);
            if body["runRemaining"] != json!(true) {
                stream.add(json!({"eventType": "step_paused", "stepId": "first", "stepIndex": 0, "nextStepIndex": 1}));
                return;
            }
        }
        let before = outputs.get("first").and_then(Value::as_str).unwrap_or_default().to_owned();
        run.result = json!(format!("second: {before}"));
        run.steps.push(("second".to_owned(), run.result.clone()));
        stream.step(1, "second", &run.result, true);
    }

    fn run(&self, id: &str, rest: &[&str], request: &Request) -> Reply {
        let Some(run) = self.find(id) else { return Reply::error(404, "RUN_NOT_FOUND") };
        let steps: Vec<Value> = run.steps.iter().map(|(step, output)| step_trace(step, output)).collect();
        match rest {
            [] => Reply::json(200, &flow_run(&run)),
            ["trace"] => Reply::json(200, &json!({"flowRun": flow_run(&run), "steps": steps})),
            ["steps", step, "trace"]
                if request.query.contains("loop_index") || !run.steps.iter().any(|s| s.0 == *step) =>
            {
                Reply::error(404, "STEP_NOT_FOUND")
            }
            ["steps", step, "trace"] if request.query.contains("attempt=all") => {
                let own: Vec<&Value> = steps.iter().filter(|trace| trace["stepId"] == **step).collect();
                Reply::json(200, &json!({"stepId": step, "attempts": own}))
            }
            ["steps", step, "trace"] => {
                Reply::json(200, steps.iter().find(|trace| trace["stepId"] == **step).unwrap_or(&Value::Null))
            }
            ["trace", "stream"] => {
                let mut stream = Stream::new(&run.id);
                stream.add(json!({"eventType": "run_started", "runId": run.id, "flowId": FLOW_ID, "version": 0,
                    "stepCount": run.steps.len()}));
                for (index, (step, output)) in run.steps.iter().enumerate() {
                    stream.step(index, step, output, index + 1 == run.steps.len());
                }
                stream.reply()
            }
            _ => Reply::error(404, "NOT_FOUND"),
        }
    }

    fn session(&self, id: &str) -> Reply {
        let runs: Vec<Run> = self.runs().iter().filter(|run| run.session == id).cloned().collect();
        if runs.is_empty() {
            return Reply::error(404, "SESSION_NOT_FOUND");
        }
        let executions: Vec<Value> = runs.iter().map(session_execution).collect();
        Reply::json(200, &json!({"sessionId": id, "executions": executions}))
    }
}

fn last_answer(body: &Value) -> Option<String> {
    let last = body["toolCallMessages"].as_array()?.last()?;
    (last["role"] == "tool").then(|| last["content"].as_str().unwrap_or_default().to_owned())
}

fn flow_run(run: &Run) -> Value {
    json!({"id": run.id, "flowId": FLOW_ID, "status": run.status, "triggerType": run.trigger, "startedAt": TIME,
        "completedAt": TIME, "durationMs": 3, "stepCount": run.steps.len(), "version": 0,
        "tokens": {"prompt": 2, "completion": 3, "total": 5}, "costUsd": "0.0001"})
}

fn step_trace(step: &str, output: &Value) -> Value {
    json!({"stepId": step, "name": step, "attempt": 1, "status": "completed", "startedAt": TIME, "completedAt": TIME,
        "durationMs": 3, "modelUsed": "noukai/echo", "tokens": {"prompt": 2, "completion": 3, "total": 5},
        "costUsd": "0.0001", "inputContext": {}, "outputContext": output, "inputSizeBytes": 2, "outputSizeBytes": 7,
        "truncated": false})
}

fn session_execution(run: &Run) -> Value {
    let step = |(step, output): &(String, Value)| {
        json!({"stepId": step, "attempt": 1, "loopIndex": null, "status": "completed", "startedAt": TIME,
            "completedAt": TIME, "durationMs": 3, "inputSnapshot": {}, "outputSnapshot": output, "errorSnapshot": null,
            "truncated": false})
    };
    let mut steps: Vec<Value> = run.steps.iter().map(step).collect();
    if run.status == "failed" {
        let mut failed = step(&("greet".to_owned(), Value::Null));
        failed["status"] = json!("failed");
        failed["errorSnapshot"] = run.result["error"].clone();
        steps.push(failed);
    }
    json!({"executionId": run.id, "flowId": FLOW_ID, "slug": run.slug, "triggerType": run.trigger,
        "status": run.status, "startedAt": TIME, "completedAt": TIME, "traceCaptureMode": "full",
        "snapshotsAvailable": true, "steps": steps,
        "errorAtStep": if run.status == "failed" { json!("greet") } else { Value::Null }})
}

/// Events of one stream.
struct Stream {
    run: String,
    pieces: Vec<Piece>,
}

impl Stream {
    fn new(run: &str) -> Self {
        Self { run: run.to_owned(), pieces: Vec::new() }
    }

    fn add(&mut self, mut event: Value) {
        if let Some(map) = event.as_object_mut() {
            map.insert("executionId".to_owned(), json!(self.run));
        }
        self.pieces.push(Piece::event(0, &event));
    }

    /// A leaf from its start to its end, and the run's end where it is the last.
    fn step(&mut self, index: usize, step: &str, output: &Value, is_last: bool) {
        let mut base = Map::new();
        base.insert("stepId".to_owned(), json!(step));
        let of = |more: Value| {
            let more = more.as_object().cloned().unwrap_or_default();
            Value::Object(base.clone().into_iter().chain(more).collect())
        };
        self.add(of(json!({"eventType": "step_started", "name": step, "stepIndex": index, "attempt": 1})));
        self.add(of(json!({"eventType": "step_input", "inputData": {}})));
        self.add(of(json!({"eventType": "step_output", "outputContext": output, "outputData": output})));
        self.add(of(json!({"eventType": "step_completed", "name": step, "output": output, "durationMs": 3,
            "stepIndex": index, "tokens": {"prompt": 2, "completion": 3, "total": 5}, "costUsd": "0.0001"})));
        if is_last {
            self.add(json!({"eventType": "flow_completed", "runId": self.run, "result": output,
                "summary": {"durationMs": 3, "tokens": {"prompt": 2, "completion": 3, "total": 5},
                    "costUsd": "0.0001", "steps": index + 1}}));
        }
    }

    fn reply(self) -> Reply {
        Reply::stream(self.pieces)
    }
}
