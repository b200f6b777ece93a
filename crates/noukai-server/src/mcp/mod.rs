//! The MCP transport: the use cases as tools of an assistant, over Streamable HTTP, without sessions.
//!
//! Knows the protocol and the table of tools; what a tool does is one call into `app`, as with the HTTP handlers. It
//! stands behind the same guard as they do, which says who calls. `table` is the one list of tools: what is shown, what is
//! called and what the tests go through come from it.

mod describe;
mod direct;
mod server;
mod table;
mod tools;

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware::from_fn_with_state, routing::any_service};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};

pub use self::table::tool_names;
use crate::app::App;

/// Addresses below the API's; the guard knows them too.
const PATHS: [&str; 2] = ["/mcp", "/mcp/"];
/// Where pages may be from that call this server by a browser on the machine itself.
const OWN_ORIGINS: [&str; 6] = [
    "http://localhost:*",
    "http://127.0.0.1:*",
    "http://[::1]:*",
    "https://localhost:*",
    "https://127.0.0.1:*",
    "https://[::1]:*",
];
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The MCP server, to be put behind the guard.
pub(crate) fn routes(app: &App) -> Router<App> {
    let handler = server::Noukai::new(app.clone());
    let most = body_bytes(app);
    let plain = from_fn_with_state((handler.clone(), most), direct::answer);
    let config = config(app).with_max_request_body_bytes(most);
    let service =
        StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(NeverSessionManager::default()), config);
    PATHS.iter().fold(Router::new(), |router, path| router.route(path, any_service(service.clone()))).layer(plain)
}

fn body_bytes(app: &App) -> usize {
    usize::try_from(app.limits().body_bytes).unwrap_or(usize::MAX)
}

fn config(app: &App) -> StreamableHttpServerConfig {
    let public = app.public_url().map(with_port);
    StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_sse_keep_alive(Some(KEEP_ALIVE))
        .with_cancellation_token(app.closing().clone())
        // A page whose name was made to lead here is known by its origin. The `Host` is the operator's business: who has
        // no credential of this server gets nowhere under any name.
        .disable_allowed_hosts()
        .with_allowed_origins(OWN_ORIGINS.into_iter().map(str::to_owned).chain(public))
        .enforce_origin_validation()
}

/// An origin with its port, also where it is the usual one.
fn with_port(origin: &str) -> String {
    let (scheme, host) = origin.split_once("://").unwrap_or(("https", origin));
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    match (has_port, scheme) {
        (true, _) => origin.to_owned(),
        (false, "http") => format!("{origin}:80"),
        (false, _) => format!("{origin}:443"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_ports() {
        assert_eq!(with_port("https://noukai.test"), "https://noukai.test:443");
        assert_eq!(with_port("http://localhost"), "http://localhost:80");
        assert_eq!(with_port("https://noukai.test:8443"), "https://noukai.test:8443");
        assert_eq!(with_port("http://[::1]:8080"), "http://[::1]:8080");
    }
}
