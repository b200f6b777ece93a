//! What the templates of a block see as a run goes on.

use serde_json::json;

use crate::support::{Script, Turn, check_run};

#[tokio::test(start_paused = true)]
async fn earlier_steps_by_id_and_by_name() {
    let yaml = r#"
    - id: mail-kind
      name: Kind of mail!
      llm: {prompt: "mail-kind", output: {label: string}}
    - id: both
      parallel:
        - {id: left, name: The Left, passthrough: {}}
        - {id: right, llm: {prompt: "right: {{ the_left is defined }}"}}
    - id: last
      llm:
        system: "{{ initial.message }}"
        prompt: "last: {{ mail_kind.label }} {{ kind_of_mail.label }} {{ the_left.label }} {{ both.right.message }} {label} {nowhere}"
    "#;
    let script = Script::echo().on("mail-kind", [Turn::json(&json!({"label": "bug"}))]);
    let text = check_run(yaml, json!({"message": "hi"}), script).await;
    insta::assert_snapshot!(text.lines().last().unwrap(), @r#"= {"message":"last: bug bug bug right: false bug {nowhere}"}"#);
    assert!(text.contains(r#"done right #1 -> {"message":"right: false"}"#), "a sibling is not in scope:\n{text}");
}

#[tokio::test(start_paused = true)]
async fn the_previous_output_as_text() {
    let yaml = r#"
    - {id: one, llm: {prompt: "one: {{ previous_output }}"}}
    - {id: two, llm: {prompt: "two: {{ previous_output }}", output: {a: string, b: integer}}}
    - {id: three, llm: {prompt: "three: {{ previous_output }}"}}
    "#;
    let script = Script::echo().on("two", [Turn::json(&json!({"a": "x", "b": 1}))]);
    insta::assert_snapshot!(check_run(yaml, json!({"message": "hi"}), script).await, @r#"
    start one #1 <- {"message":"hi"}
    done one #1 -> {"message":"one: hi"}
    start two #1 <- {"message":"one: hi"}
    done two #1 -> {"a":"x","b":1}
    start three #1 <- {"a":"x","b":1}
    done three #1 -> {"message":"three: {\"a\":\"x\",\"b\":1}"}
    = {"message":"three: {\"a\":\"x\",\"b\":1}"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn message_is_the_nearest_one() {
    let yaml = r#"
    - {id: one, llm: {prompt: "one: {{ message }}", output: {label: string}}}
    - {id: two, llm: {prompt: "two: {{ message }}"}}
    - {id: three, llm: {prompt: "three: {{ message }}"}}
    "#;
    let script = Script::echo().on("one", [Turn::json(&json!({"label": "x"}))]);
    let text = check_run(yaml, json!({"message": "hi"}), script).await;
    insta::assert_snapshot!(text.lines().last().unwrap(), @r#"= {"message":"three: two: hi"}"#);
}

#[tokio::test(start_paused = true)]
async fn what_users_send_is_never_rendered() {
    let yaml = r#"
    - {id: one, llm: {prompt: "one: {{ message }} {message}"}}
    - {id: two, llm: {prompt: "two: {{ message }}"}}
    "#;
    let text = check_run(yaml, json!({"message": "{{ initial }} {message}"}), Script::echo()).await;
    insta::assert_snapshot!(text.lines().last().unwrap(), @r#"= {"message":"two: one: {{ initial }} {message} {{ initial }} {message}"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_there_fails_the_block_before_any_call() {
    let yaml = r#"
    - {id: one, llm: {prompt: "one: {{ nowhere }}"}}
    "#;
    insta::assert_snapshot!(check_run(yaml, json!({"message": "hi"}), Script::echo()).await, @r#"
    start one #1 <- {"message":"hi"}
    fail one #1 TEMPLATE_ERROR: `prompt`: line 1: `nowhere` is not there; names in scope: message, initial, previous_output
    failed one TEMPLATE_ERROR: `prompt`: line 1: `nowhere` is not there; names in scope: message, initial, previous_output
    = failed one TEMPLATE_ERROR: `prompt`: line 1: `nowhere` is not there; names in scope: message, initial, previous_output
    "#);
    let yaml = r#"
    - {id: one, llm: {system: "{{ nowhere }}", prompt: "one"}}
    "#;
    insta::assert_snapshot!(check_run(yaml, json!({"message": "hi"}), Script::echo()).await, @r#"
    start one #1 <- {"message":"hi"}
    fail one #1 TEMPLATE_ERROR: `system`: line 1: `nowhere` is not there; names in scope: message, initial, previous_output
    failed one TEMPLATE_ERROR: `system`: line 1: `nowhere` is not there; names in scope: message, initial, previous_output
    = failed one TEMPLATE_ERROR: `system`: line 1: `nowhere` is not there; names in scope: message, initial, previous_output
    "#);
}
