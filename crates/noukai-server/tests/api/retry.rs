//! Jobs that are tried again: what is taken over, what is not, and that the two know each other.

use std::{collections::HashSet, sync::Arc};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use futures::future::join_all;
use noukai_models::{ProviderConfig, Secret};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::common::{TestServer, kinds};

/// A model that counts its calls by prompt, and refuses the prompts it is told to.
#[derive(Default)]
struct Book {
    calls: Vec<String>,
    refused: HashSet<String>,
}

#[derive(Clone, Default)]
struct Mock(Arc<Mutex<Book>>);

impl Mock {
    fn refuse(&self, prompt: &str) {
        self.0.lock().refused.insert(prompt.to_owned());
    }

    fn relent(&self) {
        self.0.lock().refused.clear();
    }

    /// How often each prompt was sent, refused or not.
    fn calls(&self, prompt: &str) -> usize {
        self.0.lock().calls.iter().filter(|call| *call == prompt).count()
    }
}

async fn answer(State(mock): State<Mock>, Json(request): Json<Value>) -> impl IntoResponse {
    let prompt = request["messages"][0]["content"].as_str().unwrap_or_default().to_owned();
    let mut book = mock.0.lock();
    book.calls.push(prompt.clone());
    if book.refused.contains(&prompt) {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": {"message": "no", "code": 400}})));
    }
    let message = json!({"role": "assistant", "content": format!("re {prompt}")});
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7});
    let reply = json!({"id": "x", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage});
    (StatusCode::OK, Json(reply))
}

struct World {
    server: TestServer,
    mock: Mock,
    provider: AbortHandle,
}

impl Drop for World {
    fn drop(&mut self) {
        self.provider.abort();
    }
}

fn step(id: &str, prompt: &str) -> Value {
    json!({"id": id, "llm": {"model": "test/m", "prompt": prompt}})
}

fn flow(steps: &[Value]) -> Value {
    json!({"schema": 1, "slug": "work", "input": {"message": "string"}, "steps": steps})
}

impl World {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut noukai_server::Config)) -> Self {
        let mock = Mock::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(mock.clone());
        let provider = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        let server = TestServer::with(|config| {
            config.models.providers = vec![ProviderConfig::for_all(base_url, Secret::new("key"))];
            change(config);
        })
        .await;
        let world = Self { server, mock, provider };
        world.put(&[step("first", "one"), step("second", "two"), step("third", "three")]).await;
        world
    }

    async fn put(&self, steps: &[Value]) {
        self.server.server.app().put_flow(&self.server.project, &flow(steps)).await.expect("a flow");
    }

    async fn submit(&self, session: Option<&str>) -> String {
        let mut request = self.server.post("/seq/acme/demo/work/jobs", &json!({"message": "hello"}));
        if let Some(session) = session {
            request = request.header("x-session-id", session);
        }
        id(&request.send().await.ok())
    }

    async fn ended(&self, job: &str) -> Value {
        self.server.get(&format!("/seq/acme/demo/work/jobs/{job}?wait=60")).send().await.ok()
    }

    /// A job that failed at `second`.
    async fn failed(&self) -> String {
        self.mock.refuse("two");
        let job = self.submit(None).await;
        let status = self.ended(&job).await;
        assert_eq!((&status["status"], &status["retryable"]), (&json!("failed"), &json!(true)), "{status}");
        self.mock.relent();
        job
    }

    async fn retry(&self, job: &str, query: &str) -> crate::common::Reply {
        self.server.request(Method::POST, &format!("/seq/acme/demo/work/jobs/{job}/retry{query}")).send().await
    }

    async fn trace(&self, job: &str) -> Value {
        self.server.get(&format!("/flow-runs/{job}/trace")).send().await.ok()
    }
}

