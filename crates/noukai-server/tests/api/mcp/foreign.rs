//! Each tool x each argument that names something x each thing of others: the answer for what nobody has, nothing told,
//! nothing changed. Made from the tools' own schemas: a tool or an argument that is new is tried, or the test asks for it.

use std::collections::BTreeSet;

use noukai_api::Scope;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Assistant, key_with, text, world::World};
use crate::common::TestServer;

/// Arguments that name nothing which somebody else could have.
const PLAIN: &[&str] = &[
    "array_field",
    "case",
    "cassette",
    "concurrency",
    "config",
    "container_type",
    "content",
    "cursor",
    "description",
    "direction",
    "expect",
    "fallback_models",
    "fields",
    "flows_as_tools",
    "force",
    "input",
    "input_schema",
    "limit",
    "model",
    "name",
    "note",
    "notes",
    "offset",
    "on",
    "on_item_error",
    "output_schema",
    "processor_config",
    "processor_type",
    "prompt",
    "slug",
    "status",
];

/// The same for fields within arguments. The ids among them are those of a conversation, which is whoever's sends it.
const WITHIN: &[&str] = &[
    "arguments",
    "at",
    "attachments",
    "call",
    "code",
    "content",
    "description",
    "error",
    "filename",
    "function",
    "id",
    "ignore_case",
    "item",
    "json",
    "kind",
    "message",
    "messages",
    "mimeType",
    "model",
    "name",
    "parameters",
    "replies",
    "role",
    "rubric",
    "schema",
    "step",
    "text",
    "toolCallId",
    "toolCalls",
    "tool_call_id",
    "tool_calls",
    "type",
    "url",
    "value",
    "version",
];

/// What nobody must see who is not of its project.
const CANARY: &str = "canary-in-the-prompt";

/// Somebody who owns things, and their things.
struct Stranger {
    assistant: Assistant,
    project: String,
    world: World,
    before: Value,
    /// In the caller's own project: a flow beside the one that is meant.
    neighbour: bool,
}

impl Stranger {
    async fn new(server: &TestServer, key: &str, project: Uuid, slug: &str, neighbour: bool) -> Self {
        let (assistant, project) = (Assistant::new(server, key), project.to_string());
        let mut world = World::of(&assistant, &project, slug, ["Hush", "Mute"], CANARY).await;
        world.publish_again(&assistant).await;
        Self { assistant, project, world, before: Value::Null, neighbour }
    }

    async fn all(&self) -> Value {
        self.assistant.does("hydrate_project", json!({"project_id": self.project})).await
    }

    /// What is theirs under that name and cannot be ours too.
    fn id(&self, argument: &str, tool: &Value) -> Option<Value> {
        let of_flow = argument != "flow_id" && !tool["inputSchema"]["properties"]["flow_id"].is_null();
        let is_theirs = !self.neighbour || (of_flow && argument != "project_id");
        is_theirs.then(|| self.world.ids[argument].clone())
    }
}

