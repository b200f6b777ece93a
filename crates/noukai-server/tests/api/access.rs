//! Who gets in: every route without a key, with keys that are none, and with another project's key.

use noukai_api::Scope;
use noukai_store::{KeyRecord, ProjectId};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use crate::common::TestServer;

/// Every route of the server's own document, with its parameters filled in: method, path, whether it is public.
pub async fn routes(server: &TestServer) -> Vec<(Method, String, bool)> {
    let document = server.bare(Method::GET, "/openapi.json").send().await.ok();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let method = method.to_uppercase().parse().expect("a method");
            routes.push((method, fill(path), operation["security"] == json!([])));
        }
    }
    assert!(routes.len() > 20);
    routes
}

/// Parameters that lead somewhere, as far as they can without a run.
fn fill(path: &str) -> String {
    let id = "01985f3e-6d0a-7c3b-9f4e-2b8d5a1c7e90";
    path.replace("{org}", "acme")
        .replace("{project}", "demo")
        .replace("{flow}", "echo")
        .replace("{version}", "v0")
        .replace("{execution_id}", id)
        .replace("{session_id}", id)
        .replace("{step_id}", "answer")
        .replace("{key_id}", "abcd1234")
        .replace("{org_id}", id)
        .replace("{user_id}", id)
        .replace("{invitation_id}", id)
        .replace("{provider_key_id}", id)
}

async fn refuses(server: &TestServer, authorization: Option<&str>, method: Method, path: &str) -> Value {
    let request = server.bare(method, path).body("no JSON at all");
    let request = match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    };
    let reply = request.send().await;
    assert_eq!(reply.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    reply.refused(401, "UNAUTHENTICATED")
}

#[tokio::test]
async fn without_a_key_only_public_routes_answer() {
    let server = TestServer::start().await;
    for (method, path, public) in routes(&server).await {
        if public && method == Method::GET {
            server.bare(method, &path).send().await.ok();
        } else if public {
            // It looks at what is sent, which is nothing here.
            server.bare(method, &path).body("no JSON at all").send().await.refused(400, "BAD_REQUEST");
        } else {
            refuses(&server, None, method, &path).await;
        }
    }
}

