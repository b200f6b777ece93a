//! Whether a provider answers and takes its key, found out without a call that costs. Says nothing of the key.

use std::time::Duration;

use hyper::{
    StatusCode, Uri,
    header::{AUTHORIZATION, DATE, HeaderValue},
};

use crate::{Egress, Secret};

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

/// Asks `{base_url}/models`.
pub async fn probe(egress: &Egress, base_url: &str, key: &Secret) -> Probe {
    let unreachable = |why: &str| Probe::Unreachable(why.to_owned());
    let Ok(uri) = format!("{}/models", base_url.trim_end_matches('/')).parse::<Uri>() else {
        return unreachable("the base URL is no URL");
    };
    let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {}", key.expose())) else {
        return unreachable("the key holds characters that no header may have");
    };
    bearer.set_sensitive(true);
    let reply = match egress.get(uri, PATIENCE).header(AUTHORIZATION, bearer).send().await {
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
