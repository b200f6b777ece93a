//! The four ways to call a flow, and its trace.

use noukai_api::{ExecuteReply, JobAccepted, JobStatus, PausedReply, RunStatus, StreamEvent, Trace};
use serde_json::{Value, json};

use super::{
    client::Client,
    show::{self, Clock},
};
use crate::{
    error::CliError,
    output::{self, Style},
    waterfall,
};

const WIDTH: usize = 80;
/// Seconds that a poll may wait for the job's end.
const WAIT: u32 = 20;

fn path(flow: &str, rest: &str) -> String {
    format!("/api/v1/seq/{}/{}/{flow}/{rest}", super::ORG, super::PROJECT)
}

/// Slows the built-in model down, so that there is something to watch.
fn slowed(steps: &[(&str, u32)]) -> Value {
    steps.iter().map(|(step, ms)| ((*step).to_owned(), json!({"config": {"latency_ms": ms}}))).collect()
}

/// One request, one reply.
pub async fn execute(client: &Client) -> Result<(), CliError> {
    let path = path("hello", "execute");
    show::way(1, "Execute", "one request, one reply", &path);
    let clock = Clock::start();
    let body = json!({"message": "I am Ada", "blockOverrides": slowed(&[("greet", 120)])});
    show::sent(&json!({"message": body["message"]}));
    let reply: ExecuteReply = client.post(&path, &body).await?;
    let took = clock.now();
    finished(reply.status, &reply.result)?;
    show_steps(client, "hello", &reply.execution_id).await?;
    show::received(&reply.result, &took);
    Ok(())
}

/// Each step as it happens.
pub async fn step_stream(client: &Client) -> Result<(), CliError> {
    let path = path("order", "step");
    show::way(2, "Step stream", "each step as it happens (server-sent events)", &path);
    let message = "Two pens and a notebook, please.";
    let slow = slowed(&[("extract", 260)]);
    show::sent(&json!({"message": message, "runRemaining": true}));
    let clock = Clock::start();
    let mut events =
        client.stream(&path, &json!({"message": message, "runRemaining": true, "blockOverrides": slow})).await?;
    while let Some(event) = events.next().await? {
        show::event(&event, &clock);
        match event {
            StreamEvent::FlowCompleted { result, .. } => {
                show::received(&result, &clock.now());
                return Ok(());
            }
            StreamEvent::StepError { error, .. } => return Err(CliError::failure(error.message)),
            _ => {}
        }
    }
    Err(CliError::failure("the stream ended without its last event"))
}

/// Queued, then waited for. Gives the run's id.
pub async fn job(client: &Client) -> Result<String, CliError> {
    let submit = path("review-panel", "jobs");
    show::way(3, "Job", "queued now, fetched later; survives a crash", &submit);
    let message = "Our new editor is the fastest ever made.";
    let slow = slowed(&[("clarity", 260), ("accuracy", 400), ("tone", 180), ("merge", 200)]);
    show::sent(&json!({"message": message}));
    let clock = Clock::start();
    let accepted: JobAccepted = client.post(&submit, &json!({"message": message, "blockOverrides": slow})).await?;
    show::moment(&clock, "202", &format!("{}: {}", accepted.status, accepted.execution_id));
    let poll = path("review-panel", &format!("jobs/{}?wait={WAIT}", accepted.execution_id));
    let status = loop {
        let status: JobStatus = client.get(&poll).await?;
        show::moment(&clock, "200", &format!("{} (one long poll: GET ...?wait={WAIT})", status.status.as_str()));
        if status.status.is_final() {
            break status;
        }
    };
    let took = clock.now();
    let result = status.result.or(status.error.map(Value::from)).unwrap_or_default();
    finished(status.status, &result)?;
    show_steps(client, "review-panel", &accepted.execution_id).await?;
    show::received(&result, &took);
    Ok(accepted.execution_id)
}

/// The model asks for a tool, the caller answers, the run goes on.
pub async fn tools(client: &Client) -> Result<(), CliError> {
    let path = path("weather", "execute");
    show::way(4, "Tool calls", "the run waits while the caller runs the tool", &path);
    let tool = json!({"type": "function", "function": {"name": "get_weather", "description": "Weather of a city now",
        "parameters": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}}});
    let mut body = json!({"message": "Oslo", "tools": [tool], "blockOverrides": slowed(&[("answer", 150)])});
    show::sent(&json!({"message": body["message"], "tools": ["get_weather"]}));
    let clock = Clock::start();
    let paused: PausedReply = client.post(&path, &body).await?;
    show::moment(&clock, "200", &format!("{} at step `{}`", paused.status, paused.paused_at_step));
    let mut messages = paused.tool_call_messages;
    for call in &paused.tool_calls {
        let answer = r#"{"temperature_c":-3,"sky":"clear"}"#;
        show::tool_call(&call.function.name, &call.function.arguments, answer);
        messages.push(json!({"role": "tool", "toolCallId": call.id, "content": answer}));
    }
    body["executionId"] = json!(paused.execution_id);
    body["pausedAtStep"] = json!(paused.paused_at_step);
    body["iterationsUsed"] = json!(paused.iterations_used);
    body["accumulatedOutputs"] = json!(paused.accumulated_outputs);
    body["toolCallMessages"] = json!(messages);
    let reply: ExecuteReply = client.post(&path, &body).await?;
    show::moment(&clock, "200", "resumed: the same URL, with the tool's result");
    let took = clock.now();
    finished(reply.status, &reply.result)?;
    show_steps(client, "weather", &reply.execution_id).await?;
    show::received(&reply.result, &took);
    Ok(())
}

/// What the job did, and when.
pub async fn trace(client: &Client, execution_id: &str) -> Result<(), CliError> {
    let path = path("review-panel", &format!("runs/{execution_id}/trace"));
    show::title("Trace of the job: three reviewers at once, then the merge");
    let trace: Trace = client.get(&path).await?;
    waterfall::render(&trace, WIDTH, Style::stdout()).iter().for_each(|line| output::line(line));
    Ok(())
}

/// The steps of a run that has ended, from its trace.
async fn show_steps(client: &Client, flow: &str, execution_id: &str) -> Result<(), CliError> {
    let trace: Trace = client.get(&path(flow, &format!("runs/{execution_id}/trace"))).await?;
    trace.steps.iter().for_each(show::step);
    Ok(())
}

fn finished(status: RunStatus, result: &Value) -> Result<(), CliError> {
    match status {
        RunStatus::Completed => Ok(()),
        status => Err(CliError::failure(format!("the run is {}: {result}", status.as_str()))),
    }
}
