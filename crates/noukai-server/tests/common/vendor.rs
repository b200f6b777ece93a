//! A vendor's server for tests, on port 0: it speaks OpenAI's, Anthropic's and Google's formats by the path it is called
//! at, answers what fits the request, fails where a test says so, and keeps what it was asked.

mod dialects;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Uri, header::CONTENT_TYPE},
    response::Response,
};
use noukai_models::{ProviderConfig, Secret};
use parking_lot::Mutex;
use serde_json::{Value, json};

use self::dialects::{Dialect, Said};

/// What it does when it is called once.
#[derive(Debug, Clone)]
pub enum Turn {
    /// It answers with this status and body.
    Gives(u16, Value),
    /// It says this.
    Says(&'static str),
    /// It hangs up.
    Cuts,
    /// It never answers.
    Hangs,
}

/// What it was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    /// As it came, without what stands before it.
    pub key: String,
    pub body: Value,
}

#[derive(Default)]
struct Script {
    turns: Mutex<VecDeque<Turn>>,
    asked: Mutex<Vec<Asked>>,
}

/// A running one; it ends with the test's runtime.
pub struct Vendor {
    pub url: String,
    script: Arc<Script>,
}

impl Vendor {
    /// Answers every call.
    pub async fn start() -> Self {
        Self::scripted([]).await
    }

    /// Does this first.
    pub async fn scripted(turns: impl IntoIterator<Item = Turn>) -> Self {
        let script = Arc::new(Script { turns: Mutex::new(turns.into_iter().collect()), ..Script::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, script }
    }

    /// This vendor under a provider's name, as the operator configures it.
    pub fn provider(&self, name: &str, key: &str) -> ProviderConfig {
        let config = ProviderConfig::named(name, Some(self.url.clone()), vec![Secret::new(key)]);
        ProviderConfig { timeout: Duration::from_secs(20), ..config.expect("a provider") }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().clone()
    }

    /// How often a model of it was called.
    pub fn calls(&self) -> usize {
        self.script.asked.lock().iter().filter(|asked| !asked.path.ends_with("/models")).count()
    }

    /// The keys it was called with, in order.
    pub fn keys(&self) -> Vec<String> {
        self.script.asked.lock().iter().map(|asked| asked.key.clone()).collect()
    }
}

async fn answer(State(script): State<Arc<Script>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let path = uri.path().to_owned();
    script.asked.lock().push(Asked { path: path.clone(), key: key(&headers), body: body.clone() });
    let turn = script.turns.lock().pop_front();
    let said = match turn {
        Some(Turn::Gives(status, body)) => return reply(status, &body),
        Some(Turn::Hangs) => std::future::pending().await,
        Some(Turn::Cuts) => return cut(),
        Some(Turn::Says(text)) => Some(Said::Text(text.to_owned())),
        None => None,
    };
    match Dialect::of(&path) {
        Some(dialect) => reply(200, &dialect.reply(said.unwrap_or_else(|| dialect.answer(&body)))),
        None => reply(200, &json!({"data": []})),
    }
}

fn key(headers: &HeaderMap) -> String {
    let names = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];
    let value = names.iter().find_map(|name| headers.get(*name)).and_then(|value| value.to_str().ok());
    let value = value.unwrap_or_default();
    value.strip_prefix("Bearer ").unwrap_or(value).to_owned()
}

fn reply(status: u16, body: &Value) -> Response {
    let built = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    built.body(Body::from(body.to_string())).expect("a reply")
}

/// A body that breaks off.
fn cut() -> Response {
    let broken = futures::stream::iter([Ok(Bytes::from("{")), Err(std::io::Error::other("cut"))]);
    Response::builder().header(CONTENT_TYPE, "application/json").body(Body::from_stream(broken)).expect("a reply")
}
