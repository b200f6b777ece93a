//! `noukai run` without a server: one run of a flow in this process.

use std::process::ExitCode;

use futures::StreamExt;
use noukai::ToolChoice;
use noukai_api::{StepRequest, StreamEvent};
use noukai_flow::Flow;
use noukai_server::{App, Config, EventStream, FlowAddress, Overrides, RunOptions, VersionSelector};
use serde_json::{Value, json};

use super::{Args, outcome::Ending};
use crate::{
    error::{CliError, Exit},
    flow_files::{self, FlowFile},
    local,
    logging::{self, LogFormat},
    progress::Progress,
    remote::{CallArgs, read_parameter},
    stop::Stop,
};

/// Runs the flow and prints its result.
pub async fn run(args: &Args) -> Result<ExitCode, CliError> {
    check(args)?;
    logging::start("warn", LogFormat::Text)?;
    let mut file = flow_files::find_flow(&args.flow, &args.folder)?;
    let request = request(args, file.checked()?.0)?;
    // Not before stdin was read: that cannot be interrupted by a flag.
    let stop = Stop::on_signals()?;
    // Deleted when it is dropped, however the run ends.
    let private = tempfile::tempdir().map_err(|error| CliError::failure(format!("no temporary folder: {error}")))?;
    let data = args.data.clone().unwrap_or_else(|| private.path().to_owned());
    let overrides = Overrides { data: Some(data), ..Overrides::default() };
    let config = local::load_private_config(args.config.as_deref(), overrides)?;
    let app = local::open_app(&config).await?;
    let outcome = tokio::select! {
        outcome = run_in(&app, &config, args, &mut file, request) => outcome,
        () = stop.requested() => Ok(Exit::Interrupted.into()),
    };
    app.close().await;
    outcome
}

/// What only a server can do.
fn check(args: &Args) -> Result<(), CliError> {
    let call = &args.call;
    let only_there = [
        ("--version", call.version.is_some()),
        ("--session", call.session.is_some()),
        ("--idempotency-key", call.idempotency_key.is_some()),
        ("--timeout", call.timeout.is_some()),
        ("--tool", !args.tools.tool.is_empty()),
        ("--tool-by-hand", args.tools.tool_by_hand),
    ];
    match only_there.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((flag, _)) => Err(CliError::usage(format!("{flag} is for runs on a server"))
            .with_hint("name the flow ORG/PROJECT/FLOW, or give --server or --profile")),
    }
}

fn request(args: &Args, flow: &Flow) -> Result<StepRequest, CliError> {
    // Parameters are read by the flow's schema, which a server alone would know.
    let untyped = CallArgs { param: Vec::new(), ..args.call.clone() };
    let inputs = untyped.read()?;
    let offered = args.tools.offered()?;
    let mut parameters = inputs.parameters;
    for pair in &args.call.param {
        let (name, value) = parameter(pair, flow.input.json())?;
        parameters.insert(name, value);
    }
    Ok(StepRequest {
        run_remaining: true,
        message: inputs.message,
        messages: inputs.messages,
        parameters,
        attachments: inputs.attachments,
        block_overrides: inputs.overrides.map(Value::Object).map(from_json).transpose()?.unwrap_or_default(),
        tools: Some(offered.tools).filter(|tools| !tools.is_empty()),
        tool_choice: offered.choice.map(choice_json),
        trace: args.call.trace,
        ..StepRequest::default()
    })
}

/// As a request has it.
fn choice_json(choice: ToolChoice) -> Value {
    match choice {
        ToolChoice::Function(name) => json!({"type": "function", "function": {"name": name}}),
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
    }
}

fn from_json<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, CliError> {
    serde_json::from_value(value).map_err(|error| CliError::usage(format!("--overrides: {error}")))
}

/// A text where the flow wants a text, JSON where it wants something else, and either where it does not say.
fn parameter(pair: &str, schema: &Value) -> Result<(String, Value), CliError> {
    let (name, text) = match pair.split_once('=') {
        Some((name, text)) if !name.is_empty() && !name.ends_with(':') => (name, text),
        _ => return read_parameter(pair),
    };
    let parsed = serde_json::from_str(text);
    let value = match schema["properties"][name]["type"].as_str() {
        Some("string") => text.into(),
        Some(wanted) => parsed
            .map_err(|_| CliError::usage(format!("-p {name}={text}: the flow wants a JSON value of type {wanted}")))?,
        None => parsed.unwrap_or_else(|_| text.into()),
    };
    Ok((name.to_owned(), value))
}

async fn run_in(
    app: &App,
    config: &Config,
    args: &Args,
    file: &mut FlowFile,
    request: StepRequest,
) -> Result<ExitCode, CliError> {
    file.check_code(app.code()).await?;
    let (flow, document) = file.checked()?;
    let project = app.ensure_project(&config.org, &config.project).await?;
    app.put_flow(&project, document).await?;
    let address = FlowAddress { flow: flow.slug.clone(), version: VersionSelector::Draft };
    let options = RunOptions { deltas: true, ..RunOptions::default() };
    let events = app.step(&app.local_caller(&project), &address, request, options).await.map_err(refused)?;
    let (execution_id, ending) = watch(events, args.json).await?;
    Ok(ending.print(&execution_id, args.json))
}

/// What the server refuses before the run begins is what was asked for.
fn refused(error: noukai_server::AppError) -> CliError {
    if error.context.is_some() { error.into() } else { CliError::usage(error) }
}

async fn watch(mut events: EventStream, quiet: bool) -> Result<(String, Ending), CliError> {
    let mut progress = Progress::new();
    while let Some(next) = events.next().await {
        if !quiet {
            progress.show(&next.event);
        }
        if let Some(ending) = ending(next.event) {
            return Ok((next.execution_id.to_string(), ending));
        }
    }
    Err(CliError::failure("the run ended without a result").with_hint("NOUKAI_LOG=debug may say why"))
}

fn ending(event: StreamEvent) -> Option<Ending> {
    match event {
        StreamEvent::FlowCompleted { result, summary, .. } => Some(match summary.error {
            Some(error) => Ending::failed(None, &error.message, error.code.as_str()),
            None => Ending::Completed(result),
        }),
        StreamEvent::StepError { step_id, error, .. } => {
            Some(Ending::failed(Some(&step_id), &error.message, error.code.as_str()))
        }
        StreamEvent::StepPausedForToolCalls { tool_calls, .. } => Some(Ending::Paused(json!(tool_calls))),
        _ => None,
    }
}
