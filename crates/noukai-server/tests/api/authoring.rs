//! How flows come to be over HTTP: operations, versions, production, checkpoints, object models, projects.

use noukai_api::Scope;
use noukai_server::{KeyRequest, Project};
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Reply, TestServer};

const MISSING: &str = "01985f3e-0000-7c3b-9f4e-2b8d5a1c7e90";

fn document(slug: &str, prompt: &str) -> Value {
    json!({"schema": 1, "slug": slug, "input": {"message": "string"}, "steps": [
        {"id": "answer", "llm": {"prompt": prompt}},
        {"id": "report", "llm": {"prompt": "{{ previous_output }}"}},
    ]})
}

fn prompt(step: &str, text: &str) -> Value {
    json!({"op": "update_block_draft", "step_id": step, "content": text})
}

/// A flow of two blocks; its address below `/flows`.
pub async fn made(server: &TestServer, slug: &str) -> String {
    let body = json!({"document": document(slug, "first")});
    let flow = server.post("/flows", &body).send().await.ok();
    assert_eq!((&flow["revision"], &flow["latest_version"]), (&json!(1), &json!(0)));
    format!("/flows/{}", flow["flow_id"].as_str().expect("an id"))
}

async fn apply(server: &TestServer, flow: &str, body: Value) -> Reply {
    server.post(&format!("{flow}/operations"), &body).send().await
}

async fn revision(server: &TestServer, flow: &str) -> u64 {
    server.get(flow).send().await.ok()["revision"].as_u64().expect("a revision")
}

async fn key_with(server: &TestServer, project: &Project, scopes: &[Scope]) -> String {
    let request = KeyRequest {
        name: "narrow".to_owned(),
        environment: "test".to_owned(),
        scopes: scopes.to_vec(),
        expires_at: None,
        created_by: "test".to_owned(),
    };
    server.server.app().issue_key(project, request).await.expect("a key").key
}

#[tokio::test]
async fn from_nothing_to_production_and_back() {
    let server = TestServer::start().await;
    let made = server.post("/flows", &json!({"slug": "mail", "name": "Mail"})).send().await.ok();
    let flow = format!("/flows/{}", made["flow_id"].as_str().expect("an id"));
    let problems = server.get(&format!("{flow}/problems")).send().await.ok();
    assert_eq!((&problems["publishable"], &problems["problems"][0]["code"]), (&json!(false), &json!("NO_STEPS")));
    let publish = async |note: &str| server.post(&format!("{flow}/versions"), &json!({"note": note})).send().await;
    let refused = publish("too early").await.refused(422, "VALIDATION_ERROR");
    assert_eq!(refused["errors"][0]["loc"], json!(["document", "steps"]));

    let add =
        json!({"op": "add_block", "name": "Answer", "processor_type": "llm", "prompt": "one {{ initial.message }}"});
    let changed = apply(&server, &flow, json!({"revision": 1, "operations": [add]})).await.ok();
    let step = changed["created"][0].as_str().expect("a step").to_owned();
    assert_eq!((&changed["revision"], &changed["change"]["seq"]), (&json!(2), &json!(2)));
    let first = publish("one").await;
    assert_eq!(first.status, 201);
    assert_eq!(publish("again").await.ok()["version"], 1, "the same content is the same version");
    apply(&server, &flow, json!({"operations": [prompt(&step, "two {{ initial.message }}")]})).await.ok();
    let second = publish("two").await.ok();
    assert_eq!(
        (&second["version"], &second["note"], &second["author_name"]),
        (&json!(2), &json!("two"), &json!("test"))
    );

    let diff = server.get(&format!("{flow}/versions/1/diff/2")).send().await.ok();
    assert_eq!(diff["changes"].as_array().expect("changes").len(), 1);
    assert!(diff["text"].as_str().expect("a text").contains(&step), "{diff}");
    assert_eq!(server.get(&format!("{flow}/versions/2/diff/0")).send().await.ok()["changes"], json!([]));

    let result = async || server.execute("mail", json!({"message": "x"})).await["result"]["message"].clone();
    let put = async |body: Value| server.request(Method::PUT, &format!("{flow}/production")).json(&body).send().await;
    assert_eq!(put(json!({"version": 2})).await.ok()["version"], 2);
    assert_eq!(result().await, "two x");
    let back = put(json!({"version_id": first.json()["version_id"]})).await.ok();
    assert_eq!(back["history"].as_array().expect("a history").len(), 2);
    assert_eq!(result().await, "one x");
    put(json!({"version": 9})).await.refused(404, "VERSION_NOT_FOUND");
    put(json!({"version_id": format!("{MISSING}.v1")})).await.refused(404, "VERSION_NOT_FOUND");
    put(json!({})).await.refused(422, "VALIDATION_ERROR");
    put(json!({"version": 1, "version_id": second["version_id"]})).await.refused(422, "VALIDATION_ERROR");

    let log = server.get(&format!("{flow}/operations?limit=100")).send().await.ok();
    let ops: Vec<_> = log["operations"].as_array().expect("a log").iter().map(|line| line["op"].clone()).collect();
    let expected = [
        "set_production_version",
        "set_production_version",
        "publish_version",
        "update_block_draft",
        "publish_version",
        "add_block",
        "create_flow",
    ];
    assert_eq!(ops, expected);

    let mark = json!({"deprecated": true, "note": "wrong"});
    let old = server.request(Method::PATCH, &format!("{flow}/versions/1")).json(&mark).send().await.ok();
    assert_eq!(old["deprecated"]["note"], "wrong");
    let versions = server.get(&format!("{flow}/versions?limit=1")).send().await.ok();
    assert_eq!((&versions["versions"][0]["version"], &versions["next_cursor"]), (&json!(2), &json!("2")));
    let rest = server.get(&format!("{flow}/versions?limit=1&cursor=2")).send().await.ok();
    assert_eq!((&rest["versions"][0]["production"], &rest.get("next_cursor")), (&json!(true), &None));
    let document = server.get(&format!("{flow}/versions/1")).send().await.ok()["document"].clone();
    assert_eq!(document["steps"][0]["llm"]["prompt"], "one {{ initial.message }}");
    server.get(&format!("{flow}/versions/7")).send().await.refused(404, "VERSION_NOT_FOUND");
}

