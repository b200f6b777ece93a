//! Test cases of a file, run in this process: the same use cases as a server's, on private data that is deleted.

use std::time::Duration;

use noukai_api::{CreateTestCase, StartTestRun, TestRun};
use noukai_server::{App, Caller, Config, Overrides};

use super::{Args, file::TestFile};
use crate::{
    error::{CliError, Exit},
    flow_files::FlowFile,
    local,
    logging::{self, LogFormat},
    stop::Stop,
};

/// How long one look waits.
const LOOK: Duration = Duration::from_secs(60);

/// Runs the cases of the file on the flow beside it.
pub async fn run(args: &Args, flow: FlowFile, tests: TestFile) -> Result<TestRun, CliError> {
    logging::start("warn", LogFormat::Text)?;
    let stop = Stop::on_signals()?;
    // Deleted when it is dropped, however the tests end.
    let private = tempfile::tempdir().map_err(|error| CliError::failure(format!("no temporary folder: {error}")))?;
    let overrides = Overrides { data: Some(private.path().to_owned()), ..Overrides::default() };
    let config = local::load_private_config(args.config.as_deref(), overrides)?;
    let app = local::open_app(&config).await?;
    let outcome = tokio::select! {
        outcome = run_in(&app, &config, args, flow, tests) => outcome,
        () = stop.requested() => Err(CliError::of(Exit::Interrupted, "interrupted")),
    };
    app.close().await;
    outcome
}

async fn run_in(
    app: &App,
    config: &Config,
    args: &Args,
    mut flow: FlowFile,
    tests: TestFile,
) -> Result<TestRun, CliError> {
    flow.check_code(app.code()).await?;
    let (_, document) = flow.checked()?;
    let project = app.ensure_project(&config.org, &config.project).await?;
    let author = app.local_caller(&project);
    let put = app.put_flow(&project, document).await?;
    for case in tests.cases {
        add(app, &author, &put.flow_id, case)
            .await
            .map_err(|why| CliError::usage(format!("{}: {why}", tests.path.display())))?;
    }
    let request = StartTestRun { cases: args.wanted(), ..StartTestRun::default() };
    let mut run = app.start_test_run(&author, &put.flow_id, request, LOOK).await.map_err(CliError::usage)?;
    while !run.status.is_final() {
        run = app.test_run(&author, &run.id, LOOK).await?;
    }
    Ok(run)
}

async fn add(app: &App, author: &Caller, flow: &str, case: CreateTestCase) -> Result<(), String> {
    let name = case.name.clone().unwrap_or_default();
    let made = app.create_test_case(author, flow, case).await;
    made.map(drop).map_err(|error| format!("case `{name}`: {error}"))
}
