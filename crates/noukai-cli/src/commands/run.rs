//! `noukai run`: one run of a flow in this process, without a server.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use futures::StreamExt;
use noukai_api::{StepRequest, StreamEvent};
use noukai_flow::Flow;
use noukai_server::{App, Config, EventStream, FlowAddress, Overrides, RunOptions, VersionSelector};
use serde_json::{Map, Value, json};

use crate::{
    error::CliError,
    flow_files::{self, FlowFile},
    local,
    logging::{self, LogFormat},
    output,
    progress::Progress,
    stop::{INTERRUPTED, Stop},
};

/// The run waits for tool results, which a command cannot give.
const PAUSED: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  noukai run hello -m 'Ada'                     a flow of the current folder
  noukai run examples/hello.flow.yaml -m 'Ada'  a flow file
  noukai run translate-and-extract --folder examples -m 'Bonjour' -p language=German
  cat mail.txt | noukai run triage -m -         the message from stdin

Steps are shown on stderr as they happen; stdout has the result alone. The exit code is 0 for a result, 1 for a failed
flow, 2 for wrong input, 3 for a run that waits for tool results.";

/// Run a flow once, without a server
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The flow: its slug, or its file
    flow: String,
    /// The message; `-` reads it from stdin
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    message: Option<String>,
    /// An input of the flow; may be given several times
    #[arg(short, long = "param", value_name = "KEY=VALUE")]
    param: Vec<String>,
    /// Inputs of the flow as a JSON object
    #[arg(long, value_name = "JSON")]
    params: Option<String>,
    /// JSON file with a list of tools to offer, in OpenAI's format
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
    /// Folder to look for the flow in
    #[arg(long, value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Keep the run in this data directory [default: a private one that is deleted]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file, for model providers and limits
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show no steps; print the outcome as one JSON object
    #[arg(long)]
    json: bool,
}

/// How the run ended.
enum Ending {
    Completed(Value),
    Failed(String),
    Paused(Value),
}

/// Runs the flow and prints its result.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    logging::start("warn", LogFormat::Text)?;
    let mut file = flow_files::find_flow(&args.flow, &args.folder)?;
    let request = request(&args, file.checked()?.0)?;
    // Not before stdin was read: that cannot be interrupted by a flag.
    let stop = Stop::on_signals()?;
    // Deleted when it is dropped, however the run ends.
    let private = tempfile::tempdir().map_err(|error| CliError::failure(format!("no temporary folder: {error}")))?;
    let data = args.data.clone().unwrap_or_else(|| private.path().to_owned());
    let overrides = Overrides { data: Some(data), ..Overrides::default() };
    let config = local::load_config(args.config.as_deref(), overrides)?;
    let app = local::open_app(&config).await?;
    let outcome = tokio::select! {
        outcome = run_in(&app, &config, &args, &mut file, request) => outcome,
        () = stop.requested() => Ok(ExitCode::from(INTERRUPTED)),
    };
    app.close().await;
    outcome
}

fn request(args: &Args, flow: &Flow) -> Result<StepRequest, CliError> {
    Ok(StepRequest {
        run_remaining: true,
        message: message(args)?,
        parameters: parameters(args, flow)?,
        tools: args.tools.as_deref().map(tools).transpose()?,
        ..StepRequest::default()
    })
}

fn message(args: &Args) -> Result<Option<String>, CliError> {
    if args.message.as_deref() != Some("-") {
        return Ok(args.message.clone());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| CliError::usage(format!("stdin: {error}")))?;
    Ok(Some(text.trim_end_matches('\n').to_owned()))
}

fn tools(path: &Path) -> Result<Vec<Value>, CliError> {
    let wrong = |what: String| CliError::usage(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(format!("not a JSON list of tools: {error}")))
}

fn parameters(args: &Args, flow: &Flow) -> Result<Map<String, Value>, CliError> {
    let mut parameters = match &args.params {
        Some(text) => serde_json::from_str(text)
            .map_err(|error| CliError::usage(format!("--params is not a JSON object: {error}")))?,
        None => Map::new(),
    };
    for pair in &args.param {
        let Some((name, text)) = pair.split_once('=') else {
            return Err(CliError::usage(format!("-p {pair}: write KEY=VALUE")));
        };
        parameters.insert(name.to_owned(), parameter(name, text, flow.input.json())?);
    }
    Ok(parameters)
}

/// A text where the flow wants a text, JSON where it wants something else, and either where it does not say.
fn parameter(name: &str, text: &str, schema: &Value) -> Result<Value, CliError> {
    let parsed = serde_json::from_str(text);
    match schema["properties"][name]["type"].as_str() {
        Some("string") => Ok(text.into()),
        Some(wanted) => parsed
            .map_err(|_| CliError::usage(format!("-p {name}={text}: the flow wants a JSON value of type {wanted}"))),
        None => Ok(parsed.unwrap_or_else(|_| text.into())),
    }
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
    Ok(finish(args, &execution_id, ending))
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
            Some(error) => Ending::Failed(format!("{} [{}]", error.message, error.code)),
            None => Ending::Completed(result),
        }),
        StreamEvent::StepError { step_id, error, .. } => {
            Some(Ending::Failed(format!("step {step_id}: {} [{}]", error.message, error.code)))
        }
        StreamEvent::StepPausedForToolCalls { tool_calls, .. } => Some(Ending::Paused(json!(tool_calls))),
        _ => None,
    }
}

fn finish(args: &Args, execution_id: &str, ending: Ending) -> ExitCode {
    let (code, status, field, value) = match ending {
        Ending::Completed(result) => (0, "completed", "result", result),
        Ending::Failed(error) => (1, "failed", "error", error.into()),
        Ending::Paused(calls) => (PAUSED, "tool_calls_required", "toolCalls", calls),
    };
    if args.json {
        output::json_line(&json!({"status": status, "executionId": execution_id, field: value}));
    } else if code == 1 {
        output::error(&CliError::failure(value.as_str().unwrap_or_default()));
    } else {
        output::json(&value);
    }
    if code == PAUSED && !args.json {
        let hint = "`noukai dev` serves the flow; answer the calls over HTTP or with one of the clients";
        output::error(&CliError::failure("the run waits for the results of these tool calls").with_hint(hint));
    }
    ExitCode::from(code)
}
