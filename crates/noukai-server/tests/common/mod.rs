//! A real server for tests: production wiring, its own database in a temporary directory, a free port.
//!
//! Every reply that a test gets is checked on the way: it carries a request id, and it fits the OpenAPI document.

mod contract;
pub mod flows;
pub mod model;
pub mod vendor;

use std::time::Duration;

use noukai_api::Scope;
use noukai_models::Secret;
use noukai_server::{
    CodeConfig, Config, DatabaseConfig, KeyRequest, MasterKeySource, ModelsConfig, Project, Retention, Server,
};
use noukai_store::{PostgresOptions, PostgresStore, SqliteOptions, SqliteStore, Store};
use noukai_testbed::Postgres;
use reqwest::{Body, Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A database for one test.
pub fn database() -> DatabaseConfig {
    let new = || Postgres::shared().and_then(Postgres::database).expect("a database");
    let url = crate::ON_POSTGRES.then(|| Secret::new(new()));
    DatabaseConfig { url, connections: 6, ..DatabaseConfig::default() }
}

/// A server, a project of its own on it, and a key of that project with every scope.
pub struct TestServer {
    pub server: Server,
    pub project: Project,
    pub key: String,
    pub dir: TempDir,
    pub database: DatabaseConfig,
    http: reqwest::Client,
}

impl TestServer {
    /// A server with the flows of [`flows`].
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, with another configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        // The HTTP client wants one, even for plain text.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut config = config(&dir);
        change(&mut config);
        let database = config.database.clone();
        let server = Server::start(config).await.expect("the server starts");
        let project = server.app().ensure_project("acme", "demo").await.expect("a project");
        for flow in flows::all() {
            server.app().put_flow(&project, &flow).await.expect("a flow");
        }
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        let mut test = Self { server, project, key: String::new(), dir, database, http };
        test.key = test.issue_key(&test.project).await;
        test
    }

    /// The database beside its server.
    pub async fn store(&self) -> Box<dyn Store> {
        // Whoever reads through the server has it apply its journal; one that is gone has done so.
        let _ = self.get("/flow-runs").builder.send().await;
        match &self.database.url {
            Some(url) => {
                let options = PostgresOptions { connections: 4, ..PostgresOptions::at(url.expose()) };
                Box::new(PostgresStore::open(options).await.expect("the database"))
            }
            None => {
                let path = Some(self.dir.path().join("noukai.db"));
                let beside = SqliteOptions { path, alone: false, ..SqliteOptions::default() };
                Box::new(SqliteStore::open(beside).expect("the database"))
            }
        }
    }

    /// A key with every scope.
    pub async fn issue_key(&self, project: &Project) -> String {
        let request = KeyRequest {
            name: "test".to_owned(),
            environment: "test".to_owned(),
            scopes: Scope::ALL.to_vec(),
            expires_at: None,
            created_by: "test".to_owned(),
        };
        self.server.app().issue_key(project, request).await.expect("a key").key
    }

    /// Another project with the same flows, and its key.
    pub async fn other_project(&self, org: &str, project: &str) -> (Project, String) {
        let project = self.server.app().ensure_project(org, project).await.expect("a project");
        for flow in flows::all() {
            self.server.app().put_flow(&project, &flow).await.expect("a flow");
        }
        let key = self.issue_key(&project).await;
        (project, key)
    }

    /// A request below `/api/v1` with the project's key.
    pub fn request(&self, method: Method, path: &str) -> Request {
        self.bare(method, path).header("authorization", format!("Bearer {}", self.key))
    }

    /// A request below `/api/v1` without a key.
    pub fn bare(&self, method: Method, path: &str) -> Request {
        let url = format!("{}/api/v1{path}", self.server.url());
        Request { method: method.clone(), path: path.to_owned(), builder: self.http.request(method, url) }
    }

    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    pub fn delete(&self, path: &str) -> Request {
        self.request(Method::DELETE, path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Request {
        self.request(Method::POST, path).json(body)
    }

    /// Runs a flow to its end or a pause; the reply.
    pub async fn execute(&self, flow: &str, body: Value) -> Value {
        self.post(&format!("/seq/acme/demo/{flow}/execute"), &body).send().await.ok()
    }

    /// One step call; its events.
    pub async fn step(&self, flow: &str, body: Value) -> Vec<Event> {
        self.post(&format!("/seq/acme/demo/{flow}/step"), &body).send().await.events()
    }

    /// How many runs the project has.
    pub async fn runs(&self) -> usize {
        let list = self.get("/flow-runs?limit=100").send().await.ok();
        list["flowRuns"].as_array().expect("a list").len()
    }
}

fn config(dir: &TempDir) -> Config {
    Config {
        listen: vec![([127, 0, 0, 1], 0).into()],
        data: dir.path().to_owned(),
        database: database(),
        models: ModelsConfig::default(),
        master_key: MasterKeySource::Data,
        // Tests that need them switch them on.
        code: CodeConfig {
            enabled: false,
            program: Some(env!("CARGO_BIN_EXE_noukai-server-worker").into()),
            ..CodeConfig::default()
        },
        limits: noukai_api::Limits::default(),
        retention: Retention::all(30),
        capture: Some(noukai_api::CaptureMode::Full),
        public_url: None,
        org: "acme".to_owned(),
        project: "demo".to_owned(),
        flows: None,
        workers: 4,
        node: "test".to_owned(),
        node_lease: Duration::from_secs(15),
        drain: Duration::ZERO,
        grace: Duration::from_secs(5),
    }
}

/// A request on its way.
pub struct Request {
    method: Method,
    path: String,
    builder: reqwest::RequestBuilder,
}

impl Request {
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        Self { builder: self.builder.header(name, value.as_ref()), ..self }
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub fn body(self, body: impl Into<Body>) -> Self {
        Self { builder: self.builder.body(body), ..self }
    }

    /// Sends it, reads the whole reply and checks it against the contract.
    pub async fn send(self) -> Reply {
        let (method, path) = (self.method.clone(), self.path.clone());
        let response = self.open().await;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await;
        let text = text.unwrap_or_else(|error| panic!("{method} {path}: the reply broke off: {error:?}"));
        let reply = Reply { status, headers, text };
        contract::check(&method, &path, &reply);
        reply
    }

    /// Sends it; the reply's body is still to come.
    pub async fn open(self) -> reqwest::Response {
        self.builder.send().await.expect("a reply")
    }
}

/// A whole reply.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text))
    }

    /// The body of a reply that is a success.
    pub fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        self.json()
    }

    /// The detail of a reply that is this error.
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let detail = self.json()["detail"].clone();
        assert_eq!((self.status.as_u16(), detail["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert!(!detail["message"].as_str().unwrap_or_default().is_empty(), "{}", self.text);
        detail
    }

    /// The events of a reply that is a stream.
    pub fn events(&self) -> Vec<Event> {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        assert_eq!(self.header("content-type"), Some("text/event-stream"));
        events(&self.text)
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: Option<u64>,
    pub kind: String,
    pub data: Value,
}

/// Reads frames as the contract has them, to the byte; anything else is a panic.
pub fn events(text: &str) -> Vec<Event> {
    assert!(!text.contains('\r'), "CR in a stream: {text:?}");
    let frames = text.split_terminator("\n\n").filter(|frame| *frame != ": keep-alive");
    frames.map(event).collect()
}

fn event(frame: &str) -> Event {
    let mut lines = frame.split('\n').peekable();
    let id = lines.next_if(|line| line.starts_with("id: "));
    let id = id.map(|line| line["id: ".len()..].parse().expect("a number"));
    let kind = lines.next().and_then(|line| line.strip_prefix("event: ")).unwrap_or_else(|| panic!("{frame:?}"));
    let data = lines.next().and_then(|line| line.strip_prefix("data: ")).unwrap_or_else(|| panic!("{frame:?}"));
    assert_eq!(lines.next(), None, "{frame:?}");
    let data: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(data["eventType"], json!(kind));
    Event { id, kind: kind.to_owned(), data }
}

/// The types of events, in order.
pub fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}
