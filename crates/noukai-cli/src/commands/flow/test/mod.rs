//! `noukai flow test`: the test cases of a file, run in this process; or those that a server keeps, run there.

mod file;
mod local;
mod show;
mod stored;

use std::{fs, path::PathBuf, process::ExitCode};

use noukai_api::{TestRun, TestStatus};
use noukai_server::junit;

use self::file::TestFile;
use crate::{
    error::CliError,
    flow_files,
    folder::Where,
    output::{self, Style},
};

const EXAMPLES: &str = "\
Examples:
  noukai flow test triage                        triage.tests.yaml beside triage.flow.yaml, without a server
  noukai flow test triage --case refund --case spam
  noukai flow test triage --junit report.xml     for a build server
  noukai flow test triage --version draft        the cases that the server keeps, run there
  noukai flow test triage --version v3

A file NAME.tests.yaml holds the test cases of NAME.flow.yaml:
  cases:
    - name: refund
      input: {message: I want my money back}
      expect:
        - {kind: subset, value: {label: billing}}
        - {kind: contains, text: refund, at: reply, ignore_case: true}
        - {kind: schema, schema: {type: string, maxLength: 500}, at: reply}
        - {kind: rubric, rubric: The reply is polite and promises nothing., model: openai/gpt-4o-mini, at: reply}

They run in this process, without a server; models are called unless a case has a cassette. With --version, or where
a server is named, those that the server keeps are run instead, there.

Exit codes: 0 all passed, 1 some did not, others as everywhere.";

/// Run a flow's test cases
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The flow's slug, or its file
    flow: String,
    /// Only this case, by its name; may be given several times
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,
    /// Write a report in JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Configuration file, for model providers and limits
    #[arg(long, value_name = "FILE", conflicts_with = "version")]
    config: Option<PathBuf>,
    /// Run the cases that the server keeps instead: on its `draft`, on `production`, or on a version such as `v3`
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    #[command(flatten)]
    place: Where,
}

impl Args {
    /// The names of the cases that are wanted; `None`: all.
    fn wanted(&self) -> Option<Vec<String>> {
        (!self.case.is_empty()).then(|| self.case.clone())
    }
}

/// Runs them, and says how they went.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    let run = match args.version.as_deref().or_else(|| args.place.remote.is_given().then_some("draft")) {
        Some(version) => stored::run(&args, version).await?,
        None => beside(&args).await?,
    };
    report(&args, &run)?;
    Ok(if run.status == TestStatus::Passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the cases of the file beside the flow.
async fn beside(args: &Args) -> Result<TestRun, CliError> {
    let flow = flow_files::find_flow(&args.flow, &args.place.folder)?;
    let tests = TestFile::beside(&flow.path)?.ok_or_else(|| {
        let file = flow.path.display();
        CliError::usage(format!("there is no test file beside {file}"))
            .with_hint("write NAME.tests.yaml beside NAME.flow.yaml; `noukai flow test --help` shows one")
    })?;
    local::run(args, flow, tests).await
}

fn report(args: &Args, run: &TestRun) -> Result<(), CliError> {
    if let Some(path) = &args.junit {
        fs::write(path, junit(run))
            .map_err(|error| CliError::failure(format!("cannot write {}: {error}", path.display())))?;
    }
    if args.place.json {
        output::json(run);
    } else {
        show::lines(run, Style::stdout()).iter().for_each(|line| output::line(line));
    }
    Ok(())
}
