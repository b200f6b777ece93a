//! `noukai block`: one code block, called alone.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use noukai_api::StepError;
use noukai_server::{BlockTrial, Overrides};
use serde_json::{Map, Value, json};

use crate::{
    error::CliError,
    flow_files::{self, FlowFile},
    local,
    logging::{self, LogFormat},
    output::{self, Style},
};

const EXAMPLES: &str = "\
Examples:
  noukai block run triage shape --input '{\"label\": \"bug\"}'
  noukai block run flows/triage.flow.yaml shape --input @input.json
  noukai block run triage shape --input @input.json --initial '{\"message\": \"hi\"}' --json

The output goes to stdout; what the function printed, how long it took and errors go to stderr. Errors name the line of
the file. The exit code is 1 where the block fails. Nothing is stored, and nothing else of the flow runs.";

/// Try out one block of a flow
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Run(RunArgs),
}

/// Call a code block with an input of your own
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct RunArgs {
    /// The flow: its slug, or its file
    flow: String,
    /// The block's id
    step: String,
    /// What the step before would give: a JSON object, or @FILE
    #[arg(long, value_name = "JSON", default_value = "{}")]
    input: String,
    /// The run's inputs, `initial`: a JSON object, or @FILE
    #[arg(long, value_name = "JSON", default_value = "{}")]
    initial: String,
    /// Folder to look for the flow in
    #[arg(long, value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Configuration file, for the limits of code blocks
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the outcome as one JSON object
    #[arg(long)]
    json: bool,
}

/// Does what was asked for.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let Action::Run(args) = args.action;
    logging::start("warn", LogFormat::Text)?;
    let file = flow_files::find_flow(&args.flow, &args.folder)?;
    file.checked()?;
    let (input, initial) = (object("--input", &args.input)?, object("--initial", &args.initial)?);
    let trial = call(&args, &file, input, initial).await?;
    Ok(show(&args, &file, &trial))
}

/// The block, in an installation of its own that is gone afterwards.
async fn call(
    args: &RunArgs,
    file: &FlowFile,
    input: Map<String, Value>,
    initial: Map<String, Value>,
) -> Result<BlockTrial, CliError> {
    let private = tempfile::tempdir().map_err(|error| CliError::failure(format!("no temporary folder: {error}")))?;
    let overrides = Overrides { data: Some(private.path().to_owned()), ..Overrides::default() };
    let config = local::load_private_config(args.config.as_deref(), overrides)?;
    let app = local::open_app(&config).await?;
    let project = app.ensure_project(&config.org, &config.project).await?;
    let trial = app.try_block(&project, file.checked()?.0, &args.step, input, initial).await;
    app.close().await;
    trial.map_err(CliError::usage)
}

/// A JSON object, written there or in a file.
fn object(option: &str, text: &str) -> Result<Map<String, Value>, CliError> {
    let text = match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(Path::new(path))
            .map_err(|error| CliError::usage(format!("{option}: cannot read {path}: {error}")))?,
        None => text.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| CliError::usage(format!("{option} is not a JSON object: {error}")))
}

fn show(args: &RunArgs, file: &FlowFile, trial: &BlockTrial) -> ExitCode {
    let place = trial.outcome.as_ref().err().and_then(|error| file_line(file, &args.step, error));
    if args.json {
        output::json_line(&as_json(trial, place));
    } else {
        show_lines(file, trial, place);
    }
    if trial.outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The line of the file that an error points to.
fn file_line(file: &FlowFile, step: &str, error: &StepError) -> Option<u32> {
    let (_, block) = file.flow.as_ref()?.code_blocks().into_iter().find(|(id, _)| id.as_ref() == step)?;
    let place = noukai_flow::locate(&file.text, &format!("{}.source", block.path))?;
    Some(place.at(error.line?, 1).0)
}

fn show_lines(file: &FlowFile, trial: &BlockTrial, place: Option<u32>) {
    let style = Style::stderr();
    if let Some(printed) = &trial.printed {
        printed.text.lines().for_each(|line| output::note(&format!("{} {line}", style.dim("|"))));
        if printed.truncated {
            output::note(&style.dim("| ... and more than is kept"));
        }
    }
    let took = format!("{:.1} ms", trial.duration.as_secs_f64() * 1e3);
    match &trial.outcome {
        Ok(value) => {
            output::note(&style.dim(&format!("done in {took}")));
            output::json(value);
        }
        Err(error) => {
            let line = place.map(|line| format!("{}:{line}: ", file.path.display())).unwrap_or_default();
            for line in error.traceback.iter().flat_map(|traceback| traceback.lines()) {
                output::note(&style.dim(line));
            }
            output::error(&CliError::failure(format!("{line}{} [{}]", error.message, error.code)));
            output::note(&style.dim(&format!("failed after {took}")));
        }
    }
}

fn as_json(trial: &BlockTrial, file_line: Option<u32>) -> Value {
    let (status, output, error) = match &trial.outcome {
        Ok(output) => ("completed", Some(output), None),
        Err(error) => ("failed", None, Some(error)),
    };
    let fields = json!({
        "status": status,
        "output": output,
        "error": error,
        "fileLine": file_line,
        "printed": trial.printed.as_ref().map(|printed| &printed.text),
        "durationMs": trial.duration.as_secs_f64() * 1e3,
    });
    let present = fields.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    present.map(|(name, value)| (name.clone(), value.clone())).collect()
}
