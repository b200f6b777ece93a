//! What the server says of itself, and what every reply carries.

use noukai_server::openapi_document;
use reqwest::Method;
use serde_json::json;

use crate::common::TestServer;

#[tokio::test]
async fn health_and_readiness_answer_at_both_places() {
    let server = TestServer::start().await;
    assert_eq!(server.bare(Method::GET, "/health").send().await.ok()["status"], "ok");
    assert_eq!(server.bare(Method::GET, "/ready").send().await.ok(), json!({"status": "ready"}));
    for path in ["health", "ready"] {
        let reply = reqwest::get(format!("{}/{path}", server.server.url())).await.expect("a reply");
        assert_eq!(reply.status(), 200);
        assert!(reply.headers().contains_key("x-request-id"));
    }
    let root = reqwest::get(server.server.url()).await.expect("a reply");
    assert_eq!(root.status(), 404);
}

#[tokio::test]
async fn the_document_is_served_as_it_is_built() {
    let server = TestServer::start().await;
    let served = server.bare(Method::GET, "/openapi.json").send().await.ok();
    assert_eq!(served, openapi_document());
    assert_eq!(served["openapi"], "3.1.0");
}

#[tokio::test]
async fn editors_get_the_schema_of_flows_without_a_key() {
    let server = TestServer::start().await;
    let served = server.bare(Method::GET, "/schemas/flow.json").send().await.ok();
    assert_eq!(served, noukai_flow::document_schema());
    assert!(noukai_flow::SCHEMA_PATH.ends_with("/schemas/flow.json"));
}

#[tokio::test]
async fn request_ids_are_taken_over_if_sane() {
    let server = TestServer::start().await;
    for (method, path, body) in [
        (Method::GET, "/health", ""),
        (Method::GET, "/limits", ""),
        (Method::GET, "/no-route", ""),
        (Method::PUT, "/limits", ""),
        (Method::POST, "/seq/acme/demo/echo/execute", "{"),
        (Method::POST, "/seq/acme/demo/echo/step", "{\"message\": \"x\"}"),
        (Method::POST, "/seq/rival/demo/echo/execute", "{}"),
    ] {
        let send =
            |id: &[u8]| server.request(method.clone(), path).body(body.to_owned()).header("x-request-id", id).send();
        assert_eq!(send(b"my-Request_1.2").await.header("x-request-id"), Some("my-Request_1.2"), "{path}");
        for bad in [&b"a b"[..], b"<script>", "é".as_bytes(), &[b'x'; 129]] {
            let reply = send(bad).await;
            let id = reply.header("x-request-id").expect("an id");
            assert_eq!((id.len(), id.matches('-').count()), (36, 4), "{path}: {id}");
        }
    }
    let without_key = server.bare(Method::GET, "/limits").header("x-request-id", "mine").send().await;
    assert_eq!((without_key.status.as_u16(), without_key.header("x-request-id")), (401, Some("mine")));
}

#[tokio::test]
async fn replies_are_kept_out_of_caches() {
    let server = TestServer::start().await;
    let reply = server.get("/keys").send().await;
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    let stream = server.post("/seq/acme/demo/echo/step", &json!({"message": "x"})).send().await;
    assert_eq!(stream.header("cache-control"), Some("no-cache"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
}

#[tokio::test]
async fn an_organisation_may_be_called_sessions() {
    let server = TestServer::start().await;
    let (_, key) = server.other_project("sessions", "runs").await;
    let request = server.bare(Method::POST, "/seq/sessions/runs/echo/execute").json(&json!({"message": "x"}));
    let reply = request.header("authorization", format!("Bearer {key}")).send().await;
    assert_eq!(reply.ok()["status"], "completed");
}
