//! `noukai trace`: what a run did and when.

use std::process::ExitCode;

use noukai::{Attempt, Run, StepTrace};

use crate::{
    error::CliError,
    output::{self, Style},
    remote::{EXIT_CODES, Remote, call_failed},
    units, waterfall,
};

const WIDTH: usize = 100;

const EXAMPLES: &str = "\
Examples:
  noukai trace EXECUTION_ID                             a waterfall of the steps
  noukai trace EXECUTION_ID --step classify             one step: input, output, error
  noukai trace EXECUTION_ID --step classify --attempt all --json";

/// Show a run's trace as a waterfall, or one of its steps
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Args {
    /// The run
    execution_id: String,
    /// Show this step instead of the whole run
    #[arg(long, value_name = "STEP_ID")]
    step: Option<String>,
    /// Which attempt of the step: latest, all, or a number from 1
    #[arg(long, value_name = "ATTEMPT", requires = "step", value_parser = attempt, default_value = "latest")]
    attempt: Attempt,
    /// Which iteration of a loop's step, from 0
    #[arg(long, value_name = "N", requires = "step")]
    loop_index: Option<u32>,
    /// Print it as the server sends it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Remote,
}

/// Shows it.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let run = args.server.connect()?.client().run(args.execution_id.as_str());
    match &args.step {
        Some(step) => show_step(&args, &run, step).await?,
        None => {
            let trace = run.trace().await.map_err(call_failed)?;
            if args.json {
                output::json(&trace);
            } else {
                waterfall::render(&trace, WIDTH, Style::stdout()).iter().for_each(|line| output::line(line));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn show_step(args: &Args, run: &Run, step: &str) -> Result<(), CliError> {
    let mut request = run.step_trace(step).attempt(args.attempt);
    if let Some(index) = args.loop_index {
        request = request.loop_index(index);
    }
    let traces = request.await.map_err(call_failed)?;
    if args.json {
        output::json(&traces.attempts);
    } else {
        traces.attempts.iter().for_each(print_attempt);
    }
    Ok(())
}

fn print_attempt(step: &StepTrace) {
    let style = Style::stdout();
    let place = step.loop_index.map(|index| format!(" [{index}]")).unwrap_or_default();
    let title = format!("{}{place}, attempt {}: {}", step.step_id, step.attempt, step.status.as_str());
    output::line(&style.bold(&title));
    let facts = units::facts(step.duration_ms.unwrap_or(0), step.tokens, step.cost_usd.as_deref());
    output::line(&format!("  {} {}", facts.trim_start(), step.model_used.as_deref().unwrap_or_default()));
    let parts = [("input", &step.input_context), ("output", &step.output_context)];
    for (name, value) in parts {
        if let Some(value) = value {
            output::line(&format!("  {}", style.cyan(name)));
            let text = serde_json::to_string_pretty(value).unwrap_or_default();
            text.lines().for_each(|line| output::line(&format!("    {line}")));
        }
    }
    if let Some(error) = &step.error_context {
        output::line(&format!("  {} {}", style.red("error"), units::clip(&error.to_string(), WIDTH)));
    }
}

fn attempt(text: &str) -> Result<Attempt, String> {
    match text {
        "latest" => Ok(Attempt::Latest),
        "all" => Ok(Attempt::All),
        _ => match text.parse() {
            Ok(number) if number > 0 => Ok(Attempt::Number(number)),
            _ => Err("an attempt is latest, all, or a number from 1".to_owned()),
        },
    }
}
