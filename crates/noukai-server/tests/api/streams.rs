//! Event streams: their bytes, their order, their ends, and how they are resumed.

use futures::StreamExt;
use serde_json::{Value, json};

use crate::common::{Event, TestServer, events, kinds};

fn follow(id: &str) -> String {
    format!("/flow-runs/{id}/trace/stream")
}

fn run_id(event: &Event) -> String {
    event.data["executionId"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn frames_are_as_published_to_the_byte() {
    let server = TestServer::start().await;
    // Line ends of every kind inside of a value.
    let body = json!({"message": "a\r\nb\nc\u{2028}d\u{85}e\n\nf"});
    let reply = server.post("/seq/acme/demo/echo/step", &body).send().await;
    let text = &reply.text;
    let first = text.split_once('\n').map(|(_, rest)| rest).unwrap_or_default();
    assert!(first.starts_with("event: run_started\ndata: {\"eventType\":\"run_started\",\"runId\":"), "{text:?}");
    assert!(text.ends_with("}\n\n") && !text.contains('\r') && !text.contains("\n\n\n"), "{text:?}");
    let events = reply.events();
    assert_eq!(
        kinds(&events),
        ["run_started", "step_started", "step_input", "step_output", "step_completed", "flow_completed"]
    );
    let ids: Vec<u64> = events.iter().map(|event| event.id.expect("stored")).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    assert!(events.iter().all(|event| run_id(event) == run_id(&events[0])));
    assert_eq!(events[4].data["output"]["message"], body["message"]);
}

#[tokio::test]
async fn each_call_has_one_terminator_and_it_comes_last() {
    let server = TestServer::start().await;
    let terminators = ["step_paused", "flow_completed", "step_error", "step_paused_for_tool_calls"];
    let tools = crate::common::flows::tools(1);
    for (flow, body, last) in [
        ("echo", json!({"message": "x"}), "flow_completed"),
        ("two-step", json!({"message": "x"}), "step_paused"),
        ("two-step", json!({"message": "x", "runRemaining": true}), "flow_completed"),
        ("tools", json!({"message": "x", "tools": tools}), "step_paused_for_tool_calls"),
        ("loop", json!({"message": "x", "parameters": {"items": 3}}), "step_error"),
        ("loop", json!({"message": "x", "parameters": {"items": ["a", "b"]}}), "flow_completed"),
    ] {
        let events = server.step(flow, body.clone()).await;
        let ends: Vec<_> = events.iter().filter(|event| terminators.contains(&event.kind.as_str())).collect();
        assert_eq!((ends.len(), events.last().expect("events").kind.as_str()), (1, last), "{flow} {body}: {events:#?}");
    }
}

#[tokio::test]
async fn a_stream_resumes_at_every_position_with_exactly_the_rest() {
    let server = TestServer::start().await;
    let runs: [(&str, Value); 3] = [
        ("two-step", json!({"message": "x"})),
        ("loop", json!({"message": "x", "parameters": {"items": ["a", "b", "c"]}})),
        ("loop", json!({"message": "x", "parameters": {"items": 3}})),
    ];
    for (flow, body) in runs {
        let id = server.execute(flow, body).await["executionId"].as_str().expect("an id").to_owned();
        let whole = server.get(&follow(&id)).send().await.events();
        assert_eq!(whole.last().expect("events").kind, "flow_completed");
        let ids: Vec<u64> = whole.iter().map(|event| event.id.expect("stored")).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
        for position in 0..=ids.last().copied().unwrap_or_default() {
            let rest = server.get(&follow(&id)).header("last-event-id", position.to_string()).send().await.events();
            let expected: Vec<_> = whole.iter().filter(|event| event.id > Some(position)).cloned().collect();
            assert_eq!(rest, expected, "{flow} after {position}");
        }
        let by_flow = server.get(&format!("/seq/acme/demo/{flow}/runs/{id}/trace/stream")).send().await.events();
        assert_eq!(by_flow, whole);
    }
}

#[tokio::test]
async fn behind_the_end_of_a_finished_run_there_is_nothing() {
    let server = TestServer::start().await;
    let id = server.execute("echo", json!({"message": "x"})).await["executionId"].as_str().expect("an id").to_owned();
    let end = server.get(&follow(&id)).send().await.events().last().and_then(|event| event.id).expect("a number");
    for position in [end, end + 1, end + 2, end + 3, 1_000_000, u64::MAX] {
        let rest = server.get(&follow(&id)).header("last-event-id", position.to_string()).send().await.events();
        assert_eq!(rest, [], "after {position}");
    }
}

#[tokio::test]
async fn where_to_resume_is_a_number_or_refused() {
    let server = TestServer::start().await;
    let id = server.execute("echo", json!({"message": "x"})).await["executionId"].as_str().expect("an id").to_owned();
    for bad in ["x", "-1", "1.5", "", "99999999999999999999"] {
        let reply = server.get(&follow(&id)).header("last-event-id", bad).send().await;
        reply.refused(400, "BAD_REQUEST");
    }
}

#[tokio::test]
async fn whoever_follows_a_job_sees_what_is_stored() {
    let server = TestServer::start().await;
    let job = server.post("/seq/acme/demo/slow/jobs", &json!({"message": "x"})).send().await.ok();
    let id = job["executionId"].as_str().expect("an id");
    let live = server.get(&follow(id)).send().await.events();
    assert_eq!(kinds(&live).last(), Some(&"flow_completed"));
    assert_eq!(live, server.get(&follow(id)).send().await.events());
    let status = server.get(&format!("/seq/acme/demo/slow/jobs/{id}")).send().await.ok();
    assert_eq!(status["status"], "completed");
}

#[tokio::test]
async fn deltas_come_where_asked_for_and_are_not_stored() {
    let server = TestServer::start().await;
    let body = json!({"message": "some words to stream"});
    let asked = server.post("/seq/acme/demo/echo/step?deltas=true", &body).send().await.events();
    let deltas: Vec<_> = asked.iter().filter(|event| event.kind == "step_delta").collect();
    assert!(!deltas.is_empty());
    assert!(deltas.iter().all(|delta| delta.id.is_none()));
    let text: String = deltas.iter().filter_map(|delta| delta.data["text"].as_str()).collect();
    assert_eq!(text, "some words to stream");
    let stored = server.get(&follow(&run_id(&asked[0]))).send().await.events();
    let others: Vec<_> = asked.iter().filter(|event| event.kind != "step_delta").cloned().collect();
    assert_eq!(stored, others);
    let plain = server.step("echo", body).await;
    assert!(!kinds(&plain).contains(&"step_delta"));
}

#[tokio::test]
async fn a_run_does_not_depend_on_who_watches() {
    let server = TestServer::start().await;
    let response = server.post("/seq/acme/demo/slow/step", &json!({"message": "x"})).open().await;
    let mut stream = response.bytes_stream();
    let first = stream.next().await.expect("a part").expect("bytes");
    let id = run_id(&events(std::str::from_utf8(&first).expect("text"))[0]);
    drop(stream);
    let seen = server.get(&follow(&id)).send().await.events();
    assert_eq!(seen.last().expect("events").kind, "flow_completed");
    let trace = server.get(&format!("/flow-runs/{id}/trace")).send().await.ok();
    assert_eq!((&trace["flowRun"]["status"], &trace["flowRun"]["triggerType"]), (&json!("completed"), &json!("step")));
}

#[tokio::test]
async fn a_failed_run_is_followed_to_its_error() {
    let server = TestServer::start().await;
    let reply = server.execute("loop", json!({"message": "x", "parameters": {"items": 3}})).await;
    assert_eq!(reply["status"], "failed");
    let seen = server.get(&follow(reply["executionId"].as_str().expect("an id"))).send().await.events();
    let kinds = kinds(&seen);
    assert_eq!(kinds[kinds.len() - 2..], ["step_error", "flow_completed"]);
    assert!(seen.last().expect("events").data["summary"]["failedAtStep"].is_string());
}
