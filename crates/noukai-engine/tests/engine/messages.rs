//! What a model is shown: system, conversation, prompt, images; in pipelines and in chats.

use std::sync::Arc;

use noukai_engine::{Image, Message, ModelErrorKind, RunSpec};
use serde_json::json;

use crate::support::{Script, Turn, drive, flow, request_text, spec};

fn image() -> Image {
    Image { url: "https://x.test/cat.png".to_owned(), mime_type: "image/png".to_owned() }
}

fn user(text: &str) -> Message {
    Message::User { text: text.to_owned(), images: Vec::new() }
}

fn assistant(text: &str) -> Message {
    Message::Assistant { text: Some(text.to_owned()), tool_calls: Vec::new(), carried: None }
}

/// All requests of a run with an image and a conversation.
async fn shown(yaml: &str, script: Script) -> String {
    let script = Arc::new(script);
    let conversation = vec![user("earlier"), assistant("yes?"), user("now")];
    let spec = spec(&flow(yaml), &json!({"message": "hi", "items": [1]}));
    drive(RunSpec { conversation, images: vec![image()], ..spec }, &script).await;
    script.requests().iter().map(request_text).collect::<Vec<_>>().join("\n\n")
}

#[tokio::test(start_paused = true)]
async fn in_a_pipeline_the_prompt_is_the_user_turn() {
    let yaml = r#"
    - {id: one, llm: {system: "Be {{ message }}.", prompt: "one: {{ message }}"}}
    - {id: two, llm: {prompt: "two: {{ message }}"}}
    - {id: three, llm: {prompt: "three", attachments: always}}
    "#;
    insta::assert_snapshot!(shown(yaml, Script::echo()).await, @r#"
    system: Be hi.
    user: earlier
    assistant: yes?
    user: now
    user: one: hi [https://x.test/cat.png]

    user: two: one: hi

    user: three [https://x.test/cat.png]
    "#);
}

#[tokio::test(start_paused = true)]
async fn attachments_go_to_every_block_that_runs_before_another_is_done() {
    let yaml = r#"
    - {id: anchor, passthrough: {}}
    - id: both
      parallel: [{id: left, llm: {prompt: "left"}}, {id: right, llm: {prompt: "right"}}]
    - {id: last, llm: {prompt: "last"}}
    "#;
    insta::assert_snapshot!(shown(yaml, Script::new(|_| Turn::after(5, Turn::Echo))).await, @r#"
    user: earlier
    assistant: yes?
    user: now
    user: left [https://x.test/cat.png]

    user: earlier
    assistant: yes?
    user: now
    user: right [https://x.test/cat.png]

    user: last
    "#);
}

#[tokio::test(start_paused = true)]
async fn attachments_stay_for_another_attempt() {
    let yaml = "- {id: one, llm: {prompt: \"one\"}}";
    let script = Script::echo().on("one", [Turn::Fails(ModelErrorKind::Server)]);
    insta::assert_snapshot!(shown(yaml, script).await, @r#"
    user: earlier
    assistant: yes?
    user: now
    user: one [https://x.test/cat.png]

    user: earlier
    assistant: yes?
    user: now
    user: one [https://x.test/cat.png]
    "#);
}

#[tokio::test(start_paused = true)]
async fn in_a_chat_the_prompt_is_the_system_message() {
    let yaml = r#"
kind: chat
steps:
  - {id: one, llm: {system: "Be brief.", prompt: "one: {{ message }}"}}
  - {id: two, llm: {system: "two"}}
  - {id: three, llm: {prompt: "three", attachments: always}}
"#;
    insta::assert_snapshot!(shown(yaml, Script::new(|_| Turn::Text("ok".to_owned()))).await, @r#"
    system: Be brief.

    one: hi
    user: earlier
    assistant: yes?
    user: now [https://x.test/cat.png]

    system: two
    user: earlier
    assistant: yes?
    user: now

    system: three
    user: earlier
    assistant: yes?
    user: now [https://x.test/cat.png]
    "#);
}

#[tokio::test(start_paused = true)]
async fn in_a_chat_images_go_to_the_last_user_turn() {
    let yaml = "kind: chat\nsteps:\n  - {id: one, llm: {prompt: \"one\"}}";
    let script = Arc::new(Script::echo());
    let conversation = vec![user("look"), assistant("where?")];
    let spec = spec(&flow(yaml), &json!({"message": "look"}));
    drive(RunSpec { conversation, images: vec![image()], ..spec }, &script).await;
    insta::assert_snapshot!(request_text(&script.requests()[0]), @r#"
    system: one
    user: look [https://x.test/cat.png]
    assistant: where?
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_later_pass_is_not_the_first_any_more() {
    let yaml = r#"
    - {id: one, llm: {prompt: "one"}}
    - {id: two, llm: {prompt: "two"}}
    "#;
    let (flow, script) = (flow(yaml), Arc::new(Script::echo()));
    let outputs = json!({"one": {"message": "done"}});
    let done = noukai_engine::DoneOutputs::from_outputs(&flow, outputs.as_object().unwrap(), 1).unwrap();
    let spec = spec(&flow, &json!({}));
    let conversation = vec![user("earlier")];
    drive(RunSpec { done, cursor: 1, conversation, images: vec![image()], ..spec }, &script).await;
    assert_eq!(request_text(&script.requests()[0]), "user: two");
}

#[tokio::test(start_paused = true)]
async fn a_block_says_what_its_provider_takes() {
    let yaml = r#"
    - {id: one, llm: {model: test/m, prompt: "one", config: {temperature: 0.5, top_k: 3}}}
    "#;
    let script = Arc::new(Script::echo());
    drive(spec(&flow(yaml), &json!({})), &script).await;
    let request = &script.requests()[0];
    assert_eq!(json!(request.config), json!({"temperature": 0.5, "top_k": 3}));
    assert_eq!((request.model.as_str(), request.tools.len(), &request.tool_choice), ("test/m", 0, &None));
}

#[tokio::test(start_paused = true)]
async fn a_call_names_its_step_and_its_iterations() {
    let yaml = r#"
    - {id: before, llm: {prompt: "before: x"}}
    - id: outer
      loop:
        over: initial.rows
        concurrency: 1
        steps:
          - {id: inner, loop: {over: item, concurrency: 1, steps: [{id: one, llm: {prompt: "one: {{ item }}"}}]}}
    "#;
    let script = Arc::new(Script::echo());
    drive(spec(&flow(yaml), &json!({"rows": [["a"], ["b", "c"]]})), &script).await;
    let sites: Vec<String> =
        script.requests().iter().map(|request| format!("{}{:?}", request.site.step, request.site.path)).collect();
    assert_eq!(sites, ["before[]", "one[0, 0]", "one[1, 0]", "one[1, 1]"]);
}