#[tokio::test]
async fn a_stale_revision_is_told_the_present_one() {
    let server = TestServer::start().await;
    let flow = made(&server, "stale").await;
    let reply = server.get(&flow).send().await;
    assert_eq!(reply.header("etag"), Some("\"1\""));
    apply(&server, &flow, json!({"revision": 1, "operations": [prompt("answer", "second")]})).await.ok();
    let body = json!({"revision": 1, "operations": [prompt("answer", "third")]});
    assert_eq!(apply(&server, &flow, body).await.refused(409, "CONFLICT")["revision"], 2);
    let with = |method: Method, path: String, tag: &str| server.request(method, &path).header("if-match", tag);
    let put = document("stale", "fourth");
    with(Method::PUT, format!("{flow}/document"), "\"1\"").json(&put).send().await.refused(409, "CONFLICT");
    with(Method::DELETE, flow.clone(), "\"1\"").send().await.refused(409, "CONFLICT");
    with(Method::PUT, format!("{flow}/document"), "three").json(&put).send().await.refused(400, "BAD_REQUEST");
    let both = json!({"revision": 2, "operations": [prompt("answer", "x")]});
    with(Method::POST, format!("{flow}/operations"), "\"3\"").json(&both).send().await.refused(400, "BAD_REQUEST");
    let publish = json!({"revision": 1});
    assert_eq!(server.post(&format!("{flow}/versions"), &publish).send().await.refused(409, "CONFLICT")["revision"], 2);
    assert_eq!(server.get(&format!("{flow}/document")).send().await.json()["steps"][0]["llm"]["prompt"], "second");
    let reply = with(Method::PUT, format!("{flow}/document"), "\"2\"").json(&put).send().await;
    assert_eq!(
        (reply.header("etag"), reply.ok()["change"]["op"].clone()),
        (Some("\"3\""), json!("update_block_draft"))
    );
    let same = server.request(Method::PUT, &format!("{flow}/document")).json(&put).send().await.ok();
    assert_eq!((&same["revision"], same.get("change")), (&json!(3), None));
}

