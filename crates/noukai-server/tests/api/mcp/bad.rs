//! Bad input by both doors: the API and its tool refuse the same with the same words, and nothing is changed.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Assistant, text};
use crate::common::{Reply, TestServer};

/// A server, and a flow that both doors lead to.
struct Doors {
    server: TestServer,
    assistant: Assistant,
    flow: String,
}

impl Doors {
    /// With a flow of these steps.
    async fn to(steps: Value) -> Self {
        let server = TestServer::start().await;
        let assistant = Assistant::new(&server, &server.key);
        let mut doors = Self { server, assistant, flow: String::new() };
        doors.flow = doors.flow("worked-on", steps).await;
        doors
    }

    async fn flow(&self, slug: &str, steps: Value) -> String {
        let input = json!({"message": "string", "items": {"type": "array"}});
        let document = json!({"schema": 1, "slug": slug, "input": input, "steps": steps});
        let made = self.server.post("/flows", &json!({"document": document})).send().await.ok();
        text(&made["flow_id"])
    }

    fn path(&self, rest: &str) -> String {
        format!("/flows/{}{rest}", self.flow)
    }

    /// Arguments on the flow.
    fn on(&self, arguments: &Value) -> Value {
        let mut all = arguments.clone();
        all["flow_id"] = json!(self.flow);
        all
    }

    async fn by_api(&self, op: &str, arguments: &Value) -> Reply {
        let mut operation = arguments.clone();
        operation["op"] = json!(op);
        self.server.post(&self.path("/operations"), &json!({"operations": [operation]})).send().await
    }

    async fn state(&self) -> Value {
        json!([self.server.get(&self.path("")).send().await.ok(), self.log().await])
    }

    async fn log(&self) -> Value {
        self.server.get(&self.path("/operations?limit=100")).send().await.ok()["operations"].clone()
    }

    /// That both doors refuse an operation; what they say.
    async fn refuse(&self, op: &str, arguments: Value) -> String {
        let before = self.state().await;
        let api = self.by_api(op, &arguments).await.refused(422, "OPERATION_REFUSED");
        let mcp = self.assistant.fails(op, self.on(&arguments)).await;
        same(&api, &mcp);
        assert_eq!(self.state().await, before, "{op} {arguments}");
        text(&mcp["message"])
    }
}

/// That a tool's result says what the API's error says.
fn same(api: &Value, mcp: &Value) {
    for field in ["code", "message", "errors"] {
        assert_eq!(api.get(field), mcp.get(field), "{field}: {api} {mcp}");
    }
    assert!(mcp["next"].is_string(), "it does not say what to do: {mcp}");
}

fn block(id: &str) -> Value {
    json!({"id": id, "llm": {"prompt": "{{ initial.message }}"}})
}

fn blocks(count: usize) -> Value {
    (0..count).map(|number| json!({"id": format!("b{number}"), "passthrough": {}})).collect()
}

