//! Objects of another project: every route answers for them as for objects that do not exist.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{TestServer, flows};

const MISSING: &str = "01985f3e-0000-7c3b-9f4e-2b8d5a1c7e90";

/// What another project owns.
struct Foreign {
    key: String,
    done: String,
    stepped: String,
    paused: Value,
    job: String,
    session: &'static str,
}

async fn foreign(server: &TestServer, org: &str, project: &str) -> Foreign {
    let (_, key) = server.other_project(org, project).await;
    let session = "7b1f4c52-6c0e-4a6e-8d1c-0f6f3a2b9c11";
    let send = |path: &str, body: Value| {
        let request = server.bare(Method::POST, &format!("/seq/{org}/{project}/{path}")).json(&body);
        request.header("authorization", format!("Bearer {key}")).header("x-session-id", session).send()
    };
    let id = |value: &Value| value["executionId"].as_str().expect("an id").to_owned();
    let done = id(&send("echo/execute", json!({"message": "theirs"})).await.ok());
    let paused = send("tools/execute", json!({"message": "theirs", "tools": flows::tools(1)})).await.ok();
    let job = id(&send("echo/jobs", json!({"message": "theirs"})).await.ok());
    let stepped = id(&send("two-step/step", json!({"message": "theirs"})).await.events()[0].data);
    Foreign { key, done, stepped, paused, job, session }
}

#[tokio::test]
async fn foreign_runs_jobs_and_steps_are_as_missing_ones() {
    let server = TestServer::start().await;
    for (org, project) in [("rival", "demo"), ("acme", "other")] {
        let theirs = foreign(&server, org, project).await;
        let base = "/seq/acme/demo/echo";
        for (method, template) in [
            (Method::GET, format!("{base}/jobs/ID")),
            (Method::DELETE, format!("{base}/jobs/ID")),
            (Method::GET, format!("{base}/runs/ID")),
            (Method::GET, format!("{base}/runs/ID/trace")),
            (Method::GET, format!("{base}/runs/ID/steps/answer/trace")),
            (Method::GET, format!("{base}/runs/ID/steps/answer/trace?attempt=all")),
            (Method::GET, format!("{base}/runs/ID/trace/stream")),
            (Method::GET, "/flow-runs/ID/trace".to_owned()),
            (Method::GET, "/flow-runs/ID/steps/answer/trace".to_owned()),
            (Method::GET, "/flow-runs/ID/trace/stream".to_owned()),
        ] {
            let ask = |id: &str| server.request(method.clone(), &template.replace("ID", id)).send();
            let missing = ask(MISSING).await;
            assert_eq!(missing.status, 404, "{template}");
            for id in [&theirs.done, &theirs.job, &theirs.stepped, "no-id"] {
                let reply = ask(id).await;
                assert_eq!((reply.status, &reply.text), (missing.status, &missing.text), "{method} {template}");
            }
        }
        assert_eq!(server.runs().await, 0);
    }
}

#[tokio::test]
async fn foreign_runs_cannot_be_gone_on_with() {
    let server = TestServer::start().await;
    let theirs = foreign(&server, "rival", "demo").await;
    let own = server.execute("echo", json!({"message": "mine"})).await;

    let mut resume = flows::answer(&theirs.paused);
    for id in [theirs.paused["executionId"].clone(), own["executionId"].clone(), json!(MISSING), json!("no-id")] {
        resume["executionId"] = id;
        let reply = server.post("/seq/acme/demo/tools/execute", &resume).send().await;
        reply.refused(400, "EXECUTION_ID_INVALID");
    }
    for id in [&json!(theirs.stepped), &own["executionId"], &json!(MISSING), &json!("no-id")] {
        let body = json!({"executionId": id, "stepIndex": 1, "accumulatedOutputs": {"first": {"message": "x"}}});
        let reply = server.post("/seq/acme/demo/two-step/step", &body).send().await;
        reply.refused(404, "RUN_NOT_FOUND");
    }
    assert_eq!(server.runs().await, 1);
    // Their pause is still theirs to answer.
    let request = server.bare(Method::POST, "/seq/rival/demo/tools/execute").json(&flows::answer(&theirs.paused));
    let reply = request.header("authorization", format!("Bearer {}", theirs.key)).send().await.ok();
    assert_eq!(reply["status"], "completed");
}

#[tokio::test]
async fn foreign_sessions_are_forbidden_and_missing_ones_missing() {
    let server = TestServer::start().await;
    let theirs = foreign(&server, "acme", "other").await;
    server.get(&format!("/seq/sessions/{}", theirs.session)).send().await.refused(403, "FORBIDDEN");
    server.get(&format!("/seq/sessions/{MISSING}")).send().await.refused(404, "SESSION_NOT_FOUND");
    for id in ["no-id", "01985f3e00007c3b9f4e2b8d5a1c7e90", "%00", "..%2F..%2Fkeys"] {
        server.get(&format!("/seq/sessions/{id}")).send().await.refused(400, "SESSION_ID_INVALID");
    }
}

#[tokio::test]
async fn foreign_keys_and_projects_are_as_missing_ones() {
    let server = TestServer::start().await;
    let (project, key) = server.other_project("rival", "demo").await;
    let revoke = |id: String| server.delete(&format!("/keys/{id}")).send();
    let (missing, theirs) = (revoke("zzzz9999".to_owned()).await, revoke(key[8..16].to_owned()).await);
    missing.refused(404, "KEY_NOT_FOUND");
    assert_eq!(missing.text, theirs.text);

    let make = |id: String| server.post("/keys", &json!({"project_id": id, "name": "x", "environment": "live"})).send();
    let list = |id: String| server.get(&format!("/keys?projectId={id}")).send();
    for (missing, theirs) in [
        (make(MISSING.to_owned()).await, make(project.id.to_string()).await),
        (list(MISSING.to_owned()).await, list(project.id.to_string()).await),
    ] {
        missing.refused(403, "FORBIDDEN");
        assert_eq!(missing.text, theirs.text);
    }
    let request = server.bare(Method::GET, "/keys/verify").header("authorization", format!("Bearer {key}"));
    assert_eq!(request.send().await.ok()["project_id"], project.id.to_string());
}

#[tokio::test]
async fn lists_and_filters_stay_within_the_project() {
    let server = TestServer::start().await;
    let theirs = foreign(&server, "rival", "demo").await;
    let flow_id = theirs.paused["flowId"].as_str().expect("an id");
    for query in [String::new(), format!("?flow_id={flow_id}"), format!("?cursor={}", theirs.done)] {
        let list = server.get(&format!("/flow-runs{query}")).send().await.ok();
        assert_eq!(list["flowRuns"], json!([]), "{query}");
    }
}
