//! Workers that were taken over: what they try is refused, what they send is not believed, the next call works.

use std::path::PathBuf;
use std::time::Duration;

use noukai_engine::{CodeError, CodeErrorKind, CodeReply};
use noukai_sandbox::{Sandbox, Settings};
use serde_json::json;

use super::common::*;

fn rogues() -> Sandbox {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_noukai-sandbox-rogue"));
    Sandbox::new(Settings { program, wall: Duration::from_millis(300), ..settings() })
}

async fn rogue(sandbox: &Sandbox, deed: &str) -> Result<CodeReply, CodeError> {
    sandbox.call(&python(&[], &format!("rogue:{deed};")).with(json!({}), [])).await
}

#[tokio::test]
async fn what_a_worker_may_not_do_ends_it() {
    let sandbox = rogues();
    for deed in ["open", "write", "list", "exec", "thread", "tcp", "udp", "unix", "kill", "sleep", "limits"] {
        let error = rogue(&sandbox, deed).await.expect_err(deed);
        assert_eq!(error.kind, CodeErrorKind::Crashed, "{deed}: {error:?}");
        assert!(error.message.contains("signal: 31"), "{deed}: not ended by seccomp: {error:?}");
        assert!(rogue(&sandbox, "fine").await.is_ok(), "after {deed}");
    }
}

#[tokio::test]
async fn a_worker_that_dies_or_is_silent_costs_one_call() {
    let sandbox = rogues();
    let cases = [
        ("die", CodeErrorKind::Crashed),
        ("panic", CodeErrorKind::Crashed),
        ("silence", CodeErrorKind::Timeout),
        ("half", CodeErrorKind::Timeout),
    ];
    for (deed, kind) in cases {
        assert_eq!(rogue(&sandbox, deed).await.unwrap_err().kind, kind, "{deed}");
        assert!(rogue(&sandbox, "fine").await.is_ok(), "after {deed}");
    }
}

#[tokio::test]
async fn what_a_worker_sends_is_not_believed() {
    let sandbox = rogues();
    let crashed = ["garbage", "huge-head", "huge-body", "ready", "problems"].map(|deed| (deed, CodeErrorKind::Crashed));
    let invalid = ["deep", "wide", "twice", "list-output", "number", "surrogate", "utf8", "more"]
        .map(|deed| (deed, CodeErrorKind::OutputInvalid));
    for (deed, kind) in crashed.into_iter().chain(invalid) {
        let error = rogue(&sandbox, deed).await.expect_err(deed);
        assert_eq!(error.kind, kind, "{deed}: {error:?}");
        assert!(rogue(&sandbox, "fine").await.is_ok(), "after {deed}");
    }
}

#[tokio::test]
async fn an_answer_sent_ahead_reaches_no_other_call() {
    let sandbox = rogues();
    // What comes with the answer is seen at once; what comes after a long one, at the worker's next call.
    assert_eq!(rogue(&sandbox, "early").await.unwrap_err().kind, CodeErrorKind::Crashed);
    assert_eq!(rogue(&sandbox, "fine").await.unwrap().output, object(json!({"fine": true})));
    assert_eq!(rogue(&sandbox, "early-after-much").await.unwrap().output, object(json!({"a": "a".repeat(100_000)})));
    assert_eq!(rogue(&sandbox, "fine").await.unwrap_err().kind, CodeErrorKind::Crashed);
    assert_eq!(rogue(&sandbox, "fine").await.unwrap().output, object(json!({"fine": true})));
}

#[tokio::test]
async fn the_cage_is_whole_here_and_says_so() {
    let report = sandbox().report().await.unwrap();
    assert!(report.is_whole(), "{report}");
    assert!(report.rights.len() >= 9, "{report}");
}
