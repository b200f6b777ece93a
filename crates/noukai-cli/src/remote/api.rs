//! Calls of the management API: JSON in, JSON out, a refusal as the command's own failure.

use std::time::Duration;

use noukai_api::FieldError;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header, redirect::Policy};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{CliError, Exit};

/// Longer than a call of the management API takes.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a reply that are read.
const MAX_REPLY: usize = 64 * 1024 * 1024;

/// One server with one key.
pub struct Api {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Api {
    /// Sends nothing yet.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(base: &str, key: &str) -> Result<Self, CliError> {
        // A second provider is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Without a redirect: a key goes to the server it was given for, and to no other.
        let builder = reqwest::Client::builder().redirect(Policy::none()).timeout(TIMEOUT);
        let builder = if is_loopback(base) { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| CliError::failure(format!("no HTTP client: {error}")))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), key: key.to_owned() })
    }

    /// Where the server has its API.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `GET`.
    ///
    /// # Errors
    /// No connection, a refusal, something that is no answer of a server.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.reply(self.request(Method::GET, path)).await
    }

    /// `POST` or `PUT`; with `revision` only where the flow's draft is at that one.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
        revision: Option<u64>,
    ) -> Result<T, CliError> {
        let request = self.request(method, path).json(body);
        let request = match revision {
            Some(revision) => request.header(header::IF_MATCH, format!("\"{revision}\"")),
            None => request,
        };
        self.reply(request).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        request.bearer_auth(&self.key).header(header::USER_AGENT, concat!("noukai-cli/", env!("CARGO_PKG_VERSION")))
    }

    async fn reply<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CliError> {
        let response = request.send().await.map_err(|error| self.unsent(&error))?;
        let status = response.status();
        let body = self.body(response).await?;
        if !status.is_success() {
            return Err(refused(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| {
            let message = format!("{} answered with something else than was asked for: {error}", self.base);
            CliError::of(Exit::Decode, message).with_hint("is it a Noukai server of this release?")
        })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, CliError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unsent(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_REPLY {
                return Err(CliError::of(
                    Exit::Decode,
                    format!("{} answered with more than {MAX_REPLY} bytes", self.base),
                ));
            }
        }
        Ok(body)
    }

    fn unsent(&self, error: &reqwest::Error) -> CliError {
        if error.is_timeout() {
            return CliError::of(Exit::Timeout, format!("{} gave no answer in {} s", self.base, TIMEOUT.as_secs()));
        }
        CliError::of(Exit::Connection, format!("no connection to {}", self.base))
            .with_hint("is the server running, and is its address right?")
    }
}

/// Whether the server is this machine.
pub(super) fn is_loopback(server: &str) -> bool {
    let Ok(url) = Url::parse(server) else { return false };
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// The error shape, with codes of later releases too.
#[derive(Deserialize)]
struct Refusal {
    detail: Detail,
}

#[derive(Deserialize)]
struct Detail {
    code: String,
    message: String,
    #[serde(default)]
    errors: Vec<FieldError>,
}

/// What the server says against it, each fault in its own words.
fn refused(status: StatusCode, body: &[u8]) -> CliError {
    let exit = match status.as_u16() {
        401 | 403 => Exit::Refused,
        404 => Exit::NotFound,
        402 => Exit::Credits,
        400 | 413 | 422 => Exit::Usage,
        429 | 503 => Exit::Busy,
        300..=399 => Exit::Decode,
        _ => Exit::Failure,
    };
    let Ok(Refusal { detail }) = serde_json::from_slice(body) else {
        return CliError::of(exit, format!("HTTP {status}, and no answer of a Noukai server"));
    };
    let mut message = format!("{} [{}]", detail.message, detail.code);
    for fault in detail.errors.iter().filter(|fault| !detail.message.contains(&fault.msg)) {
        message.push_str(&format!("\n{}: {}", fault.loc.join("."), fault.msg));
    }
    let failure = CliError::of(exit, message);
    match status.as_u16() {
        401 => failure.with_hint("`noukai login` stores a valid key"),
        403 => failure.with_hint("the key is for another project, or lacks the scope `author`"),
        _ => failure,
    }
}
