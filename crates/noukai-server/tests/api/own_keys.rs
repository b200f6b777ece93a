//! Keys for model providers that projects and organisations bring: whose is used, who may manage them, and what becomes of
//! them where the master key is not there.

use noukai_models::Secret;
use noukai_server::{Config, MasterKeySource, Project, Server};
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{
    Reply, TestServer,
    vendor::{Turn, Vendor},
};

pub const ONE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const TWO: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddee00";
const CANARY: &str = "sk-canary-7d1f5b0a93c2-tail";

pub fn master(keys: &str) -> MasterKeySource {
    MasterKeySource::Given(Secret::new(keys))
}

/// A server with one provider of its own, and a flow that calls it.
async fn start(vendor: &Vendor, change: impl FnOnce(&mut Config)) -> TestServer {
    let provider = vendor.provider("openai", "the-servers-own-key");
    let server = TestServer::with(|config| {
        config.models.providers = vec![provider];
        config.master_key = master(ONE);
        change(config);
    })
    .await;
    put_flow(&server, &server.project).await;
    server
}

async fn put_flow(server: &TestServer, project: &Project) {
    let steps = json!([{"id": "ask", "llm": {"model": "openai/gpt-4o-mini", "prompt": "{{ initial.message }}"}}]);
    let flow = json!({"schema": 1, "slug": "ask", "input": {"message": "string"}, "steps": steps});
    server.server.app().put_flow(project, &flow).await.expect("a flow");
}

async fn add(server: &TestServer, body: Value) -> Value {
    let reply = server.post("/provider-keys", &body).send().await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()
}

async fn run_in(server: &TestServer, address: &str, key: &str) -> Reply {
    let request = server.bare(Method::POST, &format!("/seq/{address}/ask/execute"));
    request.header("authorization", format!("Bearer {key}")).json(&json!({"message": "hi"})).send().await
}

/// The key that a run of the project's is called with.
async fn key_of_run(server: &TestServer, vendor: &Vendor, address: &str, key: &str) -> String {
    let reply = run_in(server, address, key).await.ok();
    assert_eq!(reply["status"], "completed", "{reply}");
    vendor.keys().pop().expect("a call")
}

#[tokio::test]
async fn a_projects_key_is_used_before_its_organisations_and_that_before_the_servers() {
    let vendor = Vendor::start().await;
    let server = start(&vendor, |_| {}).await;
    let (sibling, sibling_key) = server.other_project("acme", "other").await;
    let (rival, rival_key) = server.other_project("rival", "demo").await;
    put_flow(&server, &sibling).await;
    put_flow(&server, &rival).await;
    let who = [("acme/demo", server.key.as_str()), ("acme/other", &sibling_key), ("rival/demo", &rival_key)];
    let used = async || {
        let mut keys = Vec::new();
        for (address, key) in who {
            keys.push(key_of_run(&server, &vendor, address, key).await);
        }
        keys
    };
    let own = "the-servers-own-key";
    assert_eq!(used().await, [own, own, own]);
    let of_org =
        add(&server, json!({"provider": "openai", "api_key": "the-organisations-key", "organization": true})).await;
    assert_eq!(used().await, ["the-organisations-key", "the-organisations-key", own]);
    let of_project = add(&server, json!({"provider": "openai", "api_key": "the-projects-key", "name": "Team"})).await;
    assert_eq!(used().await, ["the-projects-key", "the-organisations-key", own]);

    let list = server.get("/provider-keys").send().await.ok();
    assert_eq!(list, json!({"provider_keys": [of_project, of_org]}));
    assert_eq!((&of_project["last_four"], &of_project["base_url"]), (&json!("-key"), &json!(vendor.url)));
    assert_eq!(of_project["project_id"], server.project.id.to_string());
    assert_eq!(of_org.get("project_id"), None);

    let id = of_project["id"].as_str().expect("an id");
    let body = json!({"api_key": "another-key-1234"});
    let replaced = server.post(&format!("/provider-keys/{id}/replace"), &body).send().await.ok();
    assert_eq!((&replaced["last_four"], &replaced["id"]), (&json!("1234"), &json!(id)));
    assert_eq!(used().await[0], "another-key-1234");
    assert_eq!(server.delete(&format!("/provider-keys/{id}")).send().await.ok(), json!({"id": id}));
    server.delete(&format!("/provider-keys/{id}")).send().await.refused(404, "KEY_NOT_FOUND");
    assert_eq!(used().await[0], "the-organisations-key");
}

