//! `noukai events`: a run's events as they come, of a new run or of one that goes on.

use std::process::ExitCode;

use noukai::{CancelToken, Noukai, StreamEvent};
use serde_json::{Map, Value, json};

use crate::{
    error::{CliError, Exit},
    output,
    remote::{CallArgs, EXIT_CODES, Remote, ToolArgs, apply, call_failed},
    stop::Stop,
    units,
};

/// Longest part of a value on a line.
const VALUE: usize = 100;

const EXAMPLES: &str = "\
Examples:
  noukai events acme/demo/triage -m 'Help'              run the flow, a line for each event
  noukai events acme/demo/triage -m 'Help' --json       the same for a program: JSON lines
  noukai events acme/demo/triage --run EXECUTION_ID     follow a run: what is stored, then what comes";

/// Show a run's events as they come
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Args {
    /// The flow: ORG/PROJECT/FLOW, or its slug in the key's own project
    flow: String,
    #[command(flatten)]
    call: CallArgs,
    #[command(flatten)]
    tools: ToolArgs,
    /// Follow this run instead of starting one
    #[arg(long, value_name = "EXECUTION_ID", conflicts_with_all = ["message", "param", "params", "messages", "tool", "tools"])]
    run: Option<String>,
    /// A line of JSON for each event
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Remote,
}

/// Shows the events until the run ends or waits.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let cancel = CancelToken::new();
    let inputs = args.call.read()?;
    let (offered, answers) = (args.tools.offered()?, args.tools.answers()?);
    let connection = args.server.connect_with(Noukai::builder().cancel(&cancel))?;
    let stop = Stop::on_signals()?;
    let flow = connection.flow(&args.flow).await?;
    if let Some(id) = &args.run {
        let mut trace = flow.run(id.as_str()).live_trace();
        return show(&args, &stop, async || trace.next().await).await;
    }
    let mut call = apply!(flow.events(), &args.call, inputs)
        .tools(offered.tools)
        .max_tool_rounds(args.tools.max_tool_rounds)
        .run_remaining(true)
        .deltas(true);
    if let Some(choice) = offered.choice {
        call = call.tool_choice(choice);
    }
    if let Some(answers) = answers {
        call = call.tool_handler(move |calls| answers.clone().give(calls));
    }
    let mut events = call.stream();
    show(&args, &stop, async || events.next().await).await
}

async fn show(
    args: &Args,
    stop: &Stop,
    mut next: impl AsyncFnMut() -> Option<noukai::Result<StreamEvent>>,
) -> Result<ExitCode, CliError> {
    let mut code = ExitCode::SUCCESS;
    loop {
        let event = tokio::select! {
            event = next() => event,
            () = stop.requested() => {
                output::note("no longer watching; the run goes on at the server");
                return Ok(Exit::Interrupted.into());
            }
        };
        let Some(event) = event else { return Ok(code) };
        let event = event.map_err(call_failed)?;
        if args.json {
            output::json_line(&as_json(&event));
        } else if let Some(line) = as_line(&event) {
            output::line(&line);
        }
        match &event {
            StreamEvent::ToolCallsRequired(_) => return Ok(Exit::Paused.into()),
            StreamEvent::StepFailed(_) => code = Exit::Failure.into(),
            StreamEvent::FlowCompleted(flow) if flow.summary.error.is_some() => code = Exit::Failure.into(),
            _ => {}
        }
    }
}

/// As the server sent it, without what is absent.
fn as_json(event: &StreamEvent) -> Value {
    let mut line = Map::new();
    line.insert("eventType".to_owned(), event.event_type().into());
    if let Value::Object(fields) = fields(event) {
        line.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    }
    line.into()
}

