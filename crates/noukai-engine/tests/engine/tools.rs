//! Tools: a block pauses, its caller answers, the block goes on.

use std::{sync::Arc, time::Duration};

use noukai_engine::{
    DoneOutputs, Message, ModelErrorKind, RunSpec, Slot, Tool, ToolChoice, ToolChoiceMode, ToolPause, ToolResume,
    Until, results_for_calls, wire_turns,
};
use noukai_flow::Flow;
use serde_json::{Value, json};

use crate::support::{Ran, Script, Turn, drive, flow, request_text, spec};

const FLOW: &str = r#"
- {id: first, llm: {prompt: "first {{ message }}"}}
- id: way
  branch:
    on: "x"
    cases:
      w: [{id: skipped, passthrough: {}}]
      x: [{id: ask, llm: {system: "Be brief.", prompt: "ask {{ message }}", tools_enabled: true, max_tool_iterations: 2}}]
- {id: last, llm: {prompt: "last {{ message }}"}}
"#;

fn tool(name: &str) -> Tool {
    serde_json::from_value(json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}))
        .unwrap()
}

fn with_tools(spec: RunSpec) -> RunSpec {
    let tool_choice = Some(ToolChoice::Mode(ToolChoiceMode::Required));
    RunSpec { tools: vec![tool("look"), tool("find")], tool_choice, ..spec }
}

fn answers(pause: &ToolPause) -> Vec<Message> {
    let answer = |call: &noukai_engine::ToolCall| Message::Tool {
        call_id: call.id.clone(),
        name: Some(call.function.name.clone()),
        content: format!("answer to {}", call.id),
    };
    pause.tool_calls.iter().map(answer).collect()
}

/// Goes on as a server does: with the pause as it was stored, and what was done before it.
async fn resume(flow: &Arc<Flow>, initial: &Value, pause: &ToolPause, script: &Arc<Script>, until: Until) -> Ran {
    let pause: ToolPause = serde_json::from_str(&serde_json::to_string(pause).unwrap()).unwrap();
    let mut done = DoneOutputs::from_outputs(flow, &pause.outputs, pause.leaf).unwrap();
    done.attempts.insert(Slot { leaf: pause.leaf, path: Vec::new() }, pause.attempt);
    let results = answers(&pause);
    let cursor = pause.leaf;
    let resume = Some(ToolResume { pause, results });
    drive(RunSpec { done, cursor, resume, until, ..with_tools(spec(flow, initial)) }, script).await
}