#[tokio::test]
async fn several_keys_of_one_provider_take_turns() {
    let vendor = Vendor::start().await;
    let server = start(&vendor, |_| {}).await;
    for key in ["first-of-two-keys", "second-of-two-keys"] {
        add(&server, json!({"provider": "openai", "api_key": key})).await;
    }
    for _ in 0..4 {
        key_of_run(&server, &vendor, "acme/demo", &server.key).await;
    }
    let mut keys = vendor.keys();
    keys.sort();
    assert_eq!(keys, ["first-of-two-keys", "first-of-two-keys", "second-of-two-keys", "second-of-two-keys"]);
}

#[tokio::test]
async fn a_refused_key_is_told_without_it_and_no_other_is_tried() {
    let said = format!("Incorrect API key provided: {CANARY}. It ends in 93c2-tail, see Bearer {CANARY}");
    let vendor = Vendor::scripted([Turn::Gives(401, json!({"error": {"message": said}}))]).await;
    let server = start(&vendor, |_| {}).await;
    let added = add(&server, json!({"provider": "openai", "api_key": CANARY})).await;
    let reply = run_in(&server, "acme/demo", &server.key).await;
    let detail = reply.refused(502, "BYOK_KEY_REJECTED");
    let message = detail["message"].as_str().expect("a message");
    assert!(message.contains("Incorrect API key provided"), "{message}");
    assert_eq!(vendor.keys(), [CANARY], "not the server's own");
    let id = detail["executionId"].as_str().expect("an id");
    let trace = server.get(&format!("/flow-runs/{id}/steps/ask/trace?attempt=all")).send().await.text;
    let list = server.get("/provider-keys").send().await.text;
    for text in [&reply.text, &trace, &list, &added.to_string()] {
        assert!(!text.contains("canary") && !text.contains("93c2"), "{text}");
    }
    for key in server.store().await.provider_keys(noukai_store::ProjectId(server.project.id)).await.expect("the keys") {
        assert!(!key.sealed.bytes.windows(6).any(|part| part == b"canary"), "it is stored as it is");
        assert!(!format!("{key:?}").contains("canary"));
    }
}

#[tokio::test]
async fn keys_are_managed_by_admins_of_their_organisation_alone() {
    let vendor = Vendor::start().await;
    let server = start(&vendor, |_| {}).await;
    let added = add(&server, json!({"provider": "openai", "api_key": "the-projects-key", "organization": true})).await;
    let id = added["id"].as_str().expect("an id");
    let plain = json!({"project_id": server.project.id, "name": "plain", "environment": "live", "scopes": ["execute", "author"]});
    let plain = server.post("/keys", &plain).send().await.json()["key"].as_str().expect("a key").to_owned();
    let (rival, rival_key) = server.other_project("rival", "demo").await;
    let create = json!({"provider": "openai", "api_key": "the-projects-key"});
    let replace = json!({"api_key": "another-key-1234"});
    let missing = "01985f3e-0000-7c3b-9f4e-2b8d5a1c7e90";
    for (method, path, body) in [
        (Method::POST, format!("/provider-keys/{id}/replace"), Some(&replace)),
        (Method::POST, format!("/provider-keys/{id}/test"), None),
        (Method::DELETE, format!("/provider-keys/{id}"), None),
        (Method::GET, "/provider-keys".to_owned(), None),
        (Method::POST, "/provider-keys".to_owned(), Some(&create)),
    ] {
        let ask = |key: &str, path: &str| {
            let request = server.bare(method.clone(), path).header("authorization", format!("Bearer {key}"));
            body.map_or_else(
                || request,
                |body| server.bare(method.clone(), path).header("authorization", format!("Bearer {key}")).json(body),
            )
            .send()
        };
        ask(&plain, &path).await.refused(403, "FORBIDDEN");
        if path.contains(id) {
            let theirs = ask(&rival_key, &path).await;
            theirs.refused(404, "KEY_NOT_FOUND");
            for other in [missing, "no-id", "%00"] {
                assert_eq!(ask(&rival_key, &path.replace(id, other)).await.text, theirs.text, "{path}");
            }
        }
    }
    let theirs = json!({"provider": "openai", "api_key": "x-key-of-theirs", "project_id": rival.id});
    server.post("/provider-keys", &theirs).send().await.refused(403, "FORBIDDEN");
    server.get(&format!("/provider-keys?projectId={}", rival.id)).send().await.refused(403, "FORBIDDEN");
    assert_eq!(key_of_run(&server, &vendor, "acme/demo", &server.key).await, "the-projects-key", "it is as it was");
}

