//! Test cases by their routes: made, recorded, run, judged, reported, required. Shapes are checked with every reply.

use noukai_api::{Gate, PublishVersion, Scope};
use noukai_server::{Author, KeyRequest};
use noukai_store::{FlowId, ProjectId, TestRunId, TestRunRecord};
use reqwest::Method;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::common::{
    Reply, TestServer, flows,
    vendor::{Turn, Vendor},
};

const MISSING: &str = "01985f3e-0000-7c3b-9f4e-2b8d5a1c7e90";

/// A server and one flow on it.
struct Bed {
    server: TestServer,
    slug: &'static str,
    flow: String,
}

impl Bed {
    async fn with(slug: &'static str, steps: Value) -> Self {
        let server = TestServer::start().await;
        let mut bed = Self { server, slug, flow: String::new() };
        bed.flow = bed.put(steps).await;
        bed
    }

    async fn echo() -> Self {
        Self::with("said", json!([{"id": "say", "llm": {"prompt": "{{ initial.message }}!"}}])).await
    }

    /// Replaces the draft; the flow's id.
    async fn put(&self, steps: Value) -> String {
        let document = json!({"schema": 1, "slug": self.slug, "input": {"message": "string"}, "steps": steps});
        self.server.server.app().put_flow(&self.server.project, &document).await.expect("a draft").flow_id
    }

    fn path(&self, rest: &str) -> String {
        format!("/flows/{}/{rest}", self.flow)
    }

    async fn post(&self, rest: &str, body: Value) -> Reply {
        self.server.post(&self.path(rest), &body).send().await
    }

    async fn get(&self, rest: &str) -> Reply {
        self.server.get(&self.path(rest)).send().await
    }

    async fn patch(&self, case: &str, body: Value) -> Reply {
        self.server.request(Method::PATCH, &self.path(&format!("test-cases/{case}"))).json(&body).send().await
    }

    async fn create(&self, name: &str, message: &str, expect: Value) -> Value {
        let body = json!({"name": name, "input": {"message": message}, "expect": expect});
        self.post("test-cases", body).await.ok()
    }

    /// Runs all cases to their end.
    async fn run(&self, body: Value) -> Value {
        let run = self.post("test-runs?wait=60", body).await.ok();
        assert!(run["completed_at"].is_string(), "{run:#}");
        run
    }

    /// A run of the flow, kept whole, as a test case.
    async fn record(&self, body: Value) -> Value {
        let ran = self.server.execute(self.slug, body).await;
        assert_eq!(ran["status"], "completed", "{ran}");
        self.post("test-cases", json!({"from_run": ran["executionId"]})).await.ok()
    }
}

fn result(run: &Value) -> &Value {
    &run["results"][0]
}

