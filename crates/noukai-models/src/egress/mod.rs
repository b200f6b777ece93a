//! The client for outgoing calls. Owns connections, TLS, their limits, and the rules on which addresses may be
//! reached; there is no other client. Knows no provider and no key.
//!
//! A host that the operator named is reached wherever it is: a provider's configured base URL, or a host in
//! `egress.allow`. Any other host must be on the public internet. Names are checked when they are resolved, at the
//! moment of connecting; addresses in URLs, however they are spelled, when the URL is taken in. Redirects are never
//! followed.

//! hyper's own pooled client and not reqwest over it: reqwest reads each call's URL three times over for the redirects
//! that are never followed, which with the rest of its layers is more work than the call itself.

mod addresses;
mod call;
mod resolver;

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

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
use tower::{BoxError, Service, ServiceExt as _, timeout::Timeout, util::BoxCloneSyncService};
use url::{Host, Url};

pub(crate) use self::call::{Answer, Call, CallError};
use self::{addresses::is_public, resolver::PublicOnly};

const AGENT: HeaderValue = HeaderValue::from_static(concat!("noukai/", env!("CARGO_PKG_VERSION")));
/// Name resolution and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// So that a burst of this many calls leaves its connections for the next one.
const IDLE_CONNECTIONS_PER_HOST: usize = 8192;

type Connection = MaybeHttpsStream<TokioIo<TcpStream>>;
type Client = legacy::Client<Connector, Full<Bytes>>;

/// Two pools of connections, one for hosts that the operator named; clones share them.
#[derive(Debug, Clone)]
pub struct Egress {
    named: Client,
    public: Client,
    allow: Vec<AllowedHost>,
}

/// Opens connections. Cheap to clone: the client does that for each call, also where no connection is to be opened.
#[derive(Clone)]
struct Connector(Arc<BoxCloneSyncService<Uri, Connection, BoxError>>);

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin((*self.0).clone().oneshot(to))
    }
}

/// Why no call can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// No usable TLS roots, for one.
    #[error("cannot set up the client for outgoing calls: {0}")]
    Client(String),
    /// Not a URL to call.
    #[error("the URL must be http or https, with a host and without user, query or fragment")]
    Url,
    /// An entry of the list of allowed hosts is none.
    #[error("`{0}` is no host such as `models.internal` or `10.0.0.5:8000`")]
    AllowedHost(String),
    /// The URL's host is an address that is not public.
    #[error("`{0}` is no public address; the operator can allow it in `egress.allow`")]
    NotPublic(String),
}

/// A host the operator allows, with or without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AllowedHost {
    host: Host<String>,
    port: Option<u16>,
}

impl AllowedHost {
    fn parse(text: &str) -> Result<Self, EgressError> {
        let wrong = || EgressError::AllowedHost(text.to_owned());
        let url = url::Url::parse(&format!("http://{}", text.trim())).map_err(|_| wrong())?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let host = url.host().filter(|_| bare).ok_or_else(wrong)?.to_owned();
        let port = url.port().or_else(|| text.trim().ends_with(":80").then_some(80));
        Ok(Self { host, port })
    }

    fn covers(&self, url: &Url) -> bool {
        let same_port = self.port.is_none() || self.port == url.port_or_known_default();
        same_port && url.host().is_some_and(|host| host.to_owned() == self.host)
    }
}

/// A base URL that calls may go to: what is joined to it stays on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    base: Url,
    named: bool,
}

impl Target {
    /// The host, for names and errors.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// The address of a path below the base, such as `/chat/completions` or `/models/x:generate?alt=sse`.
    pub(crate) fn uri(&self, path: &str) -> Option<Uri> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.set_query(query);
        url.as_str().parse().ok()
    }
}

impl Egress {
    /// A client that reaches public addresses and what the operator names.
    ///
    /// # Errors
    /// No TLS roots.
    pub fn new() -> Result<Self, EgressError> {
        Self::allowing(&[] as &[&str])
    }

