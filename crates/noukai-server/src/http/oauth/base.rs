//! Where the caller reaches this server: as configured, or at the machine's own addresses. Never what a `Host` header
//! says beyond that, which anybody may write.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Uri, header::HOST, request::Parts, uri::Authority},
};
use noukai_api::ErrorCode;

use super::{MCP, PREFIX};
use crate::{
    app::{App, AppError, Resources},
    http::error::ApiError,
};

/// The address of the server, without a slash at its end.
#[derive(Debug, Clone)]
pub(in crate::http) struct Base(String);

impl Base {
    fn of(app: &App, headers: &HeaderMap, uri: &Uri) -> Option<Self> {
        if let Some(public) = app.public_url() {
            return Some(Self(public.to_owned()));
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host: Authority = host.or_else(|| uri.authority().map(Authority::as_str))?.parse().ok()?;
        is_loopback(&host).then(|| Self(format!("http://{host}")))
    }

    /// An address below the API.
    pub fn api(&self, path: &str) -> String {
        format!("{}{PREFIX}{path}", self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_tls(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// What can be granted.
    pub fn resources(&self) -> Resources {
        Resources { api: self.api(""), mcp: self.api(MCP) }
    }
}

/// Localhost, with at most a port. Names that only resolve to this machine are not: a page may have made them up.
fn is_loopback(host: &Authority) -> bool {
    let name = host.host();
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    !host.as_str().contains('@') && (name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback()))
}

impl FromRequestParts<App> for Base {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let unknown = "this server does not know its own address, so nobody can sign in by a browser; its operator sets \
                       `public_url`";
        let base = Self::of(app, &parts.headers, &parts.uri);
        Ok(base.ok_or_else(|| AppError::new(ErrorCode::NotFound, unknown))?)
    }
}

/// What a caller of the MCP server without a credential is told (RFC 9728): where to get one.
pub(in crate::http) fn challenge(app: &App, headers: &HeaderMap, uri: &Uri) -> Option<HeaderValue> {
    let base = Base::of(app, headers, uri)?;
    let metadata = format!("{}/.well-known/oauth-protected-resource{PREFIX}{MCP}", base.as_str());
    let text = format!(r#"Bearer error="invalid_token", scope="execute author", resource_metadata="{metadata}""#);
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machine_itself_is_believed() {
        let of = |host: &str| host.parse().is_ok_and(|host| is_loopback(&host));
        for good in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"] {
            assert!(of(good), "{good}");
        }
        for bad in ["evil.test", "localhost.evil.test", "10.0.0.1", "user@localhost", "0.0.0.0:80", "local", ""] {
            assert!(!of(bad), "{bad}");
        }
    }
}
