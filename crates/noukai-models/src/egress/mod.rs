//! The client for outgoing calls. Owns connections, TLS and their limits; rules on which addresses may be reached
//! belong here too, and nowhere else. Knows no provider and no key.
//!
//! hyper's own pooled client and not reqwest over it: reqwest reads each call's URL three times over for the redirects
//! that are never followed, which with the rest of its layers is more work than the call itself.

mod call;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Uri,
    header::{ACCEPT, HeaderValue, USER_AGENT},
};
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy,
    client::legacy::connect::HttpConnector,
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::net::TcpStream;
use tower::{BoxError, timeout::Timeout, util::BoxCloneSyncService};

pub(crate) use self::call::{Answer, Call, CallError};

const AGENT: HeaderValue = HeaderValue::from_static(concat!("noukai/", env!("CARGO_PKG_VERSION")));
/// Name resolution and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// So that a burst of this many calls leaves its connections for the next one.
const IDLE_CONNECTIONS_PER_HOST: usize = 8192;

type Connector = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;
type Client = legacy::Client<Connector, Full<Bytes>>;

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
    pub fn new() -> Result<Self, EgressError> {
        Ok(Self { client: client()? })
    }

    /// Starts a GET, likewise.
    pub(crate) fn get(&self, uri: Uri, timeout: Duration) -> Call {
        self.call(Method::GET, uri, timeout)
    }

    /// Starts a POST. Its time runs from now to the last byte of the answer.
    pub(crate) fn post(&self, uri: Uri, timeout: Duration) -> Call {
        self.call(Method::POST, uri, timeout)
    }

    fn call(&self, method: Method, uri: Uri, timeout: Duration) -> Call {
        let mut request = Request::new(Full::default());
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        Call::new(self.client.clone(), request, timeout)
    }
}

fn client() -> Result<Client, EgressError> {
    let connector = connector()?;
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT);
    Ok(builder.pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST).build(connector))
}

/// HTTP/1.1 on purpose: over HTTP/2 all calls to a host share one connection and its stream limit, often 100, so that
/// long model calls queue behind each other.
fn connector() -> Result<Connector, EgressError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(IDLE_TIMEOUT));
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_platform_verifier(rustls::crypto::ring::default_provider())
        .map_err(|error| EgressError(root_cause(&error)))?;
    let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
    Ok(BoxCloneSyncService::new(Timeout::new(connector, CONNECT_TIMEOUT)))
}

/// The innermost reason: the outer ones repeat the URL.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
