//! Replies that may be given again: which are handed to be kept, for which request, and what is said of one given again.

use std::{sync::Arc, time::Duration};

use noukai_engine::ModelErrorKind::Server;
use serde_json::json;

use crate::support::{Script, Turn, drive, flow, request_text, spec};

const CACHED: &str = r#"- {id: ask, llm: {prompt: "ask {{ message }}", cache: {ttl_s: 60}}}"#;
const LABEL: &str =
    r#"- {id: ask, llm: {prompt: "ask", cache: {ttl_s: 60}, output: {label: {type: string, enum: [bug, other]}}}}"#;

async fn asked(yaml: &str, script: Script) -> (Arc<Script>, Vec<noukai_engine::Usage>) {
    let script = Arc::new(script);
    let ran = drive(spec(&flow(yaml), &json!({"message": "hi"})), &script).await;
    (script, ran.usages())
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_kept_where_the_block_wants_it() {
    let failing = Script::echo().on("ask", [Turn::Fails(Server)]);
    let (script, usages) = asked(CACHED, failing).await;
    let kept = script.kept();
    assert_eq!(kept.len(), 1, "what failed is not kept");
    assert_eq!((request_text(&kept[0].0).as_str(), kept[0].1.text.as_deref()), ("user: ask hi", Some("ask hi")));
    assert_eq!(kept[0].0.cache, Some(Duration::from_secs(60)));
    assert!(!usages.iter().any(|usage| usage.cached));
    let (script, _) = asked(&CACHED.replace(", cache: {ttl_s: 60}", ""), Script::echo()).await;
    assert_eq!((script.calls(), script.kept().len(), script.requests()[0].cache), (1, 0, None));
}

#[tokio::test(start_paused = true)]
async fn one_given_again_is_told_and_not_kept_anew() {
    let (script, usages) = asked(CACHED, Script::echo().on("ask", [Turn::Again("as before")])).await;
    assert!(script.kept().is_empty());
    assert!(usages.last().unwrap().cached);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_not_kept_and_what_repaired_it_is() {
    let says = |text: &str| Turn::Text(text.to_owned());
    let repaired = Script::echo().on("ask", [says("nonsense")]).on("Your", [says(r#"{"label": "bug"}"#)]);
    let (script, _) = asked(LABEL, repaired).await;
    let kept = script.kept();
    assert_eq!((script.calls(), kept.len(), script.requests()[1].cache), (2, 1, None));
    assert_eq!(request_text(&kept[0].0), "user: ask", "under the request that was asked at first");
    assert_eq!(kept[0].1.text.as_deref(), Some(r#"{"label": "bug"}"#));
    let (script, _) = asked(LABEL, Script::new(|_| Turn::Text("nonsense".to_owned()))).await;
    assert!(script.kept().is_empty());
    let (script, _) = asked(CACHED, Script::echo().on("ask", [Turn::Truncated("cut o")])).await;
    assert!(script.kept().is_empty(), "what was cut off is not kept");
}
