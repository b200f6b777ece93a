//! The Rust client on a real server: every way to call a flow, through good connections and broken ones.

mod breaks;
mod calls;
mod relay;
mod sessions;
mod streams;

use noukai::{Flow, Noukai, NoukaiBuilder};

use crate::common::TestServer;

/// A client of the server's project.
fn builder(server: &TestServer) -> NoukaiBuilder {
    Noukai::builder()
        .base_url(format!("{}/api/v1", server.server.url()))
        .api_key(server.key.as_str())
        .org("acme")
        .project("demo")
}

fn client(server: &TestServer) -> Noukai {
    builder(server).build().expect("a client")
}

fn flow(server: &TestServer, slug: &str) -> Flow {
    client(server).flow(slug).expect("a flow")
}
