//! Providers to test against: on port 0, answering what a test says and keeping what they were asked.

use std::{
    convert::Infallible,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri},
    response::Response,
    serve::ListenerExt,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{Catalogue, Egress, Models, Provider, ProviderConfig, Secret};

pub(super) const CANARY: &str = "canary-4b1d-9f3e77aa51c2-end";

/// What the mock was asked.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// What the mock answers.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) pieces: Vec<Vec<u8>>,
    pub(super) endless: bool,
}

impl Answer {
    pub(super) fn json(body: impl ToString) -> Self {
        Self::of(200, "application/json", body)
    }

    pub(super) fn sse(body: impl ToString) -> Self {
        Self::of(200, "text/event-stream", body)
    }

    pub(super) fn of(status: u16, kind: &str, body: impl ToString) -> Self {
        let headers = vec![("content-type", kind.to_owned())];
        Self { status, headers, pieces: vec![body.to_string().into_bytes()], endless: false }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn into_response(self) -> Response {
        let pieces: Vec<_> = self.pieces.into_iter().map(|piece| Ok::<_, Infallible>(Bytes::from(piece))).collect();
        let body = if self.endless {
            Body::from_stream(futures::stream::iter(pieces.into_iter().cycle()))
        } else {
            Body::from_stream(futures::stream::iter(pieces))
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        for (name, value) in self.headers {
            let value = HeaderValue::from_str(&value).unwrap();
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
        response
    }
}

/// A running mock; it ends with the test's runtime.
pub(super) struct Mock {
    pub(super) url: String,
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
    /// How many connections it was reached over.
    pub(super) connections: Arc<AtomicUsize>,
}

impl Mock {
    pub(super) async fn start(answer: Answer) -> Self {
        Self::scripted(vec![answer]).await
    }

    /// Answers in turn, then the last answer for ever.
    pub(super) async fn scripted(answers: Vec<Answer>) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let listener = listener.tap_io(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let app = Router::new().fallback(answer_all).with_state((Arc::new(answers), Arc::clone(&asked)));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, asked, connections }
    }

    /// A port with this provider alone, which serves all models.
    pub(super) fn provider(&self) -> Models {
        provider(self.config())
    }

    pub(super) fn config(&self) -> ProviderConfig {
        config(&self.url)
    }

    pub(super) fn last(&self) -> Asked {
        self.asked.lock().last().cloned().unwrap()
    }
}

type Shared = (Arc<Vec<Answer>>, Arc<Mutex<Vec<Asked>>>);

async fn answer_all(State((answers, asked)): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let query = uri.query().map(str::to_owned);
    let mut asked = asked.lock();
    asked.push(Asked { path: uri.path().to_owned(), query, headers, body });
    let answer = answers.get(asked.len() - 1).or(answers.last()).cloned().unwrap();
    answer.into_response()
}

pub(super) fn config(url: &str) -> ProviderConfig {
    let mut config = ProviderConfig::for_all(url, Secret::new(CANARY));
    config.name = "mock".to_owned();
    config.timeout = Duration::from_secs(20);
    config
}

pub(super) fn provider(config: ProviderConfig) -> Models {
    models(vec![config])
}

/// One for all tests: it takes its time to make. No two tests share a server, so they share no connection.
pub(super) fn egress() -> Egress {
    static EGRESS: LazyLock<Egress> = LazyLock::new(|| Egress::new().unwrap());
    EGRESS.clone()
}

pub(super) fn models(configs: Vec<ProviderConfig>) -> Models {
    let catalogue = Arc::new(Catalogue::built_in());
    let new = |config| Provider::new(config, egress(), catalogue.clone()).unwrap();
    Models::new(configs.into_iter().map(new).collect(), None, catalogue.clone())
}

/// A server that reads a request, writes these bytes and hangs up; or says nothing at all.
pub(super) async fn raw(bytes: Option<&'static [u8]>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 65_536]).await;
            match bytes {
                Some(bytes) => drop(socket.write_all(bytes).await),
                None => kept.push(socket),
            }
        }
    });
    url
}
