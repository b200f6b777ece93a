//! What a watcher sees of a text that several attempts say.

use std::sync::Arc;

use noukai_engine::{ModelErrorKind::Server, RunSpec, run};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Script, Sink, Turn, flow, spec};

/// The pieces as they are shown, and the text that a watcher has at the end.
async fn watched(yaml: &str, input: serde_json::Value, script: Script) -> (Vec<String>, String) {
    let flow = flow(yaml);
    let sink = Arc::new(Sink::new(flow.clone()));
    let ports = Arc::new(script).ports(&sink);
    run(RunSpec { deltas: true, ..spec(&flow, &input) }, &ports, &CancellationToken::new()).await;
    let pieces: Vec<String> = sink.deltas().into_iter().map(|(_, text)| text).collect();
    let seen = pieces.iter().fold(String::new(), |seen, piece| match piece.strip_prefix("<restart>") {
        Some(text) => text.to_owned(),
        None => seen + piece,
    });
    (pieces, seen)
}

const ASK: &str = "- {id: ask, llm: {prompt: \"ask\"}, retry: {initial_ms: 1}}";

#[tokio::test(start_paused = true)]
async fn what_is_said_again_is_shown_once() {
    let again =
        [Turn::Breaks("one two ", Server), Turn::Breaks("one two thr", Server), Turn::Text("one two three".into())];
    let (pieces, seen) = watched(ASK, json!({}), Script::echo().on("ask", again)).await;
    assert_eq!(pieces, ["one ", "two ", "thr", "ee"]);
    assert_eq!(seen, "one two three");
}

#[tokio::test(start_paused = true)]
async fn another_text_begins_anew() {
    for (broken, text) in [("one two ", "one zwei drei"), ("one two ", "uno"), ("one two ", "one "), ("one ", "")] {
        let turns = [Turn::Breaks(broken, Server), Turn::Text(text.to_owned())];
        let (pieces, seen) = watched(ASK, json!({}), Script::echo().on("ask", turns)).await;
        assert_eq!(seen, text, "{pieces:?}");
        assert_eq!(pieces.iter().filter(|piece| piece.starts_with("<restart>")).count(), 1, "{pieces:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repaired_reply_begins_anew() {
    let yaml = "- {id: ask, llm: {prompt: \"ask\", output: {n: integer}}}";
    let [first, second] = ["{\"n\": \"x\"}", "{\"n\": 1}"].map(|text| [Turn::Text(text.to_owned())]);
    let (_, seen) = watched(yaml, json!({}), Script::echo().on("ask", first).on("Your", second)).await;
    assert_eq!(seen, "{\"n\": 1}");
}

#[tokio::test(start_paused = true)]
async fn in_a_loop_no_iteration_voids_the_others() {
    let yaml = "- {id: l, loop: {over: items, steps: [{id: ask, llm: {prompt: \"ask\"}, retry: {initial_ms: 1}}]}}";
    let turns = [Turn::Breaks("one ", Server), Turn::Text("zwei drei".to_owned())];
    let (pieces, _) = watched(yaml, json!({"items": [1]}), Script::echo().on("ask", turns)).await;
    assert_eq!(pieces, ["one "]);
}