fn id(reply: &Value) -> String {
    reply["executionId"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_retry_goes_on_at_the_step_that_failed() {
    let world = World::start().await;
    world.mock.refuse("two");
    let session = "4d1dd04e-6c6a-4a2a-a5c7-6f1a3fb1f5d5";
    let job = world.submit(Some(session)).await;
    world.ended(&job).await;
    world.mock.relent();

    let accepted = world.retry(&job, "").await;
    assert_eq!(accepted.status, 202);
    let (accepted, retry) = (accepted.json(), id(&accepted.json()));
    assert_eq!(accepted["retryOf"], json!(job));
    let done = world.ended(&retry).await;
    assert_eq!((&done["status"], &done["result"]["message"]), (&json!("completed"), &json!("re three")), "{done}");
    assert_eq!(done["retryOf"], json!(job));
    assert_eq!((world.mock.calls("one"), world.mock.calls("two"), world.mock.calls("three")), (1, 2, 1));

    let old = world.ended(&job).await;
    assert_eq!((&old["status"], &old["retriedBy"], &old["retryable"]), (&json!("failed"), &json!(retry), &Value::Null));
    let (before, after) = (world.trace(&job).await, world.trace(&retry).await);
    assert_eq!(before["flowRun"]["retriedBy"], json!(retry));
    assert_eq!(after["flowRun"]["retryOf"], json!(job));
    let first = |trace: &Value| {
        (
            trace["steps"][0]["stepId"].clone(),
            trace["steps"][0]["outputContext"].clone(),
            trace["steps"][0]["startedAt"].clone(),
        )
    };
    assert_eq!(first(&before), first(&after));
    assert_eq!((&after["steps"][0]["carried"], &after["steps"][1]["carried"]), (&json!(true), &Value::Null));
    // What was taken over is on the first job's account.
    assert_eq!(after["flowRun"]["tokens"]["total"], json!(14));
    let events = world.server.get(&format!("/flow-runs/{retry}/trace/stream")).send().await.events();
    let told = kinds(&events);
    assert_eq!((told[0], told[told.len() - 1]), ("run_started", "flow_completed"));
    for kind in ["run_started", "flow_completed"] {
        assert_eq!(told.iter().filter(|other| **other == kind).count(), 1);
    }
    for kind in ["step_started", "step_completed"] {
        assert_eq!(told.iter().filter(|other| **other == kind).count(), 3, "{told:?}");
    }
    let runs = world.server.get(&format!("/seq/sessions/{session}")).send().await.ok();
    let runs: Vec<_> =
        runs["executions"].as_array().expect("runs").iter().map(|run| run["executionId"].clone()).collect();
    assert_eq!(runs, [json!(job), json!(retry)]);
}

#[tokio::test]
async fn from_the_start_nothing_is_taken_over() {
    let world = World::start().await;
    let job = world.failed().await;
    let retry = id(&world.retry(&job, "?from=start").await.ok());
    assert_eq!(world.ended(&retry).await["status"], "completed");
    assert_eq!((world.mock.calls("one"), world.mock.calls("two")), (2, 2));
    assert_eq!(world.trace(&retry).await["steps"][0]["carried"], Value::Null);
}

#[tokio::test]
async fn one_of_many_retries_at_once_is_made_and_the_rest_learn_which() {
    let world = World::start().await;
    let job = world.failed().await;
    let replies = join_all((0..10).map(|_| world.retry(&job, ""))).await;
    let (made, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 202);
    assert_eq!(made.len(), 1);
    let retry = id(&made[0].json());
    for reply in refused {
        assert_eq!(reply.refused(409, "CONFLICT")["executionId"], json!(retry));
    }
    assert_eq!(world.ended(&retry).await["status"], "completed");
    assert_eq!(world.server.runs().await, 2);
    // A job is retried once, its retry where it failed in turn.
    world.retry(&job, "").await.refused(409, "CONFLICT");
    world.retry(&retry, "").await.refused(409, "CONFLICT");
}

#[tokio::test]
async fn a_retry_with_an_idempotency_key_is_made_once() {
    let world = World::start().await;
    let job = world.failed().await;
    let path = format!("/seq/acme/demo/work/jobs/{job}/retry");
    let ask = || world.server.request(Method::POST, &path).header("idempotency-key", "k").send();
    let (first, second) = (ask().await.ok(), ask().await.ok());
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_retry_that_fails_is_retried_in_turn() {
    let world = World::start().await;
    let mut job = world.failed().await;
    for _ in 0..2 {
        world.mock.refuse("two");
        job = id(&world.retry(&job, "").await.ok());
        assert_eq!(world.ended(&job).await["status"], "failed");
        world.mock.relent();
    }
    let last = id(&world.retry(&job, "").await.ok());
    assert_eq!(world.ended(&last).await["status"], "completed");
    assert_eq!((world.mock.calls("one"), world.mock.calls("two")), (1, 4));
}

#[tokio::test]
async fn the_current_version_takes_over_what_is_the_same() {
    let world = World::start().await;
    let job = world.failed().await;
    world.put(&[step("first", "one"), step("second", "two, mended"), step("fourth", "four")]).await;
    let retry = id(&world.retry(&job, "?version=current").await.ok());
    assert_eq!(world.ended(&retry).await["result"]["message"], "re four");
    assert_eq!((world.mock.calls("one"), world.mock.calls("two"), world.mock.calls("two, mended")), (1, 1, 1));

    let job = world.submit_failing("four").await;
    world.put(&[step("first", "another one"), step("second", "two, mended"), step("fourth", "four")]).await;
    let retry = id(&world.retry(&job, "?version=current").await.ok());
    assert_eq!(world.ended(&retry).await["status"], "completed");
    assert_eq!(
        (world.mock.calls("another one"), world.mock.calls("two, mended")),
        (1, 3),
        "what follows runs again too"
    );

    let job = world.submit_failing("four").await;
    world.put(&[step("first", "one")]).await;
    let same = id(&world.retry(&job, "?version=same").await.ok());
    assert_eq!(world.ended(&same).await["result"]["message"], "re four", "what the job ran, though the flow changed");
}

impl World {
    async fn submit_failing(&self, prompt: &str) -> String {
        self.mock.refuse(prompt);
        let job = self.submit(None).await;
        assert_eq!(self.ended(&job).await["status"], "failed");
        self.mock.relent();
        job
    }
}

#[tokio::test]
async fn a_loop_goes_on_with_the_items_that_are_missing() {
    let world = World::start().await;
    let each =
        json!({"id": "each", "loop": {"over": "items", "concurrency": 1, "steps": [step("one", "item {{ item }}")]}});
    world.put(&[each, step("end", "end")]).await;
    world.mock.refuse("item c");
    let body = json!({"message": "x", "parameters": {"items": ["a", "b", "c", "d"]}});
    let job = id(&world.server.post("/seq/acme/demo/work/jobs", &body).send().await.ok());
    assert_eq!(world.ended(&job).await["status"], "failed");
    world.mock.relent();
    let retry = id(&world.retry(&job, "").await.ok());
    assert_eq!(world.ended(&retry).await["status"], "completed");
    let calls: Vec<_> = ["a", "b", "c", "d"].iter().map(|item| world.mock.calls(&format!("item {item}"))).collect();
    assert_eq!(calls, [1, 1, 2, 1]);
    let trace = world.trace(&retry).await;
    let carried: Vec<_> =
        trace["steps"].as_array().expect("steps").iter().map(|step| step["carried"] == true).collect();
    assert_eq!(carried, [true, true, false, false, false]);
}

#[tokio::test]
async fn a_cancelled_job_can_be_retried() {
    let world = World::start().await;
    let slow = json!({"id": "slow", "llm": {"model": "noukai/echo", "prompt": "x", "config": {"latency_ms": 60_000}}});
    world.put(&[step("first", "one"), slow]).await;
    let job = world.submit(None).await;
    while world.trace(&job).await["steps"][1]["status"] != "running" {}
    world.retry(&job, "").await.refused(409, "CONFLICT");
    world.server.delete(&format!("/seq/acme/demo/work/jobs/{job}")).send().await.ok();
    assert_eq!(world.ended(&job).await["status"], "cancelled");
    world.put(&[step("first", "one"), step("slow", "quick")]).await;
    let retry = id(&world.retry(&job, "?version=current").await.ok());
    assert_eq!(world.ended(&retry).await["result"]["message"], "re quick");
    assert_eq!(world.mock.calls("one"), 1);
}

#[tokio::test]
async fn contents_that_are_not_captured_stay_out_of_the_trace() {
    let world = World::start().await;
    let mut private = flow(&[step("first", "one"), step("second", "two")]);
    private["trace_capture"] = json!("metadata_only");
    world.server.server.app().put_flow(&world.server.project, &private).await.expect("a flow");
    let job = world.failed().await;
    let retry = id(&world.retry(&job, "").await.ok());
    assert_eq!(world.ended(&retry).await["result"]["message"], "re two");
    assert_eq!(world.mock.calls("one"), 1);
    for job in [&job, &retry] {
        let trace = world.trace(job).await;
        assert_eq!(trace["steps"][0]["outputContext"], Value::Null, "{trace}");
        assert!(!trace.to_string().contains("re one"));
    }
}

#[tokio::test]
async fn what_cannot_be_retried_is_refused() {
    let world = World::start().await;
    let done = world.submit(None).await;
    assert_eq!(world.ended(&done).await["status"], "completed");
    let detail = world.retry(&done, "").await.refused(409, "CONFLICT");
    assert!(detail["message"].as_str().is_some_and(|text| text.contains("completed")), "{detail}");
    world.retry("00000000-0000-0000-0000-000000000000", "").await.refused(404, "JOB_NOT_FOUND");
    let job = world.failed().await;
    for query in ["?from=middle", "?version=7", "?from="] {
        world.retry(&job, query).await.refused(422, "VALIDATION_ERROR");
    }
    let (_, key) = world.server.other_project("acme", "other").await;
    world.server.server.app().put_flow(&world.server.project, &flow(&[])).await.expect("a flow");
    world.retry(&job, "?version=current").await.refused(500, "NO_STEPS");
    let foreign = world.server.bare(Method::POST, &format!("/seq/acme/other/echo/jobs/{job}/retry"));
    foreign.header("authorization", format!("Bearer {key}")).send().await.refused(404, "JOB_NOT_FOUND");
    assert_eq!(id(&world.retry(&job, "").await.ok()).len(), 36, "none of that used the retry up");
}

#[tokio::test]
async fn where_nothing_is_kept_nothing_is_retried() {
    let world = World::with(|config| config.retention.retry_days = 0).await;
    world.mock.refuse("two");
    let job = world.submit(None).await;
    let status = world.ended(&job).await;
    assert_eq!((&status["status"], &status["retryable"]), (&json!("failed"), &Value::Null));
    let detail = world.retry(&job, "").await.refused(409, "CONFLICT");
    assert!(detail["message"].as_str().is_some_and(|text| text.contains("no longer kept")), "{detail}");
}
