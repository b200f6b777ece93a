//! What the way to a provider adds to a call: routing, keys, breaker and the wire format, beside a bare HTTP call of
//! the same bytes, in turns, to the same server. Run it with `--release`; it prints both and their difference.

use std::{error::Error, sync::Arc, time::Instant};

use axum::{Router, http::header::CONTENT_TYPE, routing::post};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use noukai_engine::{CallSite, Message, Model, ModelRequest};
use noukai_models::{Catalogue, Egress, Models, Provider, ProviderConfig, Secret};
use serde_json::{Map, json};

const CALLS: usize = 20_000;
const WARM: usize = 2_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let base_url = serve().await?;
    let models = models(&base_url)?;
    let request = ModelRequest {
        site: CallSite::default(),
        model: "my-own/model".to_owned(),
        messages: vec![Message::User { text: "Say hello to Ada.".to_owned(), images: Vec::new() }],
        config: Map::new(),
        output: None,
        tools: Vec::new(),
        tool_choice: None,
        cache: None,
    };
    let bare = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let body = json!({"model": "model", "messages": [{"role": "user", "content": "Say hello to Ada."}]}).to_string();
    let (mut without, mut with) = (Vec::with_capacity(CALLS), Vec::with_capacity(CALLS));
    for call in 0..CALLS + WARM {
        let began = Instant::now();
        let sent = Request::post(format!("{base_url}/chat/completions"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body.clone()))?;
        bare.request(sent).await?.into_body().collect().await?;
        let between = Instant::now();
        models.complete(&request, None).await.map_err(|error| error.message)?;
        if call >= WARM {
            without.push(between - began);
            with.push(between.elapsed());
        }
    }
    report("bare", &mut without);
    report("routed", &mut with);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn report(name: &str, times: &mut [std::time::Duration]) {
    times.sort_unstable();
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default();
    println!("{name:>7}: p50 {:?}, p90 {:?}, p99 {:?}", at(0.5), at(0.9), at(0.99));
}

fn models(base_url: &str) -> Result<Models, Box<dyn Error>> {
    let (egress, catalogue) = (Egress::new()?, Arc::new(Catalogue::built_in()));
    let names = ["openai", "anthropic", "gemini", "mistral", "openrouter", "my-own"];
    let config =
        |name| ProviderConfig::named(name, Some(base_url.to_owned()), vec![Secret::new("a"), Secret::new("b")]);
    let new = |config| Provider::new(config, egress.clone(), catalogue.clone());
    let providers = names.into_iter().filter_map(config).map(new).collect::<Result<Vec<_>, _>>()?;
    Ok(Models::new(providers, None, catalogue))
}

async fn serve() -> Result<String, Box<dyn Error>> {
    let reply = json!({"model": "model", "choices": [{"message": {"content": "Hello, Ada."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}})
    .to_string();
    let answer = move || {
        let reply = reply.clone();
        async move { ([(CONTENT_TYPE, "application/json")], reply) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}/v1", listener.local_addr()?);
    let app = Router::new().route("/v1/chat/completions", post(answer));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| runtime.block_on(async { axum::serve(listener, app).await }))
    });
    Ok(base_url)
}
