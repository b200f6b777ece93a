//! The client for outgoing calls. Owns connections, TLS and their limits; rules on which addresses may be reached
//! belong here too, and nowhere else. Knows no provider and no key.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Url, redirect::Policy};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// So that a burst of this many calls leaves its connections for the next one.
const IDLE_CONNECTIONS_PER_HOST: usize = 8192;

/// One pool of connections; clones share it.
#[derive(Debug, Clone)]
pub struct Egress {
    client: Client,
}

/// Why no client could be made: no usable TLS roots, for one.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the client for outgoing calls: {0}")]
pub struct EgressError(String);

impl Egress {
    /// A client that follows no redirect, obeys no proxy variable and decompresses nothing.
    ///
    /// HTTP/1.1 on purpose: over HTTP/2 all calls to a host share one connection and its stream limit, often 100, so
    /// that long model calls queue behind each other.
    pub fn new() -> Result<Self, EgressError> {
        // Fails where a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("noukai/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .tcp_keepalive(IDLE_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST)
            .build()
            .map_err(|error| EgressError(root_cause(&error)))?;
        Ok(Self { client })
    }

    /// Starts a POST.
    pub(crate) fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }
}

/// The innermost reason: the outer ones repeat the URL.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
