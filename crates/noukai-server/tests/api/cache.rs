//! Replies that are given again: on the whole way, from the flow's field to the trace.

use serde_json::{Value, json};

use crate::common::{TestServer, vendor::Vendor};

const MODEL: &str = "openai/gpt-4o-mini";

/// A server with one provider, and a flow `cached` with one block that keeps replies.
async fn start(vendor: &Vendor) -> TestServer {
    let provider = vendor.provider("openai", "key");
    let server = TestServer::with(|config| config.models.providers = vec![provider]).await;
    server.server.app().put_flow(&server.project, &flow("cached", json!({}))).await.expect("a flow");
    server
}

fn flow(slug: &str, fields: Value) -> Value {
    let mut llm = json!({"model": MODEL, "prompt": "{{ initial.message }}", "cache": {"ttl_s": 600}});
    for (name, value) in fields.as_object().expect("fields") {
        llm[name] = value.clone();
    }
    let steps = json!([{"id": "ask", "llm": llm}]);
    json!({"schema": 1, "slug": slug, "input": {"message": "string"}, "steps": steps})
}

async fn step(server: &TestServer, run: &Value) -> Value {
    let id = run["executionId"].as_str().expect("an id");
    server.get(&format!("/flow-runs/{id}/trace")).send().await.ok()["steps"][0].clone()
}

#[tokio::test]
async fn the_same_request_is_answered_once() {
    let vendor = Vendor::start().await;
    let server = start(&vendor).await;
    let first = server.execute("cached", json!({"message": "hi"})).await;
    let second = server.execute("cached", json!({"message": "hi"})).await;
    assert_eq!((&first["result"], vendor.calls()), (&json!({"message": "re: hi"}), 1));
    assert_eq!(second["result"], first["result"]);
    let (called, again) = (step(&server, &first).await, step(&server, &second).await);
    assert_eq!((called.get("cached"), &called["tokens"]["total"]), (None, &json!(12)));
    assert_eq!(
        (&again["cached"], &again["tokens"]["total"], &again["costUsd"]),
        (&json!(true), &json!(0), &json!("0"))
    );
    assert_eq!((&again["modelUsed"], &again["provider"]), (&called["modelUsed"], &called["provider"]));

    // Another flow with the same request gets it too; whatever differs is asked anew.
    let app = server.server.app();
    for (slug, fields) in [
        ("same", json!({})),
        ("warm", json!({"config": {"temperature": 1}})),
        ("shaped", json!({"output": {"label": "string"}})),
        ("other", json!({"model": "openai/gpt-4o"})),
        ("plain", json!({"cache": null})),
    ] {
        let mut flow = flow(slug, fields);
        let llm = flow["steps"][0]["llm"].as_object_mut().expect("a block");
        llm.retain(|_, value| !value.is_null());
        app.put_flow(&server.project, &flow).await.expect("a flow");
        let before = vendor.calls();
        server.execute(slug, json!({"message": "hi"})).await;
        assert_eq!(vendor.calls() - before, usize::from(slug != "same"), "{slug}");
    }
    server.execute("cached", json!({"message": "hello"})).await;
    assert_eq!(vendor.calls(), 6);
}

#[tokio::test]
async fn a_reply_given_again_is_streamed_as_well() {
    let vendor = Vendor::start().await;
    let server = start(&vendor).await;
    server.execute("cached", json!({"message": "hi"})).await;
    let body = json!({"stepIndex": 0, "message": "hi", "runRemaining": true});
    let events = server.post("/seq/acme/demo/cached/step?deltas=true", &body).send().await.events();
    let texts: Vec<_> =
        events.iter().filter(|event| event.kind == "step_delta").map(|event| &event.data["text"]).collect();
    assert_eq!((texts, vendor.calls()), (vec![&json!("re: hi")], 1));
}

#[tokio::test]
async fn no_project_is_given_anothers_reply() {
    let vendor = Vendor::start().await;
    let server = start(&vendor).await;
    server.execute("cached", json!({"message": "hi"})).await;
    for (org, name) in [("acme", "other"), ("zeta", "demo")] {
        let (project, key) = server.other_project(org, name).await;
        server.server.app().put_flow(&project, &flow("cached", json!({}))).await.expect("a flow");
        let before = vendor.calls();
        let path = format!("/seq/{org}/{name}/cached/execute");
        let request = server.bare(reqwest::Method::POST, &path).header("authorization", format!("Bearer {key}"));
        request.json(&json!({"message": "hi"})).send().await.ok();
        assert_eq!(vendor.calls(), before + 1, "{org}/{name}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_kept() {
    let vendor = Vendor::start().await;
    let server = start(&vendor).await;
    let small = TestServer::with(|config| {
        config.models.providers = vec![vendor.provider("openai", "key")];
        config.limits.cached_reply_bytes = 100;
    })
    .await;
    small.server.app().put_flow(&small.project, &flow("cached", json!({}))).await.expect("a flow");
    let long = json!({"message": "x".repeat(100)});
    for (server, calls) in [(&server, 1), (&small, 2)] {
        let before = vendor.calls();
        server.execute("cached", long.clone()).await;
        server.execute("cached", long.clone()).await;
        assert_eq!(vendor.calls() - before, calls);
    }
}
