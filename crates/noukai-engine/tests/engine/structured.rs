//! Structured output: asked for, checked, repaired once.

use std::sync::Arc;

use noukai_engine::{Outcome, StructuredOutput};
use serde_json::json;

use crate::support::{Script, Turn, check_run, drive, flow, request_text, spec};

const LABEL: &str = r#"
- id: label
  llm: {system: "Be brief.", prompt: "label: {{ message }}", output: {label: {type: string, enum: [bug, other]}, urgent: boolean}}
"#;

fn says(text: &str) -> Turn {
    Turn::Text(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_fitting_reply_is_the_output() {
    for reply in [
        r#"{"label": "bug", "urgent": true}"#,
        "```json\n{\"label\": \"bug\", \"urgent\": true}\n```",
        "  ```\n{\"label\": \"bug\", \"urgent\": true}```\n",
    ] {
        let script = Arc::new(Script::echo().on("label", [says(reply)]));
        let ran = drive(spec(&flow(LABEL), &json!({"message": "hi"})), &script).await;
        assert_eq!(ran.result(), json!({"label": "bug", "urgent": true}));
        assert_eq!(script.calls(), 1);
        let output = script.requests()[0].output.clone().unwrap();
        assert_eq!(output.schema["required"], json!(["label", "urgent"]));
        assert_eq!(request_text(&script.requests()[0]), "system: Be brief.\nuser: label: hi", "no instruction on top");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_does_not_fit_is_repaired_once() {
    let turns = [says(r#"{"label": "fun", "urgent": true}"#), says(r#"{"label": "other", "urgent": true}"#)];
    let script = Arc::new(Script::echo().on("Your", turns[1..].to_vec()).on("label", turns[..1].to_vec()));
    let ran = drive(spec(&flow(LABEL), &json!({"message": "hi"})), &script).await;
    insta::assert_snapshot!(ran.text(), @r#"
    start label #1 <- {"message":"hi"}
    done label #1 -> {"label":"other","urgent":true}
    = {"label":"other","urgent":true}
    "#);
    insta::assert_snapshot!(request_text(&script.requests()[1]), @r#"
    system: Be brief.
    user: label: hi
    assistant: {"label": "fun", "urgent": true}
    user: Your reply does not fit the required JSON Schema: label: the value is not one of "bug" or "other". Answer again with the corrected JSON object alone.
    "#);
    assert!(script.requests()[1].output.is_some());
    assert_eq!(ran.report.tokens.total, 22, "both calls count");
    assert_eq!(ran.report.cost.to_string(), "0.010");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_still_does_not_fit_fails_the_block() {
    let script = Script::new(|_| says("sorry")).on("label", [says("{}")]);
    let yaml = LABEL.replace("output:", "fallback_models: [test/other], output:");
    insta::assert_snapshot!(check_run(&yaml, json!({"message": "hi"}), script).await, @r#"
    start label #1 <- {"message":"hi"}
    fail label #1 OUTPUT_SCHEMA_MISMATCH: the reply does not fit the output schema: no JSON: expected value at line 1 column 1
    failed label OUTPUT_SCHEMA_MISMATCH: the reply does not fit the output schema: no JSON: expected value at line 1 column 1
    = failed label OUTPUT_SCHEMA_MISMATCH: the reply does not fit the output schema: no JSON: expected value at line 1 column 1
    "#);
}

#[tokio::test(start_paused = true)]
async fn models_that_take_no_schema_are_told() {
    let script = Arc::new(Script::new(|_| says(r#"{"label": "bug", "urgent": true}"#)).without_schemas());
    drive(spec(&flow(LABEL), &json!({"message": "hi"})), &script).await.result();
    assert!(script.requests()[0].output.is_none());
    insta::assert_snapshot!(request_text(&script.requests()[0]), @r#"
    system: Be brief.

    Answer with one JSON object that fits this JSON Schema, and nothing else:
    {"type":"object","properties":{"label":{"type":"string","enum":["bug","other"]},"urgent":{"type":"boolean"}},"required":["label","urgent"],"additionalProperties":false}
    user: label: hi
    "#);
    let script = Arc::new(Script::new(|_| says(r#"{"label": "bug", "urgent": true}"#)).without_schemas());
    drive(spec(&flow(&LABEL.replace("system: \"Be brief.\",", "")), &json!({"message": "hi"})), &script).await.result();
    insta::assert_snapshot!(request_text(&script.requests()[0]), @r#"
    system: Answer with one JSON object that fits this JSON Schema, and nothing else:
    {"type":"object","properties":{"label":{"type":"string","enum":["bug","other"]},"urgent":{"type":"boolean"}},"required":["label","urgent"],"additionalProperties":false}
    user: label: hi
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_reply_over_the_limit_fails_the_block() {
    let yaml = "- {id: big, llm: {prompt: \"big\"}}";
    let script = Arc::new(Script::new(|_| Turn::Text("x".repeat(10_001))));
    let ran = drive(spec(&flow(yaml), &json!({})), &script).await;
    assert!(matches!(ran.report.outcome, Outcome::Failed(_)));
    insta::assert_snapshot!(ran.text(), @r#"
    start big #1 <- {}
    fail big #1 LIMIT_EXCEEDED: the reply has 10001 bytes; the limit of a step's output is 10000
    failed big LIMIT_EXCEEDED: the reply has 10001 bytes; the limit of a step's output is 10000
    = failed big LIMIT_EXCEEDED: the reply has 10001 bytes; the limit of a step's output is 10000
    "#);
    let script = Arc::new(Script::new(|_| Turn::Text("x".repeat(10_000))));
    drive(spec(&flow(yaml), &json!({})), &script).await.result();
}

#[tokio::test(start_paused = true)]
async fn a_model_may_be_asked_by_tool() {
    let script = Script::echo().structuring(StructuredOutput::Tool);
    let script = Arc::new(script.on("label", [says(r#"{"label": "bug", "urgent": true}"#)]));
    let ran = drive(spec(&flow(LABEL), &json!({"message": "hi"})), &script).await;
    assert_eq!(ran.result(), json!({"label": "bug", "urgent": true}));
    assert!(script.requests()[0].output.as_ref().unwrap().by_tool);
}

#[tokio::test(start_paused = true)]
async fn a_reply_cut_off_at_its_tokens_says_so() {
    let script = Arc::new(Script::new(|_| Turn::Truncated("{\"label\": \"bu")));
    let ran = drive(spec(&flow(LABEL), &json!({"message": "hi"})), &script).await;
    assert!(ran.text().contains("it was cut off at its limit of tokens; no JSON"), "{}", ran.text());
}