/// The names of all properties in schemas, at any depth.
fn within(schemas: &Value, found: &mut BTreeSet<String>) {
    match schemas {
        Value::Object(object) => {
            if let Some(Value::Object(own)) = object.get("properties") {
                found.extend(own.keys().cloned());
            }
            object.values().for_each(|value| within(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| within(value, found)),
        _ => {}
    }
}

/// Arguments and fields of a tool of which nobody has said whether they name something.
fn unsaid(tool: &Value, named: &World) -> BTreeSet<String> {
    let arguments = tool["inputSchema"]["properties"].as_object().expect("properties");
    let mut fields = BTreeSet::new();
    arguments.values().for_each(|schema| within(schema, &mut fields));
    fields.retain(|field| !WITHIN.contains(&field.as_str()));
    let is_said = |name: &str| PLAIN.contains(&name) || named.ids.contains_key(name);
    fields.extend(arguments.keys().filter(|name| !is_said(name)).cloned());
    fields
}

/// The one that is told apart from the other by its id alone.
fn without(reply: &Value, id: &Value) -> String {
    let id = id.as_str().map_or_else(|| id[0].to_string().replace('"', ""), str::to_owned);
    let number = id.strip_prefix('v').filter(|number| number.parse::<u32>().is_ok()).unwrap_or(&id);
    reply.to_string().replace(&id, "ID").replace(number, "ID")
}

#[tokio::test]
async fn what_is_anothers_is_as_good_as_missing() {
    let server = TestServer::start().await;
    let (rival, rival_key) = server.other_project("rival", "demo").await;
    let (sister, sister_key) = server.other_project("acme", "sister").await;
    let author = Assistant::new(&server, &key_with(&server, &[Scope::Execute, Scope::Author]).await);
    let here = World::built(&author, &server.project.id.to_string(), "triage").await;
    let mut strangers = vec![
        Stranger::new(&server, &rival_key, rival.id, "secret", false).await,
        Stranger::new(&server, &server.key, server.project.id, "beside", true).await,
        Stranger::new(&server, &sister_key, sister.id, "secret", false).await,
    ];
    for stranger in &mut strangers {
        stranger.before = stranger.all().await;
    }
    let admin = Assistant::new(&server, &server.key);
    // Who administers the organisation reaches the sister project, and has a tool more.
    let tried = tries(&author, &here, &strangers).await + tries(&admin, &here, &strangers[..2]).await;
    assert!(tried > 250, "{tried}");
    for stranger in &strangers {
        assert_eq!(stranger.all().await, stranger.before, "something of another project was changed");
    }
}

/// Tries everything; how much that was.
async fn tries(own: &Assistant, here: &World, strangers: &[Stranger]) -> usize {
    let mut tried = 0;
    for tool in own.tools().await {
        let name = text(&tool["name"]);
        let unsaid = unsaid(&tool, here);
        assert!(unsaid.is_empty(), "{name} {unsaid:?}: do they name something? Then put one into the world");
        let arguments = here.arguments(&tool);
        for argument in arguments.keys().filter(|argument| here.ids.contains_key(argument.as_str())) {
            let with = |value: &Value| {
                let mut arguments = arguments.clone();
                arguments.insert(argument.clone(), value.clone());
                Value::Object(arguments)
            };
            let missing = match argument.as_str() {
                "version" => json!("v99"),
                "node_ids" => json!([Uuid::new_v4()]),
                _ => json!(Uuid::new_v4()),
            };
            let nobodys = own.fails(&name, with(&missing)).await;
            let code = text(&nobodys["code"]);
            assert!(code.ends_with("_NOT_FOUND") || code == "OPERATION_REFUSED", "{name} {argument}: {nobodys}");
            for id in strangers.iter().filter_map(|stranger| stranger.id(argument, &tool)) {
                let theirs = own.fails(&name, with(&id)).await;
                assert_eq!(without(&theirs, &id), without(&nobodys, &missing), "{name} {argument}");
                assert!(!theirs.to_string().contains(CANARY), "{name} {argument}: {theirs}");
                tried += 1;
            }
        }
    }
    tried
}

/// A place in a list that is another's leads to nothing of theirs.
#[tokio::test]
async fn foreign_cursors_lead_nowhere() {
    let server = TestServer::start().await;
    let author = Assistant::new(&server, &key_with(&server, &[Scope::Execute, Scope::Author]).await);
    let (rival, rival_key) = server.other_project("rival", "demo").await;
    let theirs = Stranger::new(&server, &rival_key, rival.id, "secret", false).await.world;
    let here = World::built(&author, &server.project.id.to_string(), "triage").await;
    let mut tried = 0;
    for tool in author.tools().await {
        if tool["inputSchema"]["properties"]["cursor"].is_null() {
            continue;
        }
        for id in ["execution_id", "test_case_id", "flow_id", "test_run_id"] {
            let arguments = json!({"flow_id": here.ids["flow_id"], "cursor": theirs.ids[id]});
            let result = author.call(&text(&tool["name"]), arguments).await.to_string();
            let foreign = |id: &&Value| id.as_str().is_some_and(|id| id.len() > 4 && result.contains(id));
            assert!(!result.contains(CANARY), "{result}");
            assert_eq!(theirs.ids.values().find(foreign).filter(|found| **found != theirs.ids[id]), None, "{result}");
            tried += 1;
        }
    }
    assert!(tried >= 8, "{tried}");
}

/// Object models are named, not pointed at: a name that another project has is one that nobody has.
#[tokio::test]
async fn a_foreign_object_model_is_none() {
    let server = TestServer::start().await;
    let own = Assistant::new(&server, &server.key);
    let (rival, rival_key) = server.other_project("rival", "demo").await;
    Stranger::new(&server, &rival_key, rival.id, "secret", false).await;
    let here = World::built(&own, &server.project.id.to_string(), "triage").await;
    let mut said = Vec::new();
    for name in ["Label-secret", "Label-nobody"] {
        let step = json!({"flow_id": here.ids["flow_id"], "step_id": here.ids["step_id"], "content": {"model": name}});
        own.does("update_block_output_schema", step).await;
        let refused = own.fails("publish_version", json!({"flow_id": here.ids["flow_id"], "note": "x"})).await;
        assert_eq!(refused["code"], "VALIDATION_ERROR", "{refused}");
        said.push(refused.to_string().replace(name, "NAME"));
    }
    assert_eq!(said[0], said[1]);
}

/// Flows that another project shows as tools are no tools here.
#[tokio::test]
async fn foreign_flows_are_no_tools() {
    let server = TestServer::start().await;
    let own = Assistant::new(&server, &server.key);
    own.does("create_project", json!({"slug": "open", "flows_as_tools": true})).await;
    let (open, open_key) = server.other_project("acme", "open").await;
    Stranger::new(&server, &open_key, open.id, "secret", false).await;
    let seen = own.tools().await;
    assert!(seen.iter().all(|tool| tool["name"] != "run_secret"), "{seen:?}");
    let [theirs, nobodys] = ["run_secret", "run_nothing"].map(|name| (name, own.fails(name, json!({"message": "x"}))));
    let (theirs, nobodys) = ((theirs.0, theirs.1.await), (nobodys.0, nobodys.1.await));
    let told = |(name, reply): (&str, Value)| reply.to_string().replace(name, "NAME");
    assert_eq!(told(theirs), told(nobodys));
}
