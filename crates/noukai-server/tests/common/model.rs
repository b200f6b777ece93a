//! A model that keeps its own account: what it was asked, how often it answered, and with how many tokens. Every so many
//! calls it answers badly.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
    routing::post,
};
use noukai_models::{BreakerConfig, ProviderConfig, Secret};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{sync::Notify, task::AbortHandle};

/// A model with list prices: 0.15 and 0.60 US dollars per million tokens.
pub const PRICED: &str = "openai/gpt-4o-mini";
/// A model that nobody knows a price of.
pub const UNPRICED: &str = "backup/model";

/// What the model was asked and what it gave.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Calls that arrived.
    pub calls: u64,
    /// Those that were answered badly.
    pub faults: u64,
    /// Those among them of which nobody can tell what they cost.
    pub unclear: u64,
    /// Good answers under the name that has no price.
    pub unpriced: u64,
    /// Tokens of good answers.
    pub prompt: u64,
    pub completion: u64,
    /// Those among them that have a price.
    pub priced_prompt: u64,
    pub priced_completion: u64,
}

impl Account {
    /// US dollars in units of 1e-12, by the list.
    pub fn cost(&self) -> u128 {
        u128::from(self.priced_prompt) * 150_000 + u128::from(self.priced_completion) * 600_000
    }
}

/// How it behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    /// One call in so many is answered badly; 0: none.
    pub fault_every: u64,
    /// One answer in so many fits no schema; 0: each does.
    pub misfit_every: u64,
    /// Tokens of each answer; nothing: as many as the call's number says.
    pub tokens: Option<(u64, u64)>,
    /// Answers only once told to.
    pub waits: bool,
}

#[derive(Default)]
struct Inner {
    account: Mutex<Account>,
    manners: Manners,
    go: Notify,
}

/// The model's server.
pub struct Model {
    inner: Arc<Inner>,
    url: String,
    task: AbortHandle,
}

impl Drop for Model {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Model {
    pub async fn start(manners: Manners) -> Self {
        let inner = Arc::new(Inner { manners, ..Inner::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(inner.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Self { inner, url, task }
    }

    /// The model as two providers: one with a price, one without.
    pub fn providers(&self) -> Vec<ProviderConfig> {
        let named = |name| {
            let provider = ProviderConfig::named(name, Some(format!("{}/v1", self.url)), vec![Secret::new("key")]);
            let breaker = BreakerConfig { failures: 0, ..BreakerConfig::default() };
            ProviderConfig { breaker, ..provider.expect("a provider") }
        };
        vec![named("openai"), named("backup")]
    }

    pub fn account(&self) -> Account {
        *self.inner.account.lock()
    }

    /// Waits until so many calls have arrived.
    pub async fn asked(&self, calls: u64) {
        let arrived = async {
            while self.account().calls < calls {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), arrived).await.expect("so many calls");
    }

    /// Lets one call that waits go on, or the next to come.
    pub fn go(&self) {
        self.inner.go.notify_one();
    }
}

async fn answer(State(model): State<Arc<Inner>>, Json(request): Json<Value>) -> Response {
    let number = {
        let mut account = model.account.lock();
        account.calls += 1;
        account.calls
    };
    if model.manners.waits {
        model.go.notified().await;
    }
    let is_one_in = |every: u64| every > 0 && scattered(number).is_multiple_of(every);
    let streams = request["stream"] == true;
    if is_one_in(model.manners.fault_every) {
        return bad(&model, number, streams);
    }
    let (prompt, completion) = model.manners.tokens.unwrap_or((number % 97 + 3, number % 13 + 1));
    let text = if is_one_in(model.manners.misfit_every) { "no JSON" } else { r#"{"label": "x"}"# };
    count(&model, request["model"] == "gpt-4o-mini", prompt, completion);
    let usage = json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion});
    if streams {
        let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage});
        return events(&format!("{}data: {end}\n\ndata: [DONE]\n\n", piece(text)));
    }
    let message = json!({"role": "assistant", "content": text});
    let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
    Json(json!({"id": "x", "model": request["model"], "choices": choices, "usage": usage})).into_response()
}

fn events(text: &str) -> Response {
    ([(CONTENT_TYPE, "text/event-stream")], text.to_owned()).into_response()
}

/// Text in a stream, without an end.
fn piece(text: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
}

/// The same number each time, without a pattern.
const fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40
}

fn count(model: &Inner, priced: bool, prompt: u64, completion: u64) {
    let mut account = model.account.lock();
    account.prompt += prompt;
    account.completion += completion;
    if priced {
        account.priced_prompt += prompt;
        account.priced_completion += completion;
    } else {
        account.unpriced += 1;
    }
}

fn bad(model: &Inner, number: u64, streams: bool) -> Response {
    let kind = scattered(number ^ 0xABCD) % 4;
    let mut account = model.account.lock();
    account.faults += 1;
    account.unclear += u64::from(kind >= 2);
    drop(account);
    match kind {
        0 => (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "0")], "slow down").into_response(),
        1 => (StatusCode::INTERNAL_SERVER_ERROR, "it broke").into_response(),
        // Text has come, but no end of it.
        2 if streams => events(&piece("some")),
        2 => Json(json!({"no": "completion"})).into_response(),
        // Less than was announced: the connection breaks.
        _ if streams => broken("text/event-stream", piece("some")),
        _ => broken("application/json", r#"{"id": "#.to_owned()),
    }
}

fn broken(kind: &str, part: String) -> Response {
    let part = futures::stream::iter([Ok::<_, Infallible>(part)]);
    let response = Response::builder().header("content-length", "100000").header("content-type", kind);
    response.body(Body::from_stream(part)).expect("a response")
}
