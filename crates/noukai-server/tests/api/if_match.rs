//! Changes made on what their caller saw: with `If-Match`, only where it still is so.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    authoring::made,
    common::{Reply, TestServer},
};

/// Something with a revision, and how it is changed.
struct Guarded<'a> {
    server: &'a TestServer,
    path: String,
    method: Method,
    body: Value,
}

impl Guarded<'_> {
    async fn tag(&self) -> String {
        let found = self.server.get(&self.path).send().await;
        found.ok();
        found.header("etag").expect("a tag").to_owned()
    }

    async fn change(&self, on: Option<&str>) -> Reply {
        let request = self.server.request(self.method.clone(), &self.path).json(&self.body);
        match on {
            Some(tag) => request.header("if-match", tag).send().await,
            None => request.send().await,
        }
    }

    /// Refused, with the revision there is now, and nothing has changed.
    async fn refuses(&self, stale: &[&str]) {
        let before = self.server.get(&self.path).send().await;
        let tag = self.tag().await;
        for stale in stale {
            let detail = self.change(Some(stale)).await.refused(409, "CONFLICT");
            let revision = detail["revision"].as_u64().unwrap_or_default();
            assert_eq!(format!("\"{revision}\""), tag, "{stale}: {detail}");
        }
        self.change(Some("1")).await.refused(400, "BAD_REQUEST");
        assert_eq!((self.server.get(&self.path).send().await.text, self.tag().await), (before.text, tag));
    }

    /// Done, and shown with another revision.
    async fn does(&self, on: Option<&str>, tag: &str) {
        let changed = self.change(on).await;
        changed.ok();
        assert_eq!((changed.header("etag"), self.tag().await.as_str()), (Some(tag), tag));
    }

    async fn deletes(&self, on: Option<&str>, code: &str) {
        self.change(on).await.ok();
        self.change(on).await.refused(404, code);
    }
}

fn id<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().expect("an id")
}

#[tokio::test]
async fn a_version_is_marked_where_it_is_as_it_was_seen() {
    let server = TestServer::start().await;
    let flow = made(&server, "marked").await;
    server.post(&format!("{flow}/versions"), &json!({})).send().await.ok();
    let path = format!("{flow}/versions/1");
    let version =
        Guarded { server: &server, path, method: Method::PATCH, body: json!({"deprecated": true, "note": "old"}) };
    assert_eq!(version.tag().await, "\"1\"");
    version.refuses(&["\"0\"", "\"2\"", "\"18446744073709551615\""]).await;
    version.does(Some("\"1\""), "\"2\"").await;
    version.refuses(&["\"1\""]).await;
    assert_eq!(server.get(&version.path).send().await.ok()["revision"], 2);
    version.does(None, "\"3\"").await;
    version.does(Some("*"), "\"4\"").await;
    version.does(Some("W/\"4\""), "\"5\"").await;
    let missing = Guarded { path: format!("{flow}/versions/9"), ..version };
    missing.change(Some("\"1\"")).await.refused(404, "VERSION_NOT_FOUND");
}

#[tokio::test]
async fn a_checkpoint_is_deleted_where_it_is_the_one_that_was_seen() {
    let server = TestServer::start().await;
    let flow = made(&server, "saved").await;
    let save = async || {
        let saved = server.post(&format!("{flow}/checkpoints"), &json!({"step_id": "answer"})).send().await.ok();
        let path = format!("{flow}/checkpoints/{}", id(&saved, "checkpoint_id"));
        Guarded { server: &server, path, method: Method::DELETE, body: json!({}) }
    };
    let (first, again) = (save().await, save().await);
    server.request(Method::PATCH, &flow).json(&json!({"name": "Another"})).send().await.ok();
    let second = save().await;
    assert_eq!((first.tag().await, second.tag().await), ("\"1\"".to_owned(), "\"2\"".to_owned()));
    first.refuses(&["\"2\"", "\"0\""]).await;
    second.refuses(&["\"1\""]).await;
    first.deletes(Some("\"1\""), "CHECKPOINT_NOT_FOUND").await;
    second.deletes(None, "CHECKPOINT_NOT_FOUND").await;
    again.deletes(Some("*"), "CHECKPOINT_NOT_FOUND").await;
}

#[tokio::test]
async fn a_test_case_is_deleted_where_it_is_as_it_was_seen() {
    let server = TestServer::start().await;
    let flow = made(&server, "tested").await;
    let make = async |name: &str| {
        let case = json!({"name": name, "input": {"message": "x"}});
        let made = server.post(&format!("{flow}/test-cases"), &case).send().await.ok();
        let path = format!("{flow}/test-cases/{}", id(&made, "id"));
        Guarded { server: &server, path, method: Method::DELETE, body: json!({}) }
    };
    let (case, other) = (make("one").await, make("two").await);
    server.request(Method::PATCH, &case.path).json(&json!({"name": "another"})).send().await.ok();
    case.refuses(&["\"1\"", "\"3\""]).await;
    case.deletes(Some("\"2\""), "TEST_CASE_NOT_FOUND").await;
    other.deletes(None, "TEST_CASE_NOT_FOUND").await;
}

#[tokio::test]
async fn an_object_model_is_deleted_where_it_is_as_it_was_seen() {
    let server = TestServer::start().await;
    let fields = json!([{"name": "number", "type": "string"}]);
    let make = async |name: &str| {
        let made = server.post("/object-models", &json!({"name": name, "fields": fields})).send().await.ok();
        let path = format!("/object-models/{}?force=true", id(&made, "object_model_id"));
        Guarded { server: &server, path, method: Method::DELETE, body: json!({}) }
    };
    let (model, other) = (make("Invoice").await, make("Order").await);
    server.request(Method::PATCH, &model.path).json(&json!({"description": "What for"})).send().await.ok();
    model.refuses(&["\"1\"", "\"3\""]).await;
    model.deletes(Some("\"2\""), "OBJECT_MODEL_NOT_FOUND").await;
    other.deletes(None, "OBJECT_MODEL_NOT_FOUND").await;
}

#[tokio::test]
async fn a_gate_is_set_where_it_is_as_it_was_seen() {
    let server = TestServer::start().await;
    let flow = made(&server, "gated").await;
    let path = format!("{flow}/publish-gate");
    let gate = Guarded { server: &server, path, method: Method::PUT, body: json!({"all": true}) };
    assert_eq!(gate.tag().await, "\"0\"");
    gate.refuses(&["\"1\""]).await;
    gate.does(Some("\"0\""), "\"1\"").await;
    gate.refuses(&["\"0\"", "\"2\""]).await;
    assert_eq!(server.get(&gate.path).send().await.ok(), json!({"all": true}));
    gate.does(Some("\"1\""), "\"2\"").await;
    gate.does(None, "\"3\"").await;
}
