//! What a tool call costs beside the same operation by the API: the same server, the same flow, calls of both kinds in
//! turns, so that whatever else the machine does falls on both.
//!
//!     cargo run --release --example mcp_overhead -p noukai-server [CALLS]

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a measurement that cannot go on says so and ends")]

use std::time::{Duration, Instant};

use noukai_alloc::Mimalloc;
use noukai_api::Scope;
use noukai_server::{Config, KeyRequest, Overrides, Server};
use reqwest::Client;
use serde_json::{Value, json};

const CALLS: usize = 2_000;
const WARM: usize = 200;

/// As in the server's binary.
#[global_allocator]
static ALLOCATOR: Mimalloc = Mimalloc;

/// One server, one key, one flow.
struct Bed {
    http: Client,
    url: String,
    key: String,
    flow: String,
    step: String,
}

#[tokio::main]
async fn main() {
    let calls = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(CALLS);
    let dir = tempfile::tempdir().expect("a directory");
    let overrides = Overrides { port: Some(0), data: Some(dir.path().to_owned()), ..Overrides::default() };
    let mut config = Config::load(None, overrides).expect("a configuration");
    // This program is no worker that could run functions: started as one, it would start itself again and again.
    config.code.enabled = false;
    let server = Server::start(config).await.expect("a server");
    let bed = Bed::on(&server).await;
    for (what, write) in [("read a flow", false), ("change a block", true)] {
        let (mut api, mut mcp) = (Vec::with_capacity(calls), Vec::with_capacity(calls));
        for number in 0..calls + WARM {
            let (one, other) = (bed.by_api(write, number).await, bed.by_mcp(write, number).await);
            if number >= WARM {
                api.push(one);
                mcp.push(other);
            }
        }
        report(what, &mut api, &mut mcp);
    }
    server.shutdown().await;
}

impl Bed {
    async fn on(server: &Server) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let project = server.app().ensure_project("local", "dev").await.expect("a project");
        let request = KeyRequest {
            name: "measure".to_owned(),
            environment: "test".to_owned(),
            scopes: Scope::ALL.to_vec(),
            expires_at: None,
            created_by: "measure".to_owned(),
        };
        let key = server.app().issue_key(&project, request).await.expect("a key").key;
        let mut bed = Self { http: Client::new(), url: server.url(), key, flow: String::new(), step: String::new() };
        let made =
            bed.call("create_flow", json!({"project_id": project.id, "name": "Measured", "slug": "measured"})).await;
        bed.flow = made["flow_id"].as_str().expect("an id").to_owned();
        for number in 0..20 {
            let name = format!("Block {number}");
            let block = json!({"flow_id": bed.flow, "name": name, "processor_type": "llm", "prompt": "{{ message }}"});
            bed.step = bed.call("add_block", block).await["created"][0].as_str().expect("an id").to_owned();
        }
        bed
    }

    async fn by_api(&self, write: bool, number: usize) -> Duration {
        let path = format!("{}/api/v1/flows/{}", self.url, self.flow);
        let request = if write {
            let operation =
                json!({"op": "update_block_notes", "step_id": self.step, "notes": format!("by the API {number}")});
            self.http.post(format!("{path}/operations")).json(&json!({"operations": [operation]}))
        } else {
            self.http.get(path)
        };
        let start = Instant::now();
        let reply = request.bearer_auth(&self.key).send().await.expect("a reply");
        assert!(reply.status().is_success(), "{}", reply.status());
        let _: Value = reply.json().await.expect("JSON");
        start.elapsed()
    }

    async fn by_mcp(&self, write: bool, number: usize) -> Duration {
        let (tool, arguments) = if write {
            let notes = format!("by MCP {number}");
            ("update_block_notes", json!({"flow_id": self.flow, "step_id": self.step, "notes": notes}))
        } else {
            ("get_flow", json!({"flow_id": self.flow}))
        };
        let start = Instant::now();
        self.call(tool, arguments).await;
        start.elapsed()
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let request = self.http.post(format!("{}/api/v1/mcp", self.url)).bearer_auth(&self.key);
        let request = request.header("accept", "application/json, text/event-stream");
        let reply = request.header("mcp-protocol-version", "2025-06-18").json(&body).send().await.expect("a reply");
        let reply: Value = reply.json().await.expect("JSON");
        assert_ne!(reply["result"]["isError"], json!(true), "{reply}");
        reply["result"]["structuredContent"].clone()
    }
}

fn report(what: &str, api: &mut [Duration], mcp: &mut [Duration]) {
    api.sort_unstable();
    mcp.sort_unstable();
    let at = |times: &[Duration], part: usize| times[(times.len() - 1) * part / 100];
    for part in [50, 99] {
        let (one, other) = (at(api, part), at(mcp, part));
        let more = (other.as_secs_f64() / one.as_secs_f64() - 1.0) * 100.0;
        println!("{what}, p{part}: API {one:?}, MCP {other:?}, {more:+.0} %");
    }
}
