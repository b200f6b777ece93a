//! Budgets through the API: each door that they close, each scope, period and unit, and their change while runs go on.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    common::{
        Reply, TestServer, flows,
        model::{Manners, Model},
    },
    spend::{WORK, budget, on, run, step, ten, tokens_a_day},
};

const BODY: &str = r#"{"message": "x"}"#;

/// A tool call of an assistant: its text, and whether it went wrong.
async fn tool(server: &TestServer, name: &str, arguments: Value) -> (String, bool) {
    let params = json!({"name": name, "arguments": arguments});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let reply = reqwest::Client::new()
        .post(format!("{}/api/v1/mcp", server.server.url()))
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-06-18")
        .header("content-type", "application/json")
        .bearer_auth(&server.key)
        .body(body.to_string());
    let text = reply.send().await.expect("a reply").text().await.expect("text");
    let result = serde_json::from_str::<Value>(&text).expect("JSON")["result"].clone();
    (result["content"][0]["text"].as_str().expect("text").to_owned(), result["isError"] == true)
}

/// A test case of the flow `work`, and the flow's id.
async fn test_case(server: &TestServer) -> (String, String) {
    let flows = server.get("/flows").send().await.ok();
    let work = flows["flows"].as_array().expect("flows").iter().find(|flow| flow["slug"] == "work").expect("the flow");
    let flow = work["flow_id"].as_str().expect("an id").to_owned();
    let body = json!({"name": "case", "input": {"message": "x"}, "expect": []});
    let case = server.post(&format!("/flows/{flow}/test-cases"), &body).send().await.ok();
    (flow, case["id"].as_str().expect("an id").to_owned())
}

/// Everything that begins or goes on with a run, prepared while there was budget: what each says without, and with it again.
#[tokio::test]
async fn every_door_is_closed_while_a_budget_is_spent_and_nothing_is_lost_by_it() {
    let model = Model::start(ten()).await;
    let server = on(&model, |_| {}, json!([step("a"), step("b")])).await;
    let (flow, case) = test_case(&server).await;
    let asks = json!({"id": "ask", "llm": {"model": "noukai/echo", "prompt": "x", "tools_enabled": true}});
    let pauses = json!({"schema": 1, "slug": "pauses", "input": {"message": "string"}, "steps": [asks]});
    server.server.app().put_flow(&server.project, &pauses).await.expect("a flow");
    let paused = server.execute("pauses", json!({"message": "x", "tools": flows::tools(1)})).await;
    let stepped = server.step("work", json!({"message": "x"})).await;
    let id = server.get("/flow-runs?limit=1").send().await.ok()["flowRuns"][0]["id"].clone();
    let done = stepped.iter().find(|event| event.kind == "step_completed").expect("a step").data["output"].clone();
    let next = json!({"message": "x", "executionId": id, "stepIndex": 1, "accumulatedOutputs": {"a": done}});
    let failed = failed_job(&server).await;
    let (calls, runs) = (model.account().calls, server.runs().await);

    budget(&server, tokens_a_day(0)).await;
    let work = serde_json::from_str(BODY).expect("JSON");
    let job = format!("/seq/acme/demo/stumbles/jobs/{failed}/retry");
    let doors: [(&str, &str, Value); 6] = [
        ("execute", WORK, work),
        ("step", "/seq/acme/demo/work/step", json!({"message": "x"})),
        ("the next step", "/seq/acme/demo/work/step", next.clone()),
        ("jobs", "/seq/acme/demo/work/jobs", json!({"message": "x"})),
        ("a retry", &job, json!({})),
        ("tool results", "/seq/acme/demo/pauses/execute", flows::answer(&paused)),
    ];
    for (door, path, body) in &doors {
        let reply = server.post(path, body).send().await;
        assert_eq!(reply.status.as_u16(), 402, "{door}: {}", reply.text);
        let message = reply.refused(402, "INSUFFICIENT_CREDITS")["message"].clone();
        assert!(
            message.as_str().is_some_and(|text| text.contains("the day budget of the project, 0 tokens")),
            "{message}"
        );
    }
    let (told, _) = tool(&server, "run_test_case", json!({"flow_id": flow, "test_case_id": case})).await;
    assert!(told.contains("INSUFFICIENT_CREDITS"), "{told}");
    assert_eq!((model.account().calls, server.runs().await), (calls, runs), "something was begun");

    budget(&server, tokens_a_day(1_000_000)).await;
    for (door, path, body) in &doors {
        let reply = server.post(path, body).send().await;
        assert!(reply.status.is_success(), "{door}: {}", reply.text);
    }
    let (told, wrong) = tool(&server, "run_test_case", json!({"flow_id": flow, "test_case_id": case})).await;
    assert!(!wrong && !told.contains("INSUFFICIENT_CREDITS"), "{told}");
}

