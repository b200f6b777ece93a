//! `noukai session`: the runs that share a session.

use std::process::ExitCode;

use noukai::{RecordedExecution, RecordedSession};

use crate::{
    error::CliError,
    output::{self, Style},
    remote::{EXIT_CODES, Remote, call_failed},
    units,
};

const EXAMPLES: &str = "\
Examples:
  noukai run acme/demo/triage -m 'Help' --trace --session 8f14e45f-ceea-467f-a8f5-0c1de2e3a3f1
  noukai session 8f14e45f-ceea-467f-a8f5-0c1de2e3a3f1
  noukai session 8f14e45f-ceea-467f-a8f5-0c1de2e3a3f1 --json > session.json";

/// Show the runs of a session, in order, with what was kept of them
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Args {
    /// The session: the UUID its runs were tagged with
    session_id: String,
    /// Print it as the server sends it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Remote,
}

/// Shows it.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let client = args.server.connect()?;
    let session = client.client().recorded_session(&args.session_id).await.map_err(call_failed)?;
    if args.json {
        output::json(&session);
    } else {
        print(&session);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(session: &RecordedSession) {
    let style = Style::stdout();
    output::line(&style.bold(&format!(
        "session {}, {}",
        session.session_id,
        units::count(session.executions.len(), "run")
    )));
    session.executions.iter().for_each(|run| print_run(run, style));
}

fn print_run(run: &RecordedExecution, style: Style) {
    let flow = run.slug.as_deref().unwrap_or("(a flow that is gone)");
    let kept = if run.snapshots_available { "can be replayed" } else { "no contents kept" };
    let facts = format!("{} {} by {}", run.started_at, run.status.as_str(), run.trigger_type.as_str());
    output::line(&format!("{} {}", style.bold(flow), style.dim(&format!("{facts}, {kept}, run {}", run.execution_id))));
    for step in &run.steps {
        let output = step.output_snapshot.as_ref().map(|value| units::clip(&units::result_line(value), 80));
        let place = step.loop_index.map(|index| format!("[{index}]")).unwrap_or_default();
        let step_id = format!("{}{place}", step.step_id);
        output::line(&format!("  {step_id:<24} {:<10} {}", step.status.as_str(), output.unwrap_or_default()));
    }
}
