//! Sessions: captured on the server, replayed without it.

use std::process::Command;

use noukai::{ErrorKind, Noukai, StreamEvent};

use super::client;
use crate::common::TestServer;

/// Replay is switched on by the environment, so the test below runs in a process of its own.
#[test]
fn a_session_is_captured_and_replayed() {
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    child.args(["--exact", "client::sessions::captured_and_replayed"]).env("NOUKAI_REPLAY_ENABLED", "true");
    let output = child.output().expect("the test runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The code under test: it knows nothing of sessions.
async fn program(client: &Noukai) -> noukai::Result<Vec<String>> {
    let two = client.flow("two-step")?;
    let executed = two.execute().message("a").trace(true).await?.completed()?.result.to_string();
    let mut steps = two.steps().message("b").trace(true).stream();
    let mut outputs = vec![executed];
    while let Some(step) = steps.next().await {
        outputs.push(step?.output.to_string());
    }
    let job = client.flow("echo")?.execute_async().message("c").trace(true).await?;
    outputs.push(job.wait().await?.into_result()?.result.unwrap_or_default().to_string());
    let failed = client.flow("text-only")?.execute().message("d").trace(true).await?.completed()?;
    outputs.push(failed.into_result().expect_err("no provider").code().unwrap_or_default().to_owned());
    Ok(outputs)
}

#[tokio::test]
async fn captured_and_replayed() {
    if std::env::var("NOUKAI_REPLAY_ENABLED").is_err() {
        return;
    }
    let server = TestServer::start().await;
    let session = client(&server).session();
    let live = program(session.client()).await.expect("it runs");
    let recorded = client(&server).recorded_session(session.id()).await.expect("a session");
    assert_eq!(recorded.executions.len(), 4);

    let replay = client(&server).replay(session.id()).await.expect("a replay");
    assert_eq!(program(replay.client()).await.expect("it runs"), live);
    let miss = program(replay.client()).await.expect_err("used up");
    assert_eq!(miss.kind(), ErrorKind::ReplayMiss);
    replay.finish().expect("all were asked for");

    let left = client(&server).replay(session.id()).await.expect("a replay");
    let two = left.flow("two-step").expect("a flow");
    let events = two.events().message("b").stream().all().await.expect("a recording");
    assert!(matches!(events.last(), Some(StreamEvent::FlowCompleted(done)) if done.result["message"] == "2: 1: b"));
    assert_eq!(left.finish().expect_err("three are left").kind(), ErrorKind::ReplayLeftover);
}
