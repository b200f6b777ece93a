//! The floor: the least that any server of this kind has to do. A bare handler that makes the same two model calls,
//! the second on what the first said, over a pooled client; it checks nothing and stores nothing.

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Clone)]
struct Provider {
    client: Client,
    url: String,
}

#[derive(Deserialize)]
struct Request {
    message: String,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

type Reply = Result<Json<Value>, (StatusCode, String)>;

/// The floor over the provider at `base`.
pub fn router(base: &str) -> Result<Router> {
    // The client is built for TLS and wants to know whose, though it speaks plain HTTP here. An error says that
    // the choice has been made before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().tcp_nodelay(true).build().context("cannot build the client")?;
    let provider = Provider { client, url: format!("{base}/chat/completions") };
    Ok(Router::new().route("/floor", post(two_calls)).route("/floor/echo", post(no_call)).with_state(provider))
}

async fn two_calls(State(provider): State<Provider>, Json(request): Json<Request>) -> Reply {
    let first = provider.complete(format!("Say it shorter: {}", request.message)).await.map_err(bad_gateway)?;
    let second = provider.complete(format!("Say it politely: {first}")).await.map_err(bad_gateway)?;
    Ok(completed(&second))
}

async fn no_call(Json(request): Json<Request>) -> Json<Value> {
    completed(&request.message)
}

fn completed(message: &str) -> Json<Value> {
    Json(json!({"status": "completed", "result": {"message": message}, "blockCount": 2}))
}

fn bad_gateway(error: reqwest::Error) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, error.to_string())
}

impl Provider {
    async fn complete(&self, prompt: String) -> reqwest::Result<String> {
        let body = json!({"model": "model", "messages": [{"role": "user", "content": prompt}]});
        let reply = self.client.post(&self.url).bearer_auth("bench").json(&body).send().await?.error_for_status()?;
        let completion: Completion = reply.json().await?;
        Ok(completion.choices.into_iter().next().map(|choice| choice.message.content).unwrap_or_default())
    }
}