#[tokio::test]
async fn a_key_goes_to_public_addresses_or_to_the_operators_alone() {
    let vendor = Vendor::start().await;
    let server = start(&vendor, |_| {}).await;
    for (body, field) in [
        (json!({"provider": "no slug", "api_key": "k"}), "provider"),
        (json!({"provider": "noukai", "api_key": "k"}), "provider"),
        (json!({"provider": "azure", "api_key": "k"}), "base_url"),
        (json!({"provider": "my-own", "api_key": "k"}), "base_url"),
        (json!({"provider": "ollama", "api_key": "k"}), "base_url"),
        (json!({"provider": "openai", "api_key": "k", "base_url": "http://api.openai.com/v1"}), "base_url"),
        (json!({"provider": "openai", "api_key": "k", "base_url": format!("https{}", &vendor.url[4..])}), "base_url"),
        (json!({"provider": "openai", "api_key": "k", "base_url": "https://169.254.169.254/latest"}), "base_url"),
        (json!({"provider": "openai", "api_key": "k", "base_url": "https://2130706433/v1"}), "base_url"),
        (json!({"provider": "openai", "api_key": "k", "base_url": "https://user:pass@example.com/v1"}), "base_url"),
        (json!({"provider": "openai", "api_key": "k", "base_url": "https://"}), "base_url"),
        (json!({"provider": "openai", "api_key": ""}), "api_key"),
        (json!({"provider": "openai", "api_key": "two\nlines"}), "api_key"),
        (json!({"provider": "openai", "api_key": "k".repeat(4_097)}), "api_key"),
        (json!({"provider": "openai", "api_key": "k", "name": "n".repeat(101)}), "name"),
    ] {
        let detail = server.post("/provider-keys", &body).send().await.refused(422, "VALIDATION_ERROR");
        assert!(
            detail["errors"][0]["loc"].as_array().is_some_and(|loc| loc.contains(&json!(field))),
            "{body}: {detail}"
        );
    }
    server.post("/provider-keys", &json!({"provider": "openai"})).send().await.refused(422, "VALIDATION_ERROR");
    assert_eq!(server.get("/provider-keys").send().await.ok(), json!({"provider_keys": []}));

    // The operator's own address may be named; a vendor's needs no naming.
    add(&server, json!({"provider": "openai", "api_key": "k", "base_url": vendor.url})).await;
    let elsewhere =
        add(&server, json!({"provider": "my-own", "api_key": "k", "base_url": "https://models.example.com/v1"})).await;
    let direct = add(&server, json!({"provider": "anthropic", "api_key": "k"})).await;
    assert_eq!((&elsewhere["last_four"], &direct["base_url"]), (&json!(""), &json!("https://api.anthropic.com/v1")));
}

#[tokio::test]
async fn a_key_can_be_tried() {
    let bad = Turn::Gives(401, json!({"error": {"message": format!("bad {CANARY}")}}));
    let vendor = Vendor::scripted([bad]).await;
    let server = start(&vendor, |_| {}).await;
    let id = add(&server, json!({"provider": "openai", "api_key": CANARY})).await["id"].clone();
    let id = id.as_str().expect("an id");
    let test = async || server.request(Method::POST, &format!("/provider-keys/{id}/test")).send().await.ok();
    let refused = test().await;
    assert_eq!((&refused["outcome"], &refused["id"]), (&json!("refused"), &json!(id)));
    assert!(!refused.to_string().contains("canary"));
    assert_eq!(test().await["outcome"], "accepted");
    let asked = vendor.asked();
    assert!(asked.iter().all(|asked| asked.path == "/v1/models" && asked.key == CANARY && asked.body.is_null()));
}

