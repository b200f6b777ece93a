//! Several servers over one database: what is begun on one is seen, gone on with, bounded and ended on any other.

use std::time::{Duration, Instant};

use noukai_server::{Role, Server};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    common::{
        Reply, TestServer, flows, kinds,
        model::{Manners, Model},
    },
    spend::{budget, step, tokens_a_day},
};

/// Two servers that know of each other. Only the first has workers.
async fn two(change: fn(&mut noukai_server::Config)) -> (TestServer, TestServer) {
    let one = TestServer::with(change).await;
    let database = one.database.clone();
    let mut other = TestServer::with(|config| {
        change(config);
        (config.database, config.workers) = (database, 0);
    })
    .await;
    other.key.clone_from(&one.key);
    while one.server.app().others() == 0 || other.server.app().others() == 0 {
        tokio::task::yield_now().await;
    }
    (one, other)
}

/// A flow whose one step takes so long.
async fn lasting(server: &TestServer, ms: u64) {
    let step = json!({"id": "last", "llm": {"prompt": "{{ initial.message }}", "config": {"latency_ms": ms}}});
    let flow = json!({"schema": 1, "slug": "lasting", "input": {"message": "string"}, "steps": [step]});
    server.server.app().put_flow(&server.project, &flow).await.expect("a flow");
}

/// The id of the only run, once it is stored.
async fn only_run(server: &TestServer) -> String {
    loop {
        let list = server.get("/flow-runs").send().await.ok();
        if let Some(id) = list["flowRuns"][0]["id"].as_str() {
            return id.to_owned();
        }
    }
}

async fn submit(server: &TestServer, flow: &str) -> String {
    let accepted = server.post(&format!("/seq/acme/demo/{flow}/jobs"), &json!({"message": "x"})).send().await.ok();
    accepted["executionId"].as_str().expect("an id").to_owned()
}

async fn poll(server: &TestServer, flow: &str, job: &str) -> Value {
    server.get(&format!("/seq/acme/demo/{flow}/jobs/{job}?wait=25")).send().await.ok()
}

#[tokio::test]
async fn a_live_trace_follows_a_run_of_another_server() {
    let (one, other) = two(|_| {}).await;
    lasting(&one, 700).await;
    let body = json!({"message": "x"});
    let running = tokio::spawn(one.post("/seq/acme/demo/lasting/execute", &body).send());
    let id = only_run(&other).await;
    let seen = other.get(&format!("/flow-runs/{id}/trace/stream")).send().await.events();
    assert!(running.await.expect("a reply").ok()["status"] == "completed");
    let again = one.get(&format!("/flow-runs/{id}/trace/stream")).send().await.events();
    assert_eq!(seen, again);
    assert_eq!(kinds(&seen).last(), Some(&"flow_completed"));
    let rest = other
        .get(&format!("/flow-runs/{id}/trace/stream"))
        .header("last-event-id", seen[0].id.unwrap_or(0).to_string());
    assert_eq!(rest.send().await.events(), seen[1..]);
}

#[tokio::test]
async fn a_pause_for_tools_is_answered_at_another_server_by_one_caller() {
    let (one, other) = two(|_| {}).await;
    let body = json!({"message": "x", "tools": flows::tools(1), "toolChoice": "required"});
    let paused = one.execute("tools", body).await;
    let mut answer = flows::answer(&paused);
    answer["toolChoice"] = json!("none");
    let path = "/seq/acme/demo/tools/execute";
    let (here, there) = tokio::join!(one.post(path, &answer).send(), other.post(path, &answer).send());
    let (won, lost) = if here.status.is_success() { (here, there) } else { (there, here) };
    assert_eq!(won.ok()["status"], "completed");
    lost.refused(409, "ALREADY_RESUMED");
}

#[tokio::test]
async fn a_step_run_goes_on_at_another_server() {
    let (one, other) = two(|_| {}).await;
    let first = one.step("two-step", json!({"message": "x"})).await;
    let done = first.iter().find(|event| event.kind == "step_completed").expect("a step").data.clone();
    let body = json!({
        "message": "x",
        "executionId": only_run(&one).await,
        "stepIndex": 1,
        "accumulatedOutputs": {"first": done["output"]},
    });
    let second = other.step("two-step", body).await;
    assert_eq!(kinds(&second).last(), Some(&"flow_completed"), "{second:?}");
}

