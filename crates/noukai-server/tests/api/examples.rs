//! The example flows, each with its one line changed to a model of a vendor's, against that vendor's format.

use std::{fs, path::Path};

use noukai_flow::Format;
use serde_json::{Value, json};

use crate::common::{TestServer, flows, vendor::Vendor};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
const ECHO: &str = "noukai/echo";

/// The examples with `model` in place of the built-in one, which stands in one line of each.
fn examples(model: &str) -> Vec<Value> {
    let files = fs::read_dir(Path::new(FOLDER)).expect("the examples").map(|entry| entry.expect("an entry").path());
    let flows = files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    let flows: Vec<Value> = flows
        .map(|path| {
            let text = fs::read_to_string(&path).expect("an example");
            assert_eq!(text.matches(ECHO).count(), 1, "{}", path.display());
            noukai_flow::parse(&text.replace(ECHO, model), Format::Yaml).expect("a document")
        })
        .collect();
    assert_eq!(flows.len(), 7);
    flows
}

/// Runs a flow to its end, and answers for its tools on the way.
async fn run(server: &TestServer, slug: &str) -> Value {
    let mut body = json!({"message": "Sales are up. The office moves in May."});
    if slug == "weather" {
        let city = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        body["tools"] = json!([{"type": "function", "function": {"name": "get_weather", "parameters": city}}]);
    }
    let reply = server.execute(slug, body).await;
    if slug != "weather" {
        return reply;
    }
    assert_eq!(reply["status"], "tool_calls_required", "{reply}");
    assert_eq!(reply["toolCalls"][0]["function"]["name"], "get_weather", "{reply}");
    server.execute(slug, flows::answer(&reply)).await
}

async fn all_run(provider: &str, model: &str) {
    let vendor = Vendor::start().await;
    let served = vendor.provider(provider, "key");
    let server = TestServer::with(|config| {
        config.models.providers = vec![served];
        config.code.enabled = true;
    })
    .await;
    for flow in examples(model) {
        server.server.app().put_flow(&server.project, &flow).await.expect("a flow");
        let slug = flow["slug"].as_str().expect("a slug");
        let before = vendor.calls();
        let reply = run(&server, slug).await;
        assert_eq!(reply["status"], "completed", "{provider} {slug}: {reply}");
        let id = reply["executionId"].as_str().expect("an id");
        let trace = server.get(&format!("/flow-runs/{id}/trace")).send().await.ok();
        let steps = trace["steps"].as_array().expect("steps").iter();
        let called = steps.filter(|step| step.get("modelUsed").is_some()).inspect(|step| {
            assert_eq!(step["provider"], provider, "{slug}: {step}");
        });
        // A block that paused for tools was called twice.
        let twice = usize::from(slug == "weather");
        assert_eq!(vendor.calls() - before, called.count() + twice, "{provider} {slug}");
    }
    let order = server.execute("order", json!({"message": "x"})).await;
    assert!(order["result"]["receipt"].as_str().is_some_and(|text| text.starts_with("1 x word: ")), "{order}");
}

#[tokio::test]
async fn the_examples_run_on_openais_format() {
    all_run("openai", "openai/gpt-4o-mini").await;
}

#[tokio::test]
async fn the_examples_run_on_anthropics_format() {
    all_run("anthropic", "anthropic/claude-sonnet-4.5").await;
}

#[tokio::test]
async fn the_examples_run_on_googles_format() {
    all_run("gemini", "google/gemini-2.5-flash").await;
}