/// Sequences in one another.
fn nested(levels: usize) -> Value {
    let inside = |steps: Value, level: usize| json!([{"id": format!("level-{level}"), "sequence": steps}]);
    (0..levels).fold(json!([block("deep")]), inside)
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_the_same() {
    let each = json!({"id": "each", "loop": {"over": "items", "steps": [block("one")]}});
    let both = json!({"id": "both", "parallel": [block("a"), {"id": "in", "sequence": [block("b"), block("c")]}]});
    let doors = Doors::to(json!([block("first"), both, each])).await;
    for (op, arguments, words) in [
        ("move_block", json!({"step_id": "both", "target_id": "a"}), "both"),
        ("move_block", json!({"step_id": "both", "target_id": "c"}), "both"),
        ("move_block", json!({"step_id": "both", "target_id": "both"}), "itself"),
        ("move_block", json!({"step_id": "each", "target_id": "one", "direction": "above"}), "each"),
        ("duplicate_block", json!({"step_id": "nobody"}), "no step `nobody`"),
        ("wrap_in_loop", json!({"node_ids": ["first"], "array_field": "nothing"}), "nothing"),
        ("wrap_in_loop", json!({"node_ids": ["a"], "array_field": "first.nothing.at_all"}), "nothing"),
        ("update_loop", json!({"step_id": "each", "array_field": "nothing"}), "nothing"),
        ("update_loop", json!({"step_id": "first", "array_field": "items"}), "first"),
        ("wrap_in_container", json!({"node_ids": ["first", "each"], "container_type": "h"}), "steps between"),
        ("wrap_in_container", json!({"node_ids": [], "container_type": "h"}), ""),
        ("wrap_in_container", json!({"node_ids": ["a", "a"], "container_type": "h"}), ""),
        ("unwrap_node", json!({"step_id": "first"}), "first"),
        ("update_block_draft", json!({"step_id": "each", "content": "x"}), "each"),
    ] {
        let said = doors.refuse(op, arguments.clone()).await;
        assert!(said.contains(words), "{op} {arguments}: {said}");
    }
}

#[tokio::test]
async fn authors_at_both_doors_lose_nothing() {
    let doors = Doors::to(json!([block("first")])).await;
    let add = |name: String| json!({"name": name, "processor_type": "passthrough"});
    let api = (0..6).map(|number| async move { number }).map(|number| async {
        let name = format!("by API {}", number.await);
        doors.by_api("add_block", &add(name)).await.ok()["created"][0].clone()
    });
    let mcp = (0..6).map(|number| async move { number }).map(|number| async {
        let name = format!("by MCP {}", number.await);
        doors.assistant.does("add_block", doors.on(&add(name))).await["created"][0].clone()
    });
    let (api, mcp) = tokio::join!(futures::future::join_all(api), futures::future::join_all(mcp));
    let flow = doors.server.get(&doors.path("")).send().await.ok();
    assert_eq!(flow["revision"], 13);
    let steps: Vec<_> = flow["document"]["steps"].as_array().expect("steps").iter().map(|step| &step["id"]).collect();
    assert!(api.iter().chain(&mcp).all(|id| steps.contains(&id)), "{steps:?} {api:?} {mcp:?}");
    let log = doors.log().await;
    let seqs: Vec<_> = log.as_array().expect("a log").iter().map(|line| line["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=13).rev().map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_invalid_draft_is_published_by_nobody() {
    let doors = Doors::to(json!([{"id": "a", "llm": {"prompt": "{% for %}"}}, {"id": "b", "nonsense": {}}])).await;
    let before = doors.state().await;
    let publish = doors.server.post(&doors.path("/versions"), &json!({"note": "x"}));
    let api = publish.send().await.refused(422, "VALIDATION_ERROR");
    let mcp = doors.assistant.fails("publish_version", doors.on(&json!({"note": "x"}))).await;
    same(&api, &mcp);
    assert_eq!(mcp["errors"].as_array().map(Vec::len), Some(3), "{mcp}");
    assert!(text(&mcp["next"]).contains("draft"), "{mcp}");
    assert_eq!(doors.state().await, before);
}

#[tokio::test]
async fn a_gate_holds_at_both_doors() {
    let doors = Doors::to(json!([block("a")])).await;
    let case = json!({"name": "says yes", "input": {"message": "no"}, "expect": [{"kind": "contains", "text": "yes"}]});
    doors.assistant.does("create_test_case", doors.on(&case)).await;
    let gate = doors.server.request(Method::PUT, &doors.path("/publish-gate")).json(&json!({"all": true}));
    gate.send().await.ok();
    let api = doors.server.post(&doors.path("/versions"), &json!({"note": "x"})).send().await;
    let api = api.refused(409, "TESTS_FAILED");
    let mcp = doors.assistant.fails("publish_version", doors.on(&json!({"note": "x"}))).await;
    assert_eq!((&mcp["code"], &mcp["errors"]), (&api["code"], &api["errors"]));
    assert!(text(&mcp["next"]).contains("run_all_test_cases"), "{mcp}");
    assert_eq!(doors.server.get(&doors.path("/versions")).send().await.ok()["versions"], json!([]));
}

#[tokio::test]
async fn a_version_of_another_flow_is_no_version_of_this_one() {
    let doors = Doors::to(json!([block("a")])).await;
    let other = doors.flow("other", json!([block("a")])).await;
    for flow in [&doors.flow, &other] {
        doors.assistant.does("publish_version", json!({"flow_id": flow, "note": "first"})).await;
    }
    let before = doors.state().await;
    for id in [format!("{other}.v1"), format!("{}.v2", doors.flow), format!("{}.v1x", doors.flow), "v1".to_owned()] {
        let body = json!({"version_id": id});
        let put = doors.server.request(Method::PUT, &doors.path("/production")).json(&body);
        let api = put.send().await.refused(404, "VERSION_NOT_FOUND");
        let mcp = doors.assistant.fails("set_production_version", doors.on(&body)).await;
        same(&api, &mcp);
    }
    assert_eq!(doors.state().await, before);
    let production = doors.server.get(&doors.path("/production")).send().await.ok();
    assert_eq!((production.get("version"), &production["history"]), (None, &json!([])));
}

#[tokio::test]
async fn five_hundred_blocks_are_worked_on_and_one_more_is_refused() {
    let doors = Doors::to(blocks(500)).await;
    let more = json!({"name": "More", "processor_type": "passthrough"});
    assert!(doors.refuse("add_block", more.clone()).await.contains("500 blocks"));
    assert!(doors.refuse("duplicate_block", json!({"step_id": "b7"})).await.contains("500 blocks"));
    let structure = doors.assistant.does("get_flow_structure", doors.on(&json!({}))).await;
    assert_eq!(structure["nodes"].as_array().map(Vec::len), Some(500));
    doors.assistant.does("update_block_name", doors.on(&json!({"step_id": "b499", "name": "Last"}))).await;
    doors.assistant.does("remove_block", doors.on(&json!({"step_id": "b0"}))).await;
    doors.by_api("add_block", &more).await.ok();
    doors.assistant.does("publish_version", doors.on(&json!({"note": "all of them"}))).await;

    let document = json!({"schema": 1, "slug": "worked-on", "steps": blocks(501)});
    doors.server.request(Method::PUT, &doors.path("/document")).json(&document).send().await.ok();
    let refused = doors.assistant.fails("publish_version", doors.on(&json!({"note": "too many"}))).await;
    assert_eq!(refused["code"], "VALIDATION_ERROR", "a draft may have problems, a version may not: {refused}");
    doors.assistant.does("remove_block", doors.on(&json!({"step_id": "b3"}))).await;
}

#[tokio::test]
async fn containers_are_nested_so_deep_and_no_deeper() {
    let doors = Doors::to(nested(16)).await;
    for (op, arguments) in [
        ("wrap_in_container", json!({"node_ids": ["deep"], "container_type": "v"})),
        ("wrap_in_loop", json!({"node_ids": ["deep"], "array_field": "items"})),
        ("wrap_in_branch", json!({"node_ids": ["deep"], "on": "{{ message }}", "case": "a"})),
        ("add_block", json!({"name": "x", "processor_type": "passthrough", "target_id": "deep", "direction": "below"})),
    ] {
        assert!(doors.refuse(op, arguments).await.contains("16 levels"), "{op}");
    }
    doors.assistant.does("unwrap_node", doors.on(&json!({"step_id": "level-15"}))).await;
    let wrap = json!({"node_ids": ["deep"], "container_type": "v"});
    doors.assistant.does("wrap_in_container", doors.on(&wrap)).await;
}

/// Values that are nested beyond reason are refused before anybody looks into them.
#[tokio::test]
async fn deep_arguments_are_refused() {
    let doors = Doors::to(json!([block("a")])).await;
    let before = doors.state().await;
    for depth in [200, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let operation = format!(r#"{{"op": "update_block_output_schema", "step_id": "a", "content": {deep}}}"#);
        let request = doors.server.request(Method::POST, &doors.path("/operations"));
        let request = request.header("content-type", "application/json");
        let status = request.body(format!(r#"{{"operations": [{operation}]}}"#)).send().await.status;
        assert!(status.is_client_error(), "{depth}: {status}");
        let call = format!(
            r#"{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {{"name": "update_block_output_schema",
            "arguments": {{"flow_id": "{}", "step_id": "a", "content": {deep}}}}}}}"#,
            doors.flow
        );
        let request = doors.assistant.http.post(&doors.assistant.url).bearer_auth(&doors.assistant.key);
        let request = request.header("accept", "application/json, text/event-stream");
        let reply = request.header("content-type", "application/json").body(call).send().await.expect("a reply");
        let (status, text) = (reply.status(), reply.text().await.expect("a whole reply"));
        let told = status == StatusCode::OK && (text.contains("isError\":true") || text.contains("\"error\""));
        assert!(status.is_client_error() || told, "{depth}: {status} {text}");
    }
    assert_eq!(doors.state().await, before);
}

#[tokio::test]
async fn operations_that_are_sent_again_do_no_harm() {
    let doors = Doors::to(json!([block("a"), block("b")])).await;
    let remove = json!({"step_id": "b"});
    doors.assistant.does("remove_block", doors.on(&remove)).await;
    assert!(doors.refuse("remove_block", remove).await.contains("no step `b`"));
    // What sets something sets it again, to the same.
    let name = json!({"step_id": "a", "name": "Answer"});
    doors.assistant.does("update_block_name", doors.on(&name)).await;
    let before = doors.server.get(&doors.path("")).send().await.ok();
    doors.assistant.does("update_block_name", doors.on(&name)).await;
    doors.by_api("update_block_name", &name).await.ok();
    assert_eq!(doors.server.get(&doors.path("")).send().await.ok()["document"], before["document"]);
    // A list that names its revision is done once, whoever sends it again.
    let revision = doors.server.get(&doors.path("")).send().await.ok()["revision"].clone();
    let list = json!({"revision": revision, "operations": [
        {"op": "add_block", "name": "C", "processor_type": "passthrough"},
    ]});
    let send = async || doors.server.post(&doors.path("/operations"), &list).send().await;
    send().await.ok();
    send().await.refused(409, "CONFLICT");
    // The same content is the same version, the same promotion changes nothing, a slug is taken.
    let first = doors.assistant.does("publish_version", doors.on(&json!({"note": "x"}))).await;
    let again = doors.assistant.does("publish_version", doors.on(&json!({"note": "y"}))).await;
    assert_eq!(first, again);
    for _ in 0..2 {
        let promoted = doors.on(&json!({"version_id": first["version_id"]}));
        assert_eq!(doors.assistant.does("set_production_version", promoted).await["version"], 1);
    }
    let flow = json!({"project_id": doors.server.project.id, "name": "Again", "slug": "worked-on"});
    assert_eq!(doors.assistant.fails("create_flow", flow).await["code"], "CONFLICT");
    let case = doors.on(&json!({"name": "once", "input": {"message": "x"}}));
    let made = doors.assistant.does("create_test_case", case.clone()).await;
    assert_eq!(doors.assistant.fails("create_test_case", case).await["code"], "CONFLICT");
    let gone = doors.on(&json!({"test_case_id": made["id"]}));
    doors.assistant.does("delete_test_case", gone.clone()).await;
    assert_eq!(doors.assistant.fails("delete_test_case", gone).await["code"], "TEST_CASE_NOT_FOUND");
}

/// A cassette that somebody has edited holds together or is refused with its place, and is run as it says.
#[tokio::test]
async fn a_cassette_edited_by_hand_is_read_with_care() {
    let doors = Doors::to(json!([{"id": "a", "llm": {"model": "none/such", "prompt": "x"}}])).await;
    let reply = json!({"step": "a", "text": "said"});
    for cassette in [
        json!("on"),
        json!({}),
        json!({"version": 2, "replies": [reply]}),
        json!({"version": 1, "replies": [{"step": "a"}]}),
        json!({"version": 1, "replies": [{"text": "said"}]}),
        json!({"version": 1, "replies": [{"step": "", "text": "said"}]}),
        json!({"version": 1, "replies": [{"step": "a", "text": "said", "json": {}}]}),
        json!({"version": 1, "replies": [{"step": "a", "text": "said", "call": 0}]}),
        json!({"version": 1, "replies": [{"step": "a", "text": "said", "txet": "more"}]}),
        json!({"version": 1, "replies": [{"step": "a", "text": 7}]}),
        json!({"version": 1, "replies": [{"step": "a", "error": {"message": "x"}}]}),
        json!({"version": 1, "replies": [reply, reply]}),
    ] {
        let case = json!({"name": "edited", "input": {"message": "x"}, "cassette": cassette});
        let api = doors.server.post(&doors.path("/test-cases"), &case).send().await.refused(422, "VALIDATION_ERROR");
        let mcp = doors.assistant.fails("create_test_case", doors.on(&case)).await;
        assert_eq!(mcp["code"], api["code"], "{case}");
        for refused in [&api, &mcp] {
            assert!(refused.to_string().contains("cassette"), "{case}: {refused}");
        }
    }
    assert_eq!(doors.server.get(&doors.path("/test-cases")).send().await.ok()["test_cases"], json!([]));

    let case = json!({
        "name": "edited", "input": {"message": "x", "parameters": {"items": []}},
        "expect": [{"kind": "contains", "text": "by hand"}],
        "cassette": {"version": 1, "replies": [{"step": "a", "text": "written by hand"}]},
    });
    let made = doors.assistant.does("create_test_case", doors.on(&case)).await;
    let run = doors.assistant.does("run_test_case", doors.on(&json!({"test_case_id": made["id"]}))).await;
    assert_eq!((&run["status"], &run["results"][0]["replayed"]), (&json!("passed"), &json!(true)), "{run}");
    let stray = json!({"cassette": {"version": 1, "replies": [{"step": "gone", "text": "x"}]}});
    let patch = doors.server.request(Method::PATCH, &doors.path(&format!("/test-cases/{}", text(&made["id"]))));
    patch.json(&stray).send().await.ok();
    let run = doors.assistant.does("run_all_test_cases", doors.on(&json!({}))).await;
    let faults = run["results"][0]["cassette_faults"].to_string();
    assert!(run["status"] == "failed" && faults.contains("`a`") && faults.contains("`gone`"), "{run}");
    let missing = json!({"test_case_id": Uuid::new_v4(), "name": "x"});
    assert_eq!(doors.assistant.fails("update_test_case", doors.on(&missing)).await["code"], "TEST_CASE_NOT_FOUND");
}