/// A job that failed at its second block, as that names a model that is not there, and may be retried.
async fn failed_job(server: &TestServer) -> String {
    let missing = json!({"id": "b", "llm": {"model": "nowhere/model", "prompt": "x"}});
    let flow = json!({"schema": 1, "slug": "stumbles", "input": {"message": "string"}, "steps": [step("a"), missing]});
    server.server.app().put_flow(&server.project, &flow).await.expect("a flow");
    let job = server.post("/seq/acme/demo/stumbles/jobs", &json!({"message": "x"})).send().await.ok();
    let id = job["executionId"].as_str().expect("a job").to_owned();
    let ended = server.get(&format!("/seq/acme/demo/stumbles/jobs/{id}?wait=60")).send().await.ok();
    assert_eq!(ended["status"], "failed", "{ended}");
    id
}

/// One that is queued already is begun, and ends before its first call.
#[tokio::test]
async fn a_job_that_waits_while_its_budget_is_spent_fails_without_a_call() {
    let model = Model::start(Manners { waits: true, ..ten() }).await;
    let server = on(&model, |config| config.workers = 1, json!([step("a")])).await;
    let submit = || async {
        let job = server.post("/seq/acme/demo/work/jobs", &json!({"message": "x"})).send().await.ok();
        job["executionId"].as_str().expect("a job").to_owned()
    };
    let (first, second) = (submit().await, submit().await);
    model.asked(1).await;
    budget(&server, tokens_a_day(0)).await;
    model.go();
    let ended = async |id: &str| server.get(&format!("/seq/acme/demo/work/jobs/{id}?wait=60")).send().await.ok();
    assert_eq!(ended(&first).await["status"], "completed");
    let second = ended(&second).await;
    assert_eq!(second["status"], "failed");
    let why = second["error"].as_str().expect("why");
    assert!(why.contains("the day budget of the project, 0 tokens, is spent"), "{why}");
    assert_eq!(model.account().calls, 1);
}

/// Who is bounded, and somebody who is not, by the same server.
struct Bound<'s> {
    scope: Value,
    /// Key, and path of what it runs.
    inside: (&'s str, &'s str),
    outside: (&'s str, &'s str),
}

async fn ask(server: &TestServer, (key, path): (&str, &str)) -> Reply {
    let request = server.bare(Method::POST, path).header("authorization", format!("Bearer {key}"));
    request.header("content-type", "application/json").body(BODY).send().await
}

/// Each scope by each period in each unit: so much is left that one more run goes through, and the next does not; who is
/// not bounded goes on all the while.
#[tokio::test]
async fn every_scope_period_and_unit_is_kept_to_the_run() {
    let model = Model::start(ten()).await;
    let server = on(&model, |_| {}, json!([step("a")])).await;
    let other = json!({"schema": 1, "slug": "other", "input": {"message": "string"}, "steps": [step("a")]});
    server.server.app().put_flow(&server.project, &other).await.expect("a flow");
    let second = server.issue_key(&server.project).await;
    let (_, beside) = server.other_project("acme", "beside").await;
    let (_, foreign) = server.other_project("globex", "demo").await;
    let own = server.key.as_str();
    let key_id = own.split('_').nth(2).expect("an id");
    let bounds = [
        Bound {
            scope: json!({"scope": "organization"}),
            inside: (own, WORK),
            outside: (&foreign, "/seq/globex/demo/echo/execute"),
        },
        Bound {
            scope: json!({"scope": "project"}),
            inside: (own, WORK),
            outside: (&beside, "/seq/acme/beside/echo/execute"),
        },
        Bound {
            scope: json!({"scope": "flow", "flow": "work"}),
            inside: (own, WORK),
            outside: (own, "/seq/acme/demo/other/execute"),
        },
        Bound { scope: json!({"scope": "key", "key": key_id}), inside: (own, WORK), outside: (&second, WORK) },
    ];
    for Bound { scope, inside, outside } in &bounds {
        for period in ["day", "month", "total"] {
            for (unit, most, one) in [("usd", "1000", 2_850_000_i64), ("tokens", "1000000", 10), ("runs", "1000", 1)] {
                let set = |limit: &str| {
                    let mut body = scope.clone();
                    let rest = json!({"period": period, "unit": unit, "limit": limit});
                    body.as_object_mut().expect("fields").extend(rest.as_object().expect("fields").clone());
                    body
                };
                let stands = budget(&server, set(most)).await;
                let so_far = amount(unit, &stands["spent"]);
                let stands = budget(&server, set(&text(unit, so_far + one))).await;
                assert_eq!(amount(unit, &stands["remaining"]), one, "{stands}");
                let what = format!("{scope} {period} {unit}");
                assert_eq!(ask(&server, *inside).await.ok()["status"], "completed", "{what}: what is left");
                ask(&server, *inside).await.refused(402, "INSUFFICIENT_CREDITS");
                assert_eq!(ask(&server, *outside).await.ok()["status"], "completed", "{what}: somebody else");
                let id = stands["id"].as_str().expect("an id");
                server.delete(&format!("/budgets/{id}")).send().await.ok();
                assert_eq!(ask(&server, *inside).await.ok()["status"], "completed", "{what}: once it is gone");
            }
        }
    }
}

