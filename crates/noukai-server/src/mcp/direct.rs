//! Plain calls of tools, answered where they arrive.
//!
//! The protocol's library serves each request with tasks of its own, which wake other threads: more than most tools take.
//! A plain call, as all clients send it between their greeting and their end, needs none of them. Whatever is not one to
//! the letter goes to the library, which also words every refusal; both say the same to what both understand.

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, JsonObject, JsonRpcResponse, JsonRpcVersion2_0, NumberOrString,
    ProtocolVersion,
};
use serde::Deserialize;

use super::server::Noukai;
use crate::app::Caller;

/// The protocols in which a call is nothing but its name and its arguments.
const VERSIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_03_26, ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25];

const VERSION: &str = "mcp-protocol-version";

/// Anything more in it has a meaning that the library knows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainCall {
    jsonrpc: JsonRpcVersion2_0,
    id: NumberOrString,
    #[serde(rename = "method")]
    _method: CallMethod,
    params: Params,
}

#[derive(Deserialize)]
enum CallMethod {
    #[serde(rename = "tools/call")]
    Call,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    name: String,
    arguments: Option<JsonObject>,
}

/// Answers a plain call; anything else goes on to the library as it came.
pub(super) async fn answer(State((server, most)): State<(Noukai, usize)>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if !is_plain(&parts, most) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let Ok(bytes) = to_bytes(body, most).await else {
        return (StatusCode::BAD_REQUEST, "the body ended early").into_response();
    };
    match (parts.extensions.get::<Caller>(), serde_json::from_slice::<PlainCall>(&bytes)) {
        (Some(caller), Ok(call)) => called(&server, caller, call).await.into_response(),
        _ => next.run(Request::from_parts(parts, Body::from(bytes))).await,
    }
}

async fn called(server: &Noukai, caller: &Caller, call: PlainCall) -> Json<JsonRpcResponse<CallToolResult>> {
    let params = CallToolRequestParams::new(call.params.name);
    let params = match call.params.arguments {
        Some(arguments) => params.with_arguments(arguments),
        None => params,
    };
    let mut result = server.answer(caller, params).await;
    // These protocols have no such field.
    result.result_type = None;
    Json(JsonRpcResponse { jsonrpc: call.jsonrpc, id: call.id, result })
}

/// Whether the head is that of a plain call, from a program and not from a page, with a body of known size.
fn is_plain(parts: &Parts, most: usize) -> bool {
    let headers = &parts.headers;
    parts.method == Method::POST
        && headers.contains_key(header::HOST)
        && !headers.contains_key(header::ORIGIN)
        && text(headers, header::CONTENT_TYPE.as_str()) == Some("application/json")
        && text(headers, header::ACCEPT.as_str())
            .is_some_and(|accept| accept.contains("application/json") && accept.contains("text/event-stream"))
        && (!headers.contains_key(VERSION)
            || text(headers, VERSION).is_some_and(|asked| VERSIONS.iter().any(|known| known.as_str() == asked)))
        && !headers.contains_key("mcp-method")
        && text(headers, header::CONTENT_LENGTH.as_str())
            .and_then(|length| length.parse::<usize>().ok())
            .is_some_and(|length| length <= most)
}

/// A header that is there once.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(change: &[(&str, &str)]) -> Parts {
        let usual = [
            ("host", "localhost:8080"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("content-length", "100"),
            ("mcp-protocol-version", "2025-06-18"),
        ];
        let mut request = Request::post("/mcp").body(Body::empty()).unwrap();
        for (name, value) in usual.iter().chain(change) {
            let name = header::HeaderName::try_from(*name).unwrap();
            if value.is_empty() {
                request.headers_mut().remove(name);
            } else {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        request.into_parts().0
    }

    #[test]
    fn only_a_plain_head_is_answered_here() {
        for change in [("mcp-protocol-version", ""), ("mcp-protocol-version", "2025-11-25"), ("content-length", "1000")]
        {
            assert!(is_plain(&head(&[change]), 1_000), "{change:?}");
        }
        for change in [
            ("host", ""),
            ("origin", "http://localhost:1"),
            ("content-type", "application/json; charset=utf-8"),
            ("content-type", ""),
            ("accept", "application/json"),
            ("accept", ""),
            ("content-length", "1001"),
            ("content-length", ""),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-protocol-version", "1"),
            ("mcp-method", "tools/call"),
        ] {
            assert!(!is_plain(&head(&[change]), 1_000), "{change:?}");
        }
        let mut twice = head(&[]);
        twice.headers.append("mcp-protocol-version", "2026-07-28".parse().unwrap());
        assert!(!is_plain(&twice, 1_000));
        let mut get = head(&[]);
        get.method = Method::GET;
        assert!(!is_plain(&get, 1_000));
    }

    #[test]
    fn only_a_plain_call_is_answered_here() {
        let plain = |text: &str| serde_json::from_str::<PlainCall>(text).is_ok();
        assert!(plain(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"b":1}}}"#));
        assert!(plain(r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"a"}}"#));
        for other in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":[]}}"#,
            r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}]"#,
            "{",
        ] {
            assert!(!plain(other), "{other}");
        }
    }
}
