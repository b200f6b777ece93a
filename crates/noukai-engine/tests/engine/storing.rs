//! What is stored, when, and what happens where it cannot be. That nothing is done before its inputs are stored is
//! checked for every run of these tests, in `support`.

use std::sync::Arc;

use noukai_engine::{Clock, Event, RunSpec, SystemClock, run};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Script, Sink, drive, drive_with, flow, spec};

const THREE: &str = r#"
- {id: a, llm: {prompt: "a"}}
- {id: b, llm: {prompt: "b {{ message }}"}}
- {id: c, llm: {prompt: "c {{ message }}"}}
"#;

#[tokio::test(start_paused = true)]
async fn a_run_stops_where_its_results_cannot_be_stored() {
    for (nth, asked) in [(1, 0), (2, 1), (3, 2)] {
        let script = Arc::new(Script::echo());
        let spec = spec(&flow(THREE), &json!({}));
        let ran = drive_with(spec, &script, |sink| sink.failing_at(nth), &CancellationToken::new()).await;
        assert_eq!(script.calls(), asked);
        let end = "= failed run INTERNAL_ERROR: results could not be stored: the disk is full";
        assert!(ran.text().ends_with(end), "{}", ran.text());
        assert!(!ran.events.iter().any(|event| matches!(event, Event::StepFailed { .. })), "no step is to blame");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_no_failed_item() {
    let yaml = r#"
    - id: each
      loop: {over: initial.items, on_item_error: continue, concurrency: 1, steps: [{id: one, llm: {prompt: "one"}}]}
    "#;
    let script = Arc::new(Script::echo());
    let spec = spec(&flow(yaml), &json!({"items": [1, 2, 3]}));
    let ran = drive_with(spec, &script, |sink| sink.failing_at(2), &CancellationToken::new()).await;
    insta::assert_snapshot!(ran.text(), @r#"
    start one[0] #1 <- {"items":[1,2,3],"item":1,"index":0}
    done one[0] #1 of 3 -> {"message":"one"}
    again one[1] #1 <- {"items":[1,2,3],"item":2,"index":1}
    fail one[1] #1 CANCELLED: cut off because the run ended
    = failed run INTERNAL_ERROR: results could not be stored: the disk is full
    "#);
}

#[tokio::test(start_paused = true)]
async fn model_text_is_handed_on_only_where_asked_for() {
    for (deltas, expected) in [(false, vec![]), (true, vec![(0, "a ".to_owned()), (0, "hi".to_owned())])] {
        let flow = flow("- {id: a, llm: {prompt: \"a {{ message }}\"}}");
        let sink = Arc::new(Sink::new(flow.clone()));
        let ports = Arc::new(Script::echo()).ports(&sink);
        run(RunSpec { deltas, ..spec(&flow, &json!({"message": "hi"})) }, &ports, &CancellationToken::new()).await;
        assert_eq!(sink.deltas(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn sums_are_of_this_pass_and_steps_of_the_whole_run() {
    let (flow, script) = (flow(THREE), Arc::new(Script::echo()));
    let whole = drive(spec(&flow, &json!({})), &script).await.report;
    assert_eq!((whole.tokens.total, whole.cost.to_string(), whole.steps), (33, "0.015".to_owned(), 3));
    let outputs = json!({"a": {"message": "a"}, "b": {"message": "b"}});
    let done = noukai_engine::DoneOutputs::from_outputs(&flow, outputs.as_object().unwrap(), 2).unwrap();
    let rest = drive(RunSpec { done, cursor: 2, ..spec(&flow, &json!({})) }, &script).await.report;
    assert_eq!((rest.tokens.total, rest.steps), (11, 3));
}

#[tokio::test(start_paused = true)]
async fn what_an_attempt_used_stands_in_its_events() {
    let yaml = r#"
    - id: each
      loop: {over: initial.items, concurrency: 1, steps: [{id: one, llm: {model: test/m, prompt: "one"}}]}
    "#;
    let ran = drive(spec(&flow(yaml), &json!({"items": [1, 2]})), &Arc::new(Script::echo())).await;
    let used: Vec<String> = ran.events.iter().filter_map(usage).collect();
    assert_eq!(used, ["one test/m 11 0.005", "one test/m 11 0.005", "leaf test/m 22 0.010"]);
    assert!(SystemClock.now().unix_timestamp() > 0);
}

fn usage(event: &Event) -> Option<String> {
    let (what, usage) = match event {
        Event::AttemptCompleted { usage, notes, .. } => (notes.prompt.as_deref()?, usage),
        Event::LeafCompleted { usage, .. } => ("leaf", usage),
        _ => return None,
    };
    let (model, tokens, cost) = (usage.model.as_deref()?, usage.tokens?, usage.cost?);
    Some(format!("{what} {model} {} {cost}", tokens.total))
}