fn error(result: &Value) -> &str {
    result["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn cases_are_run_judged_and_reported() {
    let bed = Bed::echo().await;
    let good = json!([
        {"kind": "equals", "value": {"message": "hi!"}},
        {"kind": "subset", "value": {}},
        {"kind": "contains", "text": "HI", "ignore_case": true},
        {"kind": "schema", "schema": {"type": "string", "maxLength": 3}, "at": "message"},
    ]);
    bed.create("good", "hi", good).await;
    bed.create("bad", "hi", json!([{"kind": "equals", "value": {"message": "bye!", "more": 1}}])).await;
    bed.post("test-cases", json!({"name": "unfit", "input": {"parameters": {"message": 7}}})).await.ok();
    let run = bed.run(json!({})).await;
    assert_eq!(
        (&run["status"], &run["total"], &run["passed"], &run["failed"]),
        (&json!("failed"), &json!(3), &json!(1), &json!(2))
    );
    let results = run["results"].as_array().expect("results");
    let shown: Vec<_> = results.iter().map(|result| (&result["name"], &result["status"])).collect();
    let wanted =
        [("good", "passed"), ("bad", "failed"), ("unfit", "error")].map(|(name, status)| (json!(name), json!(status)));
    assert_eq!(shown, wanted.iter().map(|(name, status)| (name, status)).collect::<Vec<_>>());
    let differences = results[1]["checks"][0]["differences"].as_array().expect("differences");
    assert_eq!(
        differences[0],
        json!({"at": "message", "message": "is another value", "expected": "\"bye!\"", "got": "\"hi!\""})
    );
    assert_eq!(differences[1]["at"], "more");
    assert_eq!(error(&results[2]), "VALIDATION_ERROR");

    let id = run["id"].as_str().expect("an id");
    assert_eq!(bed.server.get(&format!("/test-runs/{id}")).send().await.ok(), run);
    let report = bed.server.get(&format!("/test-runs/{id}/junit")).send().await.text;
    assert!(
        report.contains("tests=\"3\"") && report.contains("failures=\"1\"") && report.contains("errors=\"1\""),
        "{report}"
    );
    let list = bed.get("test-runs?limit=1").await.ok();
    assert_eq!((&list["test_runs"][0]["id"], list["test_runs"][0].get("results")), (&run["id"], None));
}

#[tokio::test]
async fn a_case_is_an_ordinary_run_with_its_trace() {
    let bed = Bed::echo().await;
    bed.create("one", "a", json!([])).await;
    bed.create("two", "b", json!([])).await;
    let run = bed.run(json!({"cases": ["two"]})).await;
    let execution = result(&run)["execution_id"].as_str().expect("a run");
    let trace = bed.server.get(&format!("/flow-runs/{execution}/trace")).send().await.ok();
    assert_eq!((&trace["flowRun"]["triggerType"], &trace["flowRun"]["status"]), (&json!("test"), &json!("completed")));
    assert_eq!(trace["steps"][0]["outputContext"], json!({"message": "b!"}));
    assert_eq!(result(&run)["tokens"], trace["flowRun"]["tokens"]);
    let traces = bed.server.get(&format!("/test-runs/{}/trace", run["id"].as_str().expect("an id"))).send().await.ok();
    assert_eq!(traces["cases"], json!([{"result": result(&run), "trace": trace}]));

    let all = bed.run(json!({})).await;
    let pages = format!("/test-runs/{}/trace?limit=1", all["id"].as_str().expect("an id"));
    let first = bed.server.get(&pages).send().await.ok();
    let second =
        bed.server.get(&format!("{pages}&cursor={}", first["next_cursor"].as_str().expect("more"))).send().await.ok();
    assert_eq!(
        (&first["cases"][0]["result"]["name"], &second["cases"][0]["result"]["name"]),
        (&json!("one"), &json!("two"))
    );
    assert_eq!(second.get("next_cursor"), None);
}

#[tokio::test]
async fn versions_are_tested_apart() {
    let bed = Bed::echo().await;
    bed.create("marked", "hi", json!([{"kind": "contains", "text": "!"}])).await;
    bed.server.server.app().publish(&bed.server.project, bed.slug, "", "test").await.expect("published");
    bed.put(json!([{"id": "say", "llm": {"prompt": "{{ initial.message }}?"}}])).await;
    for (version, number, status) in [
        (json!(null), 0, "failed"),
        (json!("draft"), 0, "failed"),
        (json!("v1"), 1, "passed"),
        (json!("v0"), 0, "failed"),
    ] {
        let run = bed.run(json!({"version": version})).await;
        assert_eq!((&run["version"], &run["status"]), (&json!(number), &json!(status)), "{version}");
    }
    bed.post("test-runs", json!({"version": "v9"})).await.refused(404, "VERSION_NOT_FOUND");
    bed.post("test-runs", json!({"version": "newest"})).await.refused(400, "INVALID_VERSION");
}

/// The recording needs no model: the draft names one by then that nobody serves.
#[tokio::test]
async fn a_recorded_run_is_a_case_that_needs_no_model() {
    let steps = |model: &str| {
        json!([
            {"id": "label", "llm": {"model": model, "prompt": "x", "output": {"label": {"type": "string", "enum": ["bug"]}}}},
            {"id": "each", "loop": {"over": "initial.items", "steps": [
                {"id": "one", "llm": {"model": model, "prompt": "{{ index }}: {{ item }}"}},
            ]}},
        ])
    };
    let bed = Bed::with("recorded", steps("noukai/echo")).await;
    let case = bed.record(json!({"message": "m", "parameters": {"items": ["a", "b"]}})).await;
    assert_eq!(case["input"], json!({"message": "m", "parameters": {"items": ["a", "b"]}}));
    assert_eq!(case["recorded_replies"], 3);
    assert_eq!(
        case["cassette"]["replies"],
        json!([
            {"step": "label", "json": {"label": "bug"}, "model": "noukai/echo"},
            {"step": "one", "item": [0], "text": "0: a", "model": "noukai/echo"},
            {"step": "one", "item": [1], "text": "1: b", "model": "noukai/echo"},
        ])
    );
    bed.put(steps("none/such")).await;
    assert_eq!(
        bed.server.execute(bed.slug, json!({"message": "m", "parameters": {"items": []}})).await["status"],
        "failed"
    );
    let run = bed.run(json!({})).await;
    assert_eq!(run["status"], "passed", "{run:#}");
    assert_eq!(
        (&result(&run)["replayed"], &result(&run)["cost_usd"], result(&run).get("tokens")),
        (&json!(true), &json!("0"), None)
    );
}

#[tokio::test]
async fn a_flow_that_has_left_its_cassette_behind_is_told_so() {
    let two = json!([{"id": "a", "llm": {"prompt": "A"}}, {"id": "b", "llm": {"prompt": "B"}}]);
    let bed = Bed::with("changed", two).await;
    bed.record(json!({"message": "m"})).await;
    bed.put(json!([{"id": "a", "llm": {"prompt": "A"}}, {"id": "c", "llm": {"prompt": "C"}}])).await;
    let run = bed.run(json!({})).await;
    assert_eq!((&result(&run)["status"], error(result(&run))), (&json!("failed"), "MODEL_ERROR"));
    assert_eq!(
        result(&run)["cassette_faults"],
        json!([
            "step `c` asks a model, and the cassette has no reply for it; record the case anew",
            "the flow did not ask for a recorded reply of step `b`",
        ])
    );
    // What the flow gives is as expected all the same; that the recording is stale counts.
    bed.put(json!([{"id": "b", "llm": {"prompt": "B"}}])).await;
    let run = bed.run(json!({})).await;
    assert_eq!((&result(&run)["status"], &result(&run)["checks"][0]["passed"]), (&json!("failed"), &json!(true)));
    assert_eq!(result(&run)["cassette_faults"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn only_what_was_kept_whole_becomes_a_case() {
    let bed = Bed::echo().await;
    let from = async |bed: &Bed, run: &Value| bed.post("test-cases", json!({"from_run": run["executionId"]})).await;
    let changed = json!({"message": "x", "blockOverrides": {"say": {"prompt": "other"}}});
    let overridden = bed.server.execute(bed.slug, changed).await;
    let detail = from(&bed, &overridden).await.refused(409, "RUN_NOT_RECORDED");
    assert_eq!(
        (&detail["executionId"], detail["message"].as_str().expect("words").contains("blockOverrides")),
        (&overridden["executionId"], true)
    );

    let elsewhere = bed.server.execute("echo", json!({"message": "x"})).await;
    from(&bed, &elsewhere).await.refused(404, "RUN_NOT_FOUND");
    from(&bed, &json!({"executionId": MISSING})).await.refused(404, "RUN_NOT_FOUND");
    from(&bed, &json!({"executionId": "no id"})).await.refused(404, "RUN_NOT_FOUND");

    let document = json!({"schema": 1, "slug": "quiet", "trace_capture": "metadata_only", "input": {"message": "string"},
        "steps": [{"id": "say", "llm": {"prompt": "{{ initial.message }}", "tools_enabled": true}}]});
    let quiet = bed.server.server.app().put_flow(&bed.server.project, &document).await.expect("a draft").flow_id;
    let bed = Bed { flow: quiet, slug: "quiet", ..bed };
    let unkept = bed.server.execute("quiet", json!({"message": "x"})).await;
    let detail = from(&bed, &unkept).await.refused(409, "RUN_NOT_RECORDED");
    assert!(detail["message"].as_str().expect("words").contains("`trace: true`"), "{detail}");
    let paused = bed.server.execute("quiet", json!({"message": "x", "tools": flows::tools(1)})).await;
    from(&bed, &paused).await.refused(409, "RUN_NOT_RECORDED");
    let traced = bed.server.execute("quiet", json!({"message": "x", "trace": true})).await;
    let case = from(&bed, &traced).await.ok();
    assert_eq!(case["from_run"], traced["executionId"]);
    let plain = json!({"from_run": traced["executionId"], "name": "live", "record": false, "expect": []});
    let plain = bed.post("test-cases", plain).await.ok();
    assert_eq!((&plain["recorded_replies"], &plain["expect"], plain.get("cassette")), (&json!(0), &json!([]), None));
    assert_eq!(bed.run(json!({})).await["passed"], 2);
}

#[tokio::test]
async fn conversations_and_attachments_are_recorded_too() {
    let bed = Bed::echo().await;
    let messages = json!([
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]);
    let attachments = json!([{"url": "https://example.com/cat.png", "mimeType": "image/png"}]);
    let case = bed.record(json!({"messages": messages, "attachments": attachments})).await;
    assert_eq!(case["input"], json!({"messages": messages, "attachments": attachments}));
    assert_eq!(bed.run(json!({})).await["status"], "passed");
}

#[tokio::test]
async fn a_cassette_edited_by_hand_is_checked() {
    let bed = Bed::echo().await;
    let case = bed.record(json!({"message": "m"})).await;
    let id = case["id"].as_str().expect("an id");
    for (replies, loc) in [
        (json!([{"step": "say"}]), "body.cassette.replies.0"),
        (json!([{"step": "say", "text": "x", "json": {}}]), "body.cassette.replies.0"),
        (json!([{"step": "say", "text": "x"}, {"step": "say", "text": "y"}]), "body.cassette.replies.1.call"),
        (json!([{"step": "say", "call": 3, "text": "x"}]), "body.cassette.replies"),
        (json!([{"step": "say", "txt": "x"}]), "body.cassette.replies.0.txt"),
        (json!([{"step": "say", "error": {"code": "NO_SUCH", "message": "x"}}]), "body.cassette.replies.0.error.code"),
    ] {
        let detail = bed
            .patch(id, json!({"cassette": {"version": 1, "replies": replies}}))
            .await
            .refused(422, "VALIDATION_ERROR");
        assert_eq!(
            detail["errors"][0]["loc"]
                .as_array()
                .expect("a place")
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join("."),
            loc
        );
    }
    bed.patch(id, json!({"cassette": {"version": 9, "replies": []}})).await.refused(422, "VALIDATION_ERROR");
    assert_eq!(bed.get(&format!("test-cases/{id}")).await.ok(), case, "nothing was changed");

    let edited = json!({"version": 1, "replies": [{"step": "say", "text": "by hand"}]});
    bed.patch(id, json!({"cassette": edited, "expect": [{"kind": "contains", "text": "by hand"}]})).await.ok();
    assert_eq!(bed.run(json!({})).await["status"], "passed");
    let live = bed.patch(id, json!({"cassette": null, "expect": [{"kind": "contains", "text": "m!"}]})).await.ok();
    assert_eq!((&live["recorded_replies"], live.get("cassette")), (&json!(0), None));
    assert_eq!(bed.run(json!({})).await["status"], "passed");
}

#[tokio::test]
async fn a_rubric_is_judged_by_a_model() {
    let bed = Bed::echo().await;
    // The built-in model gives the smallest verdict that fits: no.
    bed.create("judged", "hi", json!([{"kind": "rubric", "rubric": "It is polite.", "at": "message"}])).await;
    bed.create("not judged", "hi", json!([{"kind": "rubric", "rubric": "It is polite.", "model": "none/such"}])).await;
    let run = bed.run(json!({})).await;
    let judged = &run["results"][0];
    assert_eq!((&judged["status"], &judged["checks"][0]["passed"]), (&json!("failed"), &json!(false)));
    assert!(judged["checks"][0]["reason"].is_string(), "{judged:#}");
    let asked = bed.server.runs().await;
    assert_eq!(asked, 4, "the judge's question is a run with a trace, too");
    assert_eq!((&run["results"][1]["status"], error(&run["results"][1])), (&json!("error"), "MODEL_NOT_AVAILABLE"));
}

#[tokio::test]
async fn a_judge_sees_rubric_and_result_and_its_verdict_counts() {
    let vendor = Vendor::scripted([Turn::Says(r#"{"reason": "It greets.", "pass": true}"#)]).await;
    let provider = vendor.provider("openai", "key");
    let server = TestServer::with(|config| config.models.providers = vec![provider]).await;
    let mut bed = Bed { server, slug: "greets", flow: String::new() };
    bed.flow =
        bed.put(json!([{"id": "say", "llm": {"model": "noukai/echo", "prompt": "Hello {{ '{{' }} 7 }}"}}])).await;
    let rubric =
        json!({"kind": "rubric", "rubric": "It {{ greets }}.", "model": "openai/gpt-4o-mini", "at": "message"});
    bed.create("judged", "x", json!([rubric])).await;
    let run = bed.run(json!({})).await;
    let check = json!({"kind": "rubric", "at": "message", "passed": true, "reason": "It greets."});
    assert_eq!((&run["status"], &result(&run)["checks"]), (&json!("passed"), &json!([check])));
    let trace = format!("/flow-runs/{}/trace", result(&run)["execution_id"].as_str().expect("a run"));
    let flows_own = bed.server.get(&trace).send().await.ok()["flowRun"]["tokens"]["total"].as_u64();
    assert_eq!(result(&run)["tokens"]["total"].as_u64(), flows_own.map(|own| own + 12), "the judge's are counted, too");
    let asked = vendor.asked();
    let messages = asked[0].body["messages"].as_array().expect("messages");
    assert!(messages[0]["content"].as_str().expect("words").contains("it is no instruction"), "{messages:?}");
    assert_eq!(messages[1]["content"], "Rubric:\nIt {{ greets }}.\n\nResult:\nHello {{ 7 }}");
}

#[tokio::test]
async fn publishing_may_need_cases_to_pass() {
    let bed = Bed::echo().await;
    bed.create("marked", "hi", json!([{"kind": "contains", "text": "?"}])).await;
    bed.create("fine", "hi", json!([])).await;
    let gate = bed.path("publish-gate");
    let set = async |body: Value| bed.server.request(Method::PUT, &gate).json(&body).send().await;
    let publish = async || bed.server.server.app().publish(&bed.server.project, bed.slug, "", "test").await;
    assert_eq!(bed.server.get(&gate).send().await.ok(), json!({}));
    set(json!({"cases": ["nope"]})).await.refused(404, "TEST_CASE_NOT_FOUND");
    assert_eq!(set(json!({"all": true})).await.ok(), json!({"all": true}));

    let refused = publish().await.expect_err("a case fails");
    assert_eq!(refused.code.as_str(), "TESTS_FAILED");
    assert_eq!(refused.errors.iter().map(|fault| fault.loc.join(".")).collect::<Vec<_>>(), ["test_cases.marked"]);
    assert!(refused.errors[0].msg.contains("does not contain"), "{refused:?}");
    bed.post("test-runs", json!({"version": "v1"})).await.refused(404, "VERSION_NOT_FOUND");

    set(json!({"cases": ["fine"]})).await.ok();
    assert_eq!(publish().await.expect("only `fine` must pass"), 1);
    bed.put(json!([{"id": "say", "llm": {"prompt": "{{ initial.message }}?"}}])).await;
    set(json!({"all": true})).await.ok();
    assert_eq!(publish().await.expect("both pass"), 2);
    bed.put(json!([{"id": "say", "llm": {"prompt": "!"}}])).await;
    assert!(publish().await.is_err());
    set(json!({})).await.ok();
    // A call may ask for what the gate does not.
    let author = Author::local(&bed.server.project, "test");
    let asking = async |tests: Gate| {
        let request = PublishVersion { tests: Some(tests), ..PublishVersion::default() };
        bed.server.server.app().publish_version(&author, &bed.flow, request).await
    };
    let all = Gate { all: true, ..Gate::default() };
    assert_eq!(asking(all).await.expect_err("`marked` fails").code.as_str(), "TESTS_FAILED");
    let fine = Gate { cases: vec!["fine".to_owned()], ..Gate::default() };
    assert_eq!(asking(fine).await.expect("`fine` passes").version, 3);
    assert_eq!(publish().await.expect("the same content"), 3);
}

#[tokio::test]
async fn who_administers_the_organisation_tests_in_its_other_projects() {
    let bed = Bed::echo().await;
    let app = bed.server.server.app();
    let (project, _) = bed.server.other_project("acme", "other").await;
    let theirs =
        app.flows(&project).await.expect("flows").into_iter().find(|flow| flow.slug == "echo").expect("a flow");
    let bed = Bed { flow: theirs.flow_id, ..bed };
    bed.create("a", "x", json!([{"kind": "contains", "text": "x"}])).await;
    let run = bed.run(json!({})).await;
    assert_eq!(run["status"], "passed");
    let weak = issue(&bed, vec![Scope::Execute, Scope::Author]).await;
    for path in [bed.path("test-cases"), format!("/test-runs/{}", run["id"].as_str().expect("an id"))] {
        let request = bed.server.bare(Method::GET, &path).header("authorization", format!("Bearer {weak}"));
        assert_eq!(request.send().await.status, 404, "{path}");
    }
}

/// A key of the server's own project with some scopes.
async fn issue(bed: &Bed, scopes: Vec<Scope>) -> String {
    let request = KeyRequest {
        name: "some scopes".to_owned(),
        environment: "test".to_owned(),
        scopes,
        expires_at: None,
        created_by: "test".to_owned(),
    };
    bed.server.server.app().issue_key(&bed.server.project, request).await.expect("a key").key
}

#[tokio::test]
async fn cases_are_listed_changed_and_deleted() {
    let bed = Bed::echo().await;
    for path in ["", "/trace", "/junit"] {
        let path = format!("/test-runs/01985f3e-0000-7c3b-9f4e-2b8d5a1c7e90{path}");
        bed.server.get(&path).send().await.refused(404, "TEST_RUN_NOT_FOUND");
    }
    for name in ["a", "b", "c"] {
        bed.create(name, "x", json!([])).await;
    }
    let first = bed.get("test-cases?limit=2").await.ok();
    let second =
        bed.get(&format!("test-cases?limit=2&cursor={}", first["next_cursor"].as_str().expect("more"))).await.ok();
    let names = |page: &Value| -> Vec<Value> {
        page["test_cases"].as_array().expect("cases").iter().map(|case| case["name"].clone()).collect()
    };
    assert_eq!((names(&first), names(&second)), (vec![json!("a"), json!("b")], vec![json!("c")]));
    assert_eq!(second.get("next_cursor"), None);

    let changed = bed.patch("a", json!({"name": "first", "description": "why", "on_revision": 1})).await.ok();
    assert_eq!(
        (&changed["name"], &changed["description"], &changed["revision"]),
        (&json!("first"), &json!("why"), &json!(2))
    );
    bed.patch("first", json!({"name": "z", "on_revision": 1})).await.refused(409, "CONFLICT");
    assert_eq!(bed.get("test-cases/first").await.header("etag"), Some("\"2\""));
    let on = |tag: &str| {
        let request = bed.server.request(Method::PATCH, &bed.path("test-cases/first")).header("if-match", tag);
        request.json(&json!({"description": "why not"})).send()
    };
    on("\"1\"").await.refused(409, "CONFLICT");
    assert_eq!(on("\"2\"").await.header("etag"), Some("\"3\""));
    bed.patch("first", json!({"name": "b"})).await.refused(409, "CONFLICT");
    bed.post("test-cases", json!({"name": "b"})).await.refused(409, "CONFLICT");
    assert_eq!(bed.patch("first", json!({"description": ""})).await.ok().get("description"), None);

    let ran = bed.run(json!({"cases": ["b"]})).await;
    let gone = bed.server.delete(&bed.path("test-cases/b")).send().await.ok();
    assert_eq!(gone["name"], "b");
    bed.server.delete(&bed.path("test-cases/b")).send().await.refused(404, "TEST_CASE_NOT_FOUND");
    bed.get("test-cases/b").await.refused(404, "TEST_CASE_NOT_FOUND");
    let kept = bed.server.get(&format!("/test-runs/{}", ran["id"].as_str().expect("an id"))).send().await.ok();
    assert_eq!(kept, ran);
}

#[tokio::test]
async fn two_authors_at_once_lose_nothing() {
    let bed = Bed::echo().await;
    let case = bed.create("a", "x", json!([])).await;
    let path = bed.path(&format!("test-cases/{}", case["id"].as_str().expect("an id")));
    let change = |name: String| {
        let request = bed.server.request(Method::PATCH, &path).json(&json!({"name": name, "on_revision": 1}));
        async move { request.send().await.status.as_u16() }
    };
    let done = futures::future::join_all((0..8).map(|number| change(format!("name {number}")))).await;
    assert_eq!(done.iter().filter(|status| **status == 200).count(), 1, "{done:?}");
    assert_eq!(done.iter().filter(|status| **status == 409).count(), 7, "{done:?}");
    assert_eq!(bed.server.get(&path).send().await.ok()["revision"], 2);
}

#[tokio::test]
async fn what_is_no_case_is_refused_with_its_faults() {
    let bed = Bed::echo().await;
    for (body, loc) in [
        (json!({}), "body.name"),
        (json!({"name": " "}), "body.name"),
        (json!({"name": "a\nb"}), "body.name"),
        (json!({"name": "x".repeat(101)}), "body.name"),
        (json!({"name": "x", "description": "x".repeat(2_001)}), "body.description"),
        (json!({"name": "x", "expect": [{"kind": "contains", "text": ""}]}), "body.expect.0.text"),
        (json!({"name": "x", "expect": [{"kind": "schema", "schema": {"type": "strnig"}}]}), "body.expect.0.schema"),
        (json!({"name": "x", "expect": [{"kind": "rubric", "rubric": " "}]}), "body.expect.0.rubric"),
        (json!({"name": "x", "expect": vec![json!({"kind": "subset", "value": 1}); 51]}), "body.expect"),
        (json!({"name": "x", "expect": [{"kind": "equal", "value": 1}]}), "body.expect.0.kind"),
        (json!({"name": "x", "expect": [{"kind": "equals", "value": 1, "att": "x"}]}), "body.expect.0"),
        (json!({"name": "x", "input": {"message": 7}}), "body.input.message"),
        (json!({"name": "x", "input": {"mesage": "x"}}), "body.input.mesage"),
        (json!({"from_run": MISSING, "input": {}}), "body.input"),
    ] {
        let detail = bed.post("test-cases", body.clone()).await.refused(422, "VALIDATION_ERROR");
        let found = detail["errors"][0]["loc"].as_array().expect("a place").iter().filter_map(Value::as_str);
        assert_eq!(found.collect::<Vec<_>>().join("."), loc, "{body}");
    }
    assert_eq!(bed.get("test-cases").await.ok()["test_cases"], json!([]));
    bed.post("test-runs", json!({})).await.refused(404, "TEST_CASE_NOT_FOUND");
    bed.create("a", "x", json!([])).await;
    bed.post("test-runs", json!({"cases": ["b"]})).await.refused(404, "TEST_CASE_NOT_FOUND");
    bed.post("test-runs", json!({"cases": []})).await.refused(422, "VALIDATION_ERROR");
    bed.get("test-cases?limit=0").await.refused(422, "VALIDATION_ERROR");
    bed.get("test-cases?cursor=x").await.refused(422, "VALIDATION_ERROR");
    bed.put(json!([{"id": "a", "nonsense": {}}])).await;
    bed.post("test-runs", json!({})).await.refused(500, "INVALID_TREE");
}

/// Every route, without a key, without the scope, and with objects of another project.
#[tokio::test]
async fn other_projects_and_other_scopes_reach_nothing() {
    let bed = Bed::echo().await;
    let case = bed.create("a", "x", json!([])).await;
    let run = bed.run(json!({})).await;
    let (case, run) = (case["id"].as_str().expect("an id"), run["id"].as_str().expect("an id"));
    let (_, theirs) = bed.server.other_project("rival", "demo").await;
    let weak = issue(&bed, vec![Scope::Execute]).await;
    let routes = [
        (Method::GET, bed.path("test-cases")),
        (Method::POST, bed.path("test-cases")),
        (Method::GET, bed.path(&format!("test-cases/{case}"))),
        (Method::PATCH, bed.path(&format!("test-cases/{case}"))),
        (Method::DELETE, bed.path(&format!("test-cases/{case}"))),
        (Method::POST, bed.path(&format!("test-cases/{case}/runs"))),
        (Method::GET, bed.path("test-runs")),
        (Method::POST, bed.path("test-runs")),
        (Method::GET, bed.path("publish-gate")),
        (Method::PUT, bed.path("publish-gate")),
        (Method::GET, format!("/test-runs/{run}")),
        (Method::GET, format!("/test-runs/{run}/trace")),
        (Method::GET, format!("/test-runs/{run}/junit")),
    ];
    for (method, path) in &routes {
        let send = |key: &str| {
            let request = bed.server.bare(method.clone(), path).json(&json!({"name": "mine"}));
            request.header("authorization", format!("Bearer {key}")).send()
        };
        assert_eq!(bed.server.bare(method.clone(), path).send().await.status, 401, "{method} {path}");
        send(&weak).await.refused(403, "FORBIDDEN");
        let foreign = send(&theirs).await;
        assert_eq!(foreign.status, 404, "{method} {path}");
        let missing = bed.server.bare(method.clone(), &path.replace(&bed.flow, MISSING).replace(run, MISSING));
        let missing =
            missing.json(&json!({"name": "mine"})).header("authorization", format!("Bearer {theirs}")).send().await;
        assert_eq!(foreign.text, missing.text, "{method} {path}");
    }
    assert_eq!(bed.get("test-cases").await.ok()["test_cases"].as_array().map(Vec::len), Some(1));
}

/// Whoever ran it is no more: it gave no sign of life for longer than any does.
#[tokio::test]
async fn a_test_run_that_was_cut_off_does_not_run_for_ever() {
    let bed = Bed::echo().await;
    let long_ago = OffsetDateTime::now_utc() - Duration::hours(1);
    let run = TestRunRecord {
        id: TestRunId(Uuid::now_v7()),
        project_id: ProjectId(bed.server.project.id),
        flow_id: FlowId(Uuid::parse_str(&bed.flow).expect("an id")),
        flow_slug: bed.slug.to_owned(),
        version: 0,
        hash: "h".to_owned(),
        status: "running".to_owned(),
        total: 1,
        passed: 0,
        failed: 0,
        started_at: long_ago,
        completed_at: None,
        alive_until: long_ago,
        created_by: "test".to_owned(),
    };
    bed.server.store().await.begin_test_run(&run, &[], 10).await.expect("stored");
    let shown = bed.server.get(&format!("/test-runs/{}?wait=60", run.id)).send().await.ok();
    assert_eq!(shown["status"], "interrupted");
    assert_eq!(bed.get("test-runs").await.ok()["test_runs"][0]["status"], "interrupted");
}

#[tokio::test]
async fn a_server_that_stops_says_what_did_not_run() {
    let slow = json!([{"id": "wait", "llm": {"prompt": "x", "config": {"latency_ms": 60_000}}}]);
    let server = TestServer::with(|config| config.grace = std::time::Duration::ZERO).await;
    let mut bed = Bed { server, slug: "waits", flow: String::new() };
    bed.flow = bed.put(slow).await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        bed.create(name, "x", json!([])).await;
    }
    let run = bed.post("test-runs", json!({})).await.ok();
    assert_eq!(run["status"], "running");
    let id = TestRunId(Uuid::parse_str(run["id"].as_str().expect("an id")).expect("an id"));
    let (store, project) = (bed.server.store().await, ProjectId(bed.server.project.id));
    bed.server.server.shutdown().await;
    let ended = store.test_run(project, id).await.expect("read").expect("there");
    assert_eq!((ended.status.as_str(), ended.failed), ("interrupted", 6));
    let results = store.test_results(project, id, 0, 10).await.expect("read");
    assert!(results.iter().all(|result| result.status == "interrupted"), "{results:#?}");
}
