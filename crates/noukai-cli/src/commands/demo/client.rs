//! A plain HTTP client of the demo's server: what any program would do, without an SDK.

use std::time::Duration;

use noukai_api::{ErrorBody, StreamEvent};
use reqwest::{Response, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::sse::SseReader;
use crate::error::CliError;

/// Longer than anything in the demo takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Calls one server with one key.
pub struct Client {
    http: reqwest::Client,
    /// `http://host:port`.
    url: String,
    key: String,
}

impl Client {
    /// A client for a server on this machine.
    pub fn new(url: String, key: String) -> Result<Self, CliError> {
        // The client wants a TLS provider even where no TLS is spoken. A second one is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(TIMEOUT);
        let http = builder.build().map_err(|error| CliError::failure(format!("no HTTP client: {error}")))?;
        Ok(Self { http, url, key })
    }

    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, CliError> {
        decode(path, self.send(path, Some(body)).await?).await
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        decode(path, self.send(path, None).await?).await
    }

    /// Opens a stream of events.
    pub async fn stream(&self, path: &str, body: &Value) -> Result<Events, CliError> {
        let response = self.send(path, Some(body)).await?;
        Ok(Events { path: path.to_owned(), response, reader: SseReader::default() })
    }

    async fn send(&self, path: &str, body: Option<&Value>) -> Result<Response, CliError> {
        let url = format!("{}{path}", self.url);
        let request = match body {
            Some(body) => self.http.post(url).json(body),
            None => self.http.get(url),
        };
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        let response = request.send().await.map_err(|error| failed(path, error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let said = match response.json::<ErrorBody>().await {
            Ok(body) => format!("{}: {}", body.detail.code, body.detail.message),
            Err(error) => error.to_string(),
        };
        Err(failed(path, format_args!("{status}: {said}")))
    }
}

/// The events of one stream.
pub struct Events {
    path: String,
    response: Response,
    reader: SseReader,
}

impl Events {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<StreamEvent>, CliError> {
        loop {
            if let Some(data) = self.reader.next_data() {
                return serde_json::from_str(&data).map(Some).map_err(|error| failed(&self.path, error));
            }
            match self.response.chunk().await.map_err(|error| failed(&self.path, error))? {
                Some(bytes) => self.reader.push(&bytes),
                None => return Ok(None),
            }
        }
    }
}

async fn decode<T: DeserializeOwned>(path: &str, response: Response) -> Result<T, CliError> {
    response.json().await.map_err(|error| failed(path, error))
}

fn failed(path: &str, error: impl std::fmt::Display) -> CliError {
    CliError::failure(format!("{path}: {error}"))
}
