//! Fallback from one provider to another, over HTTP: when it happens, when it must not, and what the trace says of it.

use std::time::Duration;

use noukai_models::ProviderConfig;
use serde_json::{Value, json};

use crate::common::{
    TestServer,
    vendor::{Turn, Vendor},
};

const FIRST: &str = "openai/gpt-4o-mini";
const SECOND: &str = "anthropic/claude-sonnet-4.5";

fn flow(output: Option<Value>) -> Value {
    let mut llm = json!({"model": FIRST, "fallback_models": [SECOND], "prompt": "{{ initial.message }}"});
    if let Some(output) = output {
        llm["output"] = output;
    }
    let steps = json!([{"id": "ask", "llm": llm, "retry": {"max_attempts": 1}}]);
    json!({"schema": 1, "slug": "ask", "input": {"message": "string"}, "steps": steps})
}

/// A run of the flow where the first model's provider is `first`; the reply, and all attempts of its step.
async fn run(first: ProviderConfig, second: &Vendor, flow: Value) -> (Value, Vec<Value>) {
    let providers = vec![first, second.provider("anthropic", "key-two")];
    let server = TestServer::with(|config| config.models.providers = providers).await;
    server.server.app().put_flow(&server.project, &flow).await.expect("a flow");
    let reply = server.post("/seq/acme/demo/ask/execute", &json!({"message": "hi"})).send().await.json();
    let id = reply["executionId"].as_str().or(reply["detail"]["executionId"].as_str()).expect("an id");
    let steps = server.get(&format!("/flow-runs/{id}/steps/ask/trace?attempt=all")).send().await.ok();
    (reply, steps["attempts"].as_array().expect("attempts").clone())
}

async fn falls_back(first: ProviderConfig, status: Option<u16>, code: &str) {
    let second = Vendor::start().await;
    let (reply, attempts) = run(first, &second, flow(None)).await;
    assert_eq!(reply["result"], json!({"message": "re: hi"}), "{code}: {reply}");
    assert_eq!((second.calls(), second.keys()), (1, vec!["key-two".to_owned()]));
    let [failed, done] = attempts.as_slice() else { panic!("{code}: {attempts:?}") };
    assert_eq!((&failed["attempt"], &failed["status"]), (&json!(1), &json!("failed")));
    assert_eq!((&failed["modelUsed"], &failed["provider"]), (&json!(FIRST), &json!("openai")));
    assert_eq!(
        (&failed["errorContext"]["code"], &failed["errorContext"]["provider"]),
        (&json!(code), &json!("openai"))
    );
    assert_eq!(failed["errorContext"].get("providerStatus"), status.map(|status| json!(status)).as_ref(), "{failed}");
    assert_eq!(
        (&done["attempt"], &done["status"], &done["provider"]),
        (&json!(2), &json!("completed"), &json!("anthropic"))
    );
}

#[tokio::test]
async fn what_a_provider_fails_at_another_does() {
    let said = |text: &str| json!({"error": {"message": text}});
    for (turn, status, code) in [
        (Turn::Gives(429, said("slow down")), Some(429), "MODEL_RATE_LIMITED"),
        (Turn::Gives(500, said("oops")), Some(500), "MODEL_ERROR"),
        (Turn::Gives(503, said("busy")), Some(503), "MODEL_ERROR"),
        (Turn::Cuts, None, "MODEL_UNREACHABLE"),
        (Turn::Gives(200, json!({"choices": "none"})), None, "MODEL_REPLY_INVALID"),
    ] {
        let first = Vendor::scripted([turn]).await;
        falls_back(first.provider("openai", "key-one"), status, code).await;
        assert_eq!((first.calls(), first.keys()), (1, vec!["key-one".to_owned()]));
        assert_eq!(first.asked()[0].body["model"], "gpt-4o-mini");
    }
}

#[tokio::test]
async fn one_that_says_nothing_or_is_not_there_is_given_up_for_another() {
    let silent = Vendor::scripted([Turn::Hangs]).await;
    let impatient = ProviderConfig { timeout: Duration::from_millis(100), ..silent.provider("openai", "key-one") };
    falls_back(impatient, None, "MODEL_UNREACHABLE").await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", gone.local_addr().expect("an address"));
    drop(gone);
    let nobody = ProviderConfig { base_url: url, ..silent.provider("openai", "key-one") };
    falls_back(nobody, None, "MODEL_UNREACHABLE").await;
}

#[tokio::test]
async fn content_is_taken_to_nobody_else() {
    let choice = |message: Value, finish: &str| json!({"choices": [{"message": message, "finish_reason": finish}]});
    let refusal = choice(json!({"role": "assistant", "content": null, "refusal": "I will not."}), "stop");
    let filtered = choice(json!({"role": "assistant", "content": ""}), "content_filter");
    let label = json!({"label": {"type": "string", "enum": ["bug", "other"]}});
    for (turns, output, code) in [
        (vec![Turn::Gives(400, json!({"error": {"message": "no"}}))], None, "MODEL_ERROR"),
        (vec![Turn::Gives(200, refusal)], None, "MODEL_REFUSAL"),
        (vec![Turn::Gives(200, filtered)], None, "MODEL_CONTENT_FILTERED"),
        (vec![Turn::Says("nonsense"), Turn::Says("nonsense")], Some(label), "OUTPUT_SCHEMA_MISMATCH"),
        (vec![Turn::Gives(401, json!({"error": {"message": "bad key"}}))], None, "BYOK_KEY_REJECTED"),
    ] {
        let (first, second) = (Vendor::scripted(turns).await, Vendor::start().await);
        let (reply, attempts) = run(first.provider("openai", "key-one"), &second, flow(output)).await;
        let told = [&reply["result"]["error"]["code"], &reply["detail"]["code"]];
        assert!(told.contains(&&json!(code)), "{code}: {reply}");
        assert_eq!((second.calls(), attempts.len()), (0, 1), "{code}");
        assert_eq!(attempts[0]["errorContext"]["code"], code);
    }
}
