//! Code blocks: what a function is called with, what becomes of what it gives, and which failures are tried again.

use std::{sync::Arc, time::Duration};

use noukai_engine::{
    CodeError,
    CodeErrorKind::{self, Crashed, Error, Memory, OutputInvalid, Timeout, Unavailable},
    Event, Failure, Outcome, RunSpec,
};
use serde_json::{Value, json};

use crate::support::{Call, Ran, Script, check_run, drive, flow, spec};

/// The world of [`ASKING`]: what the model says, and what the function does.
fn script(said: &Value, calls: impl IntoIterator<Item = Call>) -> Script {
    let script = Script::echo().on("ask", [crate::support::Turn::Text(said.to_string())]);
    script.code.tell("shape", calls);
    script
}

const ASKING: &str = r#"
- {id: ask, llm: {prompt: "ask", output: {label: string, count: integer, more: boolean}}}
- {id: shape, code: {input: [label, count], source: "shape", output: {text: string}}}
"#;

fn said() -> Value {
    json!({"label": "bug", "count": 2, "more": true})
}

async fn ran(yaml: &str, script: Script) -> Ran {
    drive(spec(&flow(yaml), &json!({"message": "hi"})), &Arc::new(script)).await
}

fn failure(ran: &Ran) -> &Failure {
    match &ran.report.outcome {
        Outcome::Failed(failure) => failure,
        _ => panic!("not failed:\n{}", ran.text()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_gets_its_parameters_in_order_and_gives_its_output() {
    let script = Arc::new(script(&said(), [Call::Gives(json!({"text": "2 bugs"}))]));
    let spec = spec(&flow(ASKING), &json!({"message": "hi", "tone": "plain"}));
    let ran = drive(spec, &script).await;
    insta::assert_snapshot!(ran.text(), @r#"
    start ask #1 <- {"message":"hi","tone":"plain"}
    done ask #1 -> {"label":"bug","count":2,"more":true}
    start shape #1 <- {"label":"bug","count":2,"more":true}
    done shape #1 -> {"text":"2 bugs"}
    = {"text":"2 bugs"}
    "#);
    let call = &script.code.made()[0];
    assert_eq!(call.arguments, [Arc::new(json!("bug")), Arc::new(json!(2))], "fields it does not ask for are left out");
    assert_eq!(*call.initial, json!({"message": "hi", "tone": "plain"}));
    assert_eq!(call.source.parameters.as_ref(), ["label", "count"]);
    assert_eq!((call.tenant, call.timeout), (crate::support::TENANT, Duration::from_secs(600)));
}

#[tokio::test(start_paused = true)]
async fn parameters_may_name_whatever_a_template_may() {
    let yaml = r#"
    - {id: first, code: {source: "first"}}
    - {id: second, code: {source: "second"}}
    - id: each
      loop:
        over: initial.items
        concurrency: 1
        steps: [{id: one, code: {language: javascript, input: [item, index, first, message], source: "one"}}]
    "#;
    let script = Script::echo();
    script.code.tell("first", [Call::Gives(json!({"a": 1}))]);
    let script = Arc::new(script);
    drive(spec(&flow(yaml), &json!({"message": "hi", "items": ["p", "q"]})), &script).await.result();
    let last = script.code.made().pop().unwrap();
    let arguments: Vec<Value> = last.arguments.iter().map(|value| value.as_ref().clone()).collect();
    let message = arguments[3].clone();
    assert_eq!(arguments, [json!("q"), json!(1), json!({"a": 1}), message.clone()]);
    assert_ne!(message, json!("hi"), "the pipeline's field is nearer than the run's");
}

#[tokio::test(start_paused = true)]
async fn a_parameter_without_a_value_is_named_and_nothing_is_called() {
    let script = Arc::new(script(&said(), []));
    let yaml = ASKING.replace("[label, count]", "[label, kount, titel]");
    insta::assert_snapshot!(drive(spec(&flow(&yaml), &json!({})), &script).await.text(), @r#"
    start ask #1 <- {}
    done ask #1 -> {"label":"bug","count":2,"more":true}
    start shape #1 <- {"label":"bug","count":2,"more":true}
    fail shape #1 CODE_INPUT_INVALID: `code.input` names `kount`, `titel`, which are not in scope; in scope: label, count, more, ask, initial, previous_output
    failed shape CODE_INPUT_INVALID: `code.input` names `kount`, `titel`, which are not in scope; in scope: label, count, more, ask, initial, previous_output
    = failed shape CODE_INPUT_INVALID: `code.input` names `kount`, `titel`, which are not in scope; in scope: label, count, more, ask, initial, previous_output
    "#);
    assert!(script.code.made().is_empty());
}

#[tokio::test(start_paused = true)]
async fn values_must_fit_the_schema_of_the_parameters() {
    let input = "{label: string, count: {type: integer, maximum: 1}, tone: {type: string, default: plain}}";
    let yaml = ASKING.replace("[label, count]", input);
    insta::assert_snapshot!(check_run(&yaml, json!({}), script(&said(), [])).await, @r#"
    start ask #1 <- {}
    done ask #1 -> {"label":"bug","count":2,"more":true}
    start shape #1 <- {"label":"bug","count":2,"more":true}
    fail shape #1 CODE_INPUT_INVALID: the input does not fit `code.input`: count: the value is greater than the maximum of 1
    failed shape CODE_INPUT_INVALID: the input does not fit `code.input`: count: the value is greater than the maximum of 1
    = failed shape CODE_INPUT_INVALID: the input does not fit `code.input`: count: the value is greater than the maximum of 1
    "#);
    let fits = json!({"label": "bug", "count": 1, "more": true});
    let script = Arc::new(script(&fits, [Call::Gives(json!({"text": "x"}))]));
    drive(spec(&flow(&yaml), &json!({})), &script).await.result();
    assert_eq!(script.code.made()[0].arguments[2].as_ref(), "plain");
}

#[tokio::test(start_paused = true)]
async fn an_output_that_breaks_its_schema_fails_the_block_with_what_it_printed() {
    let wrong = Call::Prints("so far", json!({"text": 7, "extra": "SECRET"}));
    let ran = ran(ASKING, script(&said(), [wrong])).await;
    insta::assert_snapshot!(ran.text(), @r#"
    start ask #1 <- {"message":"hi"}
    done ask #1 -> {"label":"bug","count":2,"more":true}
    start shape #1 <- {"label":"bug","count":2,"more":true}
    fail shape #1 CODE_OUTPUT_INVALID: the output does not fit the output schema: text: the value is not of type "string"; Additional properties are not allowed ('extra' was unexpected)
    failed shape CODE_OUTPUT_INVALID: the output does not fit the output schema: text: the value is not of type "string"; Additional properties are not allowed ('extra' was unexpected)
    = failed shape CODE_OUTPUT_INVALID: the output does not fit the output schema: text: the value is not of type "string"; Additional properties are not allowed ('extra' was unexpected)
    "#);
    assert!(!ran.text().contains("SECRET"), "values are not quoted");
    assert_eq!(printed(&ran), ["so far"]);
}

#[tokio::test(start_paused = true)]
async fn an_output_over_the_limit_fails_the_block() {
    let large = json!({"text": "x".repeat(10_000)});
    insta::assert_snapshot!(failure(&ran(ASKING, script(&said(), [Call::Gives(large)])).await).error.message, @r#"
    the output has 10011 bytes; the limit of a step's output is 10000
    "#);
}

fn printed(ran: &Ran) -> Vec<String> {
    let notes = |event: &Event| match event {
        Event::AttemptCompleted { notes, .. } | Event::AttemptFailed { notes, .. } => notes.printed.clone(),
        _ => None,
    };
    ran.events.iter().filter_map(notes).map(|printed| printed.text.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn errors_say_where_and_what_was_printed_before() {
    let error = CodeError {
        line: Some(3),
        traceback: Some("line 3, in _block\nline 1, in inner".to_owned()),
        printed: "got here".to_owned(),
        ..CodeError::new(Error, "KeyError: 'x'")
    };
    let ran = ran(ASKING, script(&said(), [Call::Fails(error)])).await;
    let error = &failure(&ran).error;
    assert_eq!(error.message, "line 3: KeyError: 'x'");
    assert_eq!((error.line, error.traceback.as_deref()), (Some(3), Some("line 3, in _block\nline 1, in inner")));
    assert_eq!(printed(&ran), ["got here"]);
}

/// A pure function fails alike each time; a process that died may have had another reason.
#[tokio::test(start_paused = true)]
async fn only_what_may_pass_is_tried_again_and_only_where_asked_for() {
    let all: [(CodeErrorKind, &str, usize); 6] = [
        (Error, "CODE_ERROR", 1),
        (Timeout, "CODE_TIMEOUT", 1),
        (Memory, "CODE_MEMORY", 1),
        (OutputInvalid, "CODE_OUTPUT_INVALID", 1),
        (Crashed, "CODE_CRASHED", 3),
        (Unavailable, "CODE_UNAVAILABLE", 3),
    ];
    for (kind, code, attempts) in all {
        for (retry, expected) in [("", 1), ("\n  retry: {max_attempts: 3}", attempts)] {
            let script = Script::echo();
            script.code.tell("shape", std::iter::repeat_n(Call::fails(kind), 3));
            let script = Arc::new(script);
            let flow = flow(&format!("- id: shape\n  code: {{source: \"shape\"}}{retry}"));
            let ran = drive(spec(&flow, &json!({})), &script).await;
            assert_eq!(failure(&ran).error.code.as_str(), code);
            assert_eq!(
                (script.code.made().len(), failure(&ran).error.attempt as usize),
                (expected, expected),
                "{code}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_may_succeed() {
    let yaml = "- id: shape\n  code: {source: \"shape\"}\n  retry: {max_attempts: 2, initial_ms: 10}";
    let script = Script::echo();
    script.code.tell("shape", [Call::fails(Crashed), Call::Gives(json!({"ok": true}))]);
    insta::assert_snapshot!(check_run(yaml, json!({}), script).await, @r#"
    start shape #1 <- {}
    fail shape #1 CODE_CRASHED: scripted: Crashed
    again shape #2 <- {}
    done shape #2 -> {"ok":true}
    = {"ok":true}
    "#);
}

#[tokio::test(start_paused = true)]
async fn the_blocks_own_time_goes_to_the_cage_and_the_servers_holds_for_the_wait() {
    let script = Script::echo();
    script.code.tell("shape", [Call::Gives(json!({})), Call::Hangs]);
    let script = Arc::new(script);
    let flow = flow("- id: shape\n  code: {source: \"shape\"}\n  timeout_ms: 50");
    drive(spec(&flow, &json!({})), &script).await.result();
    assert_eq!(script.code.made()[0].timeout, Duration::from_millis(50));
    let ran = drive(spec(&flow, &json!({})), &script).await;
    insta::assert_snapshot!(ran.text(), @r#"
    start shape #1 <- {}
    fail shape #1 STEP_TIMEOUT: the function was not done within 600000 ms
    failed shape STEP_TIMEOUT: the function was not done within 600000 ms
    = failed shape STEP_TIMEOUT: the function was not done within 600000 ms
    "#);
}

/// An item that fails leaves its error; the others go on.
#[tokio::test(start_paused = true)]
async fn a_failing_item_of_a_loop_costs_that_item() {
    let yaml = r#"
    - id: each
      loop:
        over: initial.items
        on_item_error: continue
        steps: [{id: one, code: {input: [item], source: "one fail odd"}}]
    "#;
    let ran = drive(spec(&flow(yaml), &json!({"items": [0, 1, 2]})), &Arc::new(Script::echo())).await;
    let results = ran.result()["results"].clone();
    assert_eq!(results[1]["error"]["code"], "CODE_ERROR");
    assert!(results[0]["message"].is_string() && results[2]["message"].is_string(), "{results}");
}

/// A caller that cancels drops the call, and the attempt is recorded as cut off.
#[tokio::test(start_paused = true)]
async fn a_cancelled_run_drops_its_call() {
    let script = Script::echo();
    script.code.tell("shape", [Call::Hangs]);
    let cancel = tokio_util::sync::CancellationToken::new();
    let spec: RunSpec = spec(&flow("- {id: shape, code: {source: \"shape\"}}"), &json!({}));
    let script = Arc::new(script);
    let run = crate::support::drive_with(spec, &script, |sink| sink, &cancel);
    let fire = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    };
    let (ran, ()) = tokio::join!(run, fire);
    insta::assert_snapshot!(ran.text(), @r#"
    start shape #1 <- {}
    fail shape #1 CANCELLED: cut off because the run ended
    = cancelled
    "#);
}