#[tokio::test]
async fn an_idempotency_key_is_one_on_all_servers() {
    let (one, other) = two(|_| {}).await;
    let body = json!({"message": "x"});
    let keyed = |server: &TestServer| server.post("/seq/acme/demo/slow/execute", &body).header("idempotency-key", "k");
    let first = tokio::spawn(keyed(&one).send());
    only_run(&other).await;
    let second = keyed(&other).send().await;
    assert_eq!(second.ok()["status"], "completed");
    assert_eq!(first.await.expect("a reply").text, second.text);
    let reused = other.post("/seq/acme/demo/slow/execute", &json!({"message": "y"})).header("idempotency-key", "k");
    reused.send().await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(one.runs().await, 1);
}

#[tokio::test]
async fn a_job_is_accepted_by_one_run_by_another_and_polled_at_either() {
    let (one, other) = two(|_| {}).await;
    let job = submit(&other, "slow").await;
    let (here, there) = tokio::join!(poll(&one, "slow", &job), poll(&other, "slow", &job));
    assert_eq!(here["status"], "completed");
    assert_eq!(here, there);
}

/// The step would take a minute: who waits for its end hears of the cancellation instead.
#[tokio::test]
async fn a_job_on_another_server_is_cancelled_at_once() {
    let (one, other) = two(|_| {}).await;
    lasting(&one, 60_000).await;
    let job = submit(&other, "lasting").await;
    while one.get(&format!("/flow-runs/{job}/trace")).send().await.ok()["steps"][0]["status"] != "running" {}
    let told = other.delete(&format!("/seq/acme/demo/lasting/jobs/{job}")).send().await.ok();
    assert_eq!(told["status"], "cancelled");
    let ended = async {
        loop {
            let run = other.get(&format!("/flow-runs/{job}/trace")).send().await.ok();
            if run["flowRun"]["status"] == "cancelled" && !run["flowRun"]["completedAt"].is_null() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(25), ended).await.expect("the end of the job");
}

#[tokio::test]
async fn a_revoked_key_is_soon_refused_by_all() {
    let (one, other) = two(|_| {}).await;
    let key = other.issue_key(&one.project).await;
    let as_key =
        |server: &TestServer| server.bare(Method::GET, "/keys/verify").header("authorization", format!("Bearer {key}"));
    as_key(&one).send().await.ok();
    let id = key.split('_').nth(2).expect("an id");
    other.delete(&format!("/keys/{id}")).send().await.ok();
    let refused = async { while as_key(&one).send().await.status.is_success() {} };
    tokio::time::timeout(Duration::from_secs(30), refused).await.expect("a refusal");
    as_key(&other).send().await.refused(401, "UNAUTHENTICATED");
}

/// Together they let pass no more than one would, however long the requests take on this machine.
#[tokio::test]
async fn requests_are_counted_by_all_together() {
    const RATE: u32 = 20;
    let (one, other) = two(|config| config.limits.requests_per_second = Some(RATE)).await;
    let key = one.issue_key(&one.project).await;
    let ask = |server: &TestServer| {
        server.bare(Method::GET, "/limits").header("authorization", format!("Bearer {key}")).send()
    };
    let begun = Instant::now();
    let requests = (0..100).map(|number| ask(if number % 2 == 0 { &one } else { &other }));
    let replies = futures::future::join_all(requests).await;
    let passed = replies.iter().filter(|reply| reply.status.is_success()).count();
    let most = f64::from(RATE) * (1.0 + begun.elapsed().as_secs_f64()) + 1.0;
    assert!(passed >= 1 && passed as f64 <= most, "{passed} passed in {:?}", begun.elapsed());
    replies
        .iter()
        .filter(|reply| !reply.status.is_success())
        .for_each(|reply| drop(reply.refused(429, "RATE_LIMITED")));
}

/// Of a project and of a key: what fits into a minute passes, at whichever server, and no more; who is refused hears when to
/// come again.
#[tokio::test]
async fn requests_per_minute_are_one_count_on_all_servers() {
    const MOST: u32 = 6;
    for of_key in [false, true] {
        let (one, other) = two(if of_key {
            |config| config.limits.key_requests_per_minute = Some(MOST)
        } else {
            |config| config.limits.project_requests_per_minute = Some(MOST)
        })
        .await;
        let keys = [one.issue_key(&one.project).await, one.issue_key(&one.project).await];
        let begun = Instant::now();
        let (mut passed, mut refused) = (0, 0);
        for number in 0..16 {
            let server = if number % 2 == 0 { &one } else { &other };
            // The limit of a key is for each by itself; that of a project for both.
            let key = if of_key { &keys[0] } else { &keys[number / 2 % 2] };
            let ask = server.bare(Method::GET, "/limits").header("authorization", format!("Bearer {key}"));
            let reply = ask.send().await;
            if reply.status.is_success() {
                passed += 1;
                continue;
            }
            refused += 1;
            let wait = reply.header("retry-after").and_then(|wait| wait.parse::<u32>().ok());
            assert!(wait.is_some_and(|wait| (1..=10).contains(&wait)), "{wait:?}");
            reply.refused(429, "RATE_LIMITED");
        }
        // One more may have come about for each ten seconds that this took.
        let most = MOST + 1 + (begun.elapsed().as_secs() / 10) as u32;
        assert!((MOST..=most).contains(&passed) && refused > 0, "{passed} passed, of a key: {of_key}");
        if of_key {
            let free = one.bare(Method::GET, "/limits").header("authorization", format!("Bearer {}", keys[1]));
            free.send().await.ok();
        }
    }
}

#[tokio::test]
async fn runs_at_the_same_time_are_counted_by_all_together() {
    let (one, other) = two(|config| config.limits.concurrent_runs = 1).await;
    lasting(&one, 1_500).await;
    let body = json!({"message": "x"});
    let path = "/seq/acme/demo/lasting/execute";
    let running = tokio::spawn(one.post(path, &body).send());
    only_run(&other).await;
    other.post(path, &body).send().await.refused(429, "RATE_LIMITED");
    assert_eq!(running.await.expect("a reply").ok()["status"], "completed");
    let again = async {
        loop {
            let reply = other.post("/seq/acme/demo/echo/execute", &body).send().await;
            if reply.status.is_success() {
                return reply;
            }
            reply.refused(429, "RATE_LIMITED");
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(20), again).await.expect("the place of the other");
    assert_eq!(again.ok()["status"], "completed");
}

/// Two servers on one model, with a flow `work` of two steps that ask it.
async fn two_on(model: &Model, change: fn(&mut noukai_server::Config)) -> (TestServer, TestServer) {
    let start = async |database: Option<noukai_server::DatabaseConfig>| {
        let providers = model.providers();
        TestServer::with(|config| {
            config.models.providers = providers;
            config.workers = usize::from(database.is_none());
            config.database = database.unwrap_or_else(|| config.database.clone());
            change(config);
        })
        .await
    };
    let one = start(None).await;
    let mut other = start(Some(one.database.clone())).await;
    other.key.clone_from(&one.key);
    let flow = json!({"schema": 1, "slug": "work", "input": {"message": "string"}, "steps": [step("a"), step("b")]});
    one.server.app().put_flow(&one.project, &flow).await.expect("a flow");
    while one.server.app().others() == 0 || other.server.app().others() == 0 {
        tokio::task::yield_now().await;
    }
    (one, other)
}

fn tens() -> Manners {
    Manners { tokens: Some((7, 3)), ..Manners::default() }
}

const WORK: &str = "/seq/acme/demo/work/execute";

/// A hundred runs at both: together they overshoot by no more than a call for each run, and leave nothing unused.
#[tokio::test]
async fn a_budget_is_one_on_all_servers() {
    let model = Model::start(tens()).await;
    let (one, other) = two_on(&model, |_| {}).await;
    let body = json!({"message": "x"});
    budget(&one, tokens_a_day(600)).await;
    let runs = (0..100).map(|number| if number % 2 == 0 { &one } else { &other }).map(|at| at.post(WORK, &body).send());
    let replies = futures::future::join_all(runs).await;
    for reply in &replies {
        assert!(reply.status.is_success() || reply.status.as_u16() == 402, "{reply:?}");
    }
    let spent = model.account().calls * 10;
    assert!((600..=600 + 1_000).contains(&spent), "{spent} of 600");
    for server in [&one, &other] {
        server.post(WORK, &body).send().await.refused(402, "INSUFFICIENT_CREDITS");
        assert_eq!(server.get("/budgets").send().await.ok()["budgets"][0]["spent"], spent.to_string());
        let total = server.get("/usage").send().await.ok()["total"].clone();
        assert_eq!((&total["calls"], &total["tokens"]["total"]), (&json!(model.account().calls), &json!(spent)));
    }
    assert_eq!(model.account().calls * 10, spent);
}

/// What one server holds of a budget and does not use is there for the other a moment later.
#[tokio::test]
async fn what_one_server_leaves_another_spends() {
    let model = Model::start(tens()).await;
    let (one, other) = two_on(&model, |_| {}).await;
    let body = json!({"message": "x"});
    budget(&one, tokens_a_day(100)).await;
    while other.get("/budgets").send().await.ok()["budgets"] == json!([]) {}
    assert_eq!(one.post(WORK, &body).send().await.ok()["status"], "completed");
    let mut completed = 1;
    loop {
        let reply = other.post(WORK, &body).send().await;
        if reply.status.as_u16() == 402 {
            break;
        }
        completed += u32::from(reply.ok()["status"] == "completed");
    }
    assert_eq!((completed, model.account().calls), (5, 10));
}

/// Runs a flow with a key.
async fn run_with(key: &str, server: &TestServer, flow: &str) -> Reply {
    let request = server.bare(Method::POST, &format!("/seq/acme/demo/{flow}/execute"));
    request.header("authorization", format!("Bearer {key}")).json(&json!({"message": "x"})).send().await
}

/// Each server by itself uses less than a minute's worth, both together use more: so both refuse what asks no model and uses
/// nothing. What a key may use is for each by itself, what a project may use for all of its keys.
#[tokio::test]
async fn tokens_are_counted_by_all_together() {
    const MOST: u32 = 1_100;
    let model = Model::start(Manners { tokens: Some((300, 200)), ..Manners::default() }).await;
    for of_key in [false, true] {
        let (one, other) = two_on(
            &model,
            if of_key {
                |config| config.limits.key_tokens_per_minute = Some(MOST)
            } else {
                |config| config.limits.project_tokens_per_minute = Some(MOST)
            },
        )
        .await;
        let free = json!({"schema": 1, "slug": "free", "input": {"message": "string"},
            "steps": [{"id": "pass", "passthrough": {}}]});
        one.server.app().put_flow(&one.project, &free).await.expect("a flow");
        let keys = [one.issue_key(&one.project).await, one.issue_key(&one.project).await];
        for server in [&one, &other] {
            assert_eq!(run_with(&keys[0], server, "work").await.ok()["status"], "completed");
        }
        for server in [&one, &other] {
            let refused = async {
                loop {
                    let reply = run_with(&keys[0], server, "free").await;
                    if !reply.status.is_success() {
                        return reply;
                    }
                }
            };
            let refused = tokio::time::timeout(Duration::from_secs(20), refused).await.expect("word of the tokens");
            let wait = refused.header("retry-after").and_then(|wait| wait.parse::<u32>().ok());
            assert!(wait.is_some_and(|wait| (1..=50).contains(&wait)), "{wait:?}");
            let detail = refused.refused(429, "RATE_LIMITED");
            assert!(detail["message"].as_str().is_some_and(|text| text.contains("tokens per minute")), "{detail}");
            let another = run_with(&keys[1], server, "work").await;
            if of_key {
                assert_eq!(another.ok()["status"], "completed");
            } else {
                another.refused(429, "RATE_LIMITED");
            }
        }
    }
}

#[tokio::test]
async fn a_promoted_version_counts_on_all_servers() {
    let (one, other) = two(|_| {}).await;
    let app = one.server.app();
    let version = app.publish(&one.project, "echo", "first", "test").await.expect("a version");
    app.promote(&one.project, "echo", version, "test").await.expect("the production version");
    let reply = other.execute("echo", json!({"message": "x"})).await;
    let run = reply["executionId"].as_str().expect("an id");
    let trace = other.get(&format!("/flow-runs/{run}/trace")).send().await.ok();
    assert_eq!(trace["flowRun"]["version"], version);
}

#[tokio::test]
async fn a_worker_answers_how_it_is_and_nothing_else() {
    let api = TestServer::with(|config| config.workers = 0).await;
    let worker = {
        let database = api.database.clone();
        let dir = tempfile::tempdir().expect("a directory");
        let mut config =
            noukai_server::Config::load(None, noukai_server::Overrides::default()).expect("a configuration");
        (config.database, config.data) = (database, dir.path().to_owned());
        config.listen = vec![([127, 0, 0, 1], 0).into()];
        Server::start_as(Role::Work, config).await.expect("a worker")
    };
    let get = |path: &str| reqwest::get(format!("{}{path}", worker.url()));
    for path in ["/health", "/ready", "/api/v1/ready"] {
        assert!(get(path).await.expect("a reply").status().is_success(), "{path}");
    }
    assert_eq!(get("/api/v1/limits").await.expect("a reply").status(), 404);
    let job = submit(&api, "echo").await;
    assert_eq!(poll(&api, "echo", &job).await["status"], "completed");
    worker.shutdown().await;
}

#[tokio::test]
async fn a_worker_needs_a_database_to_share() {
    let mut config = noukai_server::Config::load(None, noukai_server::Overrides::default()).expect("a configuration");
    config.database.url = None;
    let refused = Server::start_as(Role::Work, config).await.map(drop).expect_err("no database");
    assert!(refused.to_string().contains("--database"), "{refused}");
}
