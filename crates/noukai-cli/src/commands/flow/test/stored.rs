//! Test cases that a server keeps, run there, on the draft or on a version.

use noukai_api::{StartTestRun, TestRun};
use reqwest::Method;

use super::Args;
use crate::{error::CliError, folder::find_flow};

/// Seconds that one look waits; less than a call may take.
const LOOK: u32 = 30;

/// Runs them and waits for the end; if this command is ended, they go on.
pub async fn run(args: &Args, version: &str) -> Result<TestRun, CliError> {
    let project = args.place.project().await?;
    let flows = project.flows().await?;
    let flow = find_flow(&flows, &args.flow, &project)?;
    let request = StartTestRun { version: Some(named(version)), cases: args.wanted() };
    let path = format!("/flows/{}/test-runs?wait={LOOK}", flow.flow_id);
    let mut run: TestRun = project.api.send(Method::POST, &path, &request, None).await?;
    while !run.status.is_final() {
        run = project.api.get(&format!("/test-runs/{}?wait={LOOK}", run.id)).await?;
    }
    Ok(run)
}

/// A version as the server calls it: `3` is `v3`.
fn named(version: &str) -> String {
    let is_number = version.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { format!("v{version}") } else { version.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named_as_the_server_names_them() {
        assert_eq!(["3", "v3", "draft", "production"].map(named), ["v3", "v3", "draft", "production"]);
    }
}
