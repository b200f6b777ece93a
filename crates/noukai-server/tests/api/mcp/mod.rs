//! The MCP server: what it lists, what its tools do, and what they keep from whom.

mod bad;
mod foreign;
mod work;
pub mod world;

use noukai_api::Scope;
use noukai_server::{KeyRequest, mcp_tool_names};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use self::world::World;
use crate::common::TestServer;

/// The names that other servers of this kind have published, and those beyond.
const TOOLS: [&str; 46] = [
    "list_flows",
    "get_flow",
    "get_flow_structure",
    "get_block",
    "get_operation_history",
    "hydrate_project",
    "get_test_run_trace",
    "list_flow_runs",
    "get_flow_run_trace",
    "add_block",
    "remove_block",
    "move_block",
    "duplicate_block",
    "convert_block",
    "wrap_in_container",
    "wrap_in_loop",
    "wrap_in_branch",
    "unwrap_node",
    "update_container",
    "update_loop",
    "create_flow",
    "delete_flow",
    "create_project",
    "update_block_draft",
    "update_block_input_schema",
    "update_block_output_schema",
    "update_block_config",
    "update_block_model",
    "update_block_name",
    "update_block_notes",
    "update_flow_input_schema",
    "update_block",
    "create_checkpoint",
    "delete_checkpoint",
    "publish_version",
    "set_production_version",
    "create_object_model",
    "update_object_model",
    "delete_object_model",
    "create_test_case",
    "update_test_case",
    "delete_test_case",
    "list_test_cases",
    "run_test_case",
    "run_all_test_cases",
    "get_test_run",
];

/// Published arguments, in order; those that may be left out end in `?`.
const PUBLISHED: &[(&str, &[&str])] = &[
    ("list_flows", &["project_id"]),
    ("get_flow", &["flow_id"]),
    ("get_flow_structure", &["flow_id"]),
    ("get_block", &["flow_id", "step_id"]),
    ("get_operation_history", &["flow_id", "limit?", "offset?"]),
    ("hydrate_project", &["project_id"]),
    ("get_test_run_trace", &["test_run_id"]),
    ("add_block", &["flow_id", "name", "processor_type", "prompt?", "target_id?", "direction?"]),
    ("wrap_in_container", &["flow_id", "node_ids", "container_type"]),
    ("wrap_in_loop", &["flow_id", "node_ids", "array_field"]),
    ("create_flow", &["project_id", "name", "slug", "description?"]),
    ("update_block_draft", &["flow_id", "step_id", "content"]),
    ("update_block_output_schema", &["flow_id", "step_id", "content"]),
    ("update_block_config", &["flow_id", "step_id", "config?", "processor_config?"]),
    ("create_checkpoint", &["flow_id", "step_id", "note"]),
    ("publish_version", &["flow_id", "note"]),
    ("set_production_version", &["flow_id", "version_id"]),
    ("create_object_model", &["project_id", "name", "fields"]),
];

/// An assistant with a key.
pub struct Assistant {
    http: Client,
    url: String,
    key: String,
}

impl Assistant {
    pub fn new(server: &TestServer, key: &str) -> Self {
        Self { http: Client::new(), url: format!("{}/api/v1/mcp", server.server.url()), key: key.to_owned() }
    }

    async fn send(&self, method: &str, params: Value) -> Response {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = self.http.post(&self.url).header("accept", "application/json, text/event-stream");
        let request = request.header("mcp-protocol-version", "2025-06-18").bearer_auth(&self.key);
        request.json(&body).send().await.expect("a reply")
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let reply = self.send(method, params).await;
        let status = reply.status();
        let text = reply.text().await.expect("text");
        assert_eq!(status, StatusCode::OK, "{text}");
        let body: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(body.get("error").is_none(), "{method}: {body}");
        body["result"].clone()
    }

    async fn tools(&self) -> Vec<Value> {
        self.ask("tools/list", json!({})).await["tools"].as_array().expect("tools").clone()
    }