/// An amount in its smallest part.
fn amount(unit: &str, shown: &Value) -> i64 {
    let shown = shown.as_str().expect("an amount");
    if unit != "usd" {
        return shown.parse().expect("a number");
    }
    let (whole, part) = shown.split_once('.').unwrap_or((shown, ""));
    format!("{whole}{part:0<12}").parse().expect("a decimal")
}

fn text(unit: &str, amount: i64) -> String {
    let one = 1_000_000_000_000;
    if unit == "usd" { format!("{}.{:012}", amount / one, amount % one) } else { amount.to_string() }
}

/// A call is under way that may take all that is left, another waits for what it leaves: more is there at once, or nothing
/// to wait for.
#[tokio::test]
async fn who_waits_for_a_budget_goes_on_where_it_is_raised_or_removed() {
    for removed in [false, true] {
        let model = Model::start(Manners { waits: true, ..ten() }).await;
        let server = on(&model, |_| {}, json!([step("a")])).await;
        let set = budget(&server, tokens_a_day(20)).await;
        model.go();
        // What a call takes is known once one has ended.
        assert_eq!(run(&server).await["status"], "completed");
        let (first, second) = (tokio::spawn(post(&server)), tokio::spawn(post(&server)));
        model.asked(2).await;
        if removed {
            let id = set["id"].as_str().expect("an id");
            server.delete(&format!("/budgets/{id}")).send().await.ok();
        } else {
            budget(&server, tokens_a_day(1_000)).await;
        }
        // The first has not ended.
        model.asked(3).await;
        model.go();
        model.go();
        for reply in [first, second] {
            assert_eq!(reply.await.expect("a reply").ok()["status"], "completed", "removed: {removed}");
        }
    }
}

fn post(server: &TestServer) -> impl Future<Output = Reply> + use<> {
    server.post(WORK, &json!({"message": "x"})).send()
}

/// Lowered below what is spent while a run is under way, it ends that before its next call.
#[tokio::test]
async fn a_budget_that_is_lowered_ends_runs_under_way() {
    let model = Model::start(Manners { waits: true, ..ten() }).await;
    let server = on(&model, |_| {}, json!([step("a"), step("b")])).await;
    budget(&server, tokens_a_day(1_000)).await;
    let running = tokio::spawn(post(&server));
    model.asked(1).await;
    budget(&server, tokens_a_day(5)).await;
    model.go();
    let reply = running.await.expect("a reply").ok();
    assert_eq!((&reply["status"], &reply["result"]["error"]["code"]), (&json!("failed"), &json!("CREDITS_EXHAUSTED")));
    assert_eq!(reply["result"]["error"]["stepId"], "b");
    assert_eq!(model.account().calls, 1);
}

#[tokio::test]
async fn tokens_of_a_key_and_requests_of_a_project_have_their_pace() {
    let model = Model::start(ten()).await;
    let server =
        on(&model, |config| config.limits.key_tokens_per_minute = Some(10), json!([step("a"), step("b")])).await;
    let other = server.issue_key(&server.project).await;
    assert_eq!(run(&server).await["status"], "completed", "a run under way is not held up");
    let reply = server.post(WORK, &json!({"message": "x"})).send().await;
    let wait: u64 = reply.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((30..=60).contains(&wait), "twenty tokens at ten a minute: {wait}");
    let detail = reply.refused(429, "RATE_LIMITED");
    assert!(detail["message"].as_str().is_some_and(|text| text.contains("the key uses")), "{detail}");
    for door in ["step", "jobs"] {
        let path = format!("/seq/acme/demo/work/{door}");
        server.post(&path, &json!({"message": "x"})).send().await.refused(429, "RATE_LIMITED");
    }
    assert_eq!(ask(&server, (&other, WORK)).await.ok()["status"], "completed", "another key");

    let server = TestServer::with(|config| config.limits.project_requests_per_minute = Some(3)).await;
    let other = server.issue_key(&server.project).await;
    let as_other = || server.bare(Method::GET, "/limits").header("authorization", format!("Bearer {other}"));
    for _ in 0..2 {
        server.get("/limits").send().await.ok();
    }
    as_other().send().await.ok();
    let reply = as_other().send().await;
    assert!(reply.header("retry-after").is_some_and(|wait| (1..=20).contains(&wait.parse().unwrap_or(0))));
    let detail = reply.refused(429, "RATE_LIMITED");
    assert!(detail["message"].as_str().is_some_and(|text| text.contains("the project makes")), "{detail}");
}