fn fields(event: &StreamEvent) -> Value {
    match event {
        StreamEvent::RunStarted(run) => json!({"executionId": run.execution_id, "flowId": run.flow_id,
            "stepCount": run.step_count, "version": run.version}),
        StreamEvent::StepStarted(step) => json!({"executionId": step.execution_id, "stepId": step.step_id,
            "name": step.name, "stepIndex": step.step_index, "attempt": step.attempt}),
        StreamEvent::StepInput(step) => json!({"executionId": step.execution_id, "stepId": step.step_id,
            "inputData": step.input_data}),
        StreamEvent::StepDelta(step) => json!({"executionId": step.execution_id, "stepId": step.step_id,
            "text": step.text}),
        StreamEvent::StepOutput(step) => json!({"executionId": step.execution_id, "stepId": step.step_id,
            "outputData": step.output_data}),
        StreamEvent::StepCompleted(step) => json!({"executionId": step.execution_id, "stepId": step.step_id,
            "name": step.name, "stepIndex": step.step_index, "output": step.output, "durationMs": step.duration_ms,
            "tokens": step.tokens, "costUsd": step.cost_usd, "skipped": step.skipped.then_some(true)}),
        StreamEvent::StepProgress(step) => json!({"executionId": step.execution_id, "stepId": step.step_id,
            "loopIndex": step.loop_index, "total": step.total, "durationMs": step.duration_ms}),
        StreamEvent::LoopCompleted(all) => json!({"executionId": all.execution_id, "stepId": all.step_id,
            "iterations": all.iterations}),
        StreamEvent::StepFailed(step) => json!({"executionId": step.execution_id, "stepId": step.step_id,
            "name": step.name, "error": failure(&step.error)}),
        StreamEvent::StepPaused(step) => json!({"executionId": step.execution_id, "stepId": step.step_id,
            "stepIndex": step.step_index, "nextStepIndex": step.next_step_index}),
        StreamEvent::ToolCallsRequired(pause) => json!({"executionId": pause.execution_id, "stepId": pause.step_id,
            "stepIndex": pause.step_index, "iterationsUsed": pause.iterations_used,
            "toolCalls": pause.tool_calls.iter().map(|call| json!({"id": call.id, "name": call.name,
                "arguments": call.arguments})).collect::<Vec<_>>()}),
        StreamEvent::FlowCompleted(flow) => json!({"executionId": flow.execution_id, "result": flow.result,
            "summary": {"durationMs": flow.summary.duration_ms, "tokens": flow.summary.tokens,
                "costUsd": flow.summary.cost_usd, "steps": flow.summary.steps,
                "failedAtStep": flow.summary.failed_at_step, "error": flow.summary.error.as_ref().map(failure)}}),
        StreamEvent::Unknown(unknown) => unknown.data.clone(),
        _ => Value::Null,
    }
}

fn failure(error: &noukai::StepFailure) -> Value {
    json!({"code": error.code, "message": error.message, "attempt": error.attempt})
}

fn as_line(event: &StreamEvent) -> Option<String> {
    let facts = match event {
        StreamEvent::StepDelta(_) => return None,
        StreamEvent::RunStarted(run) => {
            format!("{}, {}", run.execution_id, units::count(run.step_count as usize, "step"))
        }
        StreamEvent::StepStarted(step) => format!("{} (attempt {})", step.step_id, step.attempt),
        StreamEvent::StepInput(step) => value(&step.step_id, step.input_data.as_ref()),
        StreamEvent::StepOutput(step) => value(&step.step_id, step.output_data.as_ref()),
        StreamEvent::StepCompleted(step) if step.skipped => format!("{} skipped", step.step_id),
        StreamEvent::StepCompleted(step) => {
            format!("{} {}", step.step_id, units::facts(step.duration_ms, step.tokens, step.cost_usd.as_deref()))
        }
        StreamEvent::StepProgress(step) => format!("{} {}/{}", step.step_id, step.loop_index + 1, step.total),
        StreamEvent::LoopCompleted(all) => {
            format!("{} {}", all.step_id, units::count(all.iterations as usize, "iteration"))
        }
        StreamEvent::StepFailed(step) => format!("{} {}", step.step_id, step.error),
        StreamEvent::StepPaused(step) => format!("{}, next is step index {}", step.step_id, step.next_step_index),
        StreamEvent::ToolCallsRequired(pause) => {
            let calls = pause.tool_calls.iter().map(|call| format!("{}({})", call.name, call.arguments));
            format!("{} {}", pause.step_id, calls.collect::<Vec<_>>().join(", "))
        }
        StreamEvent::FlowCompleted(flow) => match &flow.summary.error {
            Some(error) => error.to_string(),
            None => units::clip(&units::result_line(&flow.result), VALUE),
        },
        StreamEvent::Unknown(unknown) => units::clip(&unknown.data.to_string(), VALUE),
        _ => String::new(),
    };
    Some(format!("{:<26} {facts}", event.event_type()))
}

fn value(step: &str, value: Option<&Value>) -> String {
    let shown = value.map(|value| units::clip(&units::result_line(value), VALUE));
    format!("{step} {}", shown.unwrap_or_default())
}