    async fn call(&self, name: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// The structured content of a call that goes well.
    async fn does(&self, name: &str, arguments: Value) -> Value {
        let result = self.call(name, arguments).await;
        assert_ne!(result["isError"], json!(true), "{name}: {result}");
        result["structuredContent"].clone()
    }

    /// What an assistant reads of a call that does not.
    async fn fails(&self, name: &str, arguments: Value) -> Value {
        let result = self.call(name, arguments.clone()).await;
        assert_eq!(result["isError"], json!(true), "{name} {arguments}: {result}");
        assert!(result.get("structuredContent").is_none(), "{name}: {result}");
        serde_json::from_str(result["content"][0]["text"].as_str().expect("text")).expect("JSON")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

async fn key_with(server: &TestServer, scopes: &[Scope]) -> String {
    let request = KeyRequest {
        name: "assistant".to_owned(),
        environment: "test".to_owned(),
        scopes: scopes.to_vec(),
        expires_at: None,
        created_by: "test".to_owned(),
    };
    server.server.app().issue_key(&server.project, request).await.expect("a key").key
}

#[tokio::test]
async fn the_tools_are_those_that_are_published() {
    let server = TestServer::start().await;
    let assistant = Assistant::new(&server, &server.key);
    let tools = assistant.tools().await;
    let names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, mcp_tool_names());
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    assert_eq!(sorted(mcp_tool_names()), sorted(TOOLS.to_vec()));
    for tool in &tools {
        let name = &tool["name"];
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{name} {schema}");
            jsonschema::draft202012::new(&tool[schema]).unwrap_or_else(|error| panic!("{name} {schema}: {error}"));
        }
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{name} {hint}");
        }
        assert!(tool["description"].as_str().is_some_and(|text| text.len() > 20), "{name}");
        let properties = tool["inputSchema"]["properties"].as_object().expect("properties");
        for (argument, schema) in properties {
            assert!(schema["description"].is_string(), "{name} {argument} is not described");
        }
    }
}

#[tokio::test]
async fn published_arguments_are_exactly_those() {
    let server = TestServer::start().await;
    let tools = Assistant::new(&server, &server.key).tools().await;
    for (name, expected) in PUBLISHED {
        let tool = tools.iter().find(|tool| tool["name"] == *name).expect("the tool");
        let required = tool["inputSchema"]["required"].as_array().cloned().unwrap_or_default();
        let shown = tool["inputSchema"]["properties"].as_object().expect("properties").keys().map(|argument| {
            if required.iter().any(|name| name == argument) { argument.clone() } else { format!("{argument}?") }
        });
        let (mut shown, mut expected): (Vec<_>, Vec<_>) = (shown.collect(), expected.to_vec());
        shown.sort_unstable();
        expected.sort_unstable();
        assert_eq!(shown, expected, "{name}");
    }
}

#[tokio::test]
async fn an_error_says_what_to_do() {
    let server = TestServer::start().await;
    let assistant = Assistant::new(&server, &server.key);
    let world = World::built(&assistant, &server.project.id.to_string(), "triage").await;
    let flow = &world.ids["flow_id"];
    let unknown = assistant.fails("get_flow", json!({"flow_id": "nope"})).await;
    assert_eq!(unknown["code"], "FLOW_NOT_FOUND");
    assert!(unknown["next"].as_str().is_some_and(|next| next.contains("list_flows")), "{unknown}");
    let other = assistant.fails("get_flow", json!({"flow_id": flow, "flowid": 1})).await;
    assert!(other["message"].as_str().is_some_and(|text| text.contains("flow_id")), "{other}");
    for arguments in [json!({}), json!({"flow_id": 3}), json!({"flow_id": null})] {
        assert_eq!(assistant.fails("get_flow", arguments).await["code"], "VALIDATION_ERROR");
    }
    let hidden = json!({"flow_id": flow, "name": "x", "processor_type": "llm", "step_id": "mine"});
    assert_eq!(assistant.fails("add_block", hidden).await["code"], "VALIDATION_ERROR", "it is none of the published");
    assert_eq!(assistant.fails("no_such_tool", json!({})).await["code"], "NOT_FOUND");
    let broken = json!({"flow_id": flow, "step_id": world.ids["step_id"], "content": "{% for %}"});
    assistant.does("update_block_draft", broken).await;
    let refused = assistant.fails("publish_version", json!({"flow_id": flow, "note": "broken"})).await;
    assert!(refused["message"].as_str().is_some_and(|text| !text.is_empty()), "{refused}");
}

#[tokio::test]
async fn scopes_say_which_tools_there_are() {
    let server = TestServer::start().await;
    let plain = Assistant::new(&server, &key_with(&server, &[Scope::Execute]).await);
    assert_eq!(plain.tools().await, Vec::<Value>::new());
    let refused = plain.fails("list_flows", json!({"project_id": server.project.id})).await;
    assert_eq!(refused["code"], "FORBIDDEN");
    let author = Assistant::new(&server, &key_with(&server, &[Scope::Author]).await);
    let refused = author.fails("create_project", json!({"slug": "another"})).await;
    assert_eq!(refused["code"], "FORBIDDEN");
}

