//! Attempts: which failures are tried again, after how long, and on which model.

use std::{sync::Arc, time::Duration};

use noukai_engine::ModelErrorKind::{
    self, Declined, Filtered, KeyRejected, KeyUnreadable, NotAvailable, RateLimited, Refused, ReplyInvalid, Server,
    SetAside, Unreachable,
};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Ran, Script, Turn, check_run, drive, flow, spec};

const BLOCK: &str = r#"
- id: ask
  llm: {model: test/first, prompt: "ask"}
  timeout_ms: 5000
"#;
const WITH_FALLBACK: &str = r#"
- id: ask
  llm: {model: test/first, fallback_models: [test/second, test/third], prompt: "ask"}
  retry: {max_attempts: 2, initial_ms: 100, max_ms: 100}
"#;

async fn timed(yaml: &str, script: Script) -> (Ran, Duration, Arc<Script>) {
    let (script, began) = (Arc::new(script), Instant::now());
    let ran = drive(spec(&flow(yaml), &json!({})), &script).await;
    (ran, began.elapsed(), script)
}

fn asked(script: &Script) -> Vec<String> {
    script.requests().into_iter().map(|request| request.model).collect()
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_with_longer_waits() {
    for kind in [RateLimited, Server, Unreachable, ReplyInvalid] {
        let script = Script::echo().on("ask", [Turn::Fails(kind), Turn::Fails(kind)]);
        let (ran, took, _) = timed(BLOCK, script).await;
        assert_eq!(ran.result(), json!({"message": "ask"}), "{kind:?}");
        // Half to all of 500 ms, then of 1000 ms.
        assert!((Duration::from_millis(750)..=Duration::from_millis(1501)).contains(&took), "{kind:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn waits_double_up_to_their_bound() {
    // In milliseconds, at the most: 1000, 2000, 4000, 8000; or 1000, 2000, 2000, 2000. At the least half of it.
    for (max_ms, most) in [(60_000, 15_000), (2_000, 7_000)] {
        let retry = format!("{{max_attempts: 5, initial_ms: 1000, max_ms: {max_ms}}}");
        let yaml = format!("- {{id: ask, llm: {{prompt: \"ask\"}}, retry: {retry}}}");
        let (_, took, script) = timed(&yaml, Script::new(|_| Turn::Fails(Server))).await;
        assert_eq!(script.calls(), 5);
        let expected = Duration::from_millis(most / 2)..=Duration::from_millis(most + 10);
        assert!(expected.contains(&took), "{took:?} is not in {expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_numbered_and_told_apart() {
    let fails = |kind: ModelErrorKind| Turn::Fails(kind);
    let script = Script::echo().on("ask", [fails(RateLimited), Turn::Hangs, fails(Server)]);
    insta::assert_snapshot!(check_run(BLOCK, json!({}), script).await, @r#"
    start ask #1 <- {}
    fail ask #1 MODEL_RATE_LIMITED: scripted: RateLimited
    again ask #2 <- {}
    fail ask #2 STEP_TIMEOUT: no reply within 5000 ms
    again ask #3 <- {}
    fail ask #3 MODEL_ERROR: scripted: Server
    failed ask MODEL_ERROR: scripted: Server
    = failed ask MODEL_ERROR: scripted: Server
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_names_a_time_gets_it() {
    let script = Script::echo().on("ask", [Turn::Busy(Duration::from_secs(7)), Turn::Busy(Duration::from_secs(60))]);
    let (ran, took, _) = timed(BLOCK, script).await;
    assert_eq!(ran.result(), json!({"message": "ask"}));
    assert_eq!(took.as_secs(), 67);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_names_no_time_worth_speaking_of_gets_the_usual_one() {
    let (_, took, _) = timed(BLOCK, Script::echo().on("ask", [Turn::Busy(Duration::from_millis(1))])).await;
    assert!(took >= Duration::from_millis(250), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_for_too_long_is_not_waited_for() {
    let busy = || Turn::Busy(Duration::from_secs(61));
    let (ran, took, script) = timed(WITH_FALLBACK, Script::echo().on("ask", [busy()])).await;
    assert_eq!(ran.result(), json!({"message": "ask"}));
    assert_eq!((took.as_secs(), asked(&script)), (0, vec!["test/first".to_owned(), "test/second".to_owned()]));
    let (_, took, script) = timed(BLOCK, Script::echo().on("ask", [busy()])).await;
    assert_eq!((took.as_secs(), script.calls()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_would_fail_again_is_not_tried_again() {
    for (kind, code) in [
        (Refused, "MODEL_ERROR"),
        (Declined, "MODEL_REFUSAL"),
        (Filtered, "MODEL_CONTENT_FILTERED"),
        (KeyRejected, "BYOK_KEY_REJECTED"),
        (KeyUnreadable, "MASTER_KEY_UNAVAILABLE"),
        (NotAvailable, "MODEL_NOT_AVAILABLE"),
    ] {
        let (ran, took, script) = timed(WITH_FALLBACK, Script::echo().on("ask", [Turn::Fails(kind)])).await;
        let text = ran.text();
        assert!(text.ends_with(&format!("= failed ask {code}: scripted: {kind:?}")), "{text}");
        assert_eq!((script.calls(), took), (1, Duration::ZERO), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fallback_models_come_once_the_attempts_are_used_up() {
    let script = Script::echo().on("ask", [Server, Server, RateLimited].map(Turn::Fails));
    let (ran, _, script) = timed(WITH_FALLBACK, script).await;
    assert_eq!(asked(&script), ["test/first", "test/first", "test/second", "test/second"]);
    insta::assert_snapshot!(ran.text(), @r#"
    start ask #1 <- {}
    fail ask #1 MODEL_ERROR: scripted: Server
    again ask #2 <- {}
    fail ask #2 MODEL_ERROR: scripted: Server
    again ask #3 <- {}
    fail ask #3 MODEL_RATE_LIMITED: scripted: RateLimited
    again ask #4 <- {}
    done ask #4 -> {"message":"ask"}
    = {"message":"ask"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn where_no_model_answers_the_last_failure_counts() {
    let (ran, _, script) = timed(WITH_FALLBACK, Script::new(|_| Turn::Fails(Unreachable))).await;
    assert_eq!(script.calls(), 6);
    assert!(ran.text().ends_with("= failed ask MODEL_UNREACHABLE: scripted: Unreachable"), "{}", ran.text());
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_refuses_ends_it() {
    let script =
        Script::echo().on("test/first", [Server, Server].map(Turn::Fails)).on("test/second", [Turn::Fails(Refused)]);
    let (ran, _, script) = timed(WITH_FALLBACK, script).await;
    assert_eq!(asked(&script), ["test/first", "test/first", "test/second"]);
    assert!(ran.text().ends_with("= failed ask MODEL_ERROR: scripted: Refused"), "{}", ran.text());
}

#[tokio::test(start_paused = true)]
async fn the_default_model_serves_where_none_is_named() {
    let (_, _, script) = timed("- {id: ask, llm: {prompt: \"ask\"}}", Script::echo()).await;
    assert_eq!(asked(&script), ["test/default"]);
}

#[tokio::test(start_paused = true)]
async fn in_a_loop_each_item_has_its_own_attempts() {
    let yaml = r#"
    - id: each
      loop:
        over: initial.items
        concurrency: 1
        steps: [{id: ask, llm: {prompt: "ask {{ item }}"}}]
    "#;
    let fails = || Turn::Fails(Server);
    let script = Script::echo().on("ask", [fails(), Turn::Echo, fails(), fails(), Turn::Echo]);
    insta::assert_snapshot!(check_run(yaml, json!({"items": ["p", "q"]}), script).await, @r#"
    start ask[0] #1 <- {"items":["p","q"],"item":"p","index":0}
    fail ask[0] #1 MODEL_ERROR: scripted: Server
    again ask[0] #2 <- {"items":["p","q"],"item":"p","index":0}
    done ask[0] #2 of 2 -> {"message":"ask p"}
    again ask[1] #1 <- {"items":["p","q"],"item":"q","index":1}
    fail ask[1] #1 MODEL_ERROR: scripted: Server
    again ask[1] #2 <- {"items":["p","q"],"item":"q","index":1}
    fail ask[1] #2 MODEL_ERROR: scripted: Server
    again ask[1] #3 <- {"items":["p","q"],"item":"q","index":1}
    done ask[1] #3 of 2 -> {"message":"ask q"}
    leaf ask -> [{"message":"ask p"},{"message":"ask q"}]
    loop each x2
    = {"each":[{"message":"ask p"},{"message":"ask q"}],"results":[{"message":"ask p"},{"message":"ask q"}],"count":2}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_provider_set_aside_is_not_waited_for_where_another_model_is_there() {
    let (ran, took, script) = timed(WITH_FALLBACK, Script::echo().on("ask", [Turn::Fails(SetAside)])).await;
    assert_eq!(ran.result(), json!({"message": "ask"}));
    assert_eq!((took, asked(&script)), (Duration::ZERO, vec!["test/first".to_owned(), "test/second".to_owned()]));
    let (ran, _, script) = timed(BLOCK, Script::echo().on("ask", [Turn::Fails(SetAside)])).await;
    assert_eq!((ran.result(), script.calls()), (json!({"message": "ask"}), 2));
}

#[tokio::test(start_paused = true)]
async fn another_key_is_tried_at_once_and_is_no_further_attempt_at_the_model() {
    let locked = [KeyRejected, RateLimited, KeyRejected, RateLimited].map(Turn::Locks);
    let once = "- {id: ask, llm: {prompt: \"ask\"}, retry: {max_attempts: 1}}";
    let (ran, took, _) = timed(once, Script::echo().on("ask", locked)).await;
    assert_eq!((ran.result(), took), (json!({"message": "ask"}), Duration::ZERO));
    let (ran, _, script) = timed(once, Script::new(|_| Turn::Locks(KeyRejected))).await;
    assert!(ran.text().contains("BYOK_KEY_REJECTED"), "{}", ran.text());
    assert_eq!(script.calls(), 17);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_names_its_model_and_provider() {
    let script = Script::echo().on("ask", [Turn::Fails(Server), Turn::Hangs, Turn::Fails(RateLimited)]);
    let yaml = "- {id: ask, llm: {model: a/b, fallback_models: [c/d], prompt: \"ask\"}, timeout_ms: 50, retry: {max_attempts: 2}}";
    let (ran, _, _) = timed(yaml, script).await;
    let used: Vec<_> =
        ran.usages().iter().map(|usage| (usage.model.clone().unwrap(), usage.provider.clone())).collect();
    let by = |model: &str| (model.to_owned(), Some("test".to_owned()));
    assert_eq!(used, [by("a/b"), by("a/b"), by("c/d"), by("c/d")]);
}