#[tokio::test]
async fn production_is_set_on_what_was_seen() {
    let server = TestServer::start().await;
    let flow = made(&server, "seen").await;
    for number in 1..=3 {
        apply(&server, &flow, json!({"operations": [prompt("answer", &number.to_string())]})).await.ok();
        server.post(&format!("{flow}/versions"), &json!({})).send().await.ok();
    }
    let path = format!("{flow}/production");
    let put = |tag: &str, version: u32| {
        let request = server.request(Method::PUT, &path).header("if-match", tag);
        request.json(&json!({"version": version})).send()
    };
    assert_eq!(server.get(&path).send().await.header("etag"), Some("\"0\""));
    put("\"1\"", 2).await.refused(409, "CONFLICT");
    assert_eq!(put("\"0\"", 1).await.header("etag"), Some("\"1\""));
    // Both saw version 1: one is first, the other is told so.
    let replies = futures::future::join_all([put("\"1\"", 2), put("\"1\"", 3)]).await;
    let (done, late): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!((done.len(), late.len()), (1, 1));
    let now = done[0].json()["version"].clone();
    assert_eq!(late[0].refused(409, "CONFLICT")["revision"], now);
    put(&format!("\"{}\"", u64::from(u32::MAX) + 1), 1).await.refused(409, "CONFLICT");
    put("\"9\"", 9).await.refused(404, "VERSION_NOT_FOUND");
    put("now", 1).await.refused(400, "BAD_REQUEST");
    assert_eq!(put("*", 1).await.ok()["history"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_checkpoint_is_of_what_was_seen() {
    let server = TestServer::start().await;
    let flow = made(&server, "point").await;
    let save = |tag: &str| {
        let request = server.request(Method::POST, &format!("{flow}/checkpoints")).header("if-match", tag);
        request.json(&json!({"step_id": "answer"})).send()
    };
    assert_eq!(save("\"2\"").await.refused(409, "CONFLICT")["revision"], 1);
    assert_eq!(save("\"1\"").await.ok()["revision"], 1);
}

#[tokio::test]
async fn two_authors_at_once() {
    let server = TestServer::start().await;
    let flow = made(&server, "both").await;
    let note = |text: String| json!({"op": "update_block_notes", "step_id": "answer", "notes": text});
    let on_one = (0..8).map(|n| apply(&server, &flow, json!({"revision": 1, "operations": [note(format!("a{n}"))]})));
    let replies = futures::future::join_all(on_one).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.status == 409).count(), 7);
    let whatever = (0..8).map(|n| apply(&server, &flow, json!({"operations": [note(format!("b{n}"))]})));
    for reply in futures::future::join_all(whatever).await {
        reply.ok();
    }
    assert_eq!(revision(&server, &flow).await, 10);
    let log = server.get(&format!("{flow}/operations?limit=100")).send().await.ok();
    let seqs: Vec<_> = log["operations"].as_array().expect("a log").iter().map(|line| line["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=10).rev().map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_list_is_done_whole_or_not_at_all() {
    let server = TestServer::start().await;
    let flow = made(&server, "whole").await;
    let remove = json!({"op": "remove_block", "step_id": "nobody"});
    let body = json!({"operations": [prompt("answer", "changed"), remove]});
    let refused = apply(&server, &flow, body).await.refused(422, "OPERATION_REFUSED");
    assert_eq!(refused["errors"][0]["loc"], json!(["body", "operations", "1", "step_id"]));
    let into_itself = json!({"operations": [{"op": "wrap_in_loop", "node_ids": ["report"], "array_field": "nothing"}]});
    apply(&server, &flow, into_itself).await.refused(422, "OPERATION_REFUSED");
    for (body, loc) in [
        (json!({}), json!(["body", "operations"])),
        (json!({"operations": []}), json!(["body", "operations"])),
        (json!({"operations": [{"op": "dance"}]}), json!(["body", "operations", "0"])),
        (json!({"operations": [prompt("answer", "x"), 7]}), json!(["body", "operations", "1"])),
        (json!({"operations": vec![prompt("answer", "x"); 501]}), json!(["body", "operations"])),
        (json!({"operations": "all"}), json!(["body", "operations"])),
        (json!({"revision": -1, "operations": []}), json!(["body", "revision"])),
    ] {
        let refused = apply(&server, &flow, body.clone()).await.refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["errors"][0]["loc"], loc, "{body}");
    }
    let put = server.request(Method::PUT, &format!("{flow}/document")).json(&json!({"schema": 1, "steps": []}));
    put.send().await.refused(422, "VALIDATION_ERROR");
    assert_eq!(revision(&server, &flow).await, 1);
}

#[tokio::test]
async fn an_operation_is_undone_while_nothing_later_changes_its_step() {
    let server = TestServer::start().await;
    let flow = made(&server, "undo").await;
    let text = async || server.get(&flow).send().await.ok()["document"]["steps"][0]["llm"]["prompt"].clone();
    let undo = async |seq: u64| server.post(&format!("{flow}/operations/{seq}/undo"), &json!({})).send().await;
    apply(&server, &flow, json!({"operations": [prompt("answer", "second")]})).await.ok();
    apply(&server, &flow, json!({"operations": [prompt("report", "other")]})).await.ok();
    apply(&server, &flow, json!({"operations": [prompt("answer", "third")]})).await.ok();
    let refused = undo(2).await.refused(409, "CONFLICT");
    assert!(refused["message"].as_str().expect("a message").contains("operation 4"), "{refused}");
    assert_eq!(undo(4).await.ok()["change"]["undoes"], 4);
    assert_eq!(text().await, "second");
    undo(4).await.refused(409, "CONFLICT");
    undo(2).await.ok();
    assert_eq!(text().await, "first");
    // The undo of 2 is line 6; undone, it does 2 again.
    undo(6).await.ok();
    assert_eq!(text().await, "second");
    let log = server.get(&format!("{flow}/operations?limit=100")).send().await.ok();
    let line = |seq: u64| log["operations"].as_array().expect("a log").iter().find(|line| line["seq"] == seq).cloned();
    assert_eq!(line(4).expect("line 4")["undone_by"], 5);
    assert_eq!(line(2).expect("line 2").get("undone_by"), None);
    undo(1).await.refused(422, "OPERATION_REFUSED");
    undo(99).await.refused(404, "OPERATION_NOT_FOUND");
    server.post(&format!("{flow}/operations/x/undo"), &json!({})).send().await.refused(400, "BAD_REQUEST");
}

#[tokio::test]
async fn the_same_request_twice_is_done_once() {
    let server = TestServer::start().await;
    let flow = made(&server, "once").await;
    let body = json!({"operations": [{"op": "add_block", "name": "More", "processor_type": "llm", "prompt": "x"}]});
    let send = async |key: &str, body: &Value| {
        server.post(&format!("{flow}/operations"), body).header("idempotency-key", key).send().await
    };
    let (first, second) = (send("k-1", &body).await, send("k-1", &body).await);
    assert_eq!(first.ok(), second.ok());
    send("k-1", &json!({"operations": [prompt("answer", "x")]})).await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    // What is refused gives the key back.
    send("k-2", &json!({"revision": 1, "operations": [prompt("answer", "x")]})).await.refused(409, "CONFLICT");
    send("k-2", &json!({"revision": 2, "operations": [prompt("answer", "x")]})).await.ok();
    assert_eq!(revision(&server, &flow).await, 3);
}

#[tokio::test]
async fn flows_are_listed_renamed_and_deleted() {
    let server = TestServer::start().await;
    let flow = made(&server, "zeta").await;
    let slugs = async |query: &str| {
        let list = server.get(&format!("/flows{query}")).send().await.ok();
        let flows = list["flows"].as_array().expect("flows").clone();
        (flows.iter().map(|flow| flow["slug"].clone()).collect::<Vec<_>>(), list.get("next_cursor").cloned())
    };
    assert_eq!(slugs("?slug=zeta").await.0, ["zeta"]);
    assert_eq!(slugs("?slug=none").await.0, Vec::<Value>::new());
    assert_eq!(slugs("?q=ZET").await.0, ["zeta"]);
    assert_eq!(slugs("?limit=2").await, (vec![json!("broken"), json!("echo")], Some(json!("echo"))));
    assert_eq!(slugs("?limit=100&cursor=two-step").await, (vec![json!("zeta")], None));
    for bad in ["?limit=0", "?limit=101", "?limit=x"] {
        server.get(&format!("/flows{bad}")).send().await.refused(422, "VALIDATION_ERROR");
    }
    let patch = async |body: Value| server.request(Method::PATCH, &flow).json(&body).send().await;
    let renamed = patch(json!({"slug": "eta", "name": "Eta", "description": "What for"})).await.ok();
    assert_eq!(
        (&renamed["slug"], &renamed["name"], &renamed["description"]),
        (&json!("eta"), &json!("Eta"), &json!("What for"))
    );
    patch(json!({"slug": "echo"})).await.refused(409, "CONFLICT");
    patch(json!({"slug": "No Slug"})).await.refused(422, "VALIDATION_ERROR");
    patch(json!({"name": "x".repeat(101)})).await.refused(422, "VALIDATION_ERROR");
    server.post("/flows", &json!({"slug": "echo"})).send().await.refused(409, "CONFLICT");
    for bad in [json!({}), json!({"slug": "x"}), json!({"slug": "fine", "document": []}), json!([])] {
        server.post("/flows", &bad).send().await.refused(422, "VALIDATION_ERROR");
    }
    server.delete(&flow).send().await.ok();
    server.delete(&flow).send().await.refused(404, "FLOW_NOT_FOUND");
    server.get(&flow).send().await.refused(404, "FLOW_NOT_FOUND");
    made(&server, "eta").await;
}

#[tokio::test]
async fn checkpoints_bring_contents_back() {
    let server = TestServer::start().await;
    let flow = made(&server, "saved").await;
    let save = json!({"step_id": "answer", "note": "before"});
    let saved = server.post(&format!("{flow}/checkpoints"), &save).send().await.ok();
    assert_eq!((&saved["content"]["llm"]["prompt"], &saved["revision"]), (&json!("first"), &json!(1)));
    let path = format!("{flow}/checkpoints/{}", saved["checkpoint_id"].as_str().expect("an id"));
    apply(&server, &flow, json!({"operations": [prompt("answer", "second")]})).await.ok();
    let restore = async |body: Value| server.post(&format!("{path}/restore"), &body).send().await;
    restore(json!({"revision": 1})).await.refused(409, "CONFLICT");
    let restored = restore(json!({"revision": 2})).await.ok();
    assert_eq!((&restored["revision"], &restored["change"]["undoable"]), (&json!(3), &json!(true)));
    let draft = server.get(&flow).send().await.ok();
    assert_eq!(draft["document"]["steps"][0]["llm"]["prompt"], "first");
    let list = server.get(&format!("{flow}/checkpoints?step_id=answer")).send().await.ok();
    assert_eq!(list["checkpoints"], json!([saved]));
    assert_eq!(server.get(&format!("{flow}/checkpoints?step_id=report")).send().await.ok()["checkpoints"], json!([]));
    assert_eq!(server.get(&path).send().await.ok(), saved);
    apply(&server, &flow, json!({"operations": [{"op": "remove_block", "step_id": "answer"}]})).await.ok();
    restore(json!({})).await.refused(422, "OPERATION_REFUSED");
    server.post(&format!("{flow}/checkpoints"), &save).send().await.refused(404, "STEP_NOT_FOUND");
    server.delete(&path).send().await.ok();
    server.delete(&path).send().await.refused(404, "CHECKPOINT_NOT_FOUND");
    server.get(&format!("{flow}/checkpoints?cursor=x")).send().await.refused(422, "VALIDATION_ERROR");
}

#[tokio::test]
async fn drafts_follow_object_models_and_versions_keep_theirs() {
    let server = TestServer::start().await;
    let mut document = document("invoice", "x");
    document["steps"][1]["llm"]["output"] = json!({"model": "Invoice"});
    let flow = server.post("/flows", &json!({"document": document})).send().await.ok();
    let path = format!("/flows/{}", flow["flow_id"].as_str().expect("an id"));
    let problems = async || server.get(&format!("{path}/problems")).send().await.ok()["problems"].clone();
    assert_eq!(problems().await[0]["path"], "steps[1].llm.output");

    let fields = |names: &[&str]| names.iter().map(|name| json!({"name": name, "type": "string"})).collect::<Value>();
    let body = json!({"name": "Invoice", "fields": fields(&["number"])});
    let model = server.post("/object-models", &body).send().await.ok();
    assert_eq!(model["used_by"][0]["step_ids"], json!(["report"]));
    server.post("/object-models", &body).send().await.refused(409, "CONFLICT");
    assert_eq!(problems().await, json!([]));
    let run = async || server.execute("invoice", json!({"message": "x"})).await["result"].clone();
    let keys = |result: Value| result.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(run().await), ["number"]);
    server.post(&format!("{path}/versions"), &json!({})).send().await.ok();

    let model_path = format!("/object-models/{}", model["object_model_id"].as_str().expect("an id"));
    let patch = |tag: &str, names: &[&str]| {
        let request = server.request(Method::PATCH, &model_path).header("if-match", tag);
        request.json(&json!({"fields": fields(names)})).send()
    };
    let changed = patch("\"1\"", &["number", "total"]).await;
    assert_eq!((changed.header("etag"), changed.ok()["used_by"][0]["slug"].clone()), (Some("\"2\""), json!("invoice")));
    assert_eq!(patch("\"1\"", &["x"]).await.refused(409, "CONFLICT")["revision"], 2);
    assert_eq!(keys(run().await), ["number", "total"], "nothing is production, so the draft runs");
    assert_eq!(revision(&server, &path).await, 1, "the draft is as it was written");
    let version = server.get(&format!("{path}/versions/1")).send().await.ok();
    assert_eq!(version["document"]["steps"][1]["llm"]["output"], json!({"model": "Invoice"}));
    let kept = &version["resolved"]["steps"][1]["llm"]["output"]["properties"];
    assert_eq!(kept.as_object().expect("properties").len(), 1);
    assert_eq!(server.post(&format!("{path}/versions"), &json!({})).send().await.ok()["version"], 2);

    server.delete(&model_path).send().await.refused(409, "CONFLICT");
    server.delete(&format!("{model_path}?force=true")).send().await.ok();
    server.get(&model_path).send().await.refused(404, "OBJECT_MODEL_NOT_FOUND");
    assert_eq!(problems().await[0]["severity"], "error");
    for bad in [
        json!({"name": "string", "fields": fields(&["a"])}),
        json!({"name": "a b", "fields": fields(&["a"])}),
        json!({"name": "A"}),
        json!({"name": "A", "fields": [{"type": "string"}]}),
        json!({"name": "A", "fields": [{"name": "a", "type": "strnig"}]}),
        json!({"name": "A", "schema": {"type": "array"}}),
        json!({"name": "A", "schema": {"type": "object"}, "fields": fields(&["a"])}),
    ] {
        server.post("/object-models", &bad).send().await.refused(422, "VALIDATION_ERROR");
    }
    assert_eq!(server.get("/object-models").send().await.ok()["object_models"], json!([]));
}

#[tokio::test]
async fn projects_are_made_and_hydrated() {
    let server = TestServer::start().await;
    let made = server.post("/projects", &json!({"slug": "mail", "flows_as_tools": true})).send().await;
    assert_eq!(made.status, 201);
    let mail = made.ok();
    assert_eq!(
        (&mail["name"], &mail["flows_as_tools"], &mail["organization"]),
        (&json!("mail"), &json!(true), &json!("acme"))
    );
    server.post("/projects", &json!({"slug": "mail"})).send().await.refused(409, "CONFLICT");
    server.post("/projects", &json!({"slug": "M"})).send().await.refused(422, "VALIDATION_ERROR");
    let id = mail["project_id"].as_str().expect("an id");
    let slugs = server.get("/projects?limit=1&cursor=demo").send().await.ok();
    assert_eq!(slugs["projects"][0]["slug"], "mail");
    let path = format!("/projects/{id}");
    let change = json!({"name": "Mail", "flows_as_tools": false});
    let patched = server.request(Method::PATCH, &path).json(&change).send().await.ok();
    assert_eq!(server.get(&path).send().await.ok(), patched);

    let body = json!({"project_id": id, "document": document("one", "x")});
    let flow = server.post("/flows", &body).send().await.ok();
    let flow_path = format!("/flows/{}", flow["flow_id"].as_str().expect("an id"));
    apply(&server, &flow_path, json!({"operations": [prompt("answer", "y")]})).await.ok();
    server.post(&format!("{flow_path}/versions"), &json!({})).send().await.ok();
    server.post(&format!("{flow_path}/checkpoints"), &json!({"step_id": "answer"})).send().await.ok();
    let case = json!({"name": "says y", "input": {"message": "x"}});
    let case = server.post(&format!("{flow_path}/test-cases"), &case).send().await.ok();
    let model = json!({"project_id": id, "name": "A", "fields": [{"name": "a", "type": "string"}]});
    server.post("/object-models", &model).send().await.ok();
    server.post("/flows", &json!({"project_id": id, "slug": "two"})).send().await.ok();
    let all = server.get(&format!("{path}/hydrate")).send().await.ok();
    let one = &all["flows"][0];
    assert_eq!(
        (&one["slug"], &one["blocks"][1]["step_id"], &one["versions"][0]["version"]),
        (&json!("one"), &json!("report"), &json!(1))
    );
    assert_eq!((&one["checkpoints"][0]["step_id"], &one["content_versions"]["answer"]), (&json!("answer"), &json!(1)));
    assert_eq!((&one["test_cases"], &all["flows"][1]["test_cases"]), (&json!([case]), &json!([])));
    assert_eq!((all["flows"].as_array().map(Vec::len), &all["object_models"][0]["name"]), (Some(2), &json!("A")));
    let page = server.get(&format!("{path}/hydrate?limit=1")).send().await.ok();
    assert_eq!(page["next_cursor"], "one");
    let rest = server.get(&format!("{path}/hydrate?limit=1&cursor=one")).send().await.ok();
    assert_eq!((&rest["flows"][0]["slug"], rest.get("next_cursor")), (&json!("two"), None));
    server.get(&format!("{path}/hydrate?limit=501")).send().await.refused(422, "VALIDATION_ERROR");

    let orgs = server.get("/orgs").send().await.ok();
    let org = format!("/orgs/{}", orgs["organizations"][0]["organization_id"].as_str().expect("an id"));
    let changed = json!({"name": "Acme", "trace_capture": "off"});
    let changed = server.request(Method::PATCH, &org).json(&changed).send().await.ok();
    assert_eq!((&changed["name"], &changed["trace_capture"]), (&json!("Acme"), &json!("off")));
    assert_eq!(server.get(&org).send().await.ok(), changed);
    server.get(&format!("/orgs/{MISSING}")).send().await.refused(404, "ORGANIZATION_NOT_FOUND");
}

/// Every route with what it needs, and what it says to those who do not reach it.
fn routes(flow: &str, checkpoint: &str, model: &str, project: &str) -> Vec<(Method, String, Value, &'static str)> {
    let ops = json!({"operations": [prompt("answer", "x")]});
    let of_flow = |method: &Method, path: &str, body: &Value| {
        (method.clone(), format!("/flows/{flow}{path}"), body.clone(), "FLOW_NOT_FOUND")
    };
    let (get, post, put, patch, delete) = (Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    let none = json!({});
    let mut all: Vec<_> = [
        (&get, "", &none),
        (&patch, "", &json!({"name": "x"})),
        (&get, "/document", &none),
        (&put, "/document", &document("x-y", "z")),
        (&get, "/problems", &none),
        (&get, "/operations", &none),
        (&post, "/operations", &ops),
        (&post, "/operations/1/undo", &none),
        (&get, "/versions", &none),
        (&post, "/versions", &none),
        (&get, "/versions/1", &none),
        (&patch, "/versions/1", &json!({"deprecated": true})),
        (&get, "/versions/1/diff/0", &none),
        (&get, "/production", &none),
        (&put, "/production", &json!({"version": 1})),
        (&get, "/checkpoints", &none),
        (&post, "/checkpoints", &json!({"step_id": "answer"})),
        (&get, &format!("/checkpoints/{checkpoint}"), &none),
        (&post, &format!("/checkpoints/{checkpoint}/restore"), &none),
        (&delete, &format!("/checkpoints/{checkpoint}"), &none),
        (&delete, "", &none),
    ]
    .into_iter()
    .map(|(method, path, body)| of_flow(method, path, body))
    .collect();
    let model = format!("/object-models/{model}");
    let field = json!({"fields": [{"name": "a", "type": "string"}]});
    let mut new_model = field.clone();
    new_model["name"] = json!("B");
    new_model["project_id"] = json!(project);
    all.extend([
        (get.clone(), model.clone(), none.clone(), "OBJECT_MODEL_NOT_FOUND"),
        (patch, model.clone(), field, "OBJECT_MODEL_NOT_FOUND"),
        (delete, model, none.clone(), "OBJECT_MODEL_NOT_FOUND"),
        (get.clone(), format!("/object-models?project_id={project}"), none.clone(), "PROJECT_NOT_FOUND"),
        (post.clone(), "/object-models".to_owned(), new_model, "PROJECT_NOT_FOUND"),
        (get.clone(), format!("/flows?project_id={project}"), none.clone(), "PROJECT_NOT_FOUND"),
        (post, "/flows".to_owned(), json!({"project_id": project, "slug": "mine"}), "PROJECT_NOT_FOUND"),
        (get, format!("/projects/{project}/hydrate"), none, "PROJECT_NOT_FOUND"),
    ]);
    all
}

#[tokio::test]
async fn nobody_reaches_what_is_not_theirs() {
    let server = TestServer::start().await;
    let flow = made(&server, "mine").await;
    server.post(&format!("{flow}/versions"), &json!({})).send().await.ok();
    let saved = server.post(&format!("{flow}/checkpoints"), &json!({"step_id": "answer"})).send().await.ok();
    let model = json!({"name": "A", "fields": [{"name": "a", "type": "string"}]});
    let model = server.post("/object-models", &model).send().await.ok();
    let id = |value: &Value| value.as_str().expect("an id").to_owned();
    let (checkpoint, model) = (id(&saved["checkpoint_id"]), id(&model["object_model_id"]));
    let flow_id = flow.trim_start_matches("/flows/");
    let before = server.get(&flow).send().await.text;

    let (sibling, _) = server.other_project("acme", "other").await;
    let sibling = key_with(&server, &sibling, &[Scope::Execute, Scope::Author]).await;
    let (_, rival) = server.other_project("rival", "demo").await;
    let runner = key_with(&server, &server.project, &[Scope::Execute]).await;
    let project = server.project.id.to_string();
    let mine = routes(flow_id, &checkpoint, &model, &project);
    let missing = routes(MISSING, MISSING, MISSING, MISSING);
    for ((method, path, body, code), (_, nowhere, ghost, _)) in mine.into_iter().zip(missing) {
        let at = format!("{method} {path}");
        let send = async |key: &str, path: &str, body: &Value| {
            let request = server.bare(method.clone(), path).header("authorization", format!("Bearer {key}"));
            if method == Method::GET { request.send().await } else { request.json(body).send().await }
        };
        server.bare(method.clone(), &path).send().await.refused(401, "UNAUTHENTICATED");
        send(&runner, &path, &body).await.refused(403, "FORBIDDEN");
        for key in [&sibling, &rival] {
            let (theirs, none) = (send(key, &path, &body).await, send(key, &nowhere, &ghost).await);
            theirs.refused(404, code);
            assert_eq!(theirs.text, none.text, "{at}");
        }
    }
    for (method, path) in [(Method::POST, "/projects".to_owned()), (Method::PATCH, format!("/projects/{project}"))] {
        let request = server.bare(method, &path).header("authorization", format!("Bearer {sibling}"));
        request.json(&json!({"slug": "more", "name": "x"})).send().await.refused(403, "FORBIDDEN");
    }
    let request = server.bare(Method::GET, &format!("/projects/{project}"));
    request.header("authorization", format!("Bearer {rival}")).send().await.refused(404, "PROJECT_NOT_FOUND");
    assert_eq!(server.get(&flow).send().await.text, before);
}

#[tokio::test]
async fn files_are_logged_as_operations() {
    let server = TestServer::start().await;
    let app = server.server.app();
    app.put_flow(&server.project, &document("file", "first")).await.expect("a draft");
    let put = app.put_flow(&server.project, &document("file", "second")).await.expect("a draft");
    assert!(put.changed);
    assert!(!app.put_flow(&server.project, &document("file", "second")).await.expect("a draft").changed);
    let log = server.get(&format!("/flows/{}/operations", put.flow_id)).send().await.ok();
    let lines = log["operations"].as_array().expect("a log");
    assert_eq!((lines.len(), &lines[0]["op"], &lines[0]["author"]), (2, &json!("update_block_draft"), &json!("local")));
    assert_eq!(lines[0]["touched"], json!(["answer"]));
    let narrowed = server.get(&format!("/flows/{}/operations?step_id=report", put.flow_id)).send().await.ok();
    assert_eq!(narrowed["operations"], json!([]));
}

#[tokio::test]
async fn a_change_during_a_run_leaves_the_run_its_draft() {
    let server = TestServer::start().await;
    let flow = made(&server, "running").await;
    let first = server.step("running", json!({"message": "x"})).await;
    let run = first[0].data["executionId"].clone();
    for text in ["second", "third"] {
        apply(&server, &flow, json!({"operations": [prompt("report", text)]})).await.ok();
    }
    let next = json!({"executionId": run, "stepIndex": 1, "accumulatedOutputs": {"answer": {"message": "kept"}}});
    let events = server.step("running", next).await;
    assert_eq!(events.last().expect("events").data["result"]["message"], "kept");
}