    /// A client that also reaches these hosts, wherever they are: `host` or `host:port`.
    ///
    /// # Errors
    /// No TLS roots; an entry that is no host.
    pub fn allowing<T: AsRef<str>>(hosts: &[T]) -> Result<Self, EgressError> {
        let (mut anywhere, mut public) = (HttpConnector::new(), HttpConnector::new_with_resolver(PublicOnly::system()));
        Ok(Self {
            named: client(connector(prepare(&mut anywhere))?),
            public: client(connector(prepare(&mut public))?),
            allow: hosts.iter().map(|host| AllowedHost::parse(host.as_ref())).collect::<Result<_, _>>()?,
        })
    }

    /// A URL that somebody other than the operator chose.
    ///
    /// # Errors
    /// No URL to call; an address that is neither public nor allowed.
    pub fn target(&self, base_url: &str) -> Result<Target, EgressError> {
        let base = parse(base_url)?;
        let named = self.allow.iter().any(|allowed| allowed.covers(&base));
        match address(&base) {
            Some(address) if !named && !is_public(address) => Err(EgressError::NotPublic(address.to_string())),
            _ => Ok(Target { base, named }),
        }
    }

    /// A URL that the operator wrote into the configuration: reached wherever it is.
    ///
    /// # Errors
    /// No URL to call.
    pub fn operators_target(&self, base_url: &str) -> Result<Target, EgressError> {
        Ok(Target { base: parse(base_url)?, named: true })
    }

    /// Starts a POST to an address of the target's. Its time runs from now to the last byte of the answer.
    pub(crate) fn post(&self, target: &Target, uri: Uri, timeout: Duration) -> Call {
        self.call(target, Method::POST, uri, timeout)
    }

    /// Starts a GET of an address of the target's, as [`Egress::post`].
    pub(crate) fn get(&self, target: &Target, uri: Uri, timeout: Duration) -> Call {
        self.call(target, Method::GET, uri, timeout)
    }

    fn call(&self, target: &Target, method: Method, uri: Uri, timeout: Duration) -> Call {
        let mut request = Request::new(Full::default());
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let client = if target.named { &self.named } else { &self.public };
        Call::new(client.clone(), request, timeout)
    }
}

fn client(connector: Connector) -> Client {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT);
    builder.pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST).build(connector)
}

fn prepare<R: Clone>(tcp: &mut HttpConnector<R>) -> HttpConnector<R> {
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(IDLE_TIMEOUT));
    tcp.clone()
}

/// HTTP/1.1 on purpose: over HTTP/2 all calls to a host share one connection and its stream limit, often 100, so that
/// long model calls queue behind each other.
fn connector<R>(tcp: HttpConnector<R>) -> Result<Connector, EgressError>
where
    HttpConnector<R>: Service<Uri, Response = TokioIo<TcpStream>> + Clone + Send + Sync + 'static,
    <HttpConnector<R> as Service<Uri>>::Error: Into<BoxError>,
    <HttpConnector<R> as Service<Uri>>::Future: Send,
{
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_platform_verifier(rustls::crypto::ring::default_provider())
        .map_err(|error| EgressError::Client(root_cause(&error)))?;
    let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
    Ok(Connector(Arc::new(BoxCloneSyncService::new(Timeout::new(connector, CONNECT_TIMEOUT)))))
}

fn parse(base_url: &str) -> Result<Url, EgressError> {
    let base = Url::parse(base_url.trim()).map_err(|_| EgressError::Url)?;
    let plain = base.username().is_empty() && base.password().is_none();
    let bare = base.query().is_none() && base.fragment().is_none() && base.has_host();
    let fits = plain && bare && matches!(base.scheme(), "http" | "https");
    if fits { Ok(base) } else { Err(EgressError::Url) }
}

/// The address a URL is written with. The parser reads every spelling: decimal, octal, hexadecimal, shortened.
fn address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
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
