//! Sequences, passthrough and parallel containers.

use std::{sync::Arc, time::Duration};

use noukai_engine::ModelErrorKind;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Script, Turn, check_run, drive, flow, spec};

#[tokio::test(start_paused = true)]
async fn a_sequence_hands_each_output_on() {
    let yaml = r#"
    - id: a
      llm: {prompt: "a: {{ message }}"}
    - id: inner
      sequence:
        - id: b
          llm: {prompt: "b: {{ message }}"}
    - id: c
      llm: {prompt: "c: {{ message }}"}
    "#;
    insta::assert_snapshot!(check_run(yaml, json!({"message": "hi"}), Script::echo()).await, @r#"
    start a #1 <- {"message":"hi"}
    done a #1 -> {"message":"a: hi"}
    start b #1 <- {"message":"a: hi"}
    done b #1 -> {"message":"b: a: hi"}
    start c #1 <- {"message":"b: a: hi"}
    done c #1 -> {"message":"c: b: a: hi"}
    = {"message":"c: b: a: hi"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_passthrough_gives_its_input() {
    let yaml = "
    - {id: anchor, passthrough: {}}
    - {id: again, passthrough: {}}";
    insta::assert_snapshot!(check_run(yaml, json!({"message": "hi", "n": [1]}), Script::echo()).await, @r#"
    start anchor #1 <- {"message":"hi","n":[1]}
    done anchor #1 -> {"message":"hi","n":[1]}
    start again #1 <- {"message":"hi","n":[1]}
    done again #1 -> {"message":"hi","n":[1]}
    = {"message":"hi","n":[1]}
    "#);
}

#[tokio::test(start_paused = true)]
async fn parallel_outputs_are_merged_in_tree_order() {
    let yaml = r#"
    - id: both
      parallel:
        - id: slow
          llm: {prompt: "slow: {{ message }}", output: {x: string, slow: string}}
        - id: quick
          llm: {prompt: "quick: {{ message }}", output: {x: string, slow: string}}
        - id: nested
          sequence:
            - {id: keep, passthrough: {}}
    "#;
    let script = Script::echo()
        .on("slow", [Turn::after(50, Turn::json(&json!({"x": "slow x", "slow": "field"})))])
        .on("quick", [Turn::json(&json!({"x": "quick x", "slow": "hides nobody"}))]);
    insta::assert_snapshot!(check_run(yaml, json!({"message": "hi"}), script).await, @r#"
    start slow #1 <- {"message":"hi"}
    start quick #1 <- {"message":"hi"}
    start keep #1 <- {"message":"hi"}
    done quick #1 -> {"x":"quick x","slow":"hides nobody"}
    done keep #1 -> {"message":"hi"}
    done slow #1 -> {"x":"slow x","slow":"field"}
    = {"x":"quick x","slow":{"x":"slow x","slow":"field"},"message":"hi","quick":{"x":"quick x","slow":"hides nobody"},"nested":{"message":"hi"}}
    "#);
}

#[tokio::test(start_paused = true)]
async fn parallel_children_run_at_once_on_the_same_input() {
    let yaml = r#"
    - id: all
      parallel:
        - {id: a, llm: {prompt: "a {{ message }}"}}
        - {id: b, llm: {prompt: "b {{ message }}"}}
        - id: c
          sequence:
            - {id: c1, llm: {prompt: "c1 {{ message }}"}}
            - {id: c2, llm: {prompt: "c2 {{ message }}"}}
    "#;
    let script = Arc::new(Script::new(|_| Turn::after(1000, Turn::Echo)));
    let began = Instant::now();
    let ran = drive(spec(&flow(yaml), &json!({"message": "hi"})), &script).await;
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    assert_eq!(script.most_at_once(), 3);
    assert_eq!(ran.result()["c"], json!({"message": "c2 c1 hi"}));
}

#[tokio::test(start_paused = true)]
async fn a_failing_child_fails_the_container_and_cuts_off_its_siblings() {
    let yaml = r#"
    - id: both
      parallel:
        - {id: hangs, llm: {prompt: "hangs"}}
        - {id: quick, llm: {prompt: "quick"}}
        - {id: bad, llm: {prompt: "bad"}}
    - {id: never, llm: {prompt: "never"}}
    "#;
    let script = Script::echo()
        .on("hangs", [Turn::Hangs])
        .on("quick", [Turn::after(10, Turn::Echo)])
        .on("bad", [Turn::after(20, Turn::Fails(ModelErrorKind::Refused))]);
    insta::assert_snapshot!(check_run(yaml, json!({}), script).await, @r#"
    start hangs #1 <- {}
    start quick #1 <- {}
    start bad #1 <- {}
    done quick #1 -> {"message":"quick"}
    fail bad #1 MODEL_ERROR: scripted: Refused
    fail hangs #1 CANCELLED: cut off because the run ended
    failed bad MODEL_ERROR: scripted: Refused
    = failed bad MODEL_ERROR: scripted: Refused
    "#);
}
