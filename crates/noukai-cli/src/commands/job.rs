//! `noukai job`: queued runs on a server.

use std::{process::ExitCode, time::Duration};

use noukai::{ErrorKind, JobStatus, RunStatus};
use serde_json::{Value, json};

use crate::{
    commands::run::Ending,
    error::{CliError, Exit},
    output,
    remote::{CallArgs, EXIT_CODES, Remote, apply, call_failed},
    stop::Stop,
};

const EXAMPLES: &str = "\
Examples:
  noukai job submit acme/demo/triage -m 'Help'          prints the execution id
  noukai job wait acme/demo/triage EXECUTION_ID         waits for the end and prints the result
  noukai job get acme/demo/triage EXECUTION_ID --json
  noukai job cancel acme/demo/triage EXECUTION_ID";

/// Submit, watch and cancel queued runs
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"), arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Queue a run; once this returns, it survives whatever happens to the server
    Submit(Box<SubmitArgs>),
    /// Say where a job stands
    Get(JobArgs),
    /// Wait for a job's end and print its result; Ctrl-C stops waiting, not the job
    Wait(WaitArgs),
    /// Cancel a job; no effect once it ended
    Cancel(JobArgs),
}

#[derive(clap::Args)]
struct SubmitArgs {
    /// The flow: ORG/PROJECT/FLOW, or its slug in the key's own project
    flow: String,
    #[command(flatten)]
    call: CallArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Remote,
}

#[derive(clap::Args)]
struct JobArgs {
    /// The flow: ORG/PROJECT/FLOW, or its slug in the key's own project
    flow: String,
    /// The job
    execution_id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Remote,
}

#[derive(clap::Args)]
struct WaitArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Longest time to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

/// Submits, asks, waits or cancels.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    match args.action {
        Action::Submit(args) => submit(&args).await,
        Action::Get(args) => {
            let status = open(&args).await?.poll().await.map_err(call_failed)?;
            print(&status, args.json);
            Ok(ExitCode::SUCCESS)
        }
        Action::Wait(args) => wait(&args).await,
        Action::Cancel(args) => {
            let status = open(&args).await?.cancel().await.map_err(call_failed)?;
            print(&status, args.json);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn submit(args: &SubmitArgs) -> Result<ExitCode, CliError> {
    let inputs = args.call.read()?;
    let flow = args.server.connect()?.flow(&args.flow).await?;
    let job = apply!(flow.execute_async(), &args.call, inputs).await.map_err(call_failed)?;
    if args.json {
        output::json_line(&json!({"executionId": job.execution_id(), "flowId": job.flow_id()}));
    } else {
        output::line(job.execution_id());
        output::note(&format!("`noukai job wait {flow} {}` waits for its result", job.execution_id()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(args: &JobArgs) -> Result<noukai::Job, CliError> {
    let flow = args.server.connect()?.flow(&args.flow).await?;
    Ok(flow.job(args.execution_id.as_str()))
}

async fn wait(args: &WaitArgs) -> Result<ExitCode, CliError> {
    let job = open(&args.job).await?;
    let stop = Stop::on_signals()?;
    let waiting = job.wait().timeout(Duration::from_secs(args.timeout));
    let status = tokio::select! {
        status = waiting.into_future() => status.map_err(|error| match error.kind() {
            ErrorKind::Timeout => call_failed(error).with_hint("--timeout waits longer; the job goes on meanwhile"),
            _ => call_failed(error),
        })?,
        () = stop.requested() => {
            output::note("no longer waiting; the job goes on: `noukai job cancel` cancels it");
            return Ok(Exit::Interrupted.into());
        }
    };
    let id = status.execution_id.clone();
    Ok(ending(status).print(&id, args.job.json))
}

fn ending(status: JobStatus) -> Ending {
    match status.status {
        RunStatus::Completed => Ending::Completed(status.result.unwrap_or_default()),
        RunStatus::Cancelled => Ending::Cancelled,
        _ => Ending::Failed(status.error.unwrap_or_else(|| "no reason is known".to_owned())),
    }
}

fn print(status: &JobStatus, as_json: bool) {
    if as_json {
        let mut line = json!({"executionId": status.execution_id, "status": status.status.as_str()});
        for (name, value) in [("result", status.result.clone()), ("error", status.error.clone().map(Value::from))] {
            if let Some(value) = value {
                line[name] = value;
            }
        }
        return output::json_line(&line);
    }
    output::line(status.status.as_str());
    if let Some(error) = &status.error {
        output::note(error);
    }
    if let Some(result) = &status.result {
        output::json(result);
    }
}
