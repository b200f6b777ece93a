//! What the way from a block to a provider adds to a model call: the engine's attempts, budgets, the ledger, routing, keys,
//! breaker and the wire format, beside a bare HTTP call of the same bytes, in turns, to the same server.
//! `cargo run --release -p noukai-server --example call_overhead` prints both and their difference; a budget is set, and
//! entries are stored as in any run, by writes that no call waits for.

#![expect(clippy::expect_used, reason = "a measurement that cannot go on says so and ends")]

use std::time::{Duration, Instant};

use axum::{Router, http::header::CONTENT_TYPE, routing::post};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use noukai_api::{BudgetPeriod, BudgetScope, BudgetUnit, SetBudget};
use noukai_models::{ProviderConfig, Secret};
use noukai_server::{App, Config, Overrides, Project, UsageRequest};
use serde_json::json;

const CALLS: usize = 20_000;
const WARM: usize = 2_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let base_url = serve().await;
    let data = tempfile::tempdir().expect("a directory");
    let (app, project) = open(&base_url, data.path()).await;
    let measured = app.measured_calls(&project, "work").await.expect("a flow");
    let bare = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let body = json!({"model": "model", "messages": [{"role": "user", "content": "Say hello to Ada."}]}).to_string();
    let (mut without, mut with) = (Vec::with_capacity(CALLS), Vec::with_capacity(CALLS));
    for call in 0..CALLS + WARM {
        let began = Instant::now();
        let sent = Request::post(format!("{base_url}/chat/completions"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body.clone()))
            .expect("a request");
        bare.request(sent).await.expect("a reply").into_body().collect().await.expect("a body");
        let between = Instant::now();
        measured.run().await.expect("a reply");
        if call >= WARM {
            without.push(between - began);
            with.push(between.elapsed());
        }
    }
    let (bare, whole) = (percentiles(&mut without), percentiles(&mut with));
    report("bare", bare);
    report("whole", whole);
    report("added", std::array::from_fn(|place| whole[place].saturating_sub(bare[place])));
    tokio::time::timeout(Duration::from_secs(30), all_stored(&app, &project))
        .await
        .expect("each call is in the ledger");
    app.close().await;
}

async fn all_stored(app: &App, project: &Project) {
    let stored = async || app.usage_of(project, &UsageRequest::default()).await.expect("usage").total.calls;
    while stored().await < (CALLS + WARM) as u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The 50th, the 90th and the 99th.
fn percentiles(times: &mut [Duration]) -> [Duration; 3] {
    times.sort_unstable();
    [50, 90, 99].map(|percent| times.get(times.len() * percent / 100).copied().unwrap_or_default())
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn report(name: &str, [p50, p90, p99]: [Duration; 3]) {
    println!("{name:>7}: p50 {p50:?}, p90 {p90:?}, p99 {p99:?}");
}

/// A project with a budget that is never spent, and a flow of one block that may be asked three times.
async fn open(base_url: &str, data: &std::path::Path) -> (App, Project) {
    let mut config =
        Config::load(None, Overrides { data: Some(data.to_owned()), ..Overrides::default() }).expect("a configuration");
    // This program is no worker that could run functions: started as one, it would start itself again and again.
    config.code.enabled = false;
    let provider = ProviderConfig::named("my-own", Some(base_url.to_owned()), vec![Secret::new("a"), Secret::new("b")]);
    config.models.providers = provider.into_iter().collect();
    let app = App::open(&config).await.expect("the use cases");
    let project = app.ensure_project("acme", "demo").await.expect("a project");
    let step = json!({"id": "ask", "retry": {"max_attempts": 3},
        "llm": {"model": "my-own/model", "prompt": "Say hello to Ada."}});
    let flow = json!({"schema": 1, "slug": "work", "steps": [step]});
    app.put_flow(&project, &flow).await.expect("a flow");
    let budget = SetBudget {
        scope: BudgetScope::Project,
        project: None,
        flow: None,
        key: None,
        period: BudgetPeriod::Month,
        unit: BudgetUnit::Tokens,
        limit: i64::MAX.to_string(),
        warn_percent: None,
    };
    app.set_budget_of(&project, budget, "measure").await.expect("a budget");
    (app, project)
}

async fn serve() -> String {
    let reply = json!({"model": "model", "choices": [{"message": {"content": "Hello, Ada."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}})
    .to_string();
    let answer = move || {
        let reply = reply.clone();
        async move { ([(CONTENT_TYPE, "application/json")], reply) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let app = Router::new().route("/v1/chat/completions", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    base_url
}