#[tokio::test]
async fn without_a_key_nobody_learns_which_addresses_exist() {
    let server = TestServer::start().await;
    let known = refuses(&server, None, Method::POST, "/seq/acme/demo/echo/execute").await;
    for (method, path) in [
        (Method::POST, "/seq/acme/demo/no-flow/execute"),
        (Method::POST, "/seq/no-org/no-project/no-flow/execute"),
        (Method::POST, "/seq/acme/demo/echo/banana/execute"),
        (Method::PUT, "/seq/acme/demo/echo/execute"),
        (Method::GET, "/no-route"),
    ] {
        assert_eq!(refuses(&server, None, method, path).await, known, "{path}");
    }
    assert_eq!(server.runs().await, 0);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_everywhere() {
    let server = TestServer::start().await;
    let revoked = server.issue_key(&server.project).await;
    server.delete(&format!("/keys/{}", &revoked[8..16])).send().await.ok();
    let good = server.key.clone();
    let keys = [
        expired_key(&server).await,
        revoked,
        good.replace("nk_test", "nk_live"),
        format!("nk_test_zzzz9999_{}", "x".repeat(32)),
        format!("{}{}", &good[..good.len() - 1], if good.ends_with('a') { 'b' } else { 'a' }),
        good[..17].to_owned(),
        "null".to_owned(),
        "' OR 1=1 --".to_owned(),
        String::new(),
    ];
    let headers = keys.iter().map(|key| format!("Bearer {key}")).chain([good.clone(), format!("Basic {good}")]);
    let headers: Vec<String> = headers.collect();
    for (method, path, public) in routes(&server).await {
        for header in headers.iter().filter(|_| !public) {
            refuses(&server, Some(header), method.clone(), &path).await;
        }
    }
    assert_eq!(server.runs().await, 0);
}

/// No use case makes a key that is over, so this one goes straight into the database.
async fn expired_key(server: &TestServer) -> String {
    let store = server.store().await;
    let (id, secret) = ("expired1", "s".repeat(32));
    let hash = Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let now = OffsetDateTime::now_utc();
    let key = KeyRecord {
        key_id: id.to_owned(),
        project_id: ProjectId(server.project.id),
        secret_hash: hash,
        environment: "test".to_owned(),
        name: "over".to_owned(),
        scopes: Scope::ALL.to_vec(),
        created_at: now - Duration::days(2),
        created_by: "test".to_owned(),
        expires_at: Some(now - Duration::days(1)),
        revoked_at: None,
    };
    assert!(store.add_key(&key, 100, now).await.expect("a key"));
    store.close().await;
    format!("nk_test_{id}_{secret}")
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case_but_only_once() {
    let server = TestServer::start().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = server.bare(Method::GET, "/limits").header("authorization", format!("{scheme} {}", server.key));
        request.send().await.ok();
    }
    let twice = server.get("/limits").header("authorization", "Bearer nk_test_other");
    twice.send().await.refused(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn another_project_is_forbidden_whether_it_exists_or_not() {
    let server = TestServer::start().await;
    server.other_project("acme", "other").await;
    server.other_project("rival", "demo").await;
    let scoped = routes(&server).await.into_iter().filter(|(_, path, _)| path.starts_with("/seq/acme/demo/"));
    for (method, path, _) in scoped {
        let mut seen = Vec::new();
        for address in ["acme/other", "rival/demo", "acme/nowhere", "nobody/demo", "nobody/nowhere", "ACME/demo"] {
            // What else is wrong comes later: the version, the flow, the body.
            for path in [path.clone(), path.replace("/echo/", "/no-flow/"), path.replace("/v0/", "/banana/")] {
                let path = path.replacen("acme/demo", address, 1);
                let reply = server.request(method.clone(), &path).body("{").send().await;
                seen.push(reply.refused(403, "FORBIDDEN"));
            }
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{method} {path}: {seen:?}");
    }
    assert_eq!(server.runs().await, 0);
}

#[tokio::test]
async fn keys_are_managed_by_admins_alone() {
    let server = TestServer::start().await;
    let body = json!({"project_id": server.project.id, "name": "plain", "environment": "live"});
    let reply = server.post("/keys", &body).send().await;
    assert_eq!(reply.status, 201);
    let plain = reply.json()["key"].as_str().expect("a key").to_owned();
    let as_plain = |method, path: &str| server.bare(method, path).header("authorization", format!("Bearer {plain}"));

    assert_eq!(as_plain(Method::GET, "/keys/verify").send().await.ok()["scopes"], json!(["execute"]));
    as_plain(Method::GET, "/keys").send().await.refused(403, "FORBIDDEN");
    as_plain(Method::POST, "/keys").json(&body).send().await.refused(403, "FORBIDDEN");
    as_plain(Method::DELETE, "/keys/abcd1234").send().await.refused(403, "FORBIDDEN");

    let list = server.get(&format!("/keys?projectId={}", server.project.id)).send().await;
    assert_eq!(list.ok()["keys"].as_array().expect("keys").len(), 2);
    for secret in [&plain[17..], &server.key[17..]] {
        assert!(!list.text.contains(secret), "a list shows a secret");
    }
    let id = &plain[8..16];
    assert_eq!(server.delete(&format!("/keys/{id}")).send().await.ok()["key_id"], id);
    as_plain(Method::GET, "/keys/verify").send().await.refused(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_key_that_may_only_author_runs_and_reads_nothing() {
    let server = TestServer::start().await;
    let run = server.execute("echo", json!({"message": "x"})).await;
    let id = run["executionId"].as_str().expect("an id");
    let body = json!({"project_id": server.project.id, "name": "author", "environment": "test", "scopes": ["author"]});
    let made = server.post("/keys", &body).send().await.ok();
    let bearer = format!("Bearer {}", made["key"].as_str().expect("a key"));
    let ask = |method, path: &str| server.bare(method, path).header("authorization", &bearer);

    assert_eq!(ask(Method::GET, "/keys/verify").send().await.ok()["scopes"], json!(["author"]));
    for path in ["execute", "step", "jobs"] {
        let request = ask(Method::POST, &format!("/seq/acme/demo/echo/{path}")).json(&json!({"message": "x"}));
        request.send().await.refused(403, "FORBIDDEN");
    }
    for path in [
        "/flow-runs".to_owned(),
        format!("/flow-runs/{id}/trace"),
        format!("/flow-runs/{id}/trace/stream"),
        format!("/flow-runs/{id}/steps/answer/trace"),
        format!("/seq/acme/demo/echo/runs/{id}"),
    ] {
        let reply = ask(Method::GET, &path).send().await;
        let (status, text) = (reply.status, reply.text);
        assert_eq!(status, 403, "{path}: {text}");
        assert!(text.contains("\"FORBIDDEN\""), "{path}: {text}");
    }
    assert_eq!(server.runs().await, 1);
}

#[tokio::test]
async fn a_project_has_so_many_keys_and_no_more() {
    let server = TestServer::with(|config| config.limits.keys_per_project = 2).await;
    let body = json!({"project_id": server.project.id, "name": "next", "environment": "live"});
    assert_eq!(server.post("/keys", &body).send().await.status, 201);
    let detail = server.post("/keys", &body).send().await.refused(429, "RATE_LIMITED");
    assert!(detail["message"].as_str().is_some_and(|text| text.contains('2')), "{detail}");
}
