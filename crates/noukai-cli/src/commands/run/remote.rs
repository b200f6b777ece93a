//! `noukai run` on a server: as a job whose trace is followed, or step by step where tools are to be answered.

use std::process::ExitCode;

use noukai::{CancelToken, ErrorKind, Flow, Job, Noukai, RunStatus, StreamEvent};
use serde_json::json;

use super::{Args, Ending};
use crate::{
    error::{CliError, Exit},
    output,
    progress::Progress,
    remote::{apply, call_failed},
    stop::Stop,
};

/// Runs the flow and prints its result.
pub async fn run(args: &Args) -> Result<ExitCode, CliError> {
    let inputs = args.call.read()?;
    let offered = args.tools.offered()?;
    let answers = args.tools.answers()?;
    let cancel = CancelToken::new();
    let connection = args.server.connect_with(Noukai::builder().cancel(&cancel))?;
    let stop = Stop::on_signals()?;
    let flow = connection.flow(&args.flow).await?;
    if !args.tools.is_given() {
        return as_job(args, apply!(flow.execute_async(), &args.call, inputs), &flow, &stop).await;
    }
    let mut events = apply!(flow.events(), &args.call, inputs)
        .tools(offered.tools)
        .max_tool_rounds(args.tools.max_tool_rounds)
        .deltas(true);
    if let Some(choice) = offered.choice {
        events = events.tool_choice(choice);
    }
    if let Some(answers) = answers {
        events = events.tool_handler(move |calls| answers.clone().give(calls));
    }
    step_by_step(args, events.stream(), &stop).await
}

async fn as_job(args: &Args, call: noukai::ExecuteAsync, flow: &Flow, stop: &Stop) -> Result<ExitCode, CliError> {
    let job = call.await.map_err(call_failed)?;
    let followed = tokio::select! {
        followed = follow(args, &job, flow) => followed?,
        () = stop.requested() => return cancelled(&job).await,
    };
    Ok(followed.print(job.execution_id(), args.json))
}

/// Shows the job's events as they are stored; then what came of it.
async fn follow(args: &Args, job: &Job, flow: &Flow) -> Result<Ending, CliError> {
    let mut progress = Progress::new();
    let mut failed_at = None;
    let mut trace = flow.run(job.execution_id()).live_trace();
    while let Some(event) = trace.next().await {
        let event = event.map_err(call_failed)?;
        if !args.json {
            progress.show_remote(&event);
        }
        if let StreamEvent::StepFailed(step) = event {
            failed_at = Some(Ending::failed(Some(&step.step_id), &step.error.message, &step.error.code));
        }
    }
    let status = job.wait().await.map_err(call_failed)?;
    Ok(match status.status {
        RunStatus::Completed => Ending::Completed(status.result.unwrap_or_default()),
        RunStatus::Cancelled => Ending::Cancelled,
        _ => failed_at.unwrap_or_else(|| Ending::Failed(status.error.unwrap_or_else(|| "no reason is known".into()))),
    })
}

async fn cancelled(job: &Job) -> Result<ExitCode, CliError> {
    output::note(&format!("cancelling run {} ...", job.execution_id()));
    let status = job.cancel().await.map_err(call_failed)?;
    match status.status {
        RunStatus::Completed | RunStatus::Failed => {
            output::note(&format!("the run had ended already: {}", status.status.as_str()));
        }
        _ => output::note("cancelled"),
    }
    Ok(Exit::Interrupted.into())
}

async fn step_by_step(args: &Args, mut events: noukai::EventStream, stop: &Stop) -> Result<ExitCode, CliError> {
    let mut progress = Progress::lines();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = stop.requested() => return Ok(left(events.execution_id().as_deref())),
        };
        let Some(event) = event else {
            return Err(CliError::failure("the run ended without a result"));
        };
        let event = event.map_err(|error| match error.kind() {
            ErrorKind::ToolCallLimit => call_failed(error).with_hint("--max-tool-rounds allows more"),
            _ => call_failed(error),
        })?;
        if !args.json {
            progress.show_remote(&event);
        }
        let id = events.execution_id().unwrap_or_default();
        match event {
            StreamEvent::ToolCallsRequired(pause) => {
                let call = |call: &noukai::ToolCall| {
                    json!({"id": call.id, "type": "function",
                        "function": {"name": call.name, "arguments": call.arguments}})
                };
                return Ok(Ending::Paused(pause.tool_calls.iter().map(call).collect()).print(&id, args.json));
            }
            StreamEvent::FlowCompleted(flow) => return Ok(ended(flow).print(&id, args.json)),
            StreamEvent::StepFailed(step) => {
                let ending = Ending::failed(Some(&step.step_id), &step.error.message, &step.error.code);
                return Ok(ending.print(&id, args.json));
            }
            _ => {}
        }
    }
}

fn ended(flow: noukai::FlowCompleted) -> Ending {
    match flow.summary.error {
        Some(error) => Ending::failed(None, &error.message, &error.code),
        None => Ending::Completed(flow.result),
    }
}

/// A step is a call of its own: what is not begun never will be.
fn left(execution_id: Option<&str>) -> ExitCode {
    match execution_id {
        Some(id) => output::note(&format!(
            "stopped: run {id} stays where it is; a step that is under way comes to its end, and no other begins"
        )),
        None => output::note("stopped before the run began"),
    }
    Exit::Interrupted.into()
}
