//! Bounds in time, and cancellation: whatever ends a run, nothing is left open.

use std::{sync::Arc, time::Duration};

use noukai_engine::{Event, RunBounds, RunSpec};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{Ran, Script, Turn, drive, drive_with, flow, spec};

const BUSY: &str = r#"
- {id: first, llm: {prompt: "first"}}
- id: both
  parallel:
    - {id: left, llm: {prompt: "left"}}
    - id: each
      loop: {over: initial.items, concurrency: 2, steps: [{id: one, llm: {prompt: "one"}}]}
- {id: never, llm: {prompt: "never"}}
"#;

fn hangs_after_the_first() -> Script {
    Script::new(|_| Turn::Hangs).on("first", [Turn::Echo])
}

fn with_bounds(spec: RunSpec, change: impl FnOnce(RunBounds) -> RunBounds) -> RunSpec {
    RunSpec { bounds: change(spec.bounds), ..spec }
}

async fn busy(bounds: impl FnOnce(RunBounds) -> RunBounds, cancel: &CancellationToken) -> Ran {
    let spec = spec(&flow(BUSY), &json!({"items": [1, 2, 3]}));
    drive_with(with_bounds(spec, bounds), &Arc::new(hangs_after_the_first()), |sink| sink, cancel).await
}

#[tokio::test(start_paused = true)]
async fn a_block_may_take_its_time_and_no_longer() {
    let yaml = "- {id: slow, llm: {prompt: \"slow\"}, timeout_ms: 1500, retry: {max_attempts: 1}}";
    for (takes, text) in
        [(1499, "= {\"message\":\"slow\"}"), (1501, "= failed slow STEP_TIMEOUT: no reply within 1500 ms")]
    {
        let script = Arc::new(Script::echo().on("slow", [Turn::after(takes, Turn::Echo)]));
        let ran = drive(spec(&flow(yaml), &json!({})), &script).await;
        assert!(ran.text().ends_with(text), "{takes}: {}", ran.text());
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_bounds_a_block_that_says_nothing() {
    let yaml = "- {id: slow, llm: {prompt: \"slow\"}, retry: {max_attempts: 1}}";
    let began = Instant::now();
    let spec =
        with_bounds(spec(&flow(yaml), &json!({})), |bounds| RunBounds { block_time: Duration::from_secs(9), ..bounds });
    let ran = drive(spec, &Arc::new(Script::new(|_| Turn::Hangs))).await;
    assert!(ran.text().ends_with("= failed slow STEP_TIMEOUT: no reply within 9000 ms"), "{}", ran.text());
    assert_eq!(began.elapsed(), Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn a_repair_round_counts_against_the_time_of_its_attempt() {
    let yaml = r#"
    - {id: slow, llm: {prompt: "slow", output: {n: integer}}, timeout_ms: 1000, retry: {max_attempts: 1}}
    "#;
    let script = Arc::new(Script::new(|_| Turn::after(700, Turn::Text("no json".to_owned()))));
    let began = Instant::now();
    let ran = drive(spec(&flow(yaml), &json!({})), &script).await;
    assert!(ran.text().contains("= failed slow STEP_TIMEOUT"), "{}", ran.text());
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_fails() {
    let began = Instant::now();
    let ran = busy(|bounds| RunBounds { run_time: Duration::from_secs(5), ..bounds }, &CancellationToken::new()).await;
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    insta::assert_snapshot!(ran.text(), @r#"
    start first #1 <- {"items":[1,2,3]}
    done first #1 -> {"message":"first"}
    start left #1 <- {"message":"first"}
    start one[0] #1 <- {"message":"first","item":1,"index":0}
    again one[1] #1 <- {"message":"first","item":2,"index":1}
    fail left #1 CANCELLED: cut off because the run ended
    fail one[0] #1 CANCELLED: cut off because the run ended
    fail one[1] #1 CANCELLED: cut off because the run ended
    failed left RUN_TIMEOUT: the run took longer than its limit of 5 s
    = failed left RUN_TIMEOUT: the run took longer than its limit of 5 s
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_container_gives_no_more_than_any_step() {
    let each = "- {id: each, loop: {over: initial.items, steps: [{id: one, llm: {prompt: \"one\"}}]}}";
    let both = "- {id: both, parallel: [{id: one, llm: {prompt: \"one\"}}, {id: two, llm: {prompt: \"two\"}}]}";
    let flat = "- {id: one, llm: {prompt: \"one\"}}";
    for (yaml, letters, fits) in
        [(flat, 9_000, true), (each, 2_400, true), (each, 2_600, false), (both, 2_400, true), (both, 2_600, false)]
    {
        let spec = spec(&flow(yaml), &json!({"items": [1, 2]}));
        let says = Turn::Text("x".repeat(letters));
        let script = Script::echo().on("one", vec![says.clone(); 2]).on("two", [says]);
        let text = drive(spec, &Arc::new(script)).await.text();
        assert_eq!(text.contains("LIMIT_EXCEEDED: the output has"), !fits, "{yaml} {letters}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_ends_at_once() {
    let cancel = CancellationToken::new();
    let (began, later) = (Instant::now(), cancel.clone());
    let (ran, ()) = tokio::join!(busy(|bounds| bounds, &cancel), async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        later.cancel();
    });
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    insta::assert_snapshot!(ran.text(), @r#"
    start first #1 <- {"items":[1,2,3]}
    done first #1 -> {"message":"first"}
    start left #1 <- {"message":"first"}
    start one[0] #1 <- {"message":"first","item":1,"index":0}
    again one[1] #1 <- {"message":"first","item":2,"index":1}
    fail left #1 CANCELLED: cut off because the run ended
    fail one[0] #1 CANCELLED: cut off because the run ended
    fail one[1] #1 CANCELLED: cut off because the run ended
    = cancelled
    "#);
    let waits: Vec<Duration> = ran.events.iter().filter_map(cut_off_after).collect();
    assert_eq!(waits, [Duration::from_secs(3); 3]);
}

fn cut_off_after(event: &Event) -> Option<Duration> {
    match event {
        Event::AttemptFailed { duration, .. } => Some(*duration),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_cancelled_before_it_begins_does_nothing() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    assert_eq!(busy(|bounds| bounds, &cancel).await.text(), "= cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_run_cancelled_between_two_attempts_ends_too() {
    let cancel = CancellationToken::new();
    let later = cancel.clone();
    let script = Arc::new(Script::echo().on("slow", [Turn::Busy(Duration::from_secs(50))]));
    let spec = spec(&flow("- {id: slow, llm: {prompt: \"slow\"}}"), &json!({}));
    let (ran, ()) = tokio::join!(drive_with(spec, &script, |sink| sink, &cancel), async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        later.cancel();
    });
    insta::assert_snapshot!(ran.text(), @r#"
    start slow #1 <- {}
    fail slow #1 MODEL_RATE_LIMITED: scripted: RateLimited
    = cancelled
    "#);
}

const ITEMS: &str =
    "- {id: each, loop: {over: initial.items, concurrency: 1, steps: [{id: one, llm: {prompt: \"one\"}}]}}";

#[tokio::test]
async fn a_run_as_a_whole_is_bounded_in_block_runs_and_in_what_they_give() {
    let items = json!({"items": [1, 2, 3, 4]});
    for (bounds, text) in [
        (RunBounds { attempts: 3, ..spec(&flow(ITEMS), &items).bounds }, "the run made 3 block runs, its limit"),
        (RunBounds { total_bytes: 30, ..spec(&flow(ITEMS), &items).bounds }, "bytes; the limit is 30"),
    ] {
        let script = Arc::new(Script::echo());
        let ran = drive(with_bounds(spec(&flow(ITEMS), &items), |_| bounds), &script).await;
        assert!(ran.text().contains("LIMIT_EXCEEDED") && ran.text().ends_with(text), "{}", ran.text());
        assert!(script.calls() < 4);
    }
    let script = Arc::new(Script::echo());
    let ran =
        drive(with_bounds(spec(&flow(ITEMS), &items), |bounds| RunBounds { attempts: 4, ..bounds }), &script).await;
    assert_eq!((ran.result()["count"].clone(), script.calls()), (json!(4), 4));
}

#[tokio::test(start_paused = true)]
async fn a_failed_item_cuts_off_its_own_loop_alone() {
    let yaml = r#"
- id: both
  parallel:
    - {id: bad, loop: {over: initial.items, on_item_error: continue, steps: [{id: fails, llm: {prompt: "fails {{ nowhere }}"}}]}}
    - {id: good, loop: {over: initial.items, steps: [{id: works, llm: {prompt: "works"}}]}}
"#;
    let script = Script::echo().on("works", [Turn::after(50, Turn::Echo), Turn::after(50, Turn::Echo)]);
    let ran = drive(spec(&flow(yaml), &json!({"items": [1, 2]})), &Arc::new(script)).await;
    assert_eq!(ran.result()["good"]["count"], json!(2));
    assert!(!ran.text().contains("CANCELLED"), "{}", ran.text());
}