fn calls(ids: &[&'static str]) -> Turn {
    Turn::Calls(ids.iter().map(|id| (*id, "look")).collect())
}

#[tokio::test(start_paused = true)]
async fn a_block_pauses_and_goes_on() {
    let (flow, initial) = (flow(FLOW), json!({"message": "hi"}));
    let turns =
        [Turn::after(30, calls(&["c1", "c2"])), Turn::after(20, calls(&["c3"])), Turn::Text("found".to_owned())];
    let script = Arc::new(Script::echo().on("ask", turns));
    let first = drive(with_tools(spec(&flow, &initial)), &script).await;
    insta::assert_snapshot!(first.text(), @r#"
    start first #1 <- {"message":"hi"}
    done first #1 -> {"message":"first hi"}
    skip skipped
    start ask #1 <- {"message":"first hi"}
    = pause 1 at ask for look, look
    "#);
    let pause = first.pause();
    assert_eq!((pause.leaf, pause.attempt, pause.elapsed_ms, pause.tokens.total), (2, 1, 30, 11));
    assert_eq!(Value::Object(pause.outputs.clone()), json!({"first": {"message": "first hi"}, "skipped": null}));
    assert_eq!(pause.tools.len(), 2);

    let second = resume(&flow, &initial, &pause, &script, Until::End).await;
    insta::assert_snapshot!(second.text(), @"= pause 2 at ask for look");
    let pause = second.pause();
    assert_eq!((pause.iterations_used, pause.elapsed_ms, pause.tokens.total), (2, 50, 22));

    let third = resume(&flow, &initial, &pause, &script, Until::End).await;
    insta::assert_snapshot!(third.text(), @r#"
    done ask #1 -> {"message":"found"}
    start last #1 <- {"message":"found"}
    done last #1 -> {"message":"last found"}
    = {"message":"last found"}
    "#);
    let requests = script.requests();
    insta::assert_snapshot!(request_text(&requests[3]), @r#"
    system: Be brief.
    user: ask first hi
    assistant: - <c1 look> <c2 look>
    tool c1: answer to c1
    tool c2: answer to c2
    assistant: - <c3 look>
    tool c3: answer to c3
    "#);
    for request in &requests[1..4] {
        assert_eq!(request.tool_choice, Some(ToolChoice::Mode(ToolChoiceMode::Required)));
        assert_eq!(request.tools.len(), 2);
    }
    assert!(requests[0].tools.is_empty() && requests[4].tools.is_empty(), "only blocks that take tools get them");
    assert_eq!(third.report.tokens.total, 33 + 11, "the paused attempt counts once, with the pass that ends it");
}

#[tokio::test(start_paused = true)]
async fn a_resumed_attempt_has_run_since_before_its_pause() {
    let (flow, initial) = (flow(FLOW), json!({"message": "hi"}));
    let script = Script::echo().on("ask", [Turn::after(30, calls(&["c1"])), Turn::after(40, Turn::Echo)]);
    let script = Arc::new(script);
    let pause = drive(with_tools(spec(&flow, &initial)), &script).await.pause();
    tokio::time::sleep(Duration::from_secs(900)).await;
    let ran = resume(&flow, &initial, &pause, &script, Until::End).await;
    let durations: Vec<u128> = ran
        .events
        .iter()
        .filter_map(|event| match event {
            noukai_engine::Event::AttemptCompleted { leaf: 2, duration, .. } => Some(duration.as_millis()),
            _ => None,
        })
        .collect();
    assert_eq!(durations, [70], "the time between the calls is its caller's");
}

#[tokio::test(start_paused = true)]
async fn a_step_call_stops_behind_the_resumed_block() {
    let (flow, initial) = (flow(FLOW), json!({"message": "hi"}));
    let script = Arc::new(Script::echo().on("ask", [calls(&["c1"])]));
    let pause = drive(with_tools(spec(&flow, &initial)), &script).await.pause();
    let ran = resume(&flow, &initial, &pause, &script, Until::OneUnit).await;
    assert!(ran.text().ends_with("= boundary ask | last"), "{}", ran.text());
}

#[tokio::test(start_paused = true)]
async fn a_resumed_attempt_may_fail_and_be_tried_again() {
    let (flow, initial) = (flow(FLOW), json!({"message": "hi"}));
    let turns = [calls(&["c1"]), Turn::Fails(ModelErrorKind::Server), Turn::Text("found".to_owned())];
    let script = Arc::new(Script::echo().on("ask", turns));
    let pause = drive(with_tools(spec(&flow, &initial)), &script).await.pause();
    let ran = resume(&flow, &initial, &pause, &script, Until::End).await;
    insta::assert_snapshot!(ran.text(), @r#"
    fail ask #1 MODEL_ERROR: scripted: Server
    again ask #2 <- {"message":"first hi"}
    done ask #2 -> {"message":"found"}
    start last #1 <- {"message":"found"}
    done last #1 -> {"message":"last found"}
    = {"message":"last found"}
    "#);
    assert_eq!(request_text(&script.requests()[2]), request_text(&script.requests()[3]), "the answers are not lost");
    assert_eq!(
        ran.report.tokens.total,
        11 + 11 + 11,
        "each call counts once: before the pause, after it, and the last block's"
    );
}

#[tokio::test(start_paused = true)]
async fn a_block_may_pause_only_so_often() {
    let (flow, initial) = (flow(FLOW), json!({"message": "hi"}));
    let script = Arc::new(Script::new(|request| if request.tools.is_empty() { Turn::Echo } else { calls(&["c"]) }));
    let mut pause = drive(with_tools(spec(&flow, &initial)), &script).await.pause();
    pause = resume(&flow, &initial, &pause, &script, Until::End).await.pause();
    assert_eq!(pause.iterations_used, 2);
    let ran = resume(&flow, &initial, &pause, &script, Until::End).await;
    insta::assert_snapshot!(ran.text(), @r#"
    fail ask #1 TOOL_ITERATION_LIMIT: the block paused for tools 2 times, its max_tool_iterations, and wants more
    failed ask TOOL_ITERATION_LIMIT: the block paused for tools 2 times, its max_tool_iterations, and wants more
    = failed ask TOOL_ITERATION_LIMIT: the block paused for tools 2 times, its max_tool_iterations, and wants more
    "#);
}

#[tokio::test(start_paused = true)]
async fn what_an_item_cut_off_is_closed_before_a_pause() {
    let yaml = r#"
    - id: each
      loop:
        over: initial.items
        on_item_error: continue
        steps: [{id: both, parallel: [{id: slow, llm: {prompt: "slow"}}, {id: bad, llm: {prompt: "bad"}}]}]
    - {id: ask, llm: {prompt: "ask", tools_enabled: true}}
    "#;
    let fails = Turn::after(5, Turn::Fails(ModelErrorKind::Refused));
    let script = Script::echo().on("slow", [Turn::Hangs]).on("bad", [fails]).on("ask", [calls(&["c1"])]);
    // That nothing but the paused attempt stays open is checked for every run, in `support`.
    drive(with_tools(spec(&flow(yaml), &json!({"items": [1]}))), &Arc::new(script)).await.pause();
}

#[tokio::test(start_paused = true)]
async fn calls_nobody_offered_are_no_pause() {
    let script = Arc::new(Script::echo().on("ask", [calls(&["c1"])]));
    let ran = drive(spec(&flow(FLOW), &json!({"message": "hi"})), &script).await;
    assert!(ran.text().contains(r#"done ask #1 -> {"message":""}"#), "{}", ran.text());
}

#[tokio::test(start_paused = true)]
async fn in_a_chat_the_conversation_stands_before_the_tool_turns() {
    let yaml = "kind: chat\nsteps:\n  - {id: ask, llm: {prompt: \"ask\", tools_enabled: true}}";
    let (flow, initial) = (flow(yaml), json!({"message": "hi"}));
    let script = Arc::new(Script::echo().on("hi", [calls(&["c1"])]));
    let conversation = vec![Message::User { text: "hi".to_owned(), images: Vec::new() }];
    let begin = RunSpec { conversation: conversation.clone(), ..with_tools(spec(&flow, &initial)) };
    let pause = drive(begin.clone(), &script).await.pause();
    let results = answers(&pause);
    drive(RunSpec { resume: Some(ToolResume { pause, results }), ..begin }, &script).await.result();
    insta::assert_snapshot!(request_text(&script.requests()[1]), @r#"
    system: ask
    user: hi
    assistant: - <c1 look>
    tool c1: answer to c1
    "#);
}

#[test]
fn answers_have_to_fit_the_calls() {
    let pending: Vec<noukai_engine::ToolCall> = serde_json::from_value(json!([
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
        {"id": "c2", "type": "function", "function": {"name": "find", "arguments": "{}"}},
    ]))
    .unwrap();
    let answered = ["c0".to_owned()];
    let check = |sent: Value| results_for_calls(sent.as_array().unwrap(), &pending, &answered);
    let both = json!([
        {"role": "assistant", "content": null, "toolCalls": []},
        {"role": "tool", "toolCallId": "c0", "content": "of an earlier pause"},
        {"role": "tool", "tool_call_id": "c2", "content": {"found": 1}},
        {"role": "tool", "toolCallId": "c1", "content": "seen"},
    ]);
    let turns = check(both).unwrap();
    assert_eq!(
        turns,
        [
            Message::Tool { call_id: "c1".to_owned(), name: Some("look".to_owned()), content: "seen".to_owned() },
            Message::Tool {
                call_id: "c2".to_owned(),
                name: Some("find".to_owned()),
                content: "{\"found\":1}".to_owned()
            },
        ]
    );
    assert_eq!(
        check(json!([{"toolCallId": "c1", "output": "a"}, {"toolCallId": "c2", "content": null}])).unwrap().len(),
        2
    );
    for (sent, error) in [
        (json!([{"role": "tool", "toolCallId": "c1", "content": "x"}]), "the tool call `c2` has no result"),
        (json!([{"role": "tool", "toolCallId": "c9", "content": "x"}]), "there is no pending tool call `c9`"),
        (json!([{"role": "tool", "content": "x"}]), "a tool result has no toolCallId"),
        (
            json!([{"role": "tool", "toolCallId": "c1", "content": "x"}, {"role": "tool", "toolCallId": "c1", "content": "y"}]),
            "the tool call `c1` has more than one result",
        ),
    ] {
        assert_eq!(check(sent).unwrap_err().0, error);
    }
    let wire =
        wire_turns(&[Message::Assistant { text: None, tool_calls: pending.clone(), carried: None }, turns[0].clone()]);
    assert_eq!(wire[0]["toolCalls"], wire[0]["tool_calls"]);
    assert_eq!(
        wire[1],
        json!({"role": "tool", "toolCallId": "c1", "tool_call_id": "c1", "name": "look", "content": "seen"})
    );
}
