//! Connections that break: nothing is lost, nothing seen twice, nothing run twice.

use noukai::{CaptureMode, Noukai, StreamEvent};
use serde_json::{Value, json};

use super::{flow, relay::Relay};
use crate::common::TestServer;

/// What a caller sees of an event that is the same in every run.
fn shown(event: &StreamEvent) -> (String, Value) {
    let contents = match event {
        StreamEvent::StepStarted(step) => json!([step.step_id, step.step_index, step.attempt]),
        StreamEvent::StepOutput(step) => json!([step.step_id, step.output_data]),
        StreamEvent::StepCompleted(step) => json!([step.step_id, step.output]),
        StreamEvent::FlowCompleted(flow) => flow.result.clone(),
        _ => Value::Null,
    };
    (event.event_type().to_owned(), contents)
}

async fn all_events(url: &str, key: &str, run_remaining: bool) -> Vec<(String, Value)> {
    let client = Noukai::builder().base_url(url).api_key(key).build().expect("a client");
    let call = client.flow("acme/demo/two-step").expect("a flow").events().message("hi");
    let events = call.run_remaining(run_remaining).stream().all().await.expect("events");
    events.iter().map(shown).collect()
}

/// Cuts the first replies at every place in turn; what the caller sees is the same each time.
async fn survives_every_cut(capture: CaptureMode) {
    let server = TestServer::with(|config| config.capture = Some(capture)).await;
    let direct = format!("{}/api/v1", server.server.url());
    for run_remaining in [false, true] {
        let whole = all_events(&direct, &server.key, run_remaining).await;
        assert_eq!(whole.last().map(|last| last.1.clone()), Some(json!({"message": "2: 1: hi"})));
        let before = runs(&direct, &server.key).await;
        let cuts: Vec<usize> = (0..2_600).step_by(97).collect();
        for cut in &cuts {
            // The first reply at this place, the next at another, then none.
            let relay = Relay::start(&server.server.url(), [*cut, 450 + cut / 3]).await;
            let seen = all_events(&relay.url, &server.key, run_remaining).await;
            assert_eq!(seen, whole, "cut after {cut} bytes");
        }
        assert_eq!(runs(&direct, &server.key).await, before + cuts.len(), "one run per call");
    }
}

/// How many runs the project has.
async fn runs(url: &str, key: &str) -> usize {
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let url = format!("{url}/flow-runs?limit=100&cursor={cursor}");
        let reply = reqwest::Client::new().get(url).header("authorization", format!("Bearer {key}")).send().await;
        let page: Value = reply.expect("a reply").json().await.expect("a list");
        count += page["flowRuns"].as_array().map_or(0, Vec::len);
        match page["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return count,
        }
    }
}

#[tokio::test]
async fn a_stream_survives_every_cut_where_contents_are_kept() {
    survives_every_cut(CaptureMode::Full).await;
}

#[tokio::test]
async fn a_stream_survives_every_cut_where_contents_are_not_kept() {
    survives_every_cut(CaptureMode::MetadataOnly).await;
}

#[tokio::test]
async fn an_execute_whose_reply_is_cut_runs_once() {
    let server = TestServer::start().await;
    let direct = format!("{}/api/v1", server.server.url());
    for cut in (0..400).step_by(61) {
        let before = runs(&direct, &server.key).await;
        let relay = Relay::start(&server.server.url(), [cut]).await;
        let client = Noukai::builder().base_url(&relay.url).api_key(server.key.as_str()).build().expect("a client");
        let done = client.flow("acme/demo/echo").expect("a flow").execute().message("hi").await.expect("a reply");
        assert_eq!(done.completed().expect("an end").result, json!({"message": "hi"}));
        assert_eq!(runs(&direct, &server.key).await, before + 1, "cut after {cut} bytes");
    }
}

#[tokio::test]
async fn a_live_trace_survives_every_cut() {
    let server = TestServer::start().await;
    let done = flow(&server, "two-step").execute().message("hi").trace(true).await.expect("a reply");
    let whole = flow(&server, "two-step").run(done.execution_id()).live_trace().all().await.expect("events");
    let whole: Vec<_> = whole.iter().map(shown).collect();
    for cut in (0..2_600).step_by(131) {
        let relay = Relay::start(&server.server.url(), [cut, cut / 2]).await;
        let client = Noukai::builder().base_url(&relay.url).api_key(server.key.as_str()).build().expect("a client");
        let events = client.run(done.execution_id()).live_trace().all().await.expect("events");
        assert_eq!(events.iter().map(shown).collect::<Vec<_>>(), whole, "cut after {cut} bytes");
    }
}