#[tokio::test]
async fn published_flows_are_tools_where_their_project_says_so() {
    let server = TestServer::start().await;
    let admin = Assistant::new(&server, &server.key);
    World::built(&admin, &server.project.id.to_string(), "triage").await;
    let run = json!({"message": "Printer on fire"});
    assert_eq!(admin.fails("run_triage", run.clone()).await["code"], "NOT_FOUND", "the project does not say so");

    admin.does("create_project", json!({"slug": "open", "flows_as_tools": true})).await;
    let (project, key) = server.other_project("acme", "open").await;
    let open = Assistant::new(&server, &key);
    World::built(&open, &project.id.to_string(), "triage").await;
    let names: Vec<String> = open.tools().await.iter().map(|tool| text(&tool["name"])).collect();
    assert!(names.contains(&"run_triage".to_owned()) && !names.contains(&"run_echo".to_owned()), "{names:?}");
    let result = open.does("run_triage", run).await;
    assert_eq!(result["result"]["message"], "So: Say Printer on fire");
    assert_eq!(open.fails("run_triage", json!({})).await["code"], "MISSING_MESSAGE");
    assert_eq!(open.fails("run_echo", json!({"message": "x"})).await["code"], "NOT_FOUND", "it has no version");
}

/// A call with an origin goes through the protocol's library, one without is answered where it arrives.
#[tokio::test]
async fn a_call_says_the_same_both_ways() {
    let server = TestServer::start().await;
    let assistant = Assistant::new(&server, &server.key);
    let world = World::built(&assistant, &server.project.id.to_string(), "triage").await;
    let said = async |origin: Option<&str>, body: &str| {
        let request = assistant.http.post(&assistant.url).header("accept", "application/json, text/event-stream");
        let request = request.header("mcp-protocol-version", "2025-06-18").header("content-type", "application/json");
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        let reply = request.bearer_auth(&assistant.key).body(body.to_owned()).send().await.expect("a reply");
        let (status, kind) = (reply.status(), reply.headers().get("content-type").cloned());
        (status, kind, reply.text().await.expect("text"))
    };
    let call = |id: Value, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
    let flow = json!({"flow_id": world.ids["flow_id"]});
    let bodies = [
        call(json!(7), json!({"name": "get_flow", "arguments": flow})).to_string(),
        call(json!("seven"), json!({"name": "get_flow_structure", "arguments": flow})).to_string(),
        call(json!(0), json!({"name": "get_flow"})).to_string(),
        call(json!(1), json!({"name": "get_flow", "arguments": {"flow_id": "nope"}})).to_string(),
        call(json!(2), json!({"name": "no_such_tool", "arguments": {}})).to_string(),
        call(json!(3), json!({"name": 3})).to_string(),
        call(json!(3), json!({"name": "get_flow", "arguments": flow, "_meta": {"progressToken": 1}})).to_string(),
        call(json!(null), json!({"name": "get_flow", "arguments": flow})).to_string(),
        "{".to_owned(),
        String::new(),
    ];
    for body in bodies {
        let (plain, whole) = (said(None, &body).await, said(Some("http://localhost:1"), &body).await);
        assert_eq!(plain, whole, "{body}");
    }
}

#[tokio::test]
async fn the_door_is_guarded() {
    let server = TestServer::start().await;
    let mut assistant = Assistant::new(&server, "nk_test_none");
    let refused = assistant.send("tools/list", json!({})).await;
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().expect("text").to_owned();
    let metadata = format!("{}/.well-known/oauth-protected-resource/api/v1/mcp", server.server.url());
    assert!(challenge.starts_with("Bearer ") && challenge.contains(&metadata), "{challenge}");

    assistant.key = server.key.clone();
    let url = assistant.url.clone();
    assistant.url = format!("{url}/");
    assert_eq!(assistant.tools().await.len(), mcp_tool_names().len(), "with a slash, too");
    assistant.url = url;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    let from = async |origin: &str| {
        let request = assistant.http.post(&assistant.url).header("accept", "application/json, text/event-stream");
        let request = request.header("origin", origin).bearer_auth(&assistant.key).json(&body);
        request.send().await.expect("a reply").status().as_u16()
    };
    assert_eq!(from("http://localhost:6274").await, 200);
    for origin in ["https://evil.test", "null", "http://localhost.evil.test"] {
        assert_eq!(from(origin).await, 403, "{origin}");
    }
    let get = assistant.http.get(&assistant.url).bearer_auth(&assistant.key).send().await.expect("a reply");
    assert_eq!(get.status(), 405, "there are no sessions, so there is no stream to wait at");
}
