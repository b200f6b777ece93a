//! Whether a provider answers and takes its key, found out without a call that costs. Says nothing of the key.

use std::time::Duration;

use hyper::{
    StatusCode,
    header::{DATE, HeaderName, HeaderValue},
};

use crate::{Egress, ProviderConfig, provider::wire};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a provider answered when it was asked for its models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It takes the key. `date` is its clock, as in the reply's header.
    Ok {
        /// Its clock, as it says.
        date: Option<String>,
    },
    /// It does not take the key.
    Refused,
    /// It answered something else: an HTTP status. Not every endpoint lists its models.
    Other(u16),
    /// It did not answer: why.
    Unreachable(String),
}

/// Asks the provider for its models, with its first key where it has one.
pub async fn probe(egress: &Egress, provider: &ProviderConfig) -> Probe {
    let unreachable = |why: &str| Probe::Unreachable(why.to_owned());
    let target = match provider.target(egress) {
        Ok(target) => target,
        Err(error) => return unreachable(&error.to_string()),
    };
    let wire = wire(provider, &target);
    let Some(uri) = target.uri("/models") else { return unreachable("the base URL is no URL") };
    let mut call = egress.get(&target, uri, PATIENCE);
    for (name, value) in wire.headers() {
        call = call.header(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Some(key) = provider.keys.first() {
        let (name, prefix) = wire.key_header();
        let Ok(mut value) = HeaderValue::try_from(format!("{prefix}{}", key.expose())) else {
            return unreachable("the key holds characters that no header may have");
        };
        value.set_sensitive(true);
        call = call.header(name, value);
    }
    let reply = match call.send().await {
        Ok(reply) => reply,
        Err(error) => return unreachable(&error.to_string()),
    };
    match reply.status() {
        status if status.is_success() => {
            let date = reply.headers().get(DATE).and_then(|date| date.to_str().ok());
            Probe::Ok { date: date.map(str::to_owned) }
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Probe::Refused,
        status => Probe::Other(status.as_u16()),
    }
}
