//! The ledger, budgets and rates, through the API.

use futures::future::join_all;
use noukai_server::Config;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{
    TestServer,
    model::{Manners, Model, PRICED, UNPRICED},
};

/// A server on a model of its own, with a flow `work` whose steps ask it.
pub async fn on(model: &Model, change: impl FnOnce(&mut Config), steps: Value) -> TestServer {
    let providers = model.providers();
    let server = TestServer::with(|config| {
        config.models.providers = providers;
        change(config);
    })
    .await;
    put(&server, steps).await;
    server
}

pub async fn put(server: &TestServer, steps: Value) {
    let flow = json!({"schema": 1, "slug": "work", "input": {"message": "string"}, "steps": steps});
    server.server.app().put_flow(&server.project, &flow).await.expect("a flow");
}

pub fn step(id: &str) -> Value {
    json!({"id": id, "llm": {"model": PRICED, "prompt": "{{ initial.message }}"}})
}

pub const WORK: &str = "/seq/acme/demo/work/execute";

pub async fn run(server: &TestServer) -> Value {
    server.post(WORK, &json!({"message": "x"})).send().await.ok()
}

pub async fn usage(server: &TestServer, query: &str) -> Value {
    server.get(&format!("/usage?{query}")).send().await.ok()
}

/// Sets a budget; as it stands.
pub async fn budget(server: &TestServer, body: Value) -> Value {
    server.post("/budgets", &body).send().await.ok()
}

pub fn tokens_a_day(limit: u64) -> Value {
    json!({"scope": "project", "period": "day", "unit": "tokens", "limit": limit.to_string()})
}

/// 10 tokens for each call.
pub fn ten() -> Manners {
    Manners { tokens: Some((7, 3)), ..Manners::default() }
}

