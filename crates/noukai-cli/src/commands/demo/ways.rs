//! The four ways to call a flow, and its trace: with the client that any program would use.

use noukai::{Noukai, RunStatus, StreamEvent, Tool, ToolResult, Trace};
use serde_json::{Value, json};

use super::show::{self, Clock};
use crate::{
    error::CliError,
    output::{self, Style},
    remote::call_failed,
    waterfall,
};

const WIDTH: usize = 80;

/// What the client sends its request to, for people to see.
fn path(flow: &str, call: &str) -> String {
    format!("/api/v1/seq/{}/{}/{flow}/v0/{call}", super::ORG, super::PROJECT)
}

/// Slows the built-in model down, so that there is something to watch.
fn slowed(steps: &[(&str, u32)]) -> Value {
    steps.iter().map(|(step, ms)| ((*step).to_owned(), json!({"config": {"latency_ms": ms}}))).collect()
}

/// One request, one reply.
pub async fn execute(client: &Noukai) -> Result<(), CliError> {
    show::way(1, "Execute", "one request, one reply", &path("hello", "execute"));
    let (message, clock) = ("I am Ada", Clock::start());
    show::sent(&json!({"message": message}));
    let call = client.flow("hello").map_err(call_failed)?.execute().message(message);
    let done = call.block_overrides(slowed(&[("greet", 120)])).await.map_err(call_failed)?;
    let done = done.completed().map_err(call_failed)?;
    let took = clock.now();
    finished(done.status, &done.result)?;
    show_steps(client, &done.execution_id).await?;
    show::received(&done.result, &took);
    Ok(())
}

/// Each step as it happens.
pub async fn step_stream(client: &Noukai) -> Result<(), CliError> {
    show::way(2, "Step stream", "each step as it happens (server-sent events)", &path("order", "step"));
    let message = "Two pens and a notebook, please.";
    show::sent(&json!({"message": message, "runRemaining": true}));
    let clock = Clock::start();
    let call = client.flow("order").map_err(call_failed)?.events().message(message).run_remaining(true);
    let mut events = call.block_overrides(slowed(&[("extract", 260)])).stream();
    while let Some(event) = events.next().await {
        let event = event.map_err(call_failed)?;
        show::event(&event, &clock);
        match event {
            StreamEvent::FlowCompleted(flow) => {
                show::received(&flow.result, &clock.now());
                return Ok(());
            }
            StreamEvent::StepFailed(step) => return Err(CliError::failure(step.error)),
            _ => {}
        }
    }
    Err(CliError::failure("the stream ended without its last event"))
}

/// Queued, then waited for. Gives the run's id.
pub async fn job(client: &Noukai) -> Result<String, CliError> {
    show::way(3, "Job", "queued now, fetched later; survives a crash", &path("review-panel", "jobs"));
    let message = "Our new editor is the fastest ever made.";
    let slow = slowed(&[("clarity", 260), ("accuracy", 400), ("tone", 180), ("merge", 200)]);
    show::sent(&json!({"message": message}));
    let clock = Clock::start();
    let call = client.flow("review-panel").map_err(call_failed)?.execute_async().message(message);
    let job = call.block_overrides(slow).await.map_err(call_failed)?;
    show::moment(&clock, "202", &format!("started: {}", job.execution_id()));
    let status = job.wait().await.map_err(call_failed)?;
    show::moment(&clock, "200", &format!("{} (one long poll: GET ...?wait=)", status.status.as_str()));
    let took = clock.now();
    let result = status.result.or(status.error.map(Value::from)).unwrap_or_default();
    finished(status.status, &result)?;
    show_steps(client, job.execution_id()).await?;
    show::received(&result, &took);
    Ok(job.execution_id().to_owned())
}

/// The model asks for a tool, the caller answers, the run goes on.
pub async fn tools(client: &Noukai) -> Result<(), CliError> {
    show::way(4, "Tool calls", "the run waits while the caller runs the tool", &path("weather", "execute"));
    let tool = Tool::new("get_weather").description("Weather of a city now").parameters(json!({
        "type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}
    }));
    show::sent(&json!({"message": "Oslo", "tools": ["get_weather"]}));
    let clock = Clock::start();
    let call = client.flow("weather").map_err(call_failed)?.execute().message("Oslo").tools([tool]);
    let paused = call.block_overrides(slowed(&[("answer", 150)])).await.and_then(noukai::Execution::paused);
    let paused = paused.map_err(call_failed)?;
    show::moment(&clock, "200", &format!("tool_calls_required at step `{}`", paused.paused_at_step));
    let answer = json!({"temperature_c": -3, "sky": "clear"});
    let mut answers: Vec<ToolResult> = Vec::new();
    for call in &paused.tool_calls {
        show::tool_call(&call.name, &call.arguments, &answer.to_string());
        answers.push(call.answer(answer.clone()));
    }
    let done = paused.resume(answers).await.and_then(noukai::Execution::completed).map_err(call_failed)?;
    show::moment(&clock, "200", "resumed: the same URL, with the tool's result");
    let took = clock.now();
    finished(done.status, &done.result)?;
    show_steps(client, &done.execution_id).await?;
    show::received(&done.result, &took);
    Ok(())
}

/// What the job did, and when.
pub async fn trace(client: &Noukai, execution_id: &str) -> Result<(), CliError> {
    show::title("Trace of the job: three reviewers at once, then the merge");
    let trace = trace_of(client, execution_id).await?;
    waterfall::render(&trace, WIDTH, Style::stdout()).iter().for_each(|line| output::line(line));
    Ok(())
}

/// The steps of a run that has ended, from its trace.
async fn show_steps(client: &Noukai, execution_id: &str) -> Result<(), CliError> {
    trace_of(client, execution_id).await?.steps.iter().for_each(show::step);
    Ok(())
}

async fn trace_of(client: &Noukai, execution_id: &str) -> Result<Trace, CliError> {
    client.run(execution_id).trace().await.map_err(call_failed)
}

fn finished(status: RunStatus, result: &Value) -> Result<(), CliError> {
    match status {
        RunStatus::Completed => Ok(()),
        status => Err(CliError::failure(format!("the run is {}: {result}", status.as_str()))),
    }
}