/// Stops a server and starts another on its data, with another master key.
async fn restart(server: TestServer, vendor: &Vendor, keys: Option<&str>) -> TestServer {
    let TestServer { server, dir, database, .. } = server;
    Server::shutdown(server).await;
    let source = keys.map_or(MasterKeySource::Data, master);
    let mut next = start(vendor, |config| {
        (config.data, config.database, config.master_key) = (dir.path().to_owned(), database, source);
    })
    .await;
    next.dir = dir;
    next
}

#[tokio::test]
async fn without_its_master_key_nothing_is_lost_and_no_other_key_is_used() {
    let vendor = Vendor::start().await;
    let server = start(&vendor, |_| {}).await;
    let added = add(&server, json!({"provider": "openai", "api_key": "the-projects-key"})).await;
    assert_eq!(key_of_run(&server, &vendor, "acme/demo", &server.key).await, "the-projects-key");
    let id = added["id"].as_str().expect("an id").to_owned();
    let calls = vendor.calls();
    let mut server = server;
    for keys in [None, Some(TWO), Some("no key at all")] {
        server = restart(server, &vendor, keys).await;
        let run = run_in(&server, "acme/demo", &server.key).await.ok();
        assert_eq!(
            (&run["status"], &run["result"]["error"]["code"]),
            (&json!("failed"), &json!("MASTER_KEY_UNAVAILABLE"))
        );
        let message = run["result"]["error"]["message"].as_str().expect("a message");
        assert!(message.starts_with("the project's key for `openai` (ending in -key) cannot be read: "), "{message}");
        let listed = server.get("/provider-keys").send().await.ok()["provider_keys"][0].clone();
        assert_eq!((&listed["readable"], &listed["id"]), (&json!(false), &json!(id)));
        assert!(listed["last_used_at"].is_string(), "a server notes at its end which keys it used: {listed}");
        let test = server.request(Method::POST, &format!("/provider-keys/{id}/test")).send().await;
        test.refused(503, "MASTER_KEY_UNAVAILABLE");
        if keys != Some(TWO) {
            let body = json!({"provider": "openai", "api_key": "k"});
            server.post("/provider-keys", &body).send().await.refused(503, "MASTER_KEY_UNAVAILABLE");
            let rotated = server.server.app().rotate_master_key().await;
            assert_eq!(rotated.expect_err("no key").code.as_str(), "MASTER_KEY_UNAVAILABLE");
        } else {
            let rotated = server.server.app().rotate_master_key().await.expect("a report");
            assert_eq!((rotated.done, rotated.unreadable.len()), (0, 1));
        }
    }
    assert_eq!(vendor.calls(), calls, "the server's own key is not used in its place");

    // The new master key first, the old one behind it: both are read, and what was sealed with the old one is sealed anew.
    let server = restart(server, &vendor, Some(&format!("{TWO}\n{ONE}"))).await;
    assert_eq!(key_of_run(&server, &vendor, "acme/demo", &server.key).await, "the-projects-key");
    let rotated = server.server.app().rotate_master_key().await.expect("a report");
    assert_eq!((rotated.done, rotated.unreadable.len()), (1, 0));
    assert_eq!(server.server.app().rotate_master_key().await.expect("a report").done, 0, "twice does no harm");
    let server = restart(server, &vendor, Some(TWO)).await;
    assert_eq!(key_of_run(&server, &vendor, "acme/demo", &server.key).await, "the-projects-key");
}

#[tokio::test]
async fn a_key_that_was_moved_in_the_database_is_not_used() {
    let vendor = Vendor::start().await;
    let server = start(&vendor, |_| {}).await;
    let (other, other_key) = server.other_project("rival", "demo").await;
    put_flow(&server, &other).await;
    add(&server, json!({"provider": "openai", "api_key": "the-projects-key"})).await;
    let store = server.store().await;
    let stolen = store.provider_keys(noukai_store::ProjectId(server.project.id)).await.expect("the keys").remove(0);
    let stolen = noukai_store::ProviderKeyRecord {
        id: uuid::Uuid::now_v7(),
        org_id: other.org_id,
        project_id: Some(noukai_store::ProjectId(other.id)),
        ..stolen
    };
    assert!(store.add_provider_key(&stolen, 9).await.expect("a row"));
    let run = run_in(&server, "rival/demo", &other_key).await.ok();
    assert_eq!(run["result"]["error"]["code"], "MASTER_KEY_UNAVAILABLE", "{run}");
    assert_eq!(vendor.calls(), 0);
}