#[tokio::test]
async fn the_ledger_agrees_with_the_model_to_the_last_token() {
    let model = Model::start(Manners { fault_every: 4, misfit_every: 5, ..Manners::default() }).await;
    let retry = json!({"max_attempts": 2, "initial_ms": 1, "max_ms": 2});
    let schema = json!({"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]});
    let asks = |id: &str| {
        let llm = json!({"model": PRICED, "fallback_models": [UNPRICED], "prompt": "x", "output": schema});
        json!({"id": id, "llm": llm, "retry": retry})
    };
    let each = json!({"id": "each", "loop": {"over": "items", "on_item_error": "continue", "steps": [asks("one")]}});
    // Where one of two at once fails, the other is cut off, and the model never hears that its answer was for nothing.
    let plain = |id: &str| {
        let mut plain = asks(id);
        plain["llm"].as_object_mut().expect("fields").remove("output");
        plain["retry"]["max_attempts"] = json!(10);
        plain
    };
    let both = json!({"id": "both", "parallel": [plain("b"), plain("c")]});
    let server = on(&model, |_| {}, json!([asks("a"), both])).await;
    let flow = json!({"schema": 1, "slug": "loops", "input": {"items": "array"}, "steps": [each]});
    server.server.app().put_flow(&server.project, &flow).await.expect("a flow");
    let runs = (0..60).map(|_| run(&server));
    let jobs = (0..20).map(|_| async {
        let job = server.post("/seq/acme/demo/work/jobs", &json!({"message": "x"})).send().await.ok();
        let job = job["executionId"].as_str().expect("a job").to_owned();
        server.get(&format!("/seq/acme/demo/work/jobs/{job}?wait=60")).send().await.ok()
    });
    let loops = (0..10).map(|_| server.execute("loops", json!({"parameters": {"items": [1, 2, 3, 4]}})));
    let streams = (0..20).map(|_| async {
        let body = json!({"message": "x", "runRemaining": true});
        server.post("/seq/acme/demo/work/step?deltas=true", &body).send().await.events()
    });
    let (_, _, _, streams) = tokio::join!(join_all(runs), join_all(jobs), join_all(loops), join_all(streams));
    assert!(streams.iter().flatten().any(|event| event.kind == "step_delta" && event.data["restart"] == true));
    let account = model.account();
    assert!(account.faults > 30 && account.unpriced > 0 && account.unclear > 0, "{account:?}");
    let total = usage(&server, "groupBy=").await["total"].clone();
    let expected = json!({
        "calls": account.calls,
        "failedCalls": account.faults,
        "cachedReplies": 0,
        "unpricedCalls": account.unclear + account.unpriced,
        "tokens": {"prompt": account.prompt, "completion": account.completion, "total": account.prompt + account.completion},
        "costUsd": total["costUsd"],
    });
    assert_eq!(total, expected);
    assert_eq!(units(&total["costUsd"]), account.cost());
    let mut calls = 0;
    let mut path = "/usage/calls?limit=100".to_owned();
    loop {
        let page = server.get(&path).send().await.ok();
        calls += page["calls"].as_array().expect("calls").len() as u64;
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/usage/calls?limit=100&after={next}");
    }
    assert_eq!(calls, account.calls);
}

/// A decimal in units of 1e-12.
fn units(text: &Value) -> u128 {
    let text = text.as_str().expect("a decimal");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<12}").parse().expect("a number")
}

#[tokio::test]
async fn a_call_is_told_whole() {
    let model = Model::start(ten()).await;
    let server = on(&model, |_| {}, json!([step("ask")])).await;
    let path = "/seq/acme/demo/work/execute";
    let reply = server.post(path, &json!({"message": "x"})).header("x-session-id", "s1").send().await.ok();
    let page = server.get("/usage/calls").send().await.ok();
    let call = &page["calls"][0];
    let key = server.get("/keys/verify").send().await.ok()["key_id"].clone();
    for (field, value) in [
        ("executionId", reply["executionId"].clone()),
        ("flow", json!("work")),
        ("version", json!(0)),
        ("session", json!("s1")),
        ("key", key),
        ("stepId", json!("ask")),
        ("model", json!(PRICED)),
        ("provider", json!("openai")),
        ("outcome", json!("completed")),
        ("tokens", json!({"prompt": 7, "completion": 3, "total": 10})),
        ("costUsd", json!("0.00000285")),
    ] {
        assert_eq!(call[field], value, "{field}");
    }
    assert!(page.get("next").is_none());
    let by = usage(&server, "groupBy=flow,model,provider,version,key,session,project").await;
    let row = &by["rows"][0];
    assert_eq!(
        (&row["session"], &row["project"], &row["costUsd"]),
        (&json!("s1"), &json!("demo"), &json!("0.00000285"))
    );
}

#[tokio::test]
async fn usage_is_narrowed_bounded_and_given_as_csv() {
    let model = Model::start(ten()).await;
    let server = on(&model, |_| {}, json!([step("a"), step("b")])).await;
    run(&server).await;
    server.execute("echo", json!({"message": "x"})).await;
    let rows = usage(&server, "groupBy=flow").await;
    assert_eq!(rows["rows"].as_array().map(Vec::len), Some(2), "{rows}");
    let one = usage(&server, "groupBy=flow&limit=1").await;
    assert_eq!((one["rows"].as_array().map(Vec::len), &one["truncated"]), (Some(1), &json!(true)));
    assert_eq!(one["total"]["calls"], 3);
    assert_eq!(usage(&server, "flow=work").await["total"]["calls"], 2);
    assert_eq!(usage(&server, "model=openai/gpt-4o-mini").await["total"]["calls"], 3);
    assert_eq!(usage(&server, "model=openai/gpt-4o").await["total"]["calls"], 0);
    assert_eq!(usage(&server, "from=1999-01-01&to=1999-01-02").await["rows"], json!([]));
    let csv = server.get("/usage?groupBy=flow&format=csv").send().await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let lines: Vec<&str> = csv.text.lines().collect();
    assert!(lines[0].starts_with("flow,calls,") && lines[2] == "work,2,0,0,0,14,6,20,0,0,0,0.0000057", "{lines:?}");
    for bad in
        ["groupBy=nothing", "groupBy=day,day", "from=soon", "from=2027-01-02&to=2027-01-01", "limit=0", "format=xml"]
    {
        server.get(&format!("/usage?{bad}")).send().await.refused(422, "VALIDATION_ERROR");
    }
    for bad in ["limit=1001", "after=x", "to=soon"] {
        server.get(&format!("/usage/calls?{bad}")).send().await.refused(422, "VALIDATION_ERROR");
    }
}

/// Two versions, two flows, two keys, two models, two sessions one of which a spreadsheet would take for a formula.
#[tokio::test]
async fn each_grouping_names_its_groups_and_loses_no_call() {
    let model = Model::start(ten()).await;
    let unpriced = json!({"id": "b", "llm": {"model": UNPRICED, "prompt": "x"}});
    let server = on(&model, |_| {}, json!([step("a"), unpriced])).await;
    run(&server).await;
    let app = server.server.app();
    let version = app.publish(&server.project, "work", "first", "test").await.expect("a version");
    app.promote(&server.project, "work", version, "test").await.expect("the production version");
    for session in ["=1+1", "plain"] {
        server.post(WORK, &json!({"message": "x"})).header("x-session-id", session).send().await.ok();
    }
    let second = server.issue_key(&server.project).await;
    let (_, beside) = server.other_project("acme", "beside").await;
    for (key, path) in [(&second, "/seq/acme/demo/echo/execute"), (&beside, "/seq/acme/beside/echo/execute")] {
        let request = server.bare(Method::POST, path).header("authorization", format!("Bearer {key}"));
        request.json(&json!({"message": "x"})).send().await.ok();
    }
    let key = |key: &str| key.split('_').nth(2).expect("an id").to_owned();
    let (first, second) = (key(&server.key), key(&second));
    let mut keys = [(first.as_str(), 6), (second.as_str(), 1)];
    keys.sort_unstable();
    let version = version.to_string();
    let today = usage(&server, "groupBy=day").await["rows"][0]["day"].as_str().expect("a day").to_owned();
    let groups: [(&str, &[(&str, u64)]); 8] = [
        ("day", &[(&today, 7)]),
        ("model", &[(UNPRICED, 3), (PRICED, 4)]),
        ("provider", &[("backup", 3), ("openai", 4)]),
        ("flow", &[("echo", 1), ("work", 6)]),
        ("version", &[("0", 3), (&version, 4)]),
        ("key", &keys),
        ("project", &[("demo", 7)]),
        ("session", &[("", 3), ("=1+1", 2), ("plain", 2)]),
    ];
    for (by, expected) in groups {
        let report = usage(&server, &format!("groupBy={by}")).await;
        let name = |row: &Value| match &row[by] {
            Value::String(name) => name.clone(),
            Value::Null => String::new(),
            number => number.to_string(),
        };
        let rows = report["rows"].as_array().expect("rows");
        let found: Vec<(String, u64)> =
            rows.iter().map(|row| (name(row), row["calls"].as_u64().expect("a count"))).collect();
        let expected: Vec<(String, u64)> = expected.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect();
        assert_eq!(found, expected, "{by}");
        assert_eq!((&report["groupBy"], &report["total"]["calls"]), (&json!([by]), &json!(7)));
        let csv = server.get(&format!("/usage?groupBy={by}&format=csv")).send().await;
        let cells: Vec<&str> = csv.text.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        let guarded: Vec<String> = expected.into_iter().map(|(name, _)| name.replace("=1", "'=1")).collect();
        assert_eq!(cells, guarded, "{by}");
    }
    let all = usage(&server, "groupBy=project&scope=organization").await;
    assert_eq!((&all["rows"][0]["project"], &all["rows"][1]["project"]), (&json!("beside"), &json!("demo")));
    assert_eq!(all["total"]["calls"], 8);
    let hour = format!("groupBy=session&from={today}T00:00:00Z&to={today}T23:59:59Z");
    assert_eq!(usage(&server, &hour).await["total"]["calls"], 7, "to the end of the day's last hour");
    assert_eq!(usage(&server, &format!("to={today}&from=2020-01-01")).await["total"]["calls"], 0);
}

#[tokio::test]
async fn a_project_sees_its_own_and_an_admin_the_organisations() {
    let model = Model::start(ten()).await;
    let server = on(&model, |_| {}, json!([step("a")])).await;
    run(&server).await;
    let (_, other) = server.other_project("acme", "other").await;
    let (_, foreign) = server.other_project("globex", "demo").await;
    let ask = |key: &str, query: &str| {
        let request = server.bare(Method::GET, &format!("/usage?groupBy=project{query}"));
        request.header("authorization", format!("Bearer {key}")).send()
    };
    assert_eq!(ask(&other, "").await.ok()["rows"], json!([]));
    assert_eq!(ask(&other, "&scope=organization").await.ok()["rows"][0]["project"], "demo");
    assert_eq!(ask(&foreign, "&scope=organization").await.ok()["rows"], json!([]));
    let lesser = json!({"project_id": server.project.id.to_string(), "name": "x", "environment": "live"});
    let lesser = server.post("/keys", &lesser).send().await.ok()["key"].as_str().expect("a key").to_owned();
    assert_eq!(ask(&lesser, "").await.ok()["rows"][0]["calls"], 1);
    ask(&lesser, "&scope=organization").await.refused(403, "FORBIDDEN");
    for (method, path) in [(Method::GET, "/budgets"), (Method::DELETE, "/budgets/x"), (Method::POST, "/budgets")] {
        let request = server.bare(method, path).header("authorization", format!("Bearer {lesser}"));
        request.json(&tokens_a_day(1)).send().await.refused(403, "FORBIDDEN");
    }
}

#[tokio::test]
async fn a_run_stops_before_the_call_that_its_budget_does_not_cover() {
    let model = Model::start(ten()).await;
    let server = on(&model, |_| {}, json!([step("a"), step("b"), step("c")])).await;
    let set = budget(&server, tokens_a_day(15)).await;
    assert_eq!((&set["spent"], &set["state"], &set["remaining"]), (&json!("0"), &json!("ok"), &json!("15")));
    let reply = run(&server).await;
    assert_eq!((&reply["status"], &reply["result"]["error"]["code"]), (&json!("failed"), &json!("CREDITS_EXHAUSTED")));
    assert_eq!(reply["result"]["error"]["stepId"], "c");
    assert_eq!(model.account().calls, 2);
    let message = server.post(WORK, &json!({"message": "x"})).send().await.refused(402, "INSUFFICIENT_CREDITS");
    let message = message["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("15 tokens") && message.contains("it begins anew at"), "{message}");
    server.post("/seq/acme/demo/work/step", &json!({"message": "x"})).send().await.refused(402, "INSUFFICIENT_CREDITS");
    server.post("/seq/acme/demo/work/jobs", &json!({"message": "x"})).send().await.refused(402, "INSUFFICIENT_CREDITS");
    assert_eq!((model.account().calls, server.runs().await), (2, 1));
    let list = server.get("/budgets").send().await.ok();
    assert_eq!((&list["budgets"][0]["spent"], &list["budgets"][0]["state"]), (&json!("20"), &json!("exhausted")));
    budget(&server, tokens_a_day(1_000)).await;
    assert_eq!(run(&server).await["status"], "completed");
    let id = set["id"].as_str().expect("an id");
    assert_eq!(server.delete(&format!("/budgets/{id}")).send().await.ok()["id"], *id);
    server.delete(&format!("/budgets/{id}")).send().await.refused(404, "BUDGET_NOT_FOUND");
    assert_eq!(server.get("/budgets").send().await.ok()["budgets"], json!([]));
}

#[tokio::test]
async fn every_scope_and_unit_bounds_what_it_says() {
    let model = Model::start(ten()).await;
    let server = on(&model, |_| {}, json!([step("a")])).await;
    let key = server.get("/keys/verify").send().await.ok()["key_id"].clone();
    let bounds = [
        json!({"scope": "organization", "period": "total", "unit": "usd", "limit": "0.0000001"}),
        json!({"scope": "project", "period": "month", "unit": "tokens", "limit": "1"}),
        json!({"scope": "flow", "flow": "work", "period": "day", "unit": "runs", "limit": "0"}),
        json!({"scope": "key", "key": key, "period": "day", "unit": "tokens", "limit": "1"}),
    ];
    assert_eq!(run(&server).await["status"], "completed");
    for body in bounds {
        let set = budget(&server, body).await;
        assert_eq!(set["state"], "exhausted", "a new budget counts what was spent: {set}");
        server.post(WORK, &json!({"message": "x"})).send().await.refused(402, "INSUFFICIENT_CREDITS");
        let id = set["id"].as_str().expect("an id");
        server.delete(&format!("/budgets/{id}")).send().await.ok();
    }
    assert_eq!(run(&server).await["status"], "completed");
    budget(&server, json!({"scope": "flow", "flow": "echo", "period": "day", "unit": "runs", "limit": "0"})).await;
    assert_eq!(run(&server).await["status"], "completed", "another flow's budget");
}

#[tokio::test]
async fn runs_are_counted_when_they_begin() {
    let server = TestServer::start().await;
    budget(&server, json!({"scope": "project", "period": "day", "unit": "runs", "limit": "3"})).await;
    server.execute("echo", json!({"message": "x"})).await;
    let paused = server.execute("tools", json!({"message": "x", "tools": crate::common::flows::tools(1)})).await;
    let job = server.post("/seq/acme/demo/echo/jobs", &json!({"message": "x"})).send().await.ok();
    let id = job["executionId"].as_str().expect("a job");
    let ended = server.get(&format!("/seq/acme/demo/echo/jobs/{id}?wait=60")).send().await.ok();
    assert_eq!(ended["status"], "completed");
    server
        .post("/seq/acme/demo/echo/execute", &json!({"message": "x"}))
        .send()
        .await
        .refused(402, "INSUFFICIENT_CREDITS");
    let resumed = server.execute("tools", crate::common::flows::answer(&paused)).await;
    assert_eq!(resumed["status"], "completed", "what goes on does not begin: {resumed}");
    assert_eq!(server.get("/budgets").send().await.ok()["budgets"][0]["spent"], "3");
}

/// Each call takes 10 of 95 tokens, and nobody knows beforehand.
#[tokio::test]
async fn a_hundred_runs_at_once_overshoot_by_no_more_than_a_call_each() {
    let model = Model::start(ten()).await;
    let server = on(&model, |_| {}, json!([step("a"), step("b")])).await;
    // What a call takes is known once one has ended.
    assert_eq!(run(&server).await["status"], "completed");
    budget(&server, tokens_a_day(500)).await;
    let replies = join_all((0..100).map(|_| server.post(WORK, &json!({"message": "x"})).send())).await;
    let refused = replies.iter().filter(|reply| reply.status.as_u16() == 402).count();
    let ended = |code: &str| {
        let has = |reply: &&crate::common::Reply| reply.status.is_success() && reply.text.contains(code);
        replies.iter().filter(has).count()
    };
    let (completed, exhausted) = (ended("\"completed\""), ended("CREDITS_EXHAUSTED"));
    assert_eq!(refused + completed + exhausted, 100);
    let spent = model.account().calls * 10;
    assert!((500..=500 + 1_000).contains(&spent), "{spent} of 500, for {completed} runs that completed");
    assert_eq!(server.get("/budgets").send().await.ok()["budgets"][0]["spent"], spent.to_string());
}

/// One call is under way and may take all that is left: the others wait for what it leaves.
#[tokio::test]
async fn what_is_set_aside_is_waited_for() {
    let model = Model::start(Manners { waits: true, ..ten() }).await;
    let server = on(&model, |_| {}, json!([step("a")])).await;
    model.go();
    assert_eq!(run(&server).await["status"], "completed");
    budget(&server, tokens_a_day(30)).await;
    model.go();
    assert_eq!(run(&server).await["status"], "completed");
    let post = || server.post(WORK, &json!({"message": "x"})).send();
    let (first, second) = (tokio::spawn(post()), tokio::spawn(post()));
    model.asked(3).await;
    model.go();
    let replies = [first.await.expect("a reply"), second.await.expect("a reply")];
    let completed = replies.iter().filter(|reply| reply.text.contains("\"completed\"")).count();
    assert_eq!((completed, model.account().calls), (1, 3), "{replies:?}");
}

#[tokio::test]
async fn a_loop_that_goes_on_after_errors_stops_for_an_empty_purse() {
    let model = Model::start(ten()).await;
    let each = json!({"over": "initial.items", "on_item_error": "continue", "concurrency": 1, "steps": [step("one")]});
    let server = on(&model, |_| {}, json!([{"id": "each", "loop": each}])).await;
    budget(&server, tokens_a_day(25)).await;
    let items = json!({"message": "x", "parameters": {"items": [1, 2, 3, 4, 5, 6, 7, 8]}});
    let flow = json!({"schema": 1, "slug": "work", "input": {"message": "string", "items": "array"},
        "steps": [{"id": "each", "loop": each}]});
    server.server.app().put_flow(&server.project, &flow).await.expect("a flow");
    let reply = server.execute("work", items).await;
    assert_eq!(reply["result"]["error"]["code"], "CREDITS_EXHAUSTED", "{reply}");
    assert_eq!(model.account().calls, 3);
}

#[tokio::test]
async fn budgets_that_make_no_sense_are_refused() {
    let server = TestServer::start().await;
    let base = json!({"scope": "project", "period": "day", "unit": "usd", "limit": "1"});
    let with = |changes: Value| {
        let mut body = base.clone();
        body.as_object_mut().expect("fields").extend(changes.as_object().expect("fields").clone());
        body
    };
    for wrong in [
        json!({"limit": "-1"}),
        json!({"limit": "many"}),
        json!({"unit": "tokens", "limit": "1.5"}),
        json!({"warnPercent": 0}),
        json!({"warnPercent": 101}),
        json!({"flow": "echo"}),
        json!({"scope": "flow"}),
        json!({"scope": "key"}),
        json!({"scope": "organization", "project": "demo"}),
        json!({"project": "nowhere"}),
        json!({"scope": "galaxy"}),
        json!({"period": "year"}),
        json!({"limit": null}),
    ] {
        server.post("/budgets", &with(wrong)).send().await.refused(422, "VALIDATION_ERROR");
    }
    let missing = with(json!({"scope": "flow", "flow": "nowhere"}));
    server.post("/budgets", &missing).send().await.refused(404, "FLOW_NOT_FOUND");
    let (_, foreign) = server.other_project("globex", "demo").await;
    let foreign = foreign.split('_').nth(2).expect("an id").to_owned();
    let theirs = with(json!({"scope": "key", "key": foreign}));
    server.post("/budgets", &theirs).send().await.refused(404, "KEY_NOT_FOUND");
    assert_eq!(server.get("/budgets").send().await.ok()["budgets"], json!([]));
}

#[tokio::test]
async fn budgets_of_others_are_neither_seen_nor_removed() {
    let server = TestServer::start().await;
    let id = budget(&server, tokens_a_day(5)).await["id"].as_str().expect("an id").to_owned();
    let (_, foreign) = server.other_project("globex", "demo").await;
    let ask = |method: Method, path: String| {
        server.bare(method, &path).header("authorization", format!("Bearer {foreign}")).send()
    };
    assert_eq!(ask(Method::GET, "/budgets".to_owned()).await.ok()["budgets"], json!([]));
    for id in [id.as_str(), "nonsense", "00000000-0000-0000-0000-000000000000"] {
        ask(Method::DELETE, format!("/budgets/{id}")).await.refused(404, "BUDGET_NOT_FOUND");
    }
    assert_eq!(server.get("/budgets").send().await.ok()["budgets"][0]["id"], id);
}

#[tokio::test]
async fn a_budget_warns_before_it_is_spent() {
    let model = Model::start(ten()).await;
    let server = on(&model, |_| {}, json!([step("a")])).await;
    let body = json!({"scope": "project", "period": "day", "unit": "tokens", "limit": "40", "warnPercent": 50});
    budget(&server, body).await;
    let state = async || {
        run(&server).await;
        server.get("/budgets").send().await.ok()["budgets"][0]["state"].clone()
    };
    assert_eq!((state().await, state().await), (json!("ok"), json!("warning")));
}

#[tokio::test]
async fn a_reply_that_is_given_again_is_free() {
    let model = Model::start(ten()).await;
    let mut kept = step("a");
    kept["llm"]["cache"] = json!({"ttl_s": 60});
    let server = on(&model, |_| {}, json!([kept])).await;
    budget(&server, tokens_a_day(15)).await;
    for _ in 0..3 {
        assert_eq!(run(&server).await["status"], "completed");
    }
    let total = usage(&server, "").await["total"].clone();
    assert_eq!(
        (&total["calls"], &total["cachedReplies"], &total["tokens"]["total"]),
        (&json!(1), &json!(2), &json!(10))
    );
    assert_eq!(server.get("/usage/calls").send().await.ok()["calls"][2]["outcome"], "cached");
    assert_eq!(server.get("/budgets").send().await.ok()["budgets"][0]["spent"], "10");
    assert_eq!(model.account().calls, 1);
}

#[tokio::test]
async fn requests_and_tokens_have_their_pace() {
    let model = Model::start(ten()).await;
    let slow = |config: &mut Config| config.limits.project_tokens_per_minute = Some(15);
    let server = on(&model, slow, json!([step("a")])).await;
    assert_eq!(run(&server).await["status"], "completed");
    assert_eq!(run(&server).await["status"], "completed");
    let reply = server.post(WORK, &json!({"message": "x"})).send().await;
    let wait: u64 = reply.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=20).contains(&wait), "{wait}");
    let detail = reply.refused(429, "RATE_LIMITED");
    assert!(detail["message"].as_str().is_some_and(|text| text.contains("tokens per minute")), "{detail}");
    server.get("/usage").send().await.ok();

    let server = TestServer::with(|config| config.limits.key_requests_per_minute = Some(2)).await;
    server.get("/limits").send().await.ok();
    server.get("/limits").send().await.ok();
    let reply = server.get("/limits").send().await;
    assert!(reply.header("retry-after").is_some_and(|wait| (25..=30).contains(&wait.parse().unwrap_or(0))));
    reply.refused(429, "RATE_LIMITED");
    let other = server.issue_key(&server.project).await;
    let as_other = server.bare(Method::GET, "/limits").header("authorization", format!("Bearer {other}"));
    as_other.send().await.ok();
}

/// The run's task is gone; the call it had made is not forgotten.
#[tokio::test]
async fn a_call_that_is_given_up_is_written_down() {
    let model = Model::start(Manners { waits: true, ..ten() }).await;
    let mut impatient = step("a");
    impatient["timeout_ms"] = json!(50);
    let server = on(&model, |_| {}, json!([impatient])).await;
    let reply = run(&server).await;
    assert_eq!(reply["result"]["error"]["code"], "STEP_TIMEOUT");
    let page = server.get("/usage/calls").send().await.ok();
    let calls = page["calls"].as_array().expect("calls");
    assert_eq!(calls.len() as u64, model.account().calls);
    assert_eq!((&calls[0]["outcome"], calls[0].get("costUsd")), (&json!("cut_off"), None));
    assert_eq!(usage(&server, "").await["total"]["unpricedCalls"], json!(calls.len()));
}
